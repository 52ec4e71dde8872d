// Random chains for both back ends, of what the compiler never writes too: RETURN in base chains, goto, jumps into
// jumps, negated physdev tests, rules that only log.
import { exactly } from '../../src/model/field.ts';
import { field, type Match } from '../../src/model/match.ts';
import {
  accept,
  type Chain,
  count,
  drop,
  goTo,
  jump,
  type KernelRule,
  log,
  type NamedSet,
  type Ruleset,
  returnToCaller,
  type Statement,
  type Table,
} from '../../src/model/ruleset.ts';
import type { Random } from './random.ts';

export type Surroundings = {
  readonly bridges: readonly string[];
  readonly ports: readonly string[];
  readonly hostInterfaces: readonly string[];
  readonly ips: readonly bigint[];
  readonly macs: readonly number[];
};

type Hook = 'input' | 'forward' | 'output';

export function randomIptables(random: Random, around: Surroundings): Ruleset {
  let number = 0;
  const rule = (hook: Hook, targets: readonly string[]): readonly KernelRule[] => {
    number++;
    const matches = iptablesMatches(random, hook, around);
    const body = [...matches, ...verdictOf(random, targets)];
    return random.chance(0.6) ? [{ body: [...matches, log(`R${number} `)] }, { body }] : [{ body }];
  };
  const chains = (['INPUT', 'FORWARD', 'OUTPUT'] as const).flatMap((name): readonly Chain[] => {
    const hook = name.toLowerCase() as Hook;
    const users = Array.from({ length: random.between(0, 3) }, (_, index) => `${hook}-${index + 1}`);
    const policy = random.chance(0.7) ? 'accept' : 'drop';
    const base = {
      name,
      base: { type: 'filter', hook, priority: 0, policy },
      rules: rulesOf(random, 5, () => rule(hook, users)),
    } as const;
    // a chain leads to later ones only, so there are no loops
    return [
      base,
      ...users.map((user, index) => ({
        name: user,
        rules: rulesOf(random, 3, () => rule(hook, users.slice(index + 1))),
      })),
    ];
  });
  return { backend: 'iptables', tables: [{ family: 'ip', name: 'filter', sets: [], maps: [], chains }] };
}

function rulesOf(random: Random, most: number, rule: () => readonly KernelRule[]): readonly KernelRule[] {
  return Array.from({ length: random.between(0, most) }, rule).flat();
}

function verdictOf(random: Random, targets: readonly string[]): readonly Statement[] {
  const kind = random.between(0, 9);
  if (kind <= 2) return [accept];
  if (kind <= 4) return [drop];
  if (kind === 5) return [returnToCaller];
  if (kind <= 8 && targets.length > 0)
    return [random.chance(0.5) ? jump(random.pick(targets)) : goTo(random.pick(targets))];
  return random.chance(0.5) ? [accept] : [];
}

/** `--physdev-out` is refused in OUTPUT and in chains that OUTPUT reaches. */
function iptablesMatches(random: Random, hook: Hook, around: Surroundings): readonly Match[] {
  const negated = random.chance(0.3);
  const any = [...around.bridges, ...around.hostInterfaces];
  const makers: readonly (() => readonly Match[])[] = [
    () => [{ kind: 'physdev', end: 'in', negated, name: portName(random, around) }],
    () => (hook === 'output' ? [] : [{ kind: 'physdev', end: 'out', negated, name: portName(random, around) }]),
    () => [
      { kind: 'physdev-is', what: hook === 'output' ? 'in' : random.pick(['in', 'out', 'bridged'] as const), negated },
    ],
    () => (hook === 'output' ? [] : [maybeNot(field('iifname', random.pick(any)), negated)]),
    () => (hook === 'input' ? [] : [maybeNot(field('oifname', random.pick(any)), negated)]),
    () => ipMatches(random, around, negated),
    () => (hook === 'output' ? [] : [maybeNot(field('ether saddr', exactly(random.pick(around.macs))), negated)]),
    () => transportMatches(random),
    () => [{ kind: 'ct-state', negated, states: stateChoice(random) }],
  ];
  return random
    .some(makers, 0.2)
    .flatMap((make) => make())
    .filter(oneOfAKind);
}

function stateChoice(random: Random) {
  return random.pick([
    ['new'],
    ['established'],
    ['related'],
    ['invalid'],
    ['established', 'related'],
    ['new', 'invalid'],
  ] as const);
}

/** iptables takes each option once. */
function oneOfAKind(match: Match, index: number, all: readonly Match[]): boolean {
  const key = ({ ...one }: Match): string => (one.kind === 'field' ? one.field : one.kind);
  return all.findIndex((other) => key(other) === key(match)) === index;
}

function portName(random: Random, { ports }: Surroundings): string {
  return random.chance(0.15) ? 'v-*' : random.pick(ports);
}

function maybeNot(match: ReturnType<typeof field>, negated: boolean): Match {
  return { ...match, negated };
}

function ipMatches(random: Random, { ips }: Surroundings, negated: boolean): readonly Match[] {
  const name = random.pick(['ip saddr', 'ip daddr'] as const);
  return [maybeNot(field(name, exactly(random.pick(ips))), negated)];
}

function transportMatches(random: Random): readonly Match[] {
  switch (random.between(0, 3)) {
    case 0:
      return [field('meta l4proto', exactly(1)), field('icmp type', exactly(random.pick([0, 3, 8])))];
    case 1:
      return [field('meta l4proto', exactly(17)), field('th dport', exactly(random.pick([53, 80])))];
    case 2:
      return [
        field('meta l4proto', exactly(6)),
        { kind: 'tcp-flags', negated: false, mask: ['fin', 'syn', 'rst', 'ack'], flags: ['syn'] },
      ];
    default:
      return [field('meta l4proto', exactly(random.pick([1, 6, 17])))];
  }
}

export function randomNft(random: Random, around: Surroundings): Ruleset {
  return { backend: 'nft', tables: [nftTable(random, around, 'bridge'), nftTable(random, around, 'ip')] };
}

function nftTable(random: Random, around: Surroundings, family: 'bridge' | 'ip'): Table {
  let number = 0;
  const hooks =
    family === 'bridge'
      ? (['prerouting', 'forward', 'output', 'input'] as const)
      : (['input', 'forward', 'output'] as const);
  const priority = { prerouting: -300, forward: -200, output: -200, input: -200, postrouting: 0, ingress: 0 };
  const rule = (targets: readonly string[]): readonly KernelRule[] => {
    number++;
    const matches = nftMatches(random, around, family);
    const logging = random.chance(0.5) ? [log(`N${family[0]}${number} `)] : [];
    return [
      {
        body: [
          ...matches,
          ...(random.chance(0.3) || matches.length === 0 ? [count] : []),
          ...logging,
          ...verdictOf(random, targets),
        ],
      },
    ];
  };
  const chains = hooks.flatMap((hook): readonly Chain[] => {
    const users = Array.from({ length: random.between(0, 2) }, (_, index) => `u_${hook}_${index + 1}`);
    const policy = random.chance(0.8) ? 'accept' : 'drop';
    const base = { type: 'filter', hook, priority: family === 'ip' ? 0 : priority[hook], policy } as const;
    const rules = rulesOf(random, 4, () => rule(users));
    return [
      { name: `b_${hook}`, base, rules },
      ...users.map((user, index) => ({ name: user, rules: rulesOf(random, 3, () => rule(users.slice(index + 1))) })),
    ];
  });
  return {
    family,
    name: 'rnd',
    sets: family === 'bridge' ? [portSet(random, around)] : [addressSet(random, around)],
    maps: [],
    chains,
  };
}

function portSet(random: Random, { ports, macs }: Surroundings): NamedSet {
  const elements = random.some(ports, 0.6).map((port) => [port, exactly(random.pick(macs))] as const);
  return { name: 's_ports', types: ['ifname', 'ether_addr'], interval: false, elements };
}

function addressSet(random: Random, { ips }: Surroundings): NamedSet {
  const elements = [...new Set(random.some(ips, 0.5))].map((one) => [exactly(one)] as const);
  return { name: 's_ips', types: ['ipv4_addr'], interval: false, elements };
}

function nftMatches(random: Random, around: Surroundings, family: 'bridge' | 'ip'): readonly Match[] {
  const negated = random.chance(0.3);
  const names = family === 'bridge' ? around.ports : [...around.bridges, ...around.hostInterfaces];
  const common: readonly (() => readonly Match[])[] = [
    () => [maybeNot(field(random.pick(['iifname', 'oifname'] as const), random.pick(names)), negated)],
    () => [
      ...(family === 'bridge' ? [field('ether type', exactly(0x0800))] : []),
      ...ipMatches(random, around, negated),
    ],
  ];
  const bridge: readonly (() => readonly Match[])[] = [
    ...common,
    () => [field('ether type', exactly(0x0806)), field('arp operation', exactly(random.between(1, 2)))],
    () => [
      field('ether type', exactly(0x0806)),
      maybeNot(field('arp saddr ip', exactly(random.pick(around.ips))), negated),
    ],
    () => [maybeNot(field('ether daddr', exactly(random.pick(around.macs))), negated)],
    () => [{ kind: 'lookup', fields: ['iifname', 'ether saddr'], negated, set: 's_ports' }],
    () => [field('iifname', 'v-*')],
  ];
  const ip: readonly (() => readonly Match[])[] = [
    ...common,
    () => transportMatches(random),
    () => [{ kind: 'ct-state', negated: false, states: stateChoice(random) }],
    () => [{ kind: 'lookup', fields: [random.pick(['ip saddr', 'ip daddr'] as const)], negated, set: 's_ips' }],
  ];
  return random
    .some(family === 'bridge' ? bridge : ip, 0.25)
    .flatMap((make) => make())
    .filter(oneOfAKind);
}
