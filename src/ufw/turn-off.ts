// Turns ufw off and looks whether it is off: what ufw says of it is not enough, since the way back is given up afterwards.
import type { Access } from '../machine/access.ts';
import { run } from '../machine/run.ts';
import type { Family } from '../model/ip.ts';
import { type Loaded, type LoadState, loadedRules, saveScript } from './read-machine.ts';

export type TurnedOff = { readonly off: true } | { readonly off: false; readonly why: string };

/** In one connection: what is left may let in no second one. */
const script = `PATH=$PATH:/usr/sbin:/sbin; ufw disable >&2; code=$?; ${saveScript}; exit $code`;

/** `before`: what was loaded when nothing had been done yet. What cannot be seen now and could be seen then counts as on. */
export async function turnOff(access: Access, before: Readonly<Record<Family, LoadState>>): Promise<TurnedOff> {
  const { code, stdout, said } = await run(access, 'sh', ['-c', script], { timeoutMs: 120_000 });
  if (code !== 0) return { off: false, why: said === '' ? `'ufw disable' ended with ${code}` : said };
  const loaded = loadedRules(stdout.toString('latin1'), said);
  const left = ([4, 6] as const).filter((family) => !isGone(loaded[family], before[family]));
  if (left.length === 0) return { off: true };
  return { off: false, why: `'ufw disable' left a filter in ${left.map((family) => `IPv${family}`).join(' and ')}` };
}

/** ufw leaves the built-in chains open, whoever had closed them. */
function isGone({ state, rules }: Loaded, before: LoadState): boolean {
  if (state.kind === 'unknown') return before.kind === 'unknown';
  return state.kind === 'absent' && rules.get('filter:INPUT')?.policy !== 'DROP';
}
