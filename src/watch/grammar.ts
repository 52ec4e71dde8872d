// The grammar of netfilter log lines as data (net/netfilter/nf_log_syslog.c): which words may follow each other, and
// what stands in them. The order of a section is the order of the line; a word that is missing is skipped, and no
// word is ever looked for before the place that was reached.

/** What follows the key of a word. */
export const kinds = {
  number: 1,
  flag: 2,
  hex: 3,
  address: 4,
  protocol: 5,
  header: 6,
  name: 7,
  mac: 8,
  /** `(HEX) `, `(TRUNCATED)`, or `( ` before the words of an IPv6 extension header. */
  options: 9,
  block: 10,
  /** `INCOMPLETE [n bytes]`; bare it says that more fragments follow. */
  incomplete: 11,
  truncated: 12,
  fragment: 13,
  close: 14,
  tunnel: 15,
  arp: 16,
  unknownHeader: 17,
  fragmentId: 18,
  icmpCode: 19,
  /** Comes again in a second AH header of IPv6. */
  firstHex: 20,
} as const;

/** Every word that a line may have. One number in two roles (`ID=`, `LEN=`, `SEQ=`) is two words. */
export const words = {
  none: 0,
  physin: 1,
  physout: 2,
  mac: 3,
  tunnel: 4,
  macSource: 5,
  macDestination: 6,
  vlanType: 7,
  vlanId: 8,
  macType: 9,
  arp: 10,
  hardware: 11,
  protocolType: 12,
  operation: 13,
  arpIncomplete: 14,
  senderMac: 15,
  senderIp: 16,
  targetMac: 17,
  targetIp: 18,
  truncated: 19,
  src: 20,
  dst: 21,
  len: 22,
  tos: 23,
  prec: 24,
  ttl: 25,
  id: 26,
  /** pve-firewall's logger: before DF and MF, with `=`. */
  fragEquals: 27,
  ce: 28,
  df: 29,
  mf: 30,
  tc: 31,
  hoplimit: 32,
  flowlabel: 33,
  frag: 34,
  fragId: 35,
  options: 36,
  unknownHeader: 37,
  protocol: 38,
  incomplete: 39,
  sport: 40,
  dport: 41,
  seq: 42,
  ack: 43,
  window: 44,
  res: 45,
  flagAe: 46,
  flagCwr: 47,
  flagEce: 48,
  flagUrg: 49,
  flagAck: 50,
  flagPsh: 51,
  flagRst: 52,
  flagSyn: 53,
  flagFin: 54,
  urgp: 55,
  urgn: 56,
  tcpOptions: 57,
  udpLen: 58,
  icmpType: 59,
  icmpCode: 60,
  icmpId: 61,
  icmpSeq: 62,
  parameter: 63,
  pointer: 64,
  gateway: 65,
  block: 66,
  mtu: 67,
  spi: 68,
  ahHeader: 69,
  espHeader: 70,
  close: 71,
  uid: 72,
  gid: 73,
  mark: 74,
  /** pve-firewall's logger. */
  markDecimal: 75,
} as const;

export type Word = keyof typeof words;

export const wordCount = 76;

/** Longer keys do not exist. */
export const keyRoom = 16;

const byte = 255;
const short = 0xffff;
const long = 0xffff_ffff;

type Definition = readonly [key: string, kind: keyof typeof kinds, most?: number];

/** `most` is the largest number; of hex numbers the word length follows from it. */
const definitions: Readonly<Record<Exclude<Word, 'none'>, Definition>> = {
  physin: ['PHYSIN=', 'name'],
  physout: ['PHYSOUT=', 'name'],
  mac: ['MAC=', 'header'],
  tunnel: ['TUNNEL=', 'tunnel'],
  macSource: ['MACSRC=', 'mac'],
  macDestination: ['MACDST=', 'mac'],
  vlanType: ['VPROTO=', 'hex', short],
  // the kernel prints all of the tag: priority, a bit, and 12 bits of id
  vlanId: ['VID=', 'number', short],
  macType: ['MACPROTO=', 'hex', short],
  arp: ['ARP', 'arp'],
  hardware: ['HTYPE=', 'number', short],
  protocolType: ['PTYPE=', 'hex', short],
  operation: ['OPCODE=', 'number', short],
  arpIncomplete: ['INCOMPLETE', 'incomplete'],
  senderMac: ['MACSRC=', 'mac'],
  senderIp: ['IPSRC=', 'address'],
  targetMac: ['MACDST=', 'mac'],
  targetIp: ['IPDST=', 'address'],
  truncated: ['TRUNCATED', 'truncated'],
  src: ['SRC=', 'address'],
  dst: ['DST=', 'address'],
  // with BIG TCP a packet in the kernel can be longer than 64 KiB
  len: ['LEN=', 'number', 0xff_ffff],
  tos: ['TOS=', 'hex', byte],
  prec: ['PREC=', 'hex', byte],
  ttl: ['TTL=', 'number', byte],
  id: ['ID=', 'number', short],
  fragEquals: ['FRAG=', 'fragment', short],
  ce: ['CE', 'flag'],
  df: ['DF', 'flag'],
  mf: ['MF', 'flag'],
  tc: ['TC=', 'number', byte],
  hoplimit: ['HOPLIMIT=', 'number', byte],
  flowlabel: ['FLOWLBL=', 'number', 0xf_ffff],
  frag: ['FRAG:', 'fragment', short],
  fragId: ['ID:', 'fragmentId', long],
  options: ['OPT (', 'options'],
  unknownHeader: ['Unknown Ext Hdr ', 'unknownHeader', byte],
  protocol: ['PROTO=', 'protocol', byte],
  incomplete: ['INCOMPLETE', 'incomplete'],
  sport: ['SPT=', 'number', short],
  dport: ['DPT=', 'number', short],
  seq: ['SEQ=', 'number', long],
  ack: ['ACK=', 'number', long],
  window: ['WINDOW=', 'number', short],
  res: ['RES=', 'hex', byte],
  flagAe: ['AE', 'flag'],
  flagCwr: ['CWR', 'flag'],
  flagEce: ['ECE', 'flag'],
  flagUrg: ['URG', 'flag'],
  flagAck: ['ACK', 'flag'],
  flagPsh: ['PSH', 'flag'],
  flagRst: ['RST', 'flag'],
  flagSyn: ['SYN', 'flag'],
  flagFin: ['FIN', 'flag'],
  urgp: ['URGP=', 'number', short],
  urgn: ['URGn=', 'number', short],
  tcpOptions: ['OPT (', 'options'],
  udpLen: ['LEN=', 'number', short],
  icmpType: ['TYPE=', 'number', byte],
  icmpCode: ['CODE=', 'icmpCode', byte],
  icmpId: ['ID=', 'number', short],
  icmpSeq: ['SEQ=', 'number', short],
  parameter: ['PARAMETER=', 'number', byte],
  pointer: ['POINTER=', 'hex', long],
  gateway: ['GATEWAY=', 'address'],
  block: ['[', 'block'],
  mtu: ['MTU=', 'number', long],
  spi: ['SPI=', 'firstHex', long],
  ahHeader: ['AH', 'flag'],
  espHeader: ['ESP', 'flag'],
  close: [')', 'close'],
  uid: ['UID=', 'number', long],
  gid: ['GID=', 'number', long],
  mark: ['MARK=', 'hex', long],
  markDecimal: ['mark=', 'number', long],
};

/** Longer numbers are read the slow way. */
const mostShort = 0x7f_ffff;
/** The same, but no more than `mostShort`. */
export const shortOf = new Int32Array(wordCount);

/** The keys. A word that has no value ends in a blank, which the end of the line is too. */
export const keyBytes = new Uint8Array(wordCount * keyRoom);
export const keyLength = new Uint8Array(wordCount);
export const kindOf = new Uint8Array(wordCount);
export const mostOf = new Float64Array(wordCount);
/** Other spellings give the same value. */
export const slotOf = Uint8Array.from({ length: wordCount }, (_, word) => word);

/** The first four bytes of each key as one number, and which of them count. */
export const heads = new Int32Array(wordCount);
export const masks = new Int32Array(wordCount);

for (const [name, [text, kind, most = 0]] of Object.entries(definitions)) {
  const word = words[name as Word];
  const key = kind === 'flag' ? `${text} ` : text;
  for (let index = 0; index < key.length; index++) {
    keyBytes[word * keyRoom + index] = key.charCodeAt(index);
    if (index < 4) {
      heads[word] = (heads[word] as number) | (key.charCodeAt(index) << (24 - 8 * index));
      masks[word] = (masks[word] as number) | (255 << (24 - 8 * index));
    }
  }
  keyLength[word] = key.length;
  kindOf[word] = kinds[kind];
  mostOf[word] = most;
  shortOf[word] = Math.min(most, mostShort);
}
slotOf[words.fragEquals] = words.frag;
slotOf[words.urgn] = words.urgp;
slotOf[words.markDecimal] = words.mark;

/** What a line must have: in both families, or in one. The sum of a section's weights tells whether all were there. */
export const needs = { always: 1, ip4: 16, ip6: 256 } as const;

const needMarks: Readonly<Record<string, number>> = { '!': needs.always, '4': needs.ip4, '6': needs.ip6 };

/** A stretch of `order`: the words from `from` on, before `to`. */
export type Section = {
  readonly from: number;
  readonly to: number;
  /** The weights of everything that it must have in IPv4 and in IPv6. */
  readonly full4: number;
  readonly full6: number;
  /** The last word that it must have, or -1. */
  readonly lastNeed: number;
  /** The packet that an ICMP error tells about is in it. */
  readonly opensBlock: boolean;
};

const orderList: number[] = [];
const needList: number[] = [];

/** Names of words, each with its need in front. */
function section(text: string): Section {
  const from = orderList.length;
  for (const item of text.trim().split(/\s+/)) {
    const need = /^[!46]/.exec(item)?.[0] ?? '';
    const name = item.slice(need.length);
    if (name === '') continue;
    orderList.push(words[name as Word]);
    needList.push(needMarks[need] ?? 0);
  }
  const weight = (family: number) =>
    needList.slice(from).reduce((sum, need) => sum + (need === needs.always || need === family ? need : 0), 0);
  const lastNeed = needList.findLastIndex((need, index) => index >= from && need !== 0);
  const opensBlock = orderList.includes(words.block, from);
  return { from, to: orderList.length, full4: weight(needs.ip4), full6: weight(needs.ip6), lastNeed, opensBlock };
}

const ip = `!src !dst !len 4tos 4prec 4ttl 4id fragEquals ce df mf 6tc 6hoplimit 6flowlabel
  frag incomplete fragId options truncated unknownHeader protocol`;
const flags = 'flagAe flagCwr flagEce flagUrg flagAck flagPsh flagRst flagSyn flagFin';
const tcp = `incomplete !sport !dport seq ack !window res ${flags} urgp urgn tcpOptions`;
const tail = 'uid gid mark markDecimal';

/** What a layer's words depend on. The packet inside of an ICMP error has no tail and opens no error in its turn. */
export type LayerSections = {
  readonly tcp: Section;
  readonly udp: Section;
  readonly sctp: Section;
  readonly icmp: Section;
  readonly spi: Section;
  readonly echo: Section;
  readonly parameter: Section;
  readonly redirect: Section;
  readonly pointer: Section;
  readonly error: Section;
  readonly tooBig: Section;
  readonly rest: Section;
};

function layer(block: string, end: string): LayerSections {
  return {
    tcp: section(`${tcp} ${end}`),
    udp: section(`incomplete !sport !dport !udpLen ${end}`),
    sctp: section(`sport dport ${end}`),
    icmp: section('incomplete !icmpType !icmpCode'),
    spi: section(`incomplete spi ${end}`),
    echo: section(`incomplete !icmpId !icmpSeq ${end}`),
    parameter: section(`incomplete !parameter ${end}`),
    redirect: section(`incomplete !gateway ${block} ${end}`),
    pointer: section(`!pointer ${block} ${end}`),
    error: section(`incomplete ${block} ${end}`),
    tooBig: section(`incomplete ${block} !mtu ${end}`),
    rest: section(`incomplete ${end}`),
  };
}

export const sections = {
  nothing: section(''),
  line: section(`physin physout mac tunnel macSource macDestination vlanType vlanId macType arp truncated
    ${ip} ${tail}`),
  inner: section(ip),
  arp: section('!hardware !protocolType !operation arpIncomplete senderMac senderIp targetMac targetIp'),
  extension: section('frag incomplete fragId ahHeader espHeader spi incomplete unknownHeader close'),
  outer: layer('block', tail),
  nested: layer('', ''),
} as const;

/** The words of all sections, one behind the other. */
export const order = Uint8Array.from(orderList);
export const needOf = Uint16Array.from(needList);
/** By place in `order`: what the first four bytes of a word are compared with. */
export const headOf = Int32Array.from(orderList, (word) => heads[word] as number);
export const maskOf = Int32Array.from(orderList, (word) => masks[word] as number);

/** By place in `order`, in one number: the word, its key's length, its kind and its weight. */
export const infoOf = Int32Array.from(orderList, (word, index) => {
  const need = needList[index] as number;
  return word | ((keyLength[word] as number) << 8) | ((kindOf[word] as number) << 13) | (need << 18);
});

/** Where IPv6 extension headers begin again and again. */
export const extensionStart = {
  outer: order.indexOf(words.frag, sections.line.from),
  inner: order.indexOf(words.frag, sections.inner.from),
} as const;

/** Every way to write a protocol that the log opens or that other writers name. */
export const protocolNames: readonly (readonly [name: string, number: number])[] = [
  ['TCP', 6],
  ['UDP', 17],
  ['ICMP', 1],
  ['ICMPv6', 58],
  ['UDPLITE', 136],
  ['ESP', 50],
  ['AH', 51],
  ['SCTP', 132],
  ['IGMP', 2],
];
