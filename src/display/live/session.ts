// How the outputs of a session are arranged now, as the commands that arrange them so again; and a session's programs run.
import { HostError } from '../../model/host-error.ts';
import { outputsOf, xrandrWords } from '../arrangement.ts';
import type { Session } from '../session-facts.ts';
import { type Command, sessionEnvironment } from '../session-step.ts';
import { waylandUndo } from '../wayland-step.ts';
import type { Guest } from './guest.ts';

/** Of X by xrandr's own words, of a Wayland compositor by what it said; none where it said nothing. */
export async function readArrangement(guest: Guest, session: Session): Promise<readonly Command[]> {
  if (session.kind !== 'x11') return waylandUndo(session);
  const environment = sessionEnvironment(session);
  const { code, stdout } = await guest.run('xrandr', ['--current'], { environment });
  if (code !== 0) return [];
  const args = xrandrWords(outputsOf(stdout.toString('latin1').split('\n')));
  return args.length === 0 ? [] : [{ program: 'xrandr', args, environment, user: session.user, mayFail: true }];
}

/** A session's programs run as its user. @throws HostError 'session' */
export async function runInSession(guest: Guest, command: Command): Promise<void> {
  const { program, args, environment, user, mayFail } = command;
  const words = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const argv = user === 'root' ? [program, ...args] : ['runuser', '-u', user, '--', 'env', ...words, program, ...args];
  const ran = await guest.run(argv[0] ?? program, argv.slice(1), { environment });
  if (ran.code !== 0 && !mayFail)
    throw new HostError('session', `${program} in the guest: ${ran.said || `it ended with ${ran.code}`}`);
}
