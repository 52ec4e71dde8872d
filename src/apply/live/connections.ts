// The connections that the kernel tracks, by the tool of the Debian package conntrack: listed, and ended one by one.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Access } from '../../machine/access.ts';
import { failureText, type Ran, run } from '../../machine/run.ts';
import { cutFilters, exactFilter } from '../cut-filters.ts';
import { parseTracked, type TrackedFlow } from '../tracked-flow.ts';
import { writing } from './state.ts';

/** What kept them from being listed or ended, for people; else what was asked for. */
export type Answer<T> = { readonly value: T } | { readonly trouble: string };

const timeoutMs = 60_000;
const listing = ['-L', '-f', 'ipv4', '-o', 'extended,id'] as const;

/** @param only those that a helper expected, such as FTP's for data */
export async function trackedFlows(access: Access, only?: 'expected'): Promise<Answer<readonly TrackedFlow[]>> {
  const args = [...listing, ...(only === undefined ? [] : ['-u', 'EXPECTED'])];
  const ran = await run(access, 'conntrack', args, { timeoutMs });
  return ran.code === 0 ? { value: parseTracked(ran.stdout.toString('utf8')) } : { trouble: troubleOf(access, ran) };
}

/** By netlink, each by a look-up of its own; beside the timer's script there lies a copy. */
export const deleteProgram = fileURLToPath(new URL('./delete-flows.py', import.meta.url));

/** The tool goes through all that the kernel tracks for each of them, which takes some 10 ms. */
const fewFlows = 8;

/**
 * Ends these and no others. One that is gone by itself is no trouble.
 * @param others all that is tracked besides
 * @param file for a batch: the tool opens its standard input anew, which a socket does not allow
 */
export async function deleteFlows(
  access: Access,
  dying: readonly TrackedFlow[],
  others: readonly TrackedFlow[],
  file: string,
): Promise<Answer<undefined>> {
  if (dying.length > fewFlows) {
    writeBatch(file, dying.map(exactFilter));
    const { code } = await run(access, 'python3', [deleteProgram, file], { timeoutMs });
    if (code === 0) return { value: undefined };
  }
  const filters = cutFilters(dying, others);
  writeBatch(file, filters);
  const batch = await run(access, 'conntrack', ['-R', file], { timeoutMs });
  return batch.code === 0 ? { value: undefined } : deleteOneByOne(access, filters);
}

function writeBatch(file: string, filters: readonly (readonly string[])[]): void {
  const text = filters.map((words) => `-D ${words.join(' ')}\n`).join('');
  writing(file, () => writeFileSync(file, text, { mode: 0o640 }));
}

/** An older tool takes no batch. */
async function deleteOneByOne(access: Access, filters: readonly (readonly string[])[]): Promise<Answer<undefined>> {
  for (const words of filters) {
    const ran = await run(access, 'conntrack', ['-D', ...words], { timeoutMs });
    if (ran.code !== 0 && !/ 0 flow entries/.test(ran.said)) return { trouble: troubleOf(access, ran) };
  }
  return { value: undefined };
}

function troubleOf(access: Access, ran: Ran): string {
  if (ran.code === 127) return "'conntrack' is not installed (package conntrack)";
  return failureText(access, ['conntrack'], ran);
}
