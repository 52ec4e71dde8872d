// What syslog daemons say when they lost messages -> a gap. Anyone may write such a line into an open file, so it is a
// remark about this file and no more.
import type { Lost } from './source.ts';

const words: readonly (readonly [pattern: RegExp, count: 'exact' | 'atLeast' | 'unknown'])[] = [
  [/Missed (\d{1,15}) kernel messages/, 'exact'],
  [/Forwarding to syslog missed (\d{1,15}) messages/, 'exact'],
  [/imuxsock(?:\[[^\]]*\])?:? lost (\d{1,15}) messages from pid/, 'exact'],
  [/imjournal: (?:.*, )?(\d{1,15}) messages lost/, 'exact'],
  [/rsyslogd.*?(\d{1,15}) messages? (?:were )?lost/, 'atLeast'],
  [/\/dev\/kmsg buffer overrun, some messages lost/, 'unknown'],
  [/imkmsg: .*overwritten/, 'unknown'],
];

export function lossOf(text: string): Lost | undefined {
  for (const [pattern, count] of words) {
    const match = pattern.exec(text);
    if (match === null) continue;
    const number = Number(match[1]);
    if (count === 'unknown' || Number.isNaN(number)) return 'unknown';
    return count === 'exact' ? { exact: number } : { atLeast: number };
  }
  return undefined;
}

/** Worth the patterns above. */
export function mayTellLoss(line: Buffer): boolean {
  return line.includes('lost') || line.includes('issed ') || line.includes('overwritten');
}
