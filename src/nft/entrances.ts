// Ports and what is behind them -> how a packet's port is found again where only its bridge and its source are known: guests by
// a map, border ports by a set of what is behind each. A map to verdicts is walked through by the kernel whenever a chain
// is new, and behind a cable are all guests of the other side.
import { exactly } from '../model/field.ts';
import { type IpSet, listIps, ofFamily } from '../model/ip-set.ts';
import { lookup } from '../model/match.ts';
import type { GroundPort } from '../model/rule-list.ts';
import { type Chain, jump, type KernelRule, type NamedSet, type VerdictMap } from '../model/ruleset.ts';
import { addressSets, portSet } from './set-parts.ts';

export type Entrances = {
  readonly sets: readonly NamedSet[];
  readonly maps: readonly VerdictMap[];
  readonly chains: readonly Chain[];
};

/** @param ports at which connections may begin */
export function entrancesOf(ports: readonly GroundPort[], guestIps: IpSet): Entrances {
  const borders = ports.filter(({ own }) => own === undefined);
  const bridges = Map.groupBy(borders, ({ bridge }) => bridge);
  const from = new Map(
    borders.map((port) => [port, addressSets(portSet('from', port.name), port.behind, guestIps)] as const),
  );
  return {
    sets: [...from.values()].flat(),
    // the first one stays when nobody may open a connection: the next guest that may is an element
    maps: [guestMap(ports), ...(borders.length === 0 ? [] : [borderMap([...bridges.keys()])])],
    chains: [...bridges].map(([bridge, some]) => ({
      name: borderChain(bridge),
      rules: some.flatMap((port) => borderRules(port, from.get(port) ?? [])),
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
function borderRules({ name: port }: GroundPort, from: readonly NamedSet[]): readonly KernelRule[] {
  return from.map(({ name }) => ({ body: [lookup(name, 'ip saddr'), jump(allowChain(port))] }));
}

/** Where the connections stand that may begin at a port. */
export function allowChain(port: string): string {
  return `allow_${port}`;
}
