// Tracked connections in words: who, to whom, for what; those that differ in the client's own port only are one line.

import type { Host } from '../model/host.ts';
import { type Ip, printIp, sameIp } from '../model/ip.ts';
import { containsIp } from '../model/ip-set.ts';
import type { Policy } from '../model/policy.ts';
import { protocolNumbers } from '../model/service.ts';
import type { TrackedFlow } from './tracked-flow.ts';

export type FlowWords = {
  readonly source: string;
  readonly destination: string;
  readonly service: string;
  readonly connections: number;
};

/** Whose an address is; without a policy only the host has a name. */
export type FlowNames = { readonly policy?: Policy | undefined; readonly host: Host };

/** The most frequent first. */
export function flowWords(flows: readonly TrackedFlow[], { policy, host }: FlowNames): readonly FlowWords[] {
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

function named(ip: Ip, policy: FlowNames['policy'], { interfaces }: Host): string {
  const party = [...(policy?.guests ?? []), ...(policy?.outside ?? [])].find(({ addresses }) =>
    containsIp(addresses, ip),
  );
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
