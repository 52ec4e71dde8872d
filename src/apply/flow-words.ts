// Tracked connections in words: who, to whom, for what; those that differ in the client's own port only are one line.
import { type Ip, printIp, sameIp } from '../model/ip.ts';
import { containsIp } from '../model/ip-set.ts';
import { protocolNumbers } from '../model/service.ts';
import type { Target } from './target.ts';
import type { TrackedFlow } from './tracked-flow.ts';

export type FlowWords = {
  readonly source: string;
  readonly destination: string;
  readonly service: string;
  readonly connections: number;
};

/** The most frequent first. */
export function flowWords(
  flows: readonly TrackedFlow[],
  { policy, host }: Pick<Target, 'policy' | 'host'>,
): readonly FlowWords[] {
  const known = new Map<bigint, string>();
  const nameOf = (ip: Ip): string => {
    const name = known.get(ip.bits) ?? named(ip, policy, host);
    known.set(ip.bits, name);
    return name;
  };
  const words = flows.map((flow) => ({
    source: nameOf(flow.original.source),
    destination: nameOf(flow.original.destination),
    service: serviceOf(flow),
  }));
  const groups = Map.groupBy(words, ({ source, destination, service }) => `${source} ${destination} ${service}`);
  return [...groups.values()]
    .flatMap(([first, ...others]) => (first === undefined ? [] : [{ ...first, connections: others.length + 1 }]))
    .toSorted((a, b) => b.connections - a.connections);
}

function named(ip: Ip, { guests, outside }: Target['policy'], { interfaces }: Target['host']): string {
  const party = [...guests, ...outside].find(({ addresses }) => containsIp(addresses, ip));
  const own = interfaces.some(({ addresses }) => addresses.some((address) => sameIp(address, ip)));
  const name = party?.name ?? (own ? 'host' : undefined);
  return name === undefined ? printIp(ip) : `${name} ${printIp(ip)}`;
}

function serviceOf({ protocol, original: { dport, type, code } }: TrackedFlow): string {
  const [name] = Object.entries(protocolNumbers).find(([, number]) => number === protocol) ?? [];
  if (name === 'icmp') return type === 8 ? 'ping' : `icmp ${type}/${code}`;
  const port = dport === undefined ? '' : ` ${dport}`;
  return name === undefined ? `protocol ${protocol}${port}` : `${name}${port}`;
}
