// The list means: at every hop the first matching rule decides. Lowered lowered rulesets must do what it says: iptables
// with the same rule, nft with the same verdict of all its hooks together.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { lowerIptables } from '../../src/iptables/lower.ts';
import { type Ip, printIp } from '../../src/model/ip.ts';
import { containsIp } from '../../src/model/ip-set.ts';
import type { CtState } from '../../src/model/match.ts';
import { type RuleList, rulesOf } from '../../src/model/rule-list.ts';
import { ruleComment } from '../../src/model/rule-prefix.ts';
import { lowerNft } from '../../src/nft/lower.ts';
import { Firewall } from '../../src/simulate/evaluate.ts';
import { compiledFrom, example, type Facts, factsOf } from '../support/compiled.ts';
import { decideHop, decideLeave } from '../support/hops.ts';
import {
  decideLeaving,
  decidePlainly,
  type PlainDecision,
  type PlainHop,
  type PlainPacket,
} from '../support/plain-meaning.ts';
import {
  canBeAt,
  hopsOf,
  isDhcp,
  leavingPorts,
  type Pools,
  poolsOf,
  states,
  toHost,
  transports,
} from '../support/probes.ts';
import { hostPlan, textsOf } from '../support/random-hosts.ts';

/** What occurred, so that a test can say at its end that it asked for everything. */
class Tally {
  readonly counts = new Map<string, number>();

  add(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  of(what: string): number {
    return this.counts.get(what) ?? 0;
  }

  missing(wanted: readonly string[]): readonly string[] {
    return wanted.filter((what) => this.of(what) === 0);
  }
}

type Lowered = { readonly list: RuleList; readonly iptables: readonly Firewall[]; readonly nft: Firewall };

/** iptables twice: as it is for few guests, and with trees of port names and shared lists, as it is for many. */
function loweredFrom(facts: Facts): Lowered {
  const { list } = compiledFrom(facts);
  const trees = lowerIptables(list, { manyPorts: 2, manyDestinations: 2 });
  return {
    list,
    iptables: [new Firewall(lowerIptables(list)), new Firewall(trees)],
    nft: new Firewall(lowerNft(list, { arp: 'bound' })),
  };
}

/** One hop of one packet, three times: as the list says, in iptables, in nft. */
function compareHop(
  { list, iptables, nft }: Lowered,
  hop: PlainHop,
  packet: PlainPacket,
  state: CtState,
  tally: Tally,
) {
  const plain = decidePlainly(list, hop, packet, state);
  const want = plain.verdict === 'deny' ? 'drop' : 'accept';
  const say = () =>
    `${hopText(hop)}: ${packetText(packet)} ${state}: ${plain.verdict} by ${plain.rule?.id ?? 'no rule'}`;
  const wanted = { verdict: want, comment: plain.rule === undefined ? undefined : ruleComment(plain.rule.id) };
  for (const firewall of iptables) {
    const { verdict, by } = decideHop(firewall, hop, packet, state).ip;
    if (verdict !== want || by?.comment !== wanted.comment)
      assert.deepEqual({ verdict, comment: by?.comment }, wanted, `iptables, ${say()}`);
  }
  tally.add(plain.verdict);
  tally.add(`${hop.kind} ${plain.verdict}`);
  tally.add(`${state} ${plain.verdict}`);
  tally.add(plain.rule === undefined ? 'nothing managed' : `rule ${plain.rule.id}`);
  tally.add(`check ${plain.rule?.check.kind}`);
  if (isBlind(list, hop) || goesToNobody(list, hop, plain)) return;
  const inNft = decideHop(nft, hop, packet, state);
  const all = inNft.bridge.verdict === 'drop' ? 'drop' : inNft.ip.verdict;
  // in the ip table, what the host sends back by the bridge that it came from looks like a bridged packet: it may pass
  // there, but not out of any port
  const ways = hop.kind === 'routed' && hop.iif === hop.oif && want === 'drop' ? portsOfBridge(list, hop.oif) : [];
  const late = ways.length > 0 && ways.every((port) => decideLeave(nft, port, packet, state).verdict === 'drop');
  if ((late ? 'drop' : all) !== want)
    assert.fail(`nft, ${say()}; bridge: ${JSON.stringify(inNft.bridge)} ip: ${JSON.stringify(inNft.ip)}`);
}

function portsOfBridge({ ground }: RuleList, name: string): readonly string[] {
  const bridge = ground.bridges.find((one) => one.name === name);
  return (bridge?.ports ?? []).map((port) => port.name);
}

/**
 * Where nft's answer is another one by design. What comes up to the host from a port that is new on a managed bridge it
 * knows by the port's name alone (without `meta ibrname`): it is closed if that is a guest port's name, and then on
 * every bridge; nor what two such ports have to say to each other. And a host with two ways into one network may send back by the one what leaves by the other.
 */
function isBlind({ ground }: RuleList, hop: PlainHop): boolean {
  const known = ground.bridges.flatMap(({ ports }) => ports.map(({ name }) => name));
  const latecomers = portsOf(hop).filter((port) => !known.includes(port));
  const isGuestName = (port: string) => ground.patterns.some((pattern) => port.startsWith(pattern.replace('*', '')));
  const isManaged = ground.bridges.some(({ name }) => name === (hop.kind === 'bridged' ? hop.bridge : iifOf(hop)));
  if (hop.kind === 'bridged' && isManaged && latecomers.length === 2) return true;
  if (latecomers.some((port) => (isManaged ? hop.kind !== 'bridged' && !isGuestName(port) : isGuestName(port))))
    return true;
  return hop.kind === 'routed' && hop.iif === hop.oif && ground.facing.length > 1;
}

/** The exceptions send to every port; nft keeps even these frames from those behind which nobody is known. */
function goesToNobody({ ground }: RuleList, hop: PlainHop, { rule }: PlainDecision): boolean {
  if (hop.kind !== 'bridged' || rule?.check.kind !== 'datagrams') return false;
  const port = ground.bridges.flatMap(({ ports }) => ports).find(({ name }) => name === hop.out);
  return port === undefined || port.kind === 'closed';
}

function portsOf(hop: PlainHop): readonly string[] {
  if (hop.kind === 'bridged') return [hop.in, hop.out];
  return hop.kind === 'output' || hop.port === undefined ? [] : [hop.port];
}

function iifOf(hop: Exclude<PlainHop, { kind: 'bridged' }>): string {
  return hop.kind === 'output' ? '' : hop.iif;
}

/** What nft alone can check: the frame's way out of a port of the bridge whose device the host sends it to. */
function compareLeaving({ list, nft }: Lowered, hop: PlainHop, port: string, packet: PlainPacket, tally: Tally) {
  if (hop.kind !== 'output' && hop.kind !== 'routed') return;
  const want = decideLeaving(list, hop.oif, port, packet);
  const got = decideLeave(nft, port, packet, 'new').verdict;
  assert.equal(got, want === 'deny' ? 'drop' : 'accept', `out of ${hop.oif} by ${port}: ${packetText(packet)}`);
  tally.add(`leaving ${want}`);
}

function hopText(hop: PlainHop): string {
  switch (hop.kind) {
    case 'bridged':
      return `${hop.bridge}: ${hop.in} -> ${hop.out}`;
    case 'input':
      return `${hop.port ?? ''} ${hop.iif} -> host`;
    case 'routed':
      return `${hop.port ?? ''} ${hop.iif} -> routed -> ${hop.oif}`;
    case 'output':
      return `host -> ${hop.oif}`;
  }
}

function packetText({ mac, source, destination, ...rest }: PlainPacket): string {
  return `${mac.toString(16)} ${printIp(source)} -> ${printIp(destination)} ${JSON.stringify(rest)}`;
}

test('the two-bridge example: every hop, every pair of addresses, every service, every state', () => {
  const facts = example();
  const lowered = loweredFrom(facts);
  const { ips, macOf, macs } = poolsOf(facts);
  const tally = new Tally();
  let turn = 0;
  for (const hop of hopsOf(facts.host)) {
    for (const source of ips) {
      for (const destination of ips) {
        for (const [what, transport] of transports) {
          const state = pick(inTurn, turn++);
          // nobody's address belongs to each card in turn, others' to their own, and to a wrong one now and then
          const mac =
            source.bits === 0n || (turn % 5 === 0 && !isDhcp(what)) ? macs[turn % macs.length] : macOf(source);
          const packet = { mac: mac ?? 0, ...toHost(facts.host, hop, destination), source, destination, ...transport };
          if (!canBeAt(facts.host, hop, packet)) continue;
          compareHop(lowered, hop, packet, state, tally);
          if (what === 'ping' || isDhcp(what))
            for (const port of leavingPorts(facts.host, hop)) compareLeaving(lowered, hop, port, packet, tally);
        }
      }
    }
  }
  const never = rulesOf(lowered.list).filter(({ id }) => tally.of(`rule ${id}`) === 0);
  // a second lock: whom rule 15 would deny, rules 10 to 12 have denied where he came in
  assert.deepEqual(
    never.map(({ id }) => id),
    ['port/vethb2/out/source'],
  );
  assert.deepEqual(tally.missing(everyKind), []);
});

/** The first packets of flows are asked most; their number has no divisor in common with that of the transports. */
const inTurn: readonly CtState[] = ['new', 'established', 'new', 'related', 'new', 'invalid', 'untracked'];

const kinds: readonly PlainHop['kind'][] = ['bridged', 'input', 'routed', 'output'];

/** Every kind of hop and every state, each accepted and denied. */
const everyKind = [
  ...[...kinds, ...states, 'leaving'].flatMap((what) => [`${what} accept`, `${what} deny`]),
  'nothing managed',
];

type Drawn = {
  readonly source: number;
  readonly destination: number;
  readonly transport: number;
  readonly anyMac: boolean;
  /** Addresses that fit the hop: forged ones die early, and the rules for honest ones would hardly be asked. */
  readonly honest: boolean;
};

const drawn: fc.Arbitrary<Drawn & { readonly hop: number; readonly state: CtState }> = fc.record({
  hop: fc.nat(),
  source: fc.nat(),
  destination: fc.nat(),
  transport: fc.nat({ max: transports.length - 1 }),
  state: fc.oneof(fc.constant<CtState>('new'), fc.constantFrom(...states)),
  anyMac: fc.nat({ max: 5 }).map((value) => value === 0),
  honest: fc.boolean(),
});

test('random hosts and policies, random hops and packets', () => {
  const tally = new Tally();
  fc.assert(
    fc.property(hostPlan, fc.array(drawn, { minLength: 1, maxLength: 400, size: 'max' }), (plan, probes) => {
      const facts = factsOf(textsOf(plan));
      const lowered = loweredFrom(facts);
      const hops = hopsOf(facts.host);
      const pools = poolsOf(facts);
      for (const { hop: at, state, ...some } of probes) {
        const hop = pick(hops, at);
        const drawnPacket = packetOf(some, pools, hop, lowered.list);
        const packet = { ...drawnPacket, ...toHost(facts.host, hop, drawnPacket.destination) };
        if (!canBeAt(facts.host, hop, packet)) continue;
        compareHop(lowered, hop, packet, state, tally);
        const ports = leavingPorts(facts.host, hop);
        if (ports.length > 0) compareLeaving(lowered, hop, pick(ports, at), packet, tally);
      }
    }),
    { seed: 20_170_401, numRuns: 400 },
  );
  assert.deepEqual(tally.missing(everyKind), []);
  assert.ok(tally.of('accept') > 3_000 && tally.of('deny') > 3_000, JSON.stringify([...tally.counts]));
  for (const kind of [
    'datagrams',
    'new-flows',
    'known-flow',
    'source-is',
    'source-not',
    'destination-not',
    'everything',
  ])
    assert.ok(tally.of(`check ${kind}`) > 50, `${kind} decided ${tally.of(`check ${kind}`)} times`);
});

const nobody: Ip = { family: 4, bits: 0n };
const everybody: Ip = { family: 4, bits: 0xffff_ffffn };

function packetOf(
  { source, destination, transport, anyMac, honest }: Drawn,
  { ips, macs, macOf }: Pools,
  hop: PlainHop,
  { ground }: RuleList,
): PlainPacket {
  const fits = (end: 'in' | 'out', ip: Ip): boolean => {
    const name = hop.kind === 'bridged' ? hop[end] : end === 'in' && hop.kind !== 'output' ? hop.port : undefined;
    const port = ground.bridges.flatMap(({ ports }) => ports).find((one) => one.name === name);
    return port === undefined || containsIp(port.own?.ips ?? port.behind, ip);
  };
  const among = (end: 'in' | 'out') => (honest ? ips.filter((ip) => fits(end, ip)) : ips);
  const from = pick(orAll(among('in'), ips), source);
  const to = pick(orAll(among('out'), ips), destination);
  const [name, what] = pick(transports, transport);
  if (honest && name === 'lease wanted')
    return { mac: pick(macs, source), source: nobody, destination: everybody, ...what };
  return { mac: anyMac ? pick(macs, destination) : macOf(from), source: from, destination: to, ...what };
}

function orAll<T>(some: readonly T[], all: readonly T[]): readonly T[] {
  return some.length === 0 ? all : some;
}

function pick<T>(from: readonly T[], index: number): T {
  return from[index % from.length] as T;
}
