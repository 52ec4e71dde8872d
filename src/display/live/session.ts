// How the outputs of a session are arranged now, as the commands that arrange them so again.
import type { Session } from '../guest-facts.ts';
import type { Command } from '../session-step.ts';
import type { Guest } from './guest.ts';

/** Of X by xrandr's own words, of which only those are taken that have their form; of Wayland nothing is kept. */
export async function readArrangement(guest: Guest, session: Session): Promise<readonly Command[]> {
  if (session.kind !== 'x11') return [];
  const environment = {
    ...(session.display === undefined ? {} : { DISPLAY: session.display }),
    ...(session.authority === undefined ? {} : { XAUTHORITY: session.authority }),
  };
  const { code, stdout } = await guest.run('xrandr', ['--query'], { environment });
  if (code !== 0) return [];
  const args = arrangementOf(stdout.toString('latin1'));
  return args.length === 0 ? [] : [{ program: 'xrandr', args, environment, user: session.user, mayFail: true }];
}

/** `Virtual-1 connected primary 1920x1080+0+0 (normal …`, and below it the mode with a star. */
export function arrangementOf(text: string): readonly string[] {
  const args: string[] = [];
  let output: { readonly name: string; readonly at: string } | undefined;
  for (const line of text.split('\n').slice(0, 2_000)) {
    const head = /^(Virtual-\d{1,3}) connected (?:primary )?\d{1,5}x\d{1,5}\+(\d{1,5})\+(\d{1,5}) /.exec(line);
    if (head !== null) output = { name: head[1] ?? '', at: `${head[2]}x${head[3]}` };
    else if (/^\S/.test(line)) output = undefined;
    const mode = /^ {3}([\w.-]{1,32}) .*\*/.exec(line)?.[1];
    if (output !== undefined && mode !== undefined)
      args.push('--output', output.name, '--mode', mode, '--pos', output.at);
  }
  return args;
}
