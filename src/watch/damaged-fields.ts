// The words of a line that could not be read -> the names of their fields.
import type { DamagedField } from '../model/log-event.ts';
import { type Word, wordCount, words } from './grammar.ts';
import type { LineValues } from './line-values.ts';

const none: readonly DamagedField[] = [];

/** Words whose fields have another name, or none of their own. */
const others: Partial<Record<Word, DamagedField>> = {
  macSource: 'mac',
  macDestination: 'mac',
  macType: 'mac',
  vlanType: 'mac',
  vlanId: 'mac',
  hardware: 'arp.hardware',
  protocolType: 'arp.protocol',
  operation: 'arp.operation',
  arpIncomplete: 'arp.incomplete',
  senderMac: 'arp.senderMac',
  senderIp: 'arp.senderIp',
  targetMac: 'arp.targetMac',
  targetIp: 'arp.targetIp',
  block: 'inner',
};

const names = Object.keys(words).map((word) => others[word as Word] ?? word) as readonly DamagedField[];

/** In the order of the line. */
export function damagedFields(scan: LineValues, isPrefixDamaged: boolean, isCutOut: boolean): readonly DamagedField[] {
  if (!scan.damaged && !scan.cut && !isPrefixDamaged) return none;
  const fields = new Set<DamagedField>();
  if (isPrefixDamaged) fields.add('prefix');
  if (isCutOut) fields.add('oif');
  for (let slot = 0; slot < 2 * wordCount; slot++) {
    if (!scan.isUnread(slot)) continue;
    const name = names[slot % wordCount] as DamagedField;
    fields.add(slot < wordCount ? name : (`[${name}]` as DamagedField));
  }
  return [...fields];
}
