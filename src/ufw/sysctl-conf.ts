// The text of /etc/ufw/sysctl.conf -> its settings, and the text with some of them commented out. Texts are latin1, so that
// every byte that is not changed stays as it is.
import { sysctlPath } from './startup-errors.ts';

export type Setting = {
  /** With `/` between its parts. */
  readonly key: string;
  /** From 0. */
  readonly index: number;
};

export function sysctlSettings(text: string): readonly Setting[] {
  return text.split('\n').flatMap((line, index) => {
    const name = /^[ \t]*-?([^\s#;=][^\s=]{0,254})[ \t]*=/.exec(line)?.[1];
    return name === undefined ? [] : [{ key: sysctlPath(name), index }];
  });
}

/** Lines that set one of `keys`, and no others, become comments. */
export function withoutSettings(text: string, keys: ReadonlySet<string>): string {
  const offending = new Set(sysctlSettings(text).flatMap(({ key, index }) => (keys.has(key) ? [index] : [])));
  return text
    .split('\n')
    .map((line, index) => (offending.has(index) ? `#${line}` : line))
    .join('\n');
}
