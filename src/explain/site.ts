// Policy, host and rule list as one thing to ask: who is behind a port, whose is an address, which rule has a number.
import { type Bindings, bindGuests, type PortRole } from '../compile/ground.ts';
import { knownNames, type Names, sideIps } from '../compile/sides.ts';
import type { Span } from '../model/diagnostic.ts';
import { allPorts, type Host } from '../model/host.ts';
import type { Ip } from '../model/ip.ts';
import { containsIp, type IpSet, singleIps } from '../model/ip-set.ts';
import type { Mac } from '../model/mac.ts';
import type { Permission, Policy } from '../model/policy.ts';
import type { Entry, GroundPort, RuleList } from '../model/rule-list.ts';
import type { Door, DoorRole, Endpoint, Party } from './explanation.ts';
import { type AddressOwners, addressOwners, type MacOwners, macOwners } from './owners.ts';

/** What the facts say of an interface name. */
export type Place = {
  readonly door: Door;
  /** Of ports of managed bridges. */
  readonly ground?: GroundPort;
  /** Linked bridges have one number: a frame can go from one to the other. */
  readonly segment?: number;
};

/** The ways out of a segment. */
export type Exit = { readonly host: Party | undefined; readonly uplink: boolean };

/** The text of a line of the policy or the host file, where there is one. */
export type LineText = (span: Span) => string | undefined;

/** A line of the policy with the addresses of its sides. */
export type SitePermission = { readonly permission: Permission; readonly from: IpSet; readonly to: IpSet };

const noBindings: Bindings = { guests: [], roles: new Map(), segments: [] };

export class Site {
  readonly hostName: string;
  readonly lineText: LineText;
  readonly #policy: Policy;
  readonly #names: Names;
  readonly #hostIps: IpSet;
  #lines: readonly SitePermission[] | undefined;
  readonly #entries: ReadonlyMap<number, Entry>;
  readonly #places: ReadonlyMap<string, Place>;
  readonly #addresses: AddressOwners;
  readonly #macs: MacOwners;
  readonly #guestMacs: ReadonlyMap<string, Mac>;
  readonly #ips: ReadonlyMap<string, IpSet>;
  readonly #segments: ReadonlyMap<string, number>;
  readonly #exits: readonly Exit[];

  constructor(policy: Policy, host: Host, list: RuleList, lineText: LineText = () => undefined) {
    const bindings = bindGuests(policy, host).value ?? noBindings;
    this.hostName = host.name;
    this.#policy = policy;
    this.#names = knownNames(policy, host, bindings.guests);
    this.#hostIps = singleIps(host.interfaces.flatMap(({ addresses }) => addresses));
    this.lineText = lineText;
    this.#entries = new Map(
      list.entries.flatMap((entry) => (entry.number === undefined ? [] : [[entry.number, entry]])),
    );
    this.#segments = segmentNumbers(host, bindings);
    this.#places = placesOf(host, list, bindings, this.#segments);
    this.#addresses = addressOwners(policy, host, bindings.guests);
    this.#macs = macOwners(host, bindings.guests);
    this.#guestMacs = new Map(bindings.guests.flatMap(({ name, mac }) => (mac === undefined ? [] : [[name, mac]])));
    this.#ips = new Map([
      ...bindings.guests.map(({ name, ips }): [string, IpSet] => [`guest ${name}`, ips]),
      ...host.interfaces.map(({ name, addresses }): [string, IpSet] => [`host ${name}`, singleIps(addresses)]),
    ]);
    this.#exits = bindings.segments.map((_, segment) =>
      exitOf(segment, host, [...this.#places.values()], this.#segments),
    );
  }

  /** Worked out when the first line asks: a policy may be long. */
  get permissions(): readonly SitePermission[] {
    this.#lines ??= this.#policy.allow.map((permission) => ({
      permission,
      from: sideIps(this.#names.side(permission.from), this.#hostIps),
      to: sideIps(this.#names.side(permission.to), this.#hostIps),
    }));
    return this.#lines;
  }

  entry(number: number): Entry | undefined {
    return this.#entries.get(number);
  }

  place(name: string): Place {
    return this.#places.get(name) ?? { door: { name, role: name === '' ? 'itself' : 'unknown' } };
  }

  endpoint(ip: Ip): Endpoint {
    return { ip, party: this.#addresses.find(ip) };
  }

  /** Whose card it is by the facts. */
  ownerOf(mac: Mac): Party | undefined {
    return this.#macs.find(mac);
  }

  knowsMac(mac: Mac): boolean {
    return this.#macs.has(mac);
  }

  /** The facts need not know a guest's MAC, and those of the host's veth ends change. */
  macOf(party: Party): Mac | undefined {
    return party.kind === 'guest' ? this.#guestMacs.get(party.name) : undefined;
  }

  exit(segment: number): Exit {
    return this.#exits[segment] ?? { host: undefined, uplink: false };
  }

  /** Does this machine take part in the segment itself, under this address? */
  isIn(party: Party, segment: number): boolean {
    switch (party.kind) {
      case 'guest':
        return this.#segments.get(party.bridge) === segment;
      case 'host':
        return this.#segments.get(party.ifname) === segment;
      default:
        return false;
    }
  }

  isBehind({ behind }: GroundPort, party: Party): boolean {
    const ips = party.kind === 'outside' ? [] : (this.#ips.get(nameOf(party)) ?? []);
    return ips.some(({ family, first }) => containsIp(behind, { family, bits: first }));
  }
}

function nameOf(party: Exclude<Party, { readonly kind: 'outside' }>): string {
  return party.kind === 'guest' ? `guest ${party.name}` : `host ${party.ifname}`;
}

/** Of bridges, and of the host's interfaces that attach to them. */
function segmentNumbers(host: Host, { segments, roles }: Bindings): ReadonlyMap<string, number> {
  const bridges = new Map(segments.flatMap(({ bridges: some }, index) => some.map((name) => [name, index] as const)));
  const attached = allPorts(host).flatMap(({ name, bridge }) => {
    const role = roles.get(name);
    const segment = bridges.get(bridge);
    return role?.kind === 'host' && segment !== undefined ? [[role.attachment.name, segment] as const] : [];
  });
  return new Map([...bridges, ...attached]);
}

function placesOf(
  host: Host,
  { ground }: RuleList,
  { roles }: Bindings,
  segments: ReadonlyMap<string, number>,
): ReadonlyMap<string, Place> {
  const managed = new Map(ground.bridges.flatMap(({ ports }) => ports).map((port) => [port.name, port]));
  const segmentOf = (name: string): Pick<Place, 'segment'> => {
    const segment = segments.get(name);
    return segment === undefined ? {} : { segment };
  };
  const ports = allPorts(host).map(({ name, bridge }): [string, Place] => {
    const port = managed.get(name);
    if (port === undefined) return [name, { door: { name, bridge, role: 'foreign' } }];
    return [name, { door: portDoor(port, roles.get(name)), ground: port, ...segmentOf(bridge) }];
  });
  const own = [...host.bridges, ...host.interfaces].map(({ name }): [string, Place] => [
    name,
    { door: { name, role: 'interface', party: { kind: 'host', ifname: name } }, ...segmentOf(name) },
  ]);
  return new Map([...own, ...ports]);
}

function portDoor({ name, bridge, kind }: GroundPort, role: PortRole | undefined): Door {
  const door: Door & { readonly role: DoorRole } = { name, bridge, role: kind };
  if (role?.kind === 'guest') return { ...door, party: { kind: 'guest', name: role.guest.name, bridge, port: name } };
  if (role?.kind === 'link') return { ...door, beyond: role.peer.bridge };
  return role?.kind === 'host' ? { ...door, party: { kind: 'host', ifname: role.attachment.name } } : door;
}

function exitOf(segment: number, host: Host, places: readonly Place[], segments: ReadonlyMap<string, number>): Exit {
  const own = host.interfaces.find(({ name, addresses }) => segments.get(name) === segment && addresses.length > 0);
  const uplink = places.some((place) => place.segment === segment && place.door.role === 'uplink');
  return { host: own === undefined ? undefined : { kind: 'host', ifname: own.name }, uplink };
}
