// What `conntrack -L -o extended,id` prints -> the connections that the kernel tracks. IPv4 only: there are no rules for
// IPv6, whose frames managed ports drop in every state.
import { type Ip, parseIp, printIp } from '../model/ip.ts';

/** One direction: addresses, and what else tells connections of this protocol apart. */
export type Tuple = {
  readonly source: Ip;
  readonly destination: Ip;
  /** TCP, UDP and what has ports like them. */
  readonly sport?: number;
  readonly dport?: number;
  /** ICMP; `id` too. */
  readonly type?: number;
  readonly code?: number;
  readonly id?: number;
  /** GRE. */
  readonly srckey?: number;
  readonly dstkey?: number;
};

/** `original` is the direction of the one who began it; `reply` differs from its reverse where addresses are translated. */
export type TrackedFlow = {
  readonly protocol: number;
  readonly original: Tuple;
  readonly reply: Tuple;
  readonly zone?: number;
  /** Who reads along, to know further connections that belong to it, as FTP's for data. */
  readonly helper?: string;
  /** The kernel's name for the entry, as long as it lives. */
  readonly entry: string;
};

/** Lines that are no IPv4 connections are left out. */
export function parseTracked(listing: string): readonly TrackedFlow[] {
  return listing.split('\n').flatMap((line) => parseLine(line) ?? []);
}

const numbers = ['sport', 'dport', 'type', 'code', 'id', 'srckey', 'dstkey'] as const;

const ofTuple: ReadonlySet<string> = new Set(['src', 'dst', ...numbers]);

function parseLine(line: string): TrackedFlow | undefined {
  const [family, , , protocol = '', ...words] = line.trim().split(/\s+/);
  if (family !== 'ipv4' || !/^\d+$/.test(protocol)) return undefined;
  const pairs = words.flatMap(pairOf);
  const [first, second, ...more] = pairs.flatMap(([name], index) => (name === 'src' ? [index] : []));
  if (first === undefined || second === undefined || more.length > 0) return undefined;
  const end = pairs.findIndex(([name], index) => index > second && !ofTuple.has(name));
  const original = parseTuple(pairs.slice(first, second));
  const reply = parseTuple(pairs.slice(second, end));
  const rest = new Map(end < 0 ? [] : pairs.slice(end));
  const [zone, helper, entry] = [rest.get('zone'), rest.get('helper'), rest.get('id')];
  if (original === undefined || reply === undefined || entry === undefined) return undefined;
  return {
    protocol: Number(protocol),
    original,
    reply,
    ...(zone === undefined ? {} : { zone: Number(zone) }),
    ...(helper === undefined ? {} : { helper }),
    entry,
  };
}

type Pair = readonly [name: string, value: string];

function pairOf(word: string): readonly Pair[] {
  const at = word.indexOf('=');
  return at < 0 ? [] : [[word.slice(0, at), word.slice(at + 1)]];
}

function parseTuple(pairs: readonly Pair[]): Tuple | undefined {
  const fields = new Map(pairs);
  const source = parseIp(fields.get('src') ?? '');
  const destination = parseIp(fields.get('dst') ?? '');
  if (source?.family !== 4 || destination?.family !== 4) return undefined;
  const known = numbers.flatMap((name) => {
    const value = fields.get(name);
    return value === undefined ? [] : [[name, Number(value)] as const];
  });
  return { source, destination, ...Object.fromEntries(known) };
}

/** The same connection has the same text, and no other one at the same time. */
export function flowKey({ protocol, zone = 0, original }: TrackedFlow): string {
  const { source, destination } = original;
  const rest = numbers.map((name) => original[name] ?? '').join(' ');
  return `${zone} ${protocol} ${printIp(source)} ${printIp(destination)} ${rest}`;
}

/** Its other end began it: what tracking believes that has seen an answer first. */
export function reversed(flow: TrackedFlow): TrackedFlow {
  return { ...flow, original: flow.reply, reply: flow.original };
}

export function isTranslated({ original, reply }: TrackedFlow): boolean {
  return (
    original.source.bits !== reply.destination.bits ||
    original.destination.bits !== reply.source.bits ||
    original.sport !== reply.dport ||
    original.dport !== reply.sport
  );
}
