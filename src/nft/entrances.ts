// Ports and what is behind them -> maps that find a packet's port again where only its bridge and its source are known.
import { exactly, type NumberRange } from '../model/field.ts';
import { type IpSet, intersectIps, listIps, ofFamily, subtractIps } from '../model/ip-set.ts';
import type { GroundPort } from '../model/rule-list.ts';
import { type Chain, jump, type VerdictMap } from '../model/ruleset.ts';
import { shortDigest } from '../model/short-digest.ts';
import { ip4Values } from './address-sets.ts';

/** Addresses that may come into a bridge as source, and the ports by which they may: mostly one. */
export type Entrance = { readonly bridge: string; readonly ip: NumberRange; readonly ports: readonly string[] };

/** Guests one by one, so that one more is one element more. */
export function entrancesOf(ports: readonly GroundPort[], guestIps: IpSet): readonly Entrance[] {
  return [...Map.groupBy(ports, ({ bridge }) => bridge)].flatMap(([bridge, some]) => {
    const claims = some.flatMap(({ name: port, own, behind }) =>
      oneByOne(own?.ips ?? behind, guestIps).map((ip) => ({ ip, port })),
    );
    return disjoint(claims).map((piece) => ({ bridge, ...piece }));
  });
}

function oneByOne(ips: IpSet, guestIps: IpSet): readonly NumberRange[] {
  const guests = listIps(ofFamily(intersectIps(ips, guestIps), 4)).map(({ bits }) => exactly(bits));
  return [...guests, ...ip4Values(subtractIps(ips, guestIps))];
}

type Claim = { readonly ip: NumberRange; readonly port: string };

/** Maps take no ranges that overlap, as those behind several uplinks do: pieces, each with all of its ports. */
function disjoint(claims: readonly Claim[]): readonly Omit<Entrance, 'bridge'>[] {
  const begins = Map.groupBy(claims, ({ ip }) => ip.first);
  const ends = Map.groupBy(claims, ({ ip }) => ip.last + 1n);
  const cuts = [...new Set([...begins.keys(), ...ends.keys()])].toSorted((a, b) => (a < b ? -1 : 1));
  const open = new Set<string>();
  return cuts.flatMap((first, index) => {
    for (const { port } of ends.get(first) ?? []) open.delete(port);
    for (const { port } of begins.get(first) ?? []) open.add(port);
    const next = cuts[index + 1];
    return open.size === 0 || next === undefined ? [] : [{ ip: { first, last: next - 1n }, ports: [...open] }];
  });
}

/** (bridge, source) -> the chain of the port that the packet came in by. */
export function enterMaps(entrances: readonly Entrance[]): readonly VerdictMap[] {
  const chain = (ports: readonly string[]): string =>
    ports.length === 1 ? allowChain(ports[0] ?? '') : sharedChain(ports.join(' '));
  const map = (name: string, single: boolean): VerdictMap => ({
    name,
    types: ['ifname', 'ipv4_addr'],
    interval: !single,
    elements: entrances
      .filter(({ ip }) => (ip.first === ip.last) === single)
      .map(({ bridge, ip, ports }) => ({ key: [bridge, ip], verdict: { kind: 'jump', chain: chain(ports) } })),
  });
  // the first one stays when nobody may open a connection: the next guest that may is an element
  return [map('enter', true), map('enter_net', false)].filter(
    ({ name, elements }) => name === 'enter' || elements.length > 0,
  );
}

/**
 * By which of several ports a packet came in, nothing here can tell. Its addresses were proved there, so that each of
 * their chains accepts no more than the right one does; they are asked in turn.
 */
export function sharedChains(entrances: readonly Entrance[]): readonly Chain[] {
  const groups = new Set(entrances.filter(({ ports }) => ports.length > 1).map(({ ports }) => ports.join(' ')));
  return [...groups].map((ports) => ({
    name: sharedChain(ports),
    rules: ports.split(' ').map((port) => ({ body: [jump(allowChain(port))] })),
  }));
}

/** By what it is for, so that it keeps its name whoever comes and goes. */
function sharedChain(ports: string): string {
  return `enter_${shortDigest(ports)}`;
}

/** Where the connections stand that may begin at a port. */
export function allowChain(port: string): string {
  return `allow_${port}`;
}
