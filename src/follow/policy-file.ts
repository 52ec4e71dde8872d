// The policy's file, looked at again and again: is it what is in force? It is never loaded from here: a policy that changed
// is for `apply`, which shows what it would do and takes it back unless somebody confirms it.
import { readFileSync, statSync } from 'node:fs';
import { digest } from '../apply/live/digest.ts';
import { hasErrors, inTextOrder, printDiagnostic } from '../model/diagnostic.ts';
import { parsePolicy } from '../policy/parse-policy.ts';
import type { Aside } from './aside.ts';
import type { Applied } from './aside-work.ts';

/** More than any policy needs (yaml/parse-tree.ts refuses less). */
const mostBytes = 16 * 1024 * 1024;

/** The one that is in force. */
export type InForce = Pick<Applied, 'id' | 'policyDigest' | 'isReadable'>;

export class PolicyFile {
  readonly #path: string;
  readonly #aside: Aside;
  #mark = '';
  #words: readonly string[] = [];

  constructor(path: string, aside: Aside) {
    this.#path = path;
    this.#aside = aside;
  }

  /** The next look reads the file, whatever its time says. */
  forget(): void {
    this.#mark = '';
  }

  /** What is to be said of it beside what is in force; nothing when it is the same. */
  async words({ id, policyDigest, isReadable }: InForce): Promise<readonly string[]> {
    const mark = `${id} ${policyDigest} ${fileMark(this.#path)}`;
    if (mark !== this.#mark) {
      this.#words = await this.#aside('policyFile', { path: this.#path, current: { id, policyDigest, isReadable } });
      this.#mark = mark;
    }
    return this.#words;
  }
}

export function wordsOfPolicyFile({ path, current }: { readonly path: string; readonly current: InForce }) {
  let text: string;
  try {
    if ((statSync(path).size ?? 0) > mostBytes) throw new Error('it is too large');
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
  } catch (cause) {
    return [`${path} cannot be read (${(cause as Error).message}): the policy that was applied stays in force`];
  }
  if (digest(text) === current.policyDigest) return [];
  const { value, diagnostics } = parsePolicy(text, path);
  const faults = inTextOrder(diagnostics).filter((one) => hasErrors([one]));
  const kept = 'the policy that was applied stays in force';
  if (value === undefined) return [`${path} has faults: ${kept}`, ...faults.map(printDiagnostic)];
  const same = current.isReadable ? `; ${kept}` : '';
  return [`${path} differs from what is applied: run \`bridgekeeper apply\`${same}`, ...faults.map(printDiagnostic)];
}

/** Editors write a new file or the same one: one of these differs. */
function fileMark(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stat === undefined ? 'none' : `${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;
}
