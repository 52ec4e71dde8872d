// PROTO=, and TYPE= and CODE= of ICMP -> which words may follow.
import { type LayerSections, mostOf, protocolNames, type Section, words } from './grammar.ts';
import { settle } from './scan-complete.ts';
import type { ScanState } from './scan-state.ts';
import { headAt } from './scan-values.ts';

const unread = -1;
/** As `headAt` gives them: nearly all lines are of these. */
const tcp = 0x5443_5020;
const udp = 0x5544_5020;

export function readProtocol(scan: ScanState, bytes: Uint8Array, _word: number, slot: number): void {
  const { cursor, layer } = scan;
  const wordEnd = scan.wordEndOrBlock(bytes, cursor.at);
  const named = protocolNumber(bytes, cursor.at, wordEnd);
  const number = named === unread ? cursor.decimal(bytes, 255) : named;
  if (named !== unread) cursor.at = wordEnd;
  settle(scan);
  if (number === unread) {
    scan.keep(bytes, slot, unread);
    scan.lose();
    return;
  }
  scan.place.enter(protocolSection(scan, named === unread ? 0 : number));
  if (layer === scan.layer) scan.keep(bytes, slot, number);
}

/** Only protocols that the log gives by name are opened; of a later fragment nothing is. */
function protocolSection(scan: ScanState, protocol: number): Section {
  const { base, sections: own } = scan.layer;
  const frag = words.frag + base;
  if (scan.has(frag) && scan.value[frag] !== 0) return own.rest;
  switch (protocol) {
    case 6:
      return own.tcp;
    case 17:
    case 136:
      return own.udp;
    case 1:
    case 58:
      return own.icmp;
    case 50:
    case 51:
      return own.spi;
    case 132:
      return own.sctp;
    default:
      return own.rest;
  }
}

/** By name, in either case, or `unread`. */
function protocolNumber(bytes: Uint8Array, from: number, to: number): number {
  const head = headAt(bytes, from, to);
  if (head === tcp) return 6;
  if (head === udp) return 17;
  for (let index = 0; index < protocolNames.length; index++) {
    const [name, number] = protocolNames[index] as (typeof protocolNames)[number];
    if (name.length === to - from && sameLetters(bytes, from, name)) return number;
  }
  return unread;
}

function sameLetters(bytes: Uint8Array, from: number, name: string): boolean {
  for (let index = 0; index < name.length; index++) {
    const byte = bytes[from + index] as number;
    const wanted = name.charCodeAt(index);
    if (byte !== wanted && (byte | 32) !== (wanted | 32)) return false;
  }
  return true;
}

/** Behind it other words follow for each type. */
export function readIcmpCode(scan: ScanState, bytes: Uint8Array, word: number, slot: number): void {
  const { cursor, layer } = scan;
  scan.keep(bytes, slot, cursor.decimal(bytes, mostOf[word] as number));
  if (scan.layer === layer) chooseIcmp(scan);
}

/** Which words follow TYPE and CODE (required_len and the switch of dump_ipv4_packet, dump_ipv6_packet). */
function chooseIcmp(scan: ScanState): void {
  const { layer } = scan;
  const type = words.icmpType + layer.base;
  settle(scan);
  if (!scan.has(type) || !scan.has(words.icmpCode + layer.base)) {
    scan.lose();
    return;
  }
  const isIp6 = scan.value[words.protocol + layer.base] === 58;
  const section = isIp6 ? icmp6Section(scan.value[type], layer.sections) : icmp4Section(scan, layer.sections);
  scan.place.enter(section);
}

function icmp4Section(scan: ScanState, own: LayerSections): Section {
  const { base } = scan.layer;
  switch (scan.value[words.icmpType + base]) {
    case 0:
    case 8:
      return own.echo;
    case 3:
      return scan.value[words.icmpCode + base] === 4 ? own.tooBig : own.error;
    case 4:
    case 11:
      return own.error;
    case 5:
      return own.redirect;
    case 12:
      return own.parameter;
    default:
      return own.rest;
  }
}

function icmp6Section(type: number | undefined, own: LayerSections): Section {
  switch (type) {
    case 128:
    case 129:
      return own.echo;
    case 1:
    case 3:
      return own.error;
    case 2:
      return own.tooBig;
    case 4:
      return own.pointer;
    default:
      return own.rest;
  }
}
