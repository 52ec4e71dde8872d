// The way of an SSH connection through a host's managed bridges: from the next hop outside to where the host hears it.
import type { Host } from '../model/host.ts';
import type { Ip } from '../model/ip.ts';
import { containsIp } from '../model/ip-set.ts';
import type { Mac } from '../model/mac.ts';
import type { Ground, GroundPort } from '../model/rule-list.ts';

/** One SSH connection to this host, as the kernel knows it. */
export type SshSession = {
  readonly client: Ip;
  readonly clientPort: number;
  readonly server: Ip;
  readonly serverPort: number;
  /** The interface by which the host speaks with the client. */
  readonly dev: string;
  /** What `dev` lies upon, as a VLAN's device upon its bridge. */
  readonly lower?: string;
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
 * may be any way that could lead there, so there is one for each.
 */
export function waysOf(
  { dev, ports, nextHop }: SshSession,
  host: Host,
  ground: Ground,
): readonly (readonly BridgeHop[])[] {
  const managed = new Set(ground.bridges.map(({ name }) => name));
  const cable = host.bridges.flatMap((bridge) => bridge.ports).find(({ peer }) => peer === dev);
  if (managed.has(dev)) return outwards(dev, undefined, [], { ports, nextHop, host, ground });
  if (cable !== undefined && managed.has(cable.bridge)) {
    return outwards(cable.bridge, cable.name, [], { ports, nextHop, host, ground });
  }
  return [[]];
}

type Map = Pick<SshSession, 'ports' | 'nextHop'> & { readonly host: Host; readonly ground: Ground };

/** The guest whose address it is; else what leads outside; else it may be anybody. */
function likely(ports: readonly GroundPort[], nextHop: Ip): readonly GroundPort[] {
  const owners = ports.filter(({ own }) => own !== undefined && containsIp(own.ips, nextHop));
  if (owners.length > 0) return owners;
  const leading = ports.filter(({ kind }) => kind === 'uplink' || kind === 'link');
  return leading.length > 0 ? leading : ports;
}

function outwards(
  bridge: string,
  inner: string | undefined,
  behind: readonly BridgeHop[],
  map: Map,
): readonly (readonly BridgeHop[])[] {
  if (behind.some((hop) => hop.bridge === bridge)) return [];
  const known = map.ports[bridge];
  const own = map.ground.bridges.find(({ name }) => name === bridge)?.ports ?? [];
  const outers = known === undefined ? likely(own, map.nextHop).map(({ name }) => name) : [known];
  return outers
    .filter((outer) => outer !== inner)
    .flatMap((outer) => {
      const hops = [{ bridge, outer, ...(inner === undefined ? {} : { inner }) }, ...behind];
      const port = map.host.bridges.flatMap((one) => one.ports).find(({ name }) => name === outer);
      const next = map.host.bridges.find((one) => one.ports.some(({ name }) => name === port?.peer));
      return next === undefined ? [hops] : outwards(next.name, port?.peer, hops, map);
    });
}
