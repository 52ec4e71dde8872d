// What the machine has heard of the machines behind its ports: forwarding table, neighbour table, the inside of network
// namespaces with names. Guests can say there what they like: it is for the eyes of an administrator, never for rules.
import type { Ip } from '../model/ip.ts';
import type { Mac } from '../model/mac.ts';
import { readAddress, readMac, valuesOf } from '../yaml/words.ts';
import type { IpFdbEntry, IpInside, IpLink, IpNamespace, IpNeighbour } from './ip-json.ts';

export type Hint = { readonly macs: readonly Mac[]; readonly heard: readonly Ip[]; readonly inside: readonly Ip[] };

/** By the names of ports. */
export type Hints = ReadonlyMap<string, Hint>;

export type HeardFacts = {
  readonly links: readonly IpLink[];
  readonly forwarding: readonly IpFdbEntry[];
  readonly neighbours: readonly IpNeighbour[];
  readonly namespaces: readonly IpNamespace[];
  /** By the names of the namespaces. */
  readonly insides: ReadonlyMap<string, readonly IpInside[]>;
};

/** A guest may say much: so many of each are shown. */
const most = 8;

export function hintsFrom(facts: HeardFacts): Hints {
  const ips = Map.groupBy(facts.neighbours, ({ lladdr = '' }) => lladdr);
  const ports = facts.links.filter(({ linkinfo }) => linkinfo?.info_slave_kind === 'bridge');
  const learned = Map.groupBy(facts.forwarding.filter(isLearned), ({ ifname }) => ifname);
  return new Map(ports.map((port) => [port.ifname, hintOf(port, learned.get(port.ifname) ?? [], ips, facts)]));
}

function isLearned({ state = '', flags = [] }: IpFdbEntry): boolean {
  return state !== 'permanent' && !flags.includes('self');
}

function hintOf(
  port: IpLink,
  learned: readonly IpFdbEntry[],
  ips: ReadonlyMap<string, readonly IpNeighbour[]>,
  facts: HeardFacts,
): Hint {
  const peer = insideOf(port, facts);
  const macs = [...new Set([...learned.map(({ mac }) => mac), ...(peer?.address === undefined ? [] : [peer.address])])];
  const heard = macs.flatMap((mac) => (ips.get(mac) ?? []).map(({ dst }) => dst));
  const inside = (peer?.addr_info ?? []).flatMap(({ local, scope }) => (scope === 'link' ? [] : (local ?? [])));
  return {
    macs: macs.slice(0, most).flatMap((mac) => valuesOf(readMac(mac))),
    heard: heard.slice(0, most).flatMap((text) => valuesOf(readAddress(text))),
    inside: inside.slice(0, most).flatMap((text) => valuesOf(readAddress(text))),
  };
}

function insideOf(port: IpLink, { namespaces, insides }: HeardFacts): IpInside | undefined {
  if (typeof port.link_netnsid !== 'number') return undefined;
  const names = namespaces.filter(({ id }) => id === port.link_netnsid).map(({ name }) => name);
  return names.flatMap((name) => insides.get(name) ?? []).find(({ ifindex }) => ifindex === port.link_index);
}
