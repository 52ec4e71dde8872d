// A table without anything in it, made before the timer runs and removed by the transaction that loads the rules. Whoever
// removes it first decides: a command that was stopped just before its load, and goes on after the timer has fired, finds
// it gone, and the kernel refuses the whole transaction.
import type { Access } from '../../machine/access.ts';
import { failureText, run } from '../../machine/run.ts';
import { HostError } from '../../model/host-error.ts';
import { tokenTable } from '../journal.ts';
import type { Step } from '../loaded.ts';

const removal = `delete table ${tokenTable}\n`;

/** @throws HostError 'tool-failed' */
export async function makeToken(access: Access): Promise<void> {
  const input = `add table ${tokenTable}\n${removal}add table ${tokenTable}\n`;
  const ran = await run(access, 'nft', ['-f', '-'], { input });
  if (ran.code !== 0) throw new HostError('tool-failed', failureText(access, ['nft', '-f', '-'], ran));
}

/** True when it was there: the rules have not been loaded, and will not be. */
export async function removeToken(access: Access): Promise<boolean> {
  return (await run(access, 'nft', ['-f', '-'], { input: removal })).code === 0;
}

/** The same steps, for the one who still has the token. Its line is the last: those before keep their numbers. */
export function withToken(steps: readonly Step[]): readonly Step[] {
  const [first, ...others] = steps;
  if (first?.tool !== 'nft') return [{ tool: 'nft', text: removal }, ...steps];
  return [{ tool: 'nft', text: `${first.text}${removal}` }, ...others];
}
