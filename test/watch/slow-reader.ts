// A second reader of log lines for tests: cuts a genuine line in pieces with regular expressions, one after the other, and
// knows nothing of cut or mangled ones. Slow, and easy to check against the formats of the kernel.
import { parseIp, printIp } from '../../src/model/ip.ts';
import type { LogEvent } from '../../src/model/log-event.ts';
import { arpWords, frameWords, packetWords } from './event-words.ts';

/** `field=value` by part of the line. */
export type Reading = Readonly<Record<'frame' | 'arp' | 'packet' | 'inner', Readonly<Record<string, string>>>>;

export function wordsOfEvent(event: LogEvent): Reading {
  const { arp, packet, inner } = event;
  return {
    frame: frameWords(event),
    arp: arp === undefined ? {} : arpWords(arp),
    packet: packet === undefined ? {} : packetWords(packet),
    inner: inner ? packetWords(inner) : {},
  };
}

const line =
  /^.*?IN=(?<iif>\S*) OUT=(?<oif>\S*) (?:PHYSIN=(?<physin>\S+) )?(?:PHYSOUT=(?<physout>\S+) )?(?<link>(?:MAC|VPROTO|VID)\S*=\S* )*(?<arp>ARP .*)?(?<ip>.*)$/;
/** The packet in an ICMP error stands in brackets, and so do numbers of bytes. */
const nested = /\[(SRC=.*?|TRUNCATED)\s*\](?: |$)/;

export function slowReading(text: string): Reading {
  const { iif = '', oif = '', physin, physout, link = '', arp, ip = '' } = line.exec(text)?.groups ?? {};
  const links = / OUT=\S* (?:PHYS\S+ )*((?:(?:MAC|VPROTO|VID)\S*=\S* )*)/.exec(text)?.[1] ?? link;
  const inner = nested.exec(ip)?.[1];
  const outer = ip.replace(nested, '');
  const [own, ...tail] = outer.split(/(?=\b(?:UID|GID|MARK)=)/);
  const frame: Record<string, string> = { iif, oif };
  if (physin !== undefined) frame.physin = physin;
  if (physout !== undefined) frame.physout = physout;
  Object.assign(frame, linkWords(links));
  for (const word of tail) {
    const [key = '', value = ''] = word.trim().split('=');
    frame[key.toLowerCase()] = String(Number(value));
  }
  return {
    frame,
    arp: arp === undefined ? {} : arpReading(arp),
    packet: own?.startsWith('SRC=') ? packetReading(own) : {},
    inner: inner === undefined ? {} : packetReading(inner),
  };
}

function linkWords(text: string): Record<string, string> {
  const pairs = Object.fromEntries(
    text
      .trim()
      .split(' ')
      .map((word) => word.split('=')),
  );
  if (pairs.MACSRC !== undefined) return { mac: `${pairs.MACSRC}>${pairs.MACDST},${pairs.MACPROTO}` };
  const octets = pairs.MAC ? pairs.MAC.split(':') : [];
  if (octets.length !== 14) return {};
  const part = (from: number, to: number, by: string): string => octets.slice(from, to).join(by);
  return { mac: `${part(6, 12, ':')}>${part(0, 6, ':')},${part(12, 14, '')}` };
}

function arpReading(text: string): Record<string, string> {
  const names = { HTYPE: 'hardware', PTYPE: 'protocol', OPCODE: 'operation', MACSRC: 'senderMac', IPSRC: 'senderIp' };
  const keys: Record<string, string> = { ...names, MACDST: 'targetMac', IPDST: 'targetIp' };
  const words: Record<string, string> = {};
  for (const [, key = '', value = ''] of text.matchAll(/(\w+)=(\S+)/g)) {
    words[keys[key] ?? key] = /^(0x)?[\da-f]+$/.test(value) ? String(Number(value)) : value;
  }
  const incomplete = /INCOMPLETE \[(\d+) bytes\]/.exec(text)?.[1];
  if (incomplete !== undefined) words.incomplete = incomplete;
  return words;
}

/** Keys in front of PROTO=, and behind it. */
const ipKeys: Readonly<Record<string, string>> = {
  LEN: 'len',
  TOS: 'tos',
  PREC: 'prec',
  TTL: 'ttl',
  ID: 'id',
  TC: 'tc',
  HOPLIMIT: 'hoplimit',
  FLOWLBL: 'flowlabel',
};
const upperKeys: Readonly<Record<string, string>> = {
  SPT: 'sport',
  DPT: 'dport',
  LEN: 'udpLen',
  SEQ: 'seq',
  ACK: 'ack',
  WINDOW: 'window',
  RES: 'res',
  URGP: 'urgp',
  TYPE: 'icmpType',
  CODE: 'icmpCode',
  PARAMETER: 'parameter',
  MTU: 'mtu',
  SPI: 'spi',
};
const protocols: Readonly<Record<string, number>> = {
  TCP: 6,
  UDP: 17,
  UDPLITE: 136,
  ICMP: 1,
  ICMPv6: 58,
  ESP: 50,
  AH: 51,
};
const flagWords = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR', 'AE'];

function packetReading(text: string): Record<string, string> {
  const [ip = '', upper] = text.split(/(?<= )(?=PROTO=)/);
  const words: Record<string, string> = {};
  ipReading(ip, words);
  if (upper !== undefined) upperReading(upper, words);
  const incomplete = /INCOMPLETE \[(\d+) bytes\]/.exec(text)?.[1];
  if (incomplete !== undefined) words.incomplete = incomplete;
  if (text.includes('TRUNCATED')) words.truncated = 'true';
  return words;
}

function ipReading(text: string, words: Record<string, string>): void {
  const [, src = '', dst = ''] = /SRC=(\S+) DST=(\S+)/.exec(text) ?? [];
  words.family = src.includes(':') ? '6' : '4';
  address(words, 'src', src);
  address(words, 'dst', dst);
  const heads = text.replaceAll(/OPT \( .*?\) ?/g, '');
  for (const [, key = '', value = ''] of heads.matchAll(/(\w+)=(\S+)/g)) {
    const field = ipKeys[key];
    if (field !== undefined) words[field] = String(Number(value));
  }
  for (const flag of ['CE', 'DF', 'MF']) if (new RegExp(` ${flag} `).test(text)) words[flag.toLowerCase()] = 'true';
  const options = /OPT \(([0-9A-F]+)\)/.exec(text)?.[1];
  if (options !== undefined) words.options = options;
  const extensions = [...text.matchAll(/OPT \( /g)].length;
  if (extensions > 0) words.extensions = String(extensions);
  const frag = /FRAG:(\d+) (INCOMPLETE )?/.exec(text);
  if (frag !== null) words.frag = frag[1] ?? '';
  if (frag?.[2] !== undefined) words.mf = 'true';
  const fragId = / ID:([0-9a-f]{8})/.exec(text)?.[1];
  if (fragId !== undefined) words.fragId = String(Number.parseInt(fragId, 16));
  const spi = / SPI=(0x[0-9a-f]+)/.exec(text)?.[1];
  if (spi !== undefined) words.spi = String(Number(spi));
}

function upperReading(text: string, words: Record<string, string>): void {
  const [, name = ''] = /PROTO=(\S+)/.exec(text) ?? [];
  words.protocol = String(protocols[name] ?? Number(name));
  const isIcmp = name.startsWith('ICMP');
  for (const [, key = '', value = ''] of text.matchAll(/(\w+)=(\S+)/g)) {
    if (isIcmp && key === 'ID') words.icmpId = value;
    else if (isIcmp && key === 'SEQ') words.icmpSeq = value;
    else if (key === 'GATEWAY') words.gateway = value;
    else if (key === 'POINTER') words.pointer = String(Number.parseInt(value, 16));
    else if (upperKeys[key] !== undefined) words[upperKeys[key]] = String(Number(value));
  }
  const options = /OPT \(([0-9A-F]+)\)/.exec(text)?.[1];
  if (options !== undefined) words.tcpOptions = options;
  if (name !== 'TCP' || words.sport === undefined) return;
  const set = flagWords.filter((flag) => new RegExp(` ${flag} `).test(text));
  const names = set.map((flag) => (flag === 'ECE' ? 'ecn' : flag.toLowerCase()));
  words.flags = names.length === 0 ? 'none' : names.join(',');
}

function address(words: Record<string, string>, field: 'src' | 'dst', text: string): void {
  const ip = parseIp(text);
  words[field] = ip === undefined ? 'null' : printIp(ip);
  if (ip === undefined) words[`${field}Text`] = text;
}
