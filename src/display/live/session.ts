// How the outputs of a session are arranged now, as the commands that arrange them so again.
import { outputsOf, xrandrWords } from '../arrangement.ts';
import type { Session } from '../session-facts.ts';
import { type Command, sessionEnvironment } from '../session-step.ts';
import type { Guest } from './guest.ts';

/** Of X by xrandr's own words; of Wayland nothing is kept. */
export async function readArrangement(guest: Guest, session: Session): Promise<readonly Command[]> {
  if (session.kind !== 'x11') return [];
  const environment = sessionEnvironment(session);
  const { code, stdout } = await guest.run('xrandr', ['--current'], { environment });
  if (code !== 0) return [];
  const args = xrandrWords(outputsOf(stdout.toString('latin1').split('\n')));
  return args.length === 0 ? [] : [{ program: 'xrandr', args, environment, user: session.user, mayFail: true }];
}
