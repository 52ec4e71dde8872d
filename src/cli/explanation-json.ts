// An explanation as JSON, one line each, versioned: the facts, and the sentences that people read.
import type { Explanation } from '../explain/explanation.ts';
import { explanationText } from '../explain/sentences.ts';
import { type Ip, printIp } from '../model/ip.ts';
import type { LogEvent } from '../model/log-event.ts';
import { printMac } from '../model/mac.ts';
import { escapedJson } from './escaped.ts';

/** `version` changes when a reader of an older form could be misled. */
export function explanationJson(event: LogEvent, explanation: Explanation): string {
  const { outcome, findings, culprit, suspect } = explanation;
  const value = {
    version: 1,
    kind: 'explanation',
    line: event.raw,
    outcome,
    culprit: culprit ?? null,
    suspect: suspect ?? null,
    findings,
    text: explanationText(explanation),
  };
  return escapedJson(JSON.stringify(value, plainValue));
}

export function unexplainedJson(line: string): string {
  return escapedJson(JSON.stringify({ version: 1, kind: 'no-log-line', line }));
}

const macKeys = new Set(['mac', 'senderMac', 'frame', 'payload', 'source', 'destination', 'targetMac']);

/** Addresses and MACs as everybody writes them. */
export function plainValue(key: string, value: unknown): unknown {
  if (typeof value === 'number' && macKeys.has(key)) return printMac(value);
  if (typeof value !== 'object' || value === null || !('bits' in value)) return value;
  return printIp(value as Ip);
}
