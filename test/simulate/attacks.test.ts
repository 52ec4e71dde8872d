// The published attacks, predicted: who poisons whom, which rule stops the redirected ping, between which ports. Both
// back ends, both directions, with ARP as iptables sees it (not at all) and with ARP bound to ports.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lowerIptables } from '../../src/iptables/lower.ts';
import { type Ip, parseIp } from '../../src/model/ip.ts';
import { parseMac } from '../../src/model/mac.ts';
import type { Ruleset } from '../../src/model/ruleset.ts';
import { lowerNft } from '../../src/nft/lower.ts';
import { echoRequest } from '../../src/packet/build.ts';
import { attackSteps, attacksOn } from '../../src/simulate/attacks.ts';
import { type AttackOutcome, attackOutcome } from '../../src/simulate/outcome.ts';
import { perform, performAll } from '../../src/simulate/perform.ts';
import type { StepResult } from '../../src/simulate/scenario.ts';
import { sceneOf } from '../../src/simulate/scene.ts';
import { World } from '../../src/simulate/world.ts';
import { compiledFrom, example, factsOf } from '../support/compiled.ts';
import { topologies } from '../support/topologies.ts';

const facts = example();
const { list } = compiledFrom(facts);
const scene = sceneOf(facts.policy, facts.host);

type Row = {
  readonly number: number;
  readonly attacker: string;
  readonly victims: readonly [string, string];
  /** The log of a ping from one victim to the other, in order: rule, verdict, from port to port. */
  readonly logs: readonly [readonly string[], readonly string[]];
  /** Where the attacker's ARP lies die when ARP is bound to ports. */
  readonly lie: string;
};

const rows: readonly Row[] = [
  {
    number: 1,
    attacker: 'kali2',
    victims: ['kali3', 'kali4'],
    logs: [['16 DENY vk63>vethb2'], ['16 DENY vk64>vethb2']],
    lie: '13 DENY vk42>',
  },
  {
    number: 2,
    attacker: 'kali2',
    victims: ['kali3', 'host'],
    logs: [
      ['32 ACCEPT vk63>vethb2', '5 DENY vethb1>vk42'],
      ['43 ACCEPT >vmh2', '5 DENY vmh1>vk42'],
    ],
    lie: '13 DENY vk42>',
  },
  {
    number: 3,
    attacker: 'kali3',
    victims: ['kali4', 'host'],
    logs: [['2 DENY vk64>vk63'], ['43 ACCEPT >vmh2', '40 ACCEPT vmh1>vethb1', '2 DENY vethb2>vk63']],
    lie: '10 DENY vk63>',
  },
  {
    number: 4,
    attacker: 'kali3',
    victims: ['kali2', 'host'],
    logs: [['18 DENY vk42>vethb1'], ['43 ACCEPT >vmh2', '18 DENY vmh1>vethb1']],
    lie: '10 DENY vk63>',
  },
  {
    number: 5,
    attacker: 'host',
    victims: ['kali3', 'kali2'],
    logs: [['32 ACCEPT vk63>vethb2', '20 DENY vethb1>vmh1'], ['20 DENY vk42>vmh1']],
    lie: '26 DENY vmh1>',
  },
  {
    number: 6,
    attacker: 'kali5',
    victims: ['kali3', 'kali4'],
    logs: [['4 DENY vk63>vk65'], ['4 DENY vk64>vk65']],
    lie: '12 DENY vk65>',
  },
  {
    // the same as the first, but the pings belong to a flow from before the poisoning: they are ESTABLISHED
    number: 7,
    attacker: 'kali2',
    victims: ['kali3', 'kali4'],
    logs: [['16 DENY vk63>vethb2'], ['16 DENY vk64>vethb2']],
    lie: '13 DENY vk42>',
  },
];

/** `RULE 16 -- DENY IN=virbr6 OUT=virbr6 PHYSIN=vk63 PHYSOUT=vethb2 ...` is `16 DENY vk63>vethb2`. */
function shortLine(line: string): string {
  const value = (name: string) => new RegExp(`\\b${name}=(\\S*)`).exec(line)?.[1] ?? '';
  const [, number, verdict] = /^RULE (\d+) -- (DENY|ACCEPT) /.exec(line) ?? [];
  return `${number} ${verdict} ${value('PHYSIN') || value('IN')}>${value('PHYSOUT') || value('OUT')}`;
}

const unchecked: readonly Ruleset[] = [lowerIptables(list), lowerNft(list, { arp: 'unchecked' })];

type Course = {
  readonly pings: readonly StepResult[];
  readonly all: readonly StepResult[];
  readonly outcome: AttackOutcome;
};

/** The pings: two introductions, then, when the caches are poisoned, one from each victim to the other. */
function attacked(number: number, ruleset: Ruleset): Course {
  const attack = attacksOn(scene).find((one) => one.number === number);
  assert.ok(attack);
  const steps = attackSteps(attack, { first: 1 });
  const all = performAll(new World(scene, ruleset), steps);
  const pings = all.filter((_, index) => steps[index]?.kind === 'ping');
  return { pings, all, outcome: attackOutcome(attack, steps, all) };
}

function logsOf({ pings }: Course): readonly (readonly string[])[] {
  return pings.slice(2).map(({ lines }) => lines.map(shortLine));
}

function figures({ outcome: { introduced, poisoned, caught, relayed, answered } }: Course): readonly number[] {
  return [introduced, poisoned, caught, relayed, answered];
}

for (const ruleset of unchecked) {
  for (const { number, attacker, victims, logs } of rows) {
    test(`${ruleset.backend}: attack ${number}, ${attacker} between ${victims.join(' and ')}`, () => {
      const attack = attacksOn(scene).find((one) => one.number === number);
      assert.deepEqual(
        [attack?.attacker.node, ...(attack?.victims ?? []).map(({ node }) => node)],
        [attacker, ...victims],
      );
      const course = attacked(number, ruleset);
      assert.deepEqual(logsOf(course), logs);
      // both were introduced, both are poisoned; nothing was caught, relayed or answered then
      assert.deepEqual(figures(course), [2, 2, 0, 0, 0]);
    });
  }
}

for (const { number, attacker, victims, lie } of rows) {
  test(`nft with ARP bound: attack ${number}, the lie of ${attacker} dies at its port and ${victims.join(' and ')} go on`, () => {
    const course = attacked(number, lowerNft(list, { arp: 'bound' }));
    assert.deepEqual(figures(course), [2, 0, 0, 0, 2]);
    assert.deepEqual(course.outcome.stops, []);
    const lines = course.all.flatMap((result) => result.lines.map(shortLine));
    assert.deepEqual(new Set(lines.filter((line) => line.includes('DENY'))), new Set([lie]));
  });
}

test('without any rules the same attacks succeed: it is not the world that stops them', () => {
  for (const { number } of rows) {
    const { outcome } = attacked(number, { backend: 'nft', tables: [] });
    assert.deepEqual([outcome.poisoned, outcome.answered], [2, 2], `attack ${number}`);
    assert.ok(outcome.caught > 0 && outcome.relayed > 0, `attack ${number}`);
  }
});

/** A rule that is left out, the attack that it stopped, and what the log of the first ping says then. */
const without: readonly (readonly [
  rule: number,
  attack: number,
  iptables: readonly string[],
  nft: readonly string[],
  caught: boolean,
])[] = [
  // on the next bridge the packet has a wrong destination still: iptables asks on its way out, nft on its way in
  [16, 1, ['32 ACCEPT vk63>vethb2', '5 DENY vethb1>vk42'], ['32 ACCEPT vk63>vethb2', '25 DENY vethb1>'], false],
  // the attacker gets it, and cannot send it on
  [2, 3, ['33 ACCEPT vk64>vk63', '10 DENY vk63>vethb2'], ['33 ACCEPT vk64>vk63', '10 DENY vk63>'], true],
  [18, 4, ['38 ACCEPT vk42>vethb1', '2 DENY vethb2>vk63'], ['38 ACCEPT vk42>vethb1', '22 DENY vethb2>'], false],
];

test('one rule less: its attack goes one step further, and the next check stops it', () => {
  for (const [rule, number, iptables, nft, caught] of without) {
    const fewer = { ...list, entries: list.entries.filter((entry) => entry.number !== rule) };
    for (const [ruleset, log] of [
      [lowerIptables(fewer), iptables],
      [lowerNft(fewer, { arp: 'unchecked' }), nft],
    ] as const) {
      const say = `${ruleset.backend} without rule ${rule}`;
      const course = attacked(number, ruleset);
      assert.deepEqual(logsOf(course)[0], log, say);
      assert.deepEqual([course.outcome.caught > 0, course.outcome.relayed], [caught, 0], say);
    }
  }
});

const ip = (text: string): Ip => parseIp(text) ?? assert.fail(text);

/** What a man in the middle would send on: at its own port, with the address of another. */
const secondLegs: readonly (readonly [
  attacker: string,
  source: string,
  destination: string,
  iptables: string,
  nft: string,
])[] = [
  ['kali3', '192.168.50.14', '192.168.50.15', '10 DENY vk63>vk65', '10 DENY vk63>'],
  ['kali4', '192.168.50.13', '192.168.50.1', '11 DENY vk64>vethb2', '11 DENY vk64>'],
  ['kali5', '192.168.50.1', '192.168.50.13', '12 DENY vk65>vk63', '12 DENY vk65>'],
  ['kali2', '192.168.50.13', '192.168.50.14', '13 DENY vk42>vethb1', '13 DENY vk42>'],
];

test('the second leg dies where it enters: its source is not the guest behind the port', () => {
  for (const ruleset of unchecked) {
    for (const [attacker, source, destination, iptables, nft] of secondLegs) {
      const world = new World(scene, ruleset);
      // who has met is not flooded for
      const met = perform(world, { kind: 'ping', node: attacker, to: ip(destination), ident: 1, sequence: 1 });
      assert.equal(met.outcome, 'answered');
      const known = perform(world, { kind: 'neighbour', node: attacker, ifname: 'eth0', ip: ip(destination) }).outcome;
      const from = scene.nodes.find(({ name }) => name === attacker)?.interfaces[0];
      assert.ok(from);
      const ether = { source: from.mac, destination: parseMac(known) ?? 0 };
      const frame = echoRequest({ ether, source: ip(source), destination: ip(destination), id: 2, sequence: 1 });
      const { lines } = perform(world, { kind: 'inject', node: attacker, ifname: 'eth0', frames: [frame] });
      assert.deepEqual(lines.map(shortLine), [ruleset.backend === 'nft' ? nft : iptables], attacker);
    }
  }
});

test('attacks on another host: every guest in the middle of the others and of the host, and a running flow', () => {
  const other = factsOf(topologies.row);
  const titles = attacksOn(sceneOf(other.policy, other.host)).map(({ number, title }) => `${number} ${title}`);
  assert.deepEqual(titles, [
    '1 a between b and c',
    '2 b between c and a',
    '3 c between a and b',
    '4 a between b and host',
    '5 b between c and host',
    '6 c between a and host',
    '7 host between a and b',
    '8 a takes over the running flow of b and c',
  ]);
});
