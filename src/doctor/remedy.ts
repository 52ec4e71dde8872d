// What is said of a cause: why it is so, and a fix by its name or an advice.
import type { FixName } from './verdict.ts';

export type Remedy =
  | { readonly kind: 'fix'; readonly name: FixName }
  | { readonly kind: 'advice'; readonly text: string };

export type Explanation = { readonly because: string; readonly remedy?: Remedy };

export function fix(because: string, name: FixName): Explanation {
  return { because, remedy: { kind: 'fix', name } };
}

export function advice(because: string, text: string): Explanation {
  return { because, remedy: { kind: 'advice', text } };
}
