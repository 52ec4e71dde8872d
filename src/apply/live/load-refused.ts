// What a tool refused, as a message that leads back to the policy.
import { HostError } from '../../model/host-error.ts';
import type { Refusal } from '../refusal.ts';

/** Nothing was changed. */
export class LoadRefused extends HostError {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    const { origin, rule, words, line, text } = refusal;
    const place = `${origin.file}:${origin.line}:${origin.column}`;
    const what = rule === undefined ? '' : ` (${rule.text})`;
    const where = line === undefined ? '' : `; line ${line} of the transaction is: ${text ?? ''}`;
    super('load-refused', `${place}: what was made of this${what} is refused: ${words}${where}; nothing was changed`);
    this.refusal = refusal;
  }
}
