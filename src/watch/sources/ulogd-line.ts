// One line of ulogd2's JSON output -> the line that the kernel would have logged, and when. NFLOG hands packets over as
// they are; the text is built in the kernel's order so that everything behind us has one grammar to know.

export type UlogdLine = { readonly text: string; readonly wall?: number };

type Fields = Readonly<Record<string, unknown>>;

const protocols: Readonly<Record<number, string>> = {
  1: 'ICMP',
  6: 'TCP',
  17: 'UDP',
  50: 'ESP',
  51: 'AH',
  58: 'ICMPv6',
  136: 'UDPLITE',
};

/** `undefined` for what is no packet: connection tracking uses the same output. */
export function parseUlogdLine(line: string): UlogdLine | undefined {
  const fields = objectOf(line);
  if (fields === undefined || typeof fields['oob.prefix'] !== 'string') return undefined;
  const wall = wallOf(fields);
  return { text: textOf(fields), ...(wall !== undefined && { wall }) };
}

function objectOf(line: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Fields) : undefined;
  } catch {
    return undefined;
  }
}

/** The packet's own time; `timestamp` is written in local time and without a zone. */
function wallOf(fields: Fields): number | undefined {
  const seconds = numberOf(fields, 'oob.time.sec');
  if (seconds !== undefined) return seconds * 1000 + Math.floor((numberOf(fields, 'oob.time.usec') ?? 0) / 1000);
  const timestamp = Date.parse(String(fields.timestamp ?? ''));
  return Number.isNaN(timestamp) ? undefined : timestamp;
}

function textOf(fields: Fields): string {
  const words = [
    `IN=${word(fields, 'oob.in')}`,
    `OUT=${word(fields, 'oob.out')}`,
    ...given('PHYSIN', word(fields, 'oob.physin') || word(fields, 'oob.indev_phys')),
    ...given('PHYSOUT', word(fields, 'oob.physout') || word(fields, 'oob.outdev_phys')),
    ...given('MAC', word(fields, 'mac.str')),
    ...addressWords(fields),
    ...ownerWords(fields),
  ];
  return `${String(fields['oob.prefix'])}${words.join(' ')} `;
}

function addressWords(fields: Fields): readonly string[] {
  const source = word(fields, 'src_ip');
  const destination = word(fields, 'dest_ip');
  if (source === '' || destination === '') return [];
  const addresses = [`SRC=${source}`, `DST=${destination}`];
  return [...addresses, ...(numberOf(fields, 'ip6.hoplimit') === undefined ? ip4(fields) : ip6(fields))];
}

function ip4(fields: Fields): readonly string[] {
  const tos = numberOf(fields, 'ip.tos') ?? 0;
  const fragment = numberOf(fields, 'ip.fragoff') ?? 0;
  const offset = fragment & 0x1fff;
  return [
    `LEN=${numberOf(fields, 'ip.totlen') ?? 0}`,
    `TOS=0x${hex2(tos & 0x1e)}`,
    `PREC=0x${hex2(tos & 0xe0)}`,
    `TTL=${numberOf(fields, 'ip.ttl') ?? 0}`,
    `ID=${numberOf(fields, 'ip.id') ?? 0}`,
    ...((fragment & 0x8000) === 0 ? [] : ['CE']),
    ...((fragment & 0x4000) === 0 ? [] : ['DF']),
    ...((fragment & 0x2000) === 0 ? [] : ['MF']),
    ...(offset === 0 ? [] : [`FRAG:${offset}`]),
    ...transport(fields),
  ];
}

function ip6(fields: Fields): readonly string[] {
  return [
    `LEN=${(numberOf(fields, 'ip6.payloadlen') ?? 0) + 40}`,
    `TC=${numberOf(fields, 'ip6.priority') ?? 0}`,
    `HOPLIMIT=${numberOf(fields, 'ip6.hoplimit') ?? 0}`,
    `FLOWLBL=${numberOf(fields, 'ip6.flowlabel') ?? 0}`,
    ...transport(fields),
  ];
}

function transport(fields: Fields): readonly string[] {
  const number = numberOf(fields, 'ip.protocol') ?? numberOf(fields, 'ip6.nexthdr');
  if (number === undefined) return [];
  const name = `PROTO=${protocols[number] ?? number}`;
  if (number === 6) return [name, ...ports(fields), ...tcp(fields)];
  if (number === 17 || number === 136) return [name, ...ports(fields), ...numbered(fields, { LEN: 'udp.len' })];
  if (number === 1) return [name, ...icmp(fields, 'icmp')];
  return number === 58 ? [name, ...icmp(fields, 'icmpv6')] : [name];
}

function ports(fields: Fields): readonly string[] {
  return numbered(fields, { SPT: 'src_port', DPT: 'dest_port' });
}

const tcpFlags = ['urg', 'ack', 'psh', 'rst', 'syn', 'fin'] as const;

function tcp(fields: Fields): readonly string[] {
  if (numberOf(fields, 'src_port') === undefined) return []; // a later fragment
  return [
    ...numbered(fields, { SEQ: 'tcp.seq', ACK: 'tcp.ackseq', WINDOW: 'tcp.window' }),
    `RES=0x${hex2(numberOf(fields, 'tcp.reserved') ?? 0)}`,
    ...tcpFlags.filter((flag) => numberOf(fields, `tcp.${flag}`) === 1).map((flag) => flag.toUpperCase()),
    `URGP=${numberOf(fields, 'tcp.urgp') ?? 0}`,
  ];
}

function icmp(fields: Fields, name: 'icmp' | 'icmpv6'): readonly string[] {
  return numbered(fields, { TYPE: `${name}.type`, CODE: `${name}.code`, ID: `${name}.echoid`, SEQ: `${name}.echoseq` });
}

function ownerWords(fields: Fields): readonly string[] {
  const mark = numberOf(fields, 'oob.mark') ?? 0;
  return [
    ...numbered(fields, { UID: 'oob.uid', GID: 'oob.gid' }),
    ...(mark === 0 ? [] : [`MARK=0x${mark.toString(16)}`]),
  ];
}

function numbered(fields: Fields, keys: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(keys).flatMap(([key, name]) => {
    const value = numberOf(fields, name);
    return value === undefined ? [] : [`${key}=${value}`];
  });
}

function given(key: string, value: string): readonly string[] {
  return value === '' ? [] : [`${key}=${value}`];
}

/** Names and addresses hold no blanks; what does is not put into a line. */
function word(fields: Fields, name: string): string {
  const value = fields[name];
  return typeof value === 'string' && /^[^\s]{0,255}$/.test(value) ? value : '';
}

function numberOf(fields: Fields, name: string): number | undefined {
  const value = fields[name];
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function hex2(value: number): string {
  return value.toString(16).toUpperCase().padStart(2, '0');
}
