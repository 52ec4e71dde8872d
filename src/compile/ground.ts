// Host + Policy -> which bridges are managed, which guest is behind which port, where the host and the outside attach.
// Every port gets exactly one role; what is not known gets the role `closed` and a diagnostic.
import { type Checked, type Diagnostic, error, type Span, warning } from '../model/diagnostic.ts';
import { valueHolds } from '../model/field.ts';
import { allPorts, type Host, type HostInterface, type Port } from '../model/host.ts';
import { printIp } from '../model/ip.ts';
import { containsIp, type IpSet } from '../model/ip-set.ts';
import { type Mac, printMac } from '../model/mac.ts';
import type { Policy, PolicyGuest } from '../model/policy.ts';

export type BoundGuest = {
  readonly name: string;
  readonly ips: IpSet;
  readonly mac?: Mac;
  readonly port: Port;
  readonly span: Span;
};

export type PortRole =
  | { readonly kind: 'guest'; readonly guest: BoundGuest }
  | { readonly kind: 'link'; readonly peer: Port }
  | { readonly kind: 'host'; readonly attachment: HostInterface }
  | { readonly kind: 'uplink' }
  | { readonly kind: 'closed' };

export type Roles = ReadonlyMap<string, PortRole>;

/** Linked bridges, which form one network on the link layer. */
export type Segment = { readonly bridges: readonly string[] };

export type Bindings = {
  readonly guests: readonly BoundGuest[];
  readonly roles: Roles;
  readonly segments: readonly Segment[];
};

/** Binds guests to ports, gives every port its role, and finds the segments that hold guests. */
export function bindGuests(policy: Policy, host: Host): Checked<Bindings> {
  const diagnostics: Diagnostic[] = [];
  const ports = allPorts(host);
  const byName = Map.groupBy(ports, ({ name }) => name);
  const byGuest = Map.groupBy(ports, ({ guest }) => guest ?? '');
  // also by a guest that has faults: a bridge whose only guest has one is not open, it is closed
  const claimed = new Set<Port>(policy.namelessPorts.flatMap((name) => byName.get(name) ?? []));
  const guests = policy.guests.flatMap((guest) => {
    const candidates = (guest.port === undefined ? byGuest.get(guest.name) : byName.get(guest.port)) ?? [];
    for (const port of candidates) claimed.add(port);
    const bound = bindGuest(guest, candidates, host);
    diagnostics.push(...bound.diagnostics);
    return bound.value ?? [];
  });
  const single = withoutSharedPorts(guests, diagnostics);
  const roles = portRoles(host, single);
  const homes = homesOf(policy, host);
  const segments = linkedBridges(host, roles).filter(
    (segment) => holdsGuests(segment, host, roles, claimed) || segment.bridges.some((bridge) => homes.has(bridge)),
  );
  diagnostics.push(...closedPorts(host, roles, segments), ...loops(host, roles, segments));
  return { value: { guests: single, roles, segments }, diagnostics };
}

function bindGuest(guest: PolicyGuest, candidates: readonly Port[], host: Host): Checked<BoundGuest> {
  // its addresses had faults, which are reported already
  if (guest.addresses.length === 0) return { diagnostics: [] };
  const [port, second] = candidates;
  if (port === undefined) return { diagnostics: [noPort(guest, host)] };
  if (second !== undefined) {
    const message = `guest '${guest.name}' has several ports: ${candidates.map(({ name }) => name).join(', ')}`;
    const hint = `say which one has these addresses with 'port: ${port.name}' or its 'mac:', and name the other card as a guest of its own`;
    return { diagnostics: [error('port-conflict', message, guest.span, { hint })] };
  }
  const stolen = hostIdentity(guest, guest.mac ?? port.mac, host);
  if (stolen !== undefined) return { diagnostics: [stolen] };
  const related = [{ message: `the port is here`, span: port.span }];
  // a name of a port may be used again for another guest; a card that is named by its MAC is the one that is meant
  const other = port.guest !== undefined && port.guest !== guest.name;
  if (other && guest.port !== undefined && (guest.mac === undefined || guest.mac !== port.mac)) {
    const message = `port '${port.name}' belongs to guest '${port.guest}', not to '${guest.name}'`;
    return { diagnostics: [error('port-conflict', message, guest.span, { related })] };
  }
  if (port.uplink || port.peer !== undefined) {
    const where = port.uplink ? 'outside of this host' : `to '${port.peer}'`;
    const message = `port '${port.name}' leads ${where}, so guest '${guest.name}' cannot be behind it`;
    return { diagnostics: [error('port-conflict', message, guest.span, { related })] };
  }
  if (guest.mac !== undefined && port.mac !== undefined && guest.mac !== port.mac) {
    const message = `the policy and the host give different MACs for guest '${guest.name}'`;
    const hint = 'leave `mac` out to take the one that the host shows';
    return { diagnostics: [error('mac-conflict', message, guest.span, { hint, related })] };
  }
  const mac = guest.mac ?? port.mac;
  const { name, addresses: ips, span } = guest;
  return { value: { name, ips, ...(mac === undefined ? {} : { mac }), port, span }, diagnostics: [] };
}

/** A guest that may call itself what the host is called could speak to everybody in its name. */
function hostIdentity(guest: PolicyGuest, mac: Mac | undefined, host: Host): Diagnostic | undefined {
  for (const { name, addresses, mac: own, span } of host.interfaces) {
    const related = [{ message: `the host's interface '${name}'`, span }];
    const taken = addresses.find((address) => containsIp(guest.addresses, address));
    if (taken !== undefined) {
      const message = `guest '${guest.name}' has the host's own address ${printIp(taken)}; its port stays closed`;
      return error('duplicate-address', message, guest.span, { related });
    }
    if (mac !== undefined && mac === own) {
      const message = `guest '${guest.name}' has the host's own MAC ${printMac(mac)}; its port stays closed`;
      return error('duplicate-mac', message, guest.span, { related });
    }
  }
  return undefined;
}

function noPort(guest: PolicyGuest, host: Host): Diagnostic {
  if (guest.port !== undefined) {
    const known = allPorts(host).map(({ name }) => name);
    const hint = known.length > 0 ? `the bridge ports are: ${known.slice(0, 20).join(', ')}` : 'no bridge has a port';
    return error('unknown-port', `no bridge has a port '${guest.port}'`, guest.span, { hint });
  }
  const hint = "if it runs on this host, name its bridge port with 'port:'";
  return warning('guest-without-port', `guest '${guest.name}' is behind no bridge port`, guest.span, { hint });
}

function withoutSharedPorts(guests: readonly BoundGuest[], diagnostics: Diagnostic[]): readonly BoundGuest[] {
  const byPort = Map.groupBy(guests, ({ port }) => port.name);
  const shared = [...byPort.values()].filter((owners) => owners.length > 1);
  for (const owners of shared) {
    for (const guest of owners.slice(1)) {
      const first = owners[0] as BoundGuest;
      const message = `guests '${first.name}' and '${guest.name}' are both behind port '${guest.port.name}'`;
      const hint = 'a guest port has exactly one guest behind it; the port stays closed';
      const related = [{ message: 'the first one', span: first.span }];
      diagnostics.push(error('port-conflict', message, guest.span, { hint, related }));
    }
  }
  const closed = new Set(shared.flat());
  return guests.filter((guest) => !closed.has(guest));
}

function portRoles(host: Host, guests: readonly BoundGuest[]): Roles {
  const guestOf = new Map(guests.map((guest) => [guest.port.name, guest]));
  const ports = new Map(allPorts(host).map((port) => [port.name, port]));
  const interfaces = new Map(host.interfaces.map((own) => [own.name, own]));
  const role = (port: Port): PortRole => {
    const guest = guestOf.get(port.name);
    if (guest !== undefined) return { kind: 'guest', guest };
    if (port.uplink) return { kind: 'uplink' };
    const peer = port.peer === undefined ? undefined : ports.get(port.peer);
    if (peer !== undefined) return { kind: 'link', peer };
    const attachment = port.peer === undefined ? undefined : interfaces.get(port.peer);
    return attachment === undefined ? { kind: 'closed' } : { kind: 'host', attachment };
  };
  return new Map([...ports.values()].map((port) => [port.name, role(port)]));
}

function linkedBridges(host: Host, roles: Roles): readonly Segment[] {
  const left = new Set(host.bridges.map(({ name }) => name));
  const segments: Segment[] = [];
  for (const { name } of host.bridges) {
    if (!left.delete(name)) continue;
    const found = [name];
    for (let index = 0; index < found.length; index++) {
      for (const next of neighbours(host, roles, found[index] as string)) if (left.delete(next)) found.push(next);
    }
    const inFileOrder = host.bridges.filter((bridge) => found.includes(bridge.name));
    segments.push({ bridges: inFileOrder.map((bridge) => bridge.name) });
  }
  return segments;
}

function neighbours(host: Host, roles: Roles, bridge: string): readonly string[] {
  return links(host, roles, bridge).map(({ peer }) => peer.bridge);
}

function links(host: Host, roles: Roles, bridge: string): readonly { port: Port; peer: Port }[] {
  const ports = host.bridges.find(({ name }) => name === bridge)?.ports ?? [];
  return ports.flatMap((port) => {
    const role = roles.get(port.name);
    return role?.kind === 'link' ? [{ port, peer: role.peer }] : [];
  });
}

/** Bridges on which guests of the policy will be when they run: one without a guest just now is not open to the next one. */
function homesOf(policy: Policy, host: Host): ReadonlySet<string> {
  const named = new Set(policy.guests.map(({ name }) => name));
  const cards = host.guests.filter(({ name }) => named.has(name)).flatMap((guest) => guest.cards);
  const managed = host.bridges.filter((bridge) => bridge.managed).map(({ name }) => name);
  return new Set([...cards.flatMap(({ bridge }) => bridge ?? []), ...managed]);
}

function holdsGuests(segment: Segment, host: Host, roles: Roles, claimed: ReadonlySet<Port>): boolean {
  return segmentPorts(segment, host).some((port) => {
    const kind = roles.get(port.name)?.kind;
    return kind === 'guest' || port.guest !== undefined || (kind === 'closed' && claimed.has(port));
  });
}

export function segmentPorts(segment: Segment, host: Host): readonly Port[] {
  return host.bridges.filter(({ name }) => segment.bridges.includes(name)).flatMap(({ ports }) => ports);
}

function closedPorts(host: Host, roles: Roles, segments: readonly Segment[]): readonly Diagnostic[] {
  const ports = segments.flatMap((segment) => segmentPorts(segment, host));
  return ports
    .filter((port) => roles.get(port.name)?.kind === 'closed')
    .map((port) => {
      if (port.guest !== undefined) {
        const message = `port '${port.name}' of guest '${port.guest}' stays closed: the policy gives this guest no addresses`;
        return warning('unbound-port', message, port.span, { hint: `add '${port.guest}: { ip: ... }' under guests` });
      }
      const message = `port '${port.name}' of bridge '${port.bridge}' stays closed: nobody knows what is behind it`;
      const hint = `name it with 'port: ${port.name}' at a guest, or with 'uplink: true' in the host file`;
      return warning('unknown-port', message, port.span, { hint });
    });
}

/** A pattern closes every port that is not known: one that fits an uplink would cut the administrator off. */
export function patternFaults(policy: Policy, host: Host, roles: Roles): readonly Diagnostic[] {
  const span = { file: policy.file, line: 1, column: 1 };
  const others = [
    ...allPorts(host).filter(({ name }) => !['guest', 'closed'].includes(roles.get(name)?.kind ?? 'closed')),
    ...host.interfaces,
  ];
  return policy.guestPorts.flatMap((pattern) => {
    const hit = others.find(({ name }) => valueHolds(pattern, name));
    if (hit === undefined) return [];
    const message = `the pattern '${pattern}' of guest-ports fits '${hit.name}', which is no guest port`;
    return [error('port-conflict', message, span, { related: [{ message: 'it is here', span: hit.span }] })];
  });
}

/** In a tree of n bridges there are n - 1 links; one more is a loop, which a frame would circle for ever. */
function loops(host: Host, roles: Roles, segments: readonly Segment[]): readonly Diagnostic[] {
  return segments.flatMap((segment) => {
    const ends = segment.bridges.flatMap((bridge) => links(host, roles, bridge));
    if (ends.length / 2 < segment.bridges.length) return [];
    const message = `the links between ${segment.bridges.join(', ')} form a loop`;
    const hint = 'take one of the links away: linked bridges must form a tree';
    const [first, ...others] = ends.map(({ port, peer }) => ({
      message: `${port.name} leads to ${peer.name}`,
      span: port.span,
    }));
    return first === undefined ? [] : [error('bridge-loop', message, first.span, { hint, related: others })];
  });
}
