// A random host: 1 to 3 linked bridges, 2 to 8 guests, the host behind a veth end or on a bridge, perhaps an uplink with
// machines outside; and a random policy for it.
import type { Span } from '../../src/model/diagnostic.ts';
import type { Bridge, Host, HostInterface, Port } from '../../src/model/host.ts';
import type { Ip } from '../../src/model/ip.ts';
import { singleIps } from '../../src/model/ip-set.ts';
import type { Mac } from '../../src/model/mac.ts';
import type { Permission, Policy, Service } from '../../src/model/policy.ts';
import type { Random } from './random.ts';

const span: Span = { file: 'random', line: 1, column: 1 };

export function ip(text: string): Ip {
  return { family: 4, bits: BigInt(text.split('.').reduce((bits, octet) => bits * 256 + Number(octet), 0)) };
}

export type RandomHost = { readonly host: Host; readonly policy: Policy };

export function randomHost(random: Random, mac: () => Mac): RandomHost {
  const bridgeNames = ['br-a', 'br-b', 'br-c'].slice(0, random.between(1, 3));
  const ports = new Map<string, Port[]>(bridgeNames.map((name) => [name, []]));
  const add = (bridge: string, port: Omit<Port, 'bridge' | 'span' | 'uplink'> & { uplink?: boolean }): void => {
    ports.get(bridge)?.push({ uplink: false, ...port, bridge, span });
  };
  const guests = Array.from({ length: random.between(2, 8) }, (_, index) => `g${index + 1}`);
  const interfaces: HostInterface[] = [];
  const links = bridgeNames.slice(1).map((name, index) => ({ up: random.pick(bridgeNames.slice(0, index + 1)), name }));
  const tasks: (() => void)[] = [
    ...guests.map((guest) => () => {
      const known = random.chance(0.85) ? { mac: mac() } : {};
      add(random.pick(bridgeNames), { name: `v-${guest}`, guest, ...known });
    }),
    ...links.map(({ up, name }) => () => {
      add(up, { name: `l-${name}0`, peer: `l-${name}1` });
      add(name, { name: `l-${name}1`, peer: `l-${name}0` });
    }),
    () => attachHost(random, mac, bridgeNames, interfaces, add),
  ];
  if (random.chance(0.15)) tasks.push(() => add(random.pick(bridgeNames), { name: 'v-odd', guest: 'odd' }));
  for (const task of shuffled(random, tasks)) task();
  const outside = random.chance(0.6) ? attachUplink(random, mac, bridgeNames, interfaces, ports, add) : [];
  const bridges = [...ports].map(([name, own]): Bridge => ({ name, ports: own, stp: false, span }));
  const host: Host = {
    name: 'random',
    bridges,
    interfaces,
    routes: [],
    sysctls: { 'net.ipv4.ip_forward': '1', 'net.ipv4.conf.all.arp_ignore': '1', 'net.ipv4.conf.all.arp_announce': '2' },
    guests: [],
  };
  return { host, policy: randomPolicy(random, guests, outside, interfaces) };
}

function shuffled<T>(random: Random, items: readonly T[]): readonly T[] {
  return items
    .map((item) => ({ item, key: random.between(0, 1_000_000) }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

type Add = (bridge: string, port: Omit<Port, 'bridge' | 'span' | 'uplink'> & { uplink?: boolean }) => void;

export const hostAddress = '10.5.0.1';

function attachHost(
  random: Random,
  mac: () => Mac,
  bridges: readonly string[],
  interfaces: HostInterface[],
  add: Add,
): void {
  const addresses = [{ ...ip(hostAddress), length: 24 }];
  const bridge = random.pick(bridges);
  if (random.chance(0.5)) {
    interfaces.push({ name: bridge, mac: mac(), addresses, span });
    return;
  }
  add(bridge, { name: 'h-0', peer: 'h-1' });
  interfaces.push({ name: 'h-1', mac: mac(), peer: 'h-0', addresses, span });
}

type Machine = { readonly name: string; readonly address: string; readonly behind: string };

/** Routed by the host on an interface of its own, or a port of a bridge with guests. */
function attachUplink(
  random: Random,
  mac: () => Mac,
  bridges: readonly string[],
  interfaces: HostInterface[],
  ports: Map<string, Port[]>,
  add: Add,
): readonly Machine[] {
  if (random.chance(0.6)) {
    ports.set('br-x', []);
    add('br-x', { name: 'up-0', uplink: true });
    interfaces.push({ name: 'br-x', mac: mac(), addresses: [{ ...ip('10.9.0.1'), length: 24 }], span });
    return [{ name: 'far', address: '10.9.0.7', behind: 'br-x' }];
  }
  add(random.pick(bridges), { name: 'up-0', uplink: true });
  return [{ name: 'far', address: '10.5.0.77', behind: 'up-0' }];
}

const services: readonly Service[] = [
  { kind: 'icmp', name: 'ping', type: 8 },
  { kind: 'tcp', name: 'http', dport: { first: 80, last: 80 } },
  { kind: 'tcp', name: 'tcp/8000-8002', dport: { first: 8000, last: 8002 } },
  { kind: 'udp', name: 'dns', dport: { first: 53, last: 53 } },
  { kind: 'any', name: 'any' },
];

/** The n-th guest has 10.5.0.(10 + n); some have a second address, some are not in the policy at all. */
export function guestAddress(name: string): string {
  return `10.5.0.${10 + Number(name.slice(1))}`;
}

function randomPolicy(
  random: Random,
  guests: readonly string[],
  outside: readonly Machine[],
  interfaces: readonly HostInterface[],
): Policy {
  const known = guests.filter((_, index) => index < 2 || random.chance(0.95));
  const names = [
    'guests',
    'host',
    ...known,
    ...outside.map(({ name }) => name),
    ...(random.chance(0.2) ? ['any'] : []),
  ];
  const refs = (): Permission['from'] =>
    Array.from({ length: random.between(1, 3) }, () => ({ name: random.pick(names), span }));
  const via = interfaces.find(({ name }) => name === 'br-x');
  const lines = Array.from(
    { length: random.between(1, 5) },
    (_, index): Permission => ({
      id: `line-${index + 1}`,
      from: refs(),
      to: refs(),
      services: random.some(services, 0.4).concat(random.pick(services)).filter(unique),
      log: random.chance(0.7),
      span,
    }),
  );
  const ruled: readonly Permission[] =
    via === undefined || random.chance(0.5)
      ? []
      : [
          {
            id: 'via',
            from: [{ name: 'host', span }],
            to: [{ name: 'any', span }],
            via: { name: via.name, span },
            services: [random.pick(services)],
            log: true,
            span,
          },
        ];
  return {
    guests: known.map((name) => ({
      name,
      addresses: singleIps([
        ip(guestAddress(name)),
        ...(random.chance(0.2) ? [ip(`10.5.0.${110 + Number(name.slice(1))}`)] : []),
      ]),
      addressesFrom: [],
      span,
    })),
    outside: outside.map(({ name, address, behind }) => ({ name, addresses: singleIps([ip(address)]), behind, span })),
    groups: [],
    allow: [...lines, ...ruled],
    ...(random.chance(0.8) ? { dhcp: { name: 'host', span } } : {}),
    guestPorts: random.chance(0.3) ? ['v-*'] : [],
    namelessPorts: [],
    file: 'random',
  };
}

function unique<T>(item: T, index: number, all: readonly T[]): boolean {
  return all.indexOf(item) === index;
}
