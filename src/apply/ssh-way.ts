// The way of an SSH connection through a host's managed bridges: from the next hop outside to where the host hears it.
import type { Host } from '../model/host.ts';
import type { Ip } from '../model/ip.ts';
import type { Mac } from '../model/mac.ts';
import type { Ground } from '../model/rule-list.ts';

/** One SSH connection to this host, as the kernel knows it. */
export type SshSession = {
  readonly client: Ip;
  readonly clientPort: number;
  readonly server: Ip;
  readonly serverPort: number;
  /** The interface by which the host speaks with the client. */
  readonly dev: string;
  /** Who is asked for by ARP there: a router, or the client itself. */
  readonly nextHop: Ip;
  readonly nextHopMac?: Mac;
  /** Behind which port of each bridge that MAC is. */
  readonly ports: Readonly<Record<string, string>>;
  /** Whether it is open here and now; one that is not stands for those that may come from there. */
  readonly open: boolean;
  /** Whether connection tracking knows it; one that it does not know is no known flow for the rules. */
  readonly tracked: boolean;
};

/** Of one bridge: the port towards the client, and the one towards the host; without the latter the device hears it. */
export type BridgeHop = { readonly bridge: string; readonly outer: string; readonly inner?: string };

/**
 * From the client to the host; empty when no managed bridge lies on the way. Where the bridge has forgotten the MAC it
 * may be any way that leads outside, so there is one for each.
 */
export function waysOf({ dev, ports }: SshSession, host: Host, ground: Ground): readonly (readonly BridgeHop[])[] {
  const managed = new Set(ground.bridges.map(({ name }) => name));
  const cable = host.bridges.flatMap((bridge) => bridge.ports).find(({ peer }) => peer === dev);
  if (managed.has(dev)) return outwards(dev, undefined, [], { ports, host, ground });
  if (cable !== undefined && managed.has(cable.bridge)) {
    return outwards(cable.bridge, cable.name, [], { ports, host, ground });
  }
  return [[]];
}

type Map = { readonly ports: SshSession['ports']; readonly host: Host; readonly ground: Ground };

function outwards(
  bridge: string,
  inner: string | undefined,
  behind: readonly BridgeHop[],
  map: Map,
): readonly (readonly BridgeHop[])[] {
  if (behind.some((hop) => hop.bridge === bridge)) return [];
  const known = map.ports[bridge];
  const own = map.ground.bridges.find(({ name }) => name === bridge)?.ports ?? [];
  const towards = known === undefined ? own.filter(({ kind }) => kind === 'uplink' || kind === 'link') : [];
  const outers = known === undefined ? towards.map(({ name }) => name) : [known];
  return outers
    .filter((outer) => outer !== inner)
    .flatMap((outer) => {
      const hops = [{ bridge, outer, ...(inner === undefined ? {} : { inner }) }, ...behind];
      const port = map.host.bridges.flatMap((one) => one.ports).find(({ name }) => name === outer);
      const next = map.host.bridges.find((one) => one.ports.some(({ name }) => name === port?.peer));
      return next === undefined ? [hops] : outwards(next.name, port?.peer, hops, map);
    });
}
