// The values of a scanned line -> a LogEvent.
import type { Ip } from '../model/ip.ts';
import type { LogArp, LogEvent, LogMac, LogPacket, LogStatus, LogTcpFlag } from '../model/log-event.ts';
import type { Mac } from '../model/mac.ts';
import { damagedFields } from './damaged-fields.ts';
import { words as allWords } from './grammar.ts';
import { ip6At, type LineValues } from './line-values.ts';
import type { PrefixTable } from './prefixes.ts';
import type { Layer } from './scan-layer.ts';
import { type Texts, textOf } from './texts.ts';

// What is imported is looked up at every use; what is this module's own is a constant to the compiler.
const words = allWords;

type Read<T> = T | null | undefined;

/** Where the prefix ends, after a look at the rules that are loaded. */
type Beginning = {
  readonly prefix: string;
  readonly iif: string;
  readonly ambiguous: boolean;
  readonly known: boolean;
};

export function eventOf(scan: LineValues, bytes: Uint8Array, texts: Texts, table: PrefixTable): LogEvent {
  const { header, outer } = scan;
  const beginning = beginningOf(scan, bytes, texts, table);
  const meaning = table.meaning(beginning.prefix);
  const isMixed = scan.mixed && !beginning.known;
  if (isMixed) scan.forgetBody();
  const isPrefixDamaged = isMixed || scan.hasLongPrefix;
  const damaged = scan.damaged || isPrefixDamaged;
  const isCutOut = scan.cut && scan.trimmed && header.outTo === scan.end;
  return {
    status: statusOf(scan, damaged),
    damaged: damagedFields(scan, isPrefixDamaged, isCutOut),
    ambiguous: beginning.ambiguous,
    prefix: beginning.prefix,
    action: meaning.action,
    rule: meaning.rule,
    iif: beginning.iif,
    oif: isCutOut ? '' : texts.of(bytes, header.outFrom, header.outTo),
    physin:
      header.physinFrom >= 0
        ? texts.of(bytes, header.physinFrom, header.physinTo)
        : nameOf(scan, bytes, texts, words.physin),
    physout: nameOf(scan, bytes, texts, words.physout),
    mac: macOf(scan),
    macText: scan.octets > 0 && scan.octets !== 14 && scan.has(words.mac) ? spanOf(scan, bytes, words.mac) : undefined,
    tunnel: tunnelOf(scan),
    arp: scan.has(words.arp) ? arpOf(scan) : undefined,
    packet: outer.present ? packetOf(scan, bytes, outer) : undefined,
    inner: scan.inner.present ? packetOf(scan, bytes, scan.inner) : undefined,
    uid: readOf(scan, words.uid),
    gid: readOf(scan, words.gid),
    mark: readOf(scan, words.mark),
    raw: textOf(bytes, scan.start, scan.end),
  };
}

function statusOf({ cut, partial }: LineValues, damaged: boolean): LogStatus {
  if (damaged) return 'damaged';
  if (cut) return 'cut';
  return partial ? 'partial' : 'ok';
}

function beginningOf(scan: LineValues, bytes: Uint8Array, texts: Texts, table: PrefixTable): Beginning {
  const { header, start } = scan;
  const prefix = texts.of(bytes, start, header.prefixTo);
  const iif = texts.of(bytes, header.inFrom, header.inTo);
  // without OUT= a line that ends early may end in the prefix
  const isShort = !header.strong && scan.cut;
  if (!header.twice && !scan.repeated && !isShort) return { prefix, iif, ambiguous: false, known: false };
  const loaded = header.everyIn(bytes).filter((at) => table.isLoaded(textOf(bytes, start, at)));
  const [only] = loaded;
  if (only === undefined || loaded.length > 1) return { prefix, iif, ambiguous: true, known: false };
  return {
    prefix: textOf(bytes, start, only),
    iif: textOf(bytes, only + 3, header.inTo),
    ambiguous: false,
    known: true,
  };
}

function nameOf(scan: LineValues, bytes: Uint8Array, texts: Texts, word: number): string | undefined {
  return scan.has(word) ? texts.of(bytes, scan.from[word] as number, scan.to[word] as number) : undefined;
}

function spanOf(scan: LineValues, bytes: Uint8Array, slot: number): string {
  return textOf(bytes, scan.from[slot] as number, scan.to[slot] as number);
}

function readOf(scan: LineValues, slot: number): Read<number> {
  const seen = scan.seen[slot];
  if (seen === scan.line) return (scan.value[slot] as number) >>> 0;
  return seen === -scan.line ? null : undefined;
}

function readMac(scan: LineValues, slot: number): Read<Mac> {
  return scan.has(slot) ? (scan.macs[slot] as number) : readOf(scan, slot);
}

function readSpan(scan: LineValues, bytes: Uint8Array, slot: number): Read<string> {
  if (scan.has(slot)) return spanOf(scan, bytes, slot);
  return scan.isUnread(slot) ? null : undefined;
}

function macOf(scan: LineValues): Read<LogMac> {
  const { value, macs } = scan;
  const { mac, macSource, macDestination, macType, vlanType, vlanId } = words;
  if (scan.isUnread(mac)) return null;
  const isDecoded = scan.isSeen(macSource) || scan.isSeen(macDestination) || scan.isSeen(macType);
  if (!isDecoded && (scan.octets !== 14 || !scan.has(mac))) return undefined;
  if (isDecoded && !(scan.has(macSource) && scan.has(macDestination) && scan.has(macType))) return null;
  const isTagged = scan.isSeen(vlanType) || scan.isSeen(vlanId);
  if (isTagged && !(scan.has(vlanType) && scan.has(vlanId))) return null;
  if (isTagged) {
    const vlan = { type: value[vlanType] as number, id: (value[vlanId] as number) & 0xfff };
    return {
      source: macs[macSource] as number,
      destination: macs[macDestination] as number,
      type: value[macType] as number,
      vlan,
    };
  }
  return lastMacOr(macs[macSource] as number, macs[macDestination] as number, value[macType] as number);
}

/** Lines of one sender come one behind the other: the object of the last one is taken again. */
let lastMac: LogMac = { source: 0, destination: 0, type: 0, vlan: undefined };

function lastMacOr(source: Mac, destination: Mac, type: number): LogMac {
  const isLast = source === lastMac.source && destination === lastMac.destination && type === lastMac.type;
  if (!isLast) lastMac = { source, destination, type, vlan: undefined };
  return lastMac;
}

function tunnelOf(scan: LineValues): LogEvent['tunnel'] {
  if (scan.isUnread(words.tunnel)) return null;
  if (!scan.has(words.tunnel)) return undefined;
  return { from: ip4Of((scan.value[words.tunnel] as number) >>> 0), to: ip4Of(scan.tunnelTo) };
}

function arpOf(scan: LineValues): LogArp {
  return {
    hardware: readOf(scan, words.hardware),
    protocol: readOf(scan, words.protocolType),
    operation: readOf(scan, words.operation),
    senderMac: readMac(scan, words.senderMac),
    senderIp: readIp4(scan, words.senderIp),
    targetMac: readMac(scan, words.targetMac),
    targetIp: readIp4(scan, words.targetIp),
    incomplete: readOf(scan, words.arpIncomplete),
  };
}

// One number of 32 bits as a bigint, without the slow call of BigInt().
const half = new Uint32Array(2);
const whole = new BigUint64Array(half.buffer);

function ip4Of(bits: number): Ip {
  half[0] = bits;
  half[1] = 0;
  return { family: 4, bits: whole[0] as bigint };
}

/** Most lines of a log go to one address: it is not made anew for each of them. */
let lastTarget: Ip = ip4Of(0);
let lastTargetBits = 0;

function targetOf(bits: number): Ip {
  if (bits === lastTargetBits) return lastTarget;
  lastTarget = ip4Of(bits);
  lastTargetBits = bits;
  return lastTarget;
}

function ip6Of(words: Uint32Array, at: number): Ip {
  half[0] = words[at + 1] as number;
  half[1] = words[at] as number;
  const high = whole[0] as bigint;
  half[0] = words[at + 3] as number;
  half[1] = words[at + 2] as number;
  return { family: 6, bits: (high << 64n) | (whole[0] as bigint) };
}

function readIp4(scan: LineValues, slot: number): Read<Ip> {
  const bits = readOf(scan, slot);
  return bits === null || bits === undefined ? bits : ip4Of(bits);
}

function readSrc(scan: LineValues, layer: Layer): Read<Ip> {
  const slot = layer.base + words.src;
  if (layer.srcGone) return null;
  return layer.family === 6 && scan.has(slot) ? ip6Of(scan.ip6, ip6At(slot)) : readIp4(scan, slot);
}

function readDst(scan: LineValues, layer: Layer): Read<Ip> {
  const slot = layer.base + words.dst;
  if (layer.dstGone) return null;
  if (layer.family === 6 && scan.has(slot)) return ip6Of(scan.ip6, ip6At(slot));
  const bits = readOf(scan, slot);
  return bits === null || bits === undefined ? bits : targetOf(bits);
}

/** What the family or the protocol rules out is not looked for: this is called for every line. */
function packetOf(scan: LineValues, bytes: Uint8Array, layer: Layer): LogPacket {
  const { base } = layer;
  const protocol = readOf(scan, base + words.protocol);
  const isIp6 = layer.family === 6;
  const isTcp = protocol === 6;
  const isIcmp = protocol === 1 || protocol === 58;
  return {
    family: layer.family === 0 ? undefined : layer.family,
    src: readSrc(scan, layer),
    dst: readDst(scan, layer),
    srcText: layer.srcGone ? spanOf(scan, bytes, base + words.src) : undefined,
    dstText: layer.dstGone ? spanOf(scan, bytes, base + words.dst) : undefined,
    len: readOf(scan, base + words.len),
    tos: isIp6 ? undefined : readOf(scan, base + words.tos),
    prec: isIp6 ? undefined : readOf(scan, base + words.prec),
    ttl: isIp6 ? undefined : readOf(scan, base + words.ttl),
    id: isIp6 ? undefined : readOf(scan, base + words.id),
    ce: scan.has(base + words.ce),
    df: scan.has(base + words.df),
    mf: scan.has(base + words.mf),
    options: readSpan(scan, bytes, base + words.options),
    tc: isIp6 ? readOf(scan, base + words.tc) : undefined,
    hoplimit: isIp6 ? readOf(scan, base + words.hoplimit) : undefined,
    flowlabel: isIp6 ? readOf(scan, base + words.flowlabel) : undefined,
    extensions: layer.extensions,
    frag: readOf(scan, base + words.frag),
    fragId: isIp6 ? readOf(scan, base + words.fragId) : undefined,
    protocol,
    sport: isIcmp ? undefined : readOf(scan, base + words.sport),
    dport: isIcmp ? undefined : readOf(scan, base + words.dport),
    udpLen: isIcmp || isTcp ? undefined : readOf(scan, base + words.udpLen),
    seq: isTcp ? readOf(scan, base + words.seq) : undefined,
    ack: isTcp ? readOf(scan, base + words.ack) : undefined,
    window: isTcp ? readOf(scan, base + words.window) : undefined,
    res: isTcp ? readOf(scan, base + words.res) : undefined,
    flags: isTcp && hasFlags(scan, layer) ? flagsOf(layer.flags) : undefined,
    urgp: isTcp ? readOf(scan, base + words.urgp) : undefined,
    tcpOptions: isTcp ? readSpan(scan, bytes, base + words.tcpOptions) : undefined,
    icmpType: isIcmp ? readOf(scan, base + words.icmpType) : undefined,
    icmpCode: isIcmp ? readOf(scan, base + words.icmpCode) : undefined,
    icmpId: isIcmp ? readOf(scan, base + words.icmpId) : undefined,
    icmpSeq: isIcmp ? readOf(scan, base + words.icmpSeq) : undefined,
    parameter: isIcmp ? readOf(scan, base + words.parameter) : undefined,
    pointer: isIcmp ? readOf(scan, base + words.pointer) : undefined,
    gateway: isIcmp ? readIp4(scan, base + words.gateway) : undefined,
    mtu: isIcmp ? readOf(scan, base + words.mtu) : undefined,
    spi: readOf(scan, base + words.spi),
    incomplete: readOf(scan, base + words.incomplete),
    truncated: layer.truncated,
  };
}

/** Only where all of the header's flags were seen: no flags at all is a NULL scan. Some writers end the line with them. */
function hasFlags(scan: LineValues, { base, unsure }: Layer): boolean {
  if (unsure || !scan.has(base + words.sport)) return false;
  return scan.isSeen(base + words.urgp) || !(scan.cut || scan.isSeen(base + words.res));
}

/** From the lowest bit to the highest. */
const flagNames: readonly LogTcpFlag[] = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ecn', 'cwr', 'ae'];

const flagSets: (readonly LogTcpFlag[] | undefined)[] = new Array(512).fill(undefined);

function flagsOf(bits: number): readonly LogTcpFlag[] {
  const known = flagSets[bits];
  if (known !== undefined) return known;
  const flags = Object.freeze(flagNames.filter((_, bit) => (bits >> bit) & 1));
  flagSets[bits] = flags;
  return flags;
}
