// Random hosts with policies that fit them: bridges in trees, guests with one or two addresses, ports that nobody knows,
// uplinks, the host by a bridge device or by a cable, machines outside, and lines between all of them.
import fc from 'fast-check';
import type { Texts } from './compiled.ts';

export type HostPlan = {
  readonly bridges: readonly BridgePlan[];
  /** A network card of the host itself, with machines behind it. */
  readonly far: boolean;
  readonly lines: readonly LinePlan[];
  readonly dhcp: number;
  readonly patterns: boolean;
  readonly group: readonly number[];
};

type BridgePlan = {
  /** 0 is a tree of its own, n the n-th earlier bridge. */
  readonly link: number;
  readonly guests: readonly { readonly macKnown: boolean; readonly addresses: number }[];
  readonly closed: boolean;
  readonly uplinks: readonly number[];
  readonly host: 'absent' | 'device' | 'cable' | 'both';
};

type LinePlan = {
  readonly from: readonly number[];
  readonly to: readonly number[];
  readonly services: readonly number[];
  readonly log: boolean;
  readonly via: boolean;
};

const small = (max: number) => fc.nat({ max });

const guestPlan = fc.record({ macKnown: fc.boolean(), addresses: fc.integer({ min: 1, max: 2 }) });

const bridgePlan: fc.Arbitrary<BridgePlan> = fc.record({
  link: small(3),
  guests: fc.array(guestPlan, { maxLength: 3 }),
  closed: fc.boolean(),
  uplinks: fc.oneof(fc.constant([]), fc.constant([]), fc.array(small(5), { minLength: 1, maxLength: 2 })),
  host: fc.constantFrom('absent', 'device', 'cable', 'cable', 'device', 'both'),
});

const linePlan: fc.Arbitrary<LinePlan> = fc.record({
  from: fc.array(small(40), { minLength: 1, maxLength: 2 }),
  to: fc.array(small(40), { minLength: 1, maxLength: 2 }),
  services: fc.array(small(20), { minLength: 1, maxLength: 2 }),
  log: fc.boolean(),
  via: fc.nat({ max: 5 }).map((value) => value === 0),
});

/** So many guests on each bridge that one more or less is no other kind of host. */
export const crowdedPlan: fc.Arbitrary<HostPlan> = fc
  .tuple(
    fc.array(fc.array(guestPlan, { minLength: 4, maxLength: 5 }), { minLength: 4, maxLength: 4 }),
    fc.record({ ...planParts(), bridges: fc.array(bridgePlan, { minLength: 1, maxLength: 3 }) }),
  )
  .map(([crowds, plan]) => ({
    ...plan,
    bridges: plan.bridges.map((bridge, index) => ({ ...bridge, guests: crowds[index] ?? [] })),
  }));

export const hostPlan: fc.Arbitrary<HostPlan> = fc.record(planParts());

function planParts() {
  return {
    bridges: fc.array(bridgePlan, { minLength: 1, maxLength: 4 }),
    far: fc.boolean(),
    lines: fc.array(linePlan, { minLength: 1, maxLength: 5 }),
    dhcp: small(6),
    patterns: fc.boolean(),
    group: fc.array(small(40), { minLength: 1, maxLength: 3 }),
  };
}

const services = [
  'ping',
  'http',
  'ssh',
  'any',
  'dns',
  'tcp/1000-2000',
  'udp/53',
  'icmp/13',
  'icmp/3/4',
  'proto/47',
] as const;

type Built = {
  readonly bridges: Record<string, { readonly ports: Record<string, object> }>;
  readonly interfaces: Record<string, object>;
  readonly guests: Record<string, { readonly ip: readonly string[] }>;
  readonly outside: Record<string, object>;
};

const letters = 'abcdefgh';

/** JSON is YAML too. Guest ports are named `vn...`; the pattern of guest ports, if there is one, is `vn*`. */
export function textsOf(plan: HostPlan): Texts {
  const built: Built = { bridges: {}, interfaces: {}, guests: {}, outside: {} };
  const roots = rootsOf(plan.bridges);
  for (const [index, bridge] of plan.bridges.entries()) addBridge(built, index, bridge, roots[index] ?? 0);
  if (plan.far) {
    built.interfaces.eth9 = { mac: '52:54:00:00:99:01', addresses: ['192.0.2.19/24'] };
    built.outside.lamp = { ip: '192.0.2.37', behind: 'eth9' };
    built.outside.admin = { ip: ['192.0.2.8-192.0.2.11', '198.51.100.0/24'], behind: 'eth9' };
  }
  const host = { host: 'random', ...built, guests: undefined, outside: undefined };
  return { host: JSON.stringify(host), policy: JSON.stringify(policyOf(plan, built)) };
}

/** For each bridge the first one of its tree. */
function rootsOf(bridges: readonly BridgePlan[]): readonly number[] {
  const roots: number[] = [];
  for (const [index, { link }] of bridges.entries()) {
    roots.push(link === 0 || index === 0 ? index : (roots[(link - 1) % index] ?? 0));
  }
  return roots;
}

function addBridge(built: Built, index: number, bridge: BridgePlan, root: number): void {
  const letter = letters[index] ?? 'x';
  const name = `br${letter}`;
  const ports: Record<string, object> = {};
  built.bridges[name] = { ports };
  const net = `10.${root}.0`;
  // whatever the plan says, somebody is there to be guarded
  const guests = index === 0 && bridge.guests.length === 0 ? [{ macKnown: true, addresses: 1 }] : bridge.guests;
  for (const [at, { macKnown, addresses }] of guests.entries()) {
    const guest = `g${letter}${at}`;
    const last = 16 * (index + 1) + 3 * at;
    ports[`vn${letter}${at}`] = { guest, ...(macKnown ? { mac: `52:54:00:00:0${index}:1${at}` } : {}) };
    built.guests[guest] = { ip: [`${net}.${last}`, `${net}.${last + 1}`].slice(0, addresses) };
  }
  if (bridge.closed) ports[`vn${letter}9`] = {};
  for (const [at, kind] of bridge.uplinks.entries()) {
    const port = `eth${index}${at}`;
    ports[port] = { uplink: true };
    addOutside(built, `o${letter}${at}`, kind, net, index * 2 + at, { port, bridge: name });
  }
  if (index > 0 && bridge.link > 0) {
    const other = (bridge.link - 1) % index;
    const [here, there] = [`l${letter}${letters[other]}`, `l${letters[other]}${letter}`];
    ports[here] = { peer: there };
    (built.bridges[`br${letters[other]}`]?.ports ?? {})[there] = { peer: here };
  }
  if (bridge.host === 'device' || bridge.host === 'both') {
    built.interfaces[name] = { mac: `52:54:00:00:0${index}:01`, addresses: [`${net}.${1 + index}/24`] };
  }
  if (bridge.host === 'cable' || bridge.host === 'both') {
    ports[`h${letter}1`] = { peer: `h${letter}2` };
    const mac = `52:54:00:00:0${index}:02`;
    built.interfaces[`h${letter}2`] = { mac, peer: `h${letter}1`, addresses: [`${net}.${6 + index}/24`] };
  }
}

type Place = { readonly port: string; readonly bridge: string };

/** A machine, a network with the guests' addresses in it, a network elsewhere; behind the port or behind the bridge. */
function addOutside(built: Built, name: string, kind: number, net: string, at: number, place: Place): void {
  const behind = kind % 2 === 0 ? place.port : place.bridge;
  const ips = [`${net}.${200 + at}`, `${net}.0/24`, `172.16.${at}.0/24`];
  built.outside[name] = { ip: ips[kind % ips.length], behind };
}

function policyOf(plan: HostPlan, { guests, outside, bridges }: Built): object {
  const machines = [...Object.keys(guests), ...Object.keys(outside)];
  const sides = [...machines, ...Object.keys(bridges), 'guests', 'host', 'any', 'mix'];
  const pick = (from: readonly string[], indices: readonly number[]) => [
    ...new Set(indices.map((index) => from[index % from.length] ?? 'guests')),
  ];
  const servers = ['host', 'none', 'none', ...machines];
  return {
    guests,
    outside,
    groups: { mix: pick(machines, plan.group) },
    allow: plan.lines.map(({ from, to, services: some, log, via }, index) => ({
      from: via && plan.far && index % 2 === 0 ? 'host' : pick(sides, from),
      to: via && plan.far && index % 2 === 1 ? 'host' : pick(sides, to),
      service: pick(services, some),
      log,
      id: `line${index}`,
      ...(via && plan.far ? { via: 'eth9' } : {}),
    })),
    dhcp: servers[plan.dhcp % servers.length],
    ...(plan.patterns ? { 'guest-ports': ['vn*'] } : {}),
  };
}
