// Ports and what is behind them -> how a packet's port is found again where only its bridge and its source are known: guests by
// a map, border ports by a set of what is behind each. A map to verdicts is walked through by the kernel whenever a chain
// is new, and behind a cable are all guests of the other side.
import { exactly, type NumberRange } from '../model/field.ts';
import { type IpSet, intersectIps, isSingle, listIps, ofFamily, subtractIps } from '../model/ip-set.ts';
import { lookup } from '../model/match.ts';
import type { GroundPort } from '../model/rule-list.ts';
import { type Chain, jump, type KernelRule, type NamedSet, type VerdictMap } from '../model/ruleset.ts';
import { ip4Values } from './address-sets.ts';

export type Entrances = {
  readonly sets: readonly NamedSet[];
  readonly maps: readonly VerdictMap[];
  readonly chains: readonly Chain[];
};

/** @param ports at which connections may begin */
export function entrancesOf(ports: readonly GroundPort[], guestIps: IpSet): Entrances {
  const borders = ports.filter(({ own }) => own === undefined);
  const bridges = Map.groupBy(borders, ({ bridge }) => bridge);
  return {
    sets: borders.flatMap((port) => behindSets(port, guestIps)),
    // the first one stays when nobody may open a connection: the next guest that may is an element
    maps: [guestMap(ports), ...(borders.length === 0 ? [] : [borderMap([...bridges.keys()])])],
    chains: [...bridges].map(([bridge, some]) => ({
      name: borderChain(bridge),
      rules: some.flatMap((port) => borderRules(port, guestIps)),
    })),
  };
}

/** (bridge, source) -> the chain of the guest's port. */
function guestMap(ports: readonly GroundPort[]): VerdictMap {
  const elements = ports.flatMap(({ name, bridge, own }) =>
    listIps(ofFamily(own?.ips ?? [], 4)).map(({ bits }) => ({
      key: [bridge, exactly(bits)],
      verdict: { kind: 'jump', chain: allowChain(name) } as const,
    })),
  );
  return { name: 'enter', types: ['ifname', 'ipv4_addr'], interval: false, elements };
}

function borderMap(bridges: readonly string[]): VerdictMap {
  const elements = bridges.map((bridge) => ({
    key: [bridge],
    verdict: { kind: 'jump', chain: borderChain(bridge) } as const,
  }));
  return { name: 'enter_borders', types: ['ifname'], interval: false, elements };
}

function borderChain(bridge: string): string {
  return `enter_${bridge}`;
}

/**
 * By which of several ports a packet came in, nothing here can tell. Its addresses were proved there, so that each of
 * their chains accepts no more than the right one does; they are asked in turn.
 */
function borderRules(port: GroundPort, guestIps: IpSet): readonly KernelRule[] {
  return behindSets(port, guestIps).map(({ name }) => ({
    body: [lookup(name, 'ip saddr'), jump(allowChain(port.name))],
  }));
}

/** Guests one by one, so that one more is one element more; the set of single addresses is there without any. */
function behindSets({ name, behind }: GroundPort, guestIps: IpSet): readonly NamedSet[] {
  const guests = listIps(ofFamily(intersectIps(behind, guestIps), 4)).map(({ bits }) => exactly(bits));
  const others = subtractIps(behind, guestIps);
  const set = (of: string, interval: boolean, values: readonly NumberRange[]): NamedSet => ({
    name: of,
    types: ['ipv4_addr'],
    interval,
    elements: values.map((value) => [value]),
  });
  const ranges = ip4Values(others.filter((range) => !isSingle(range)));
  return [
    set(`from_${name}`, false, [...guests, ...ip4Values(others.filter(isSingle))]),
    ...(ranges.length === 0 ? [] : [set(`from_${name}_net`, true, ranges)]),
  ];
}

/** Where the connections stand that may begin at a port. */
export function allowChain(port: string): string {
  return `allow_${port}`;
}
