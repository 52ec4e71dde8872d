// A LogEvent as words `field=value`, for golden files and for comparisons: every field that the line has, and no other.
import { type Ip, printIp } from '../../src/model/ip.ts';
import type { LogArp, LogEvent, LogMac, LogPacket } from '../../src/model/log-event.ts';
import { printMac } from '../../src/model/mac.ts';

export type Words = Readonly<Record<string, string>>;

/** In the order of the type. What is `null` comes as `null`, what is absent does not come. */
export function packetWords(packet: LogPacket): Words {
  const words: Record<string, string> = {};
  for (const [field, value] of Object.entries(packet)) {
    if (value === undefined || value === false || (field === 'extensions' && value === 0)) continue;
    words[field] = wordOf(value);
  }
  return words;
}

export function arpWords(arp: LogArp): Words {
  const words: Record<string, string> = {};
  for (const [field, value] of Object.entries(arp)) {
    if (value === undefined) continue;
    words[field] = field.endsWith('Mac') && value !== null ? printMac(value as number) : wordOf(value);
  }
  return words;
}

/** Everything but the packets, the text and what the prefix means. */
export function frameWords(event: LogEvent): Words {
  const { iif, oif, physin, physout, mac, macText, tunnel, uid, gid, mark } = event;
  const fields = { iif, oif, physin, physout, mac: mac && macWord(mac), macText, tunnel: tunnel && tunnelWord(tunnel) };
  const words: Record<string, string> = {};
  for (const [field, value] of Object.entries({ ...fields, uid, gid, mark })) {
    if (value !== undefined) words[field] = wordOf(value);
  }
  return words;
}

/** One line of text. Prefixes and names of interfaces stand in quotes, the packet of an ICMP error in brackets. */
export function eventText(event: LogEvent | undefined): string {
  if (event === undefined) return 'notLog';
  const { status, damaged, ambiguous, prefix, action, rule, packet, inner, arp } = event;
  const beginning = [status, ...(damaged.length > 0 ? [`damaged=${damaged.join(',')}`] : [])];
  if (ambiguous) beginning.push('ambiguous');
  beginning.push(`prefix='${shortened(prefix)}'`, action);
  if (rule !== undefined) beginning.push(`rule=${rule}`);
  beginning.push(joined(frameWords(event)));
  if (arp !== undefined) beginning.push(`arp: ${joined(arpWords(arp))}`);
  if (packet !== undefined) beginning.push(`packet: ${joined(packetWords(packet))}`);
  if (inner !== undefined) beginning.push(inner === null ? 'inner: null' : `[inner: ${joined(packetWords(inner))}]`);
  return beginning.join(' ');
}

/** Runs of one letter take much room. */
function shortened(prefix: string): string {
  return prefix.replace(/P{20,}/, (run) => `P{${run.length}}`);
}

function joined(words: Words): string {
  return Object.entries(words)
    .map(([field, value]) => (value === 'true' ? field : `${field}=${value}`))
    .join(' ');
}

function macWord({ source, destination, type, vlan }: LogMac): string {
  const tag = vlan === undefined ? '' : `,vlan:${vlan.type.toString(16)}:${vlan.id}`;
  return `${printMac(source)}>${printMac(destination)},${type.toString(16).padStart(4, '0')}${tag}`;
}

function tunnelWord({ from, to }: { readonly from: Ip; readonly to: Ip }): string {
  return `${printIp(from)}->${printIp(to)}`;
}

function wordOf(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(',');
  if (value !== null && typeof value === 'object') return printIp(value as Ip);
  return String(value);
}
