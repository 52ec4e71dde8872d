// A line of the policy means the whole way: there is an ACCEPT at every hop, on every bridge that the first packet
// crosses, at the host's interfaces, and nowhere else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lowerIptables } from '../../src/iptables/lower.ts';
import { parseIp } from '../../src/model/ip.ts';
import { rulesOf } from '../../src/model/rule-list.ts';
import { ruleComment } from '../../src/model/rule-prefix.ts';
import { lowerNft } from '../../src/nft/lower.ts';
import { journeys } from '../../src/simulate/journey.ts';
import { perform } from '../../src/simulate/perform.ts';
import type { Step } from '../../src/simulate/scenario.ts';
import { sceneOf } from '../../src/simulate/scene.ts';
import { World } from '../../src/simulate/world.ts';
import { compiledFrom, example } from '../support/compiled.ts';

const facts = example();
const { list } = compiledFrom(facts);
const scene = sceneOf(facts.policy, facts.host);
const rulesets = [lowerIptables(list), lowerNft(list, { arp: 'bound' }), lowerNft(list, { arp: 'unchecked' })];

const addresses: Readonly<Record<string, string>> = {
  kali2: '192.168.50.12',
  kali3: '192.168.50.13',
  kali4: '192.168.50.14',
  kali5: '192.168.50.15',
  host: '192.168.50.1',
  'host at br0': '192.168.0.19',
  lamp: '192.168.0.37',
  admin: '192.168.0.10',
};

type Row = readonly [from: string, to: string, service: number | 'ping', outcome: string, rules: readonly number[]];

/** The numbers of the rules that decide over the first packet, hop by hop. Everybody listens at every port asked for. */
const rows: readonly Row[] = [
  ['kali4', 'lamp', 80, 'connected', [34, 39, 42]],
  ['kali4', 'lamp', 443, 'connected', [34, 39, 42]],
  ['kali4', 'lamp', 'ping', 'answered', [33, 39, 42]],
  ['kali3', 'lamp', 'ping', 'answered', [32, 39, 42]],
  ['kali2', 'lamp', 'ping', 'answered', [38, 42]],
  ['kali3', 'kali4', 'ping', 'answered', [32]],
  ['kali5', 'kali3', 'ping', 'answered', [35]],
  ['kali3', 'kali2', 'ping', 'answered', [32, 39]],
  ['kali2', 'kali5', 'ping', 'answered', [38, 36]],
  ['kali3', 'host', 'ping', 'answered', [32, 39, 42]],
  ['kali2', 'host', 'ping', 'answered', [38, 42]],
  ['host', 'kali2', 'ping', 'answered', [43, 40]],
  ['host', 'kali4', 'ping', 'answered', [43, 40, 36]],
  ['lamp', 'kali2', 'ping', 'answered', [43, 40]],
  ['lamp', 'kali5', 'ping', 'answered', [43, 40, 36]],
  ['host', 'lamp', 22, 'connected', [45]],
  ['host', 'admin', 'ping', 'answered', [45]],
  ['admin', 'host at br0', 22, 'connected', [46]],
  ['kali3', 'lamp', 80, 'silent', [47]],
  ['kali4', 'lamp', 22, 'silent', [47]],
  ['kali2', 'lamp', 80, 'silent', [47]],
  ['kali4', 'kali3', 80, 'silent', [47]],
  ['lamp', 'kali4', 80, 'silent', [47]],
  ['lamp', 'host at br0', 'ping', 'silent', [47]],
  ['kali3', 'admin', 'ping', 'silent', [16]], // the administrator is beyond br0, where no guest may go
];

const numbers = new Map(rulesOf(list).map(({ id, number }) => [ruleComment(id), number]));

function stepOf(from: string, to: string, service: number | 'ping'): Step {
  const ip = parseIp(addresses[to] ?? '');
  assert.ok(ip, to);
  const common = { node: from, to: ip };
  return service === 'ping'
    ? { kind: 'ping', ...common, ident: 1, sequence: 1 }
    : { kind: 'connect', ...common, sport: 40_000, dport: service };
}

for (const ruleset of rulesets) {
  test(`${ruleset.backend}: every line is accepted at every hop, and what no line allows is denied`, () => {
    for (const [from, to, service, outcome, rules] of rows) {
      const world = new World(scene, ruleset);
      if (service !== 'ping') perform(world, { kind: 'listen', node: to.split(' ')[0] ?? '', port: service });
      const say = `${from} -> ${to} ${service}`;
      assert.equal(perform(world, stepOf(from, to, service)).outcome, outcome, say);
      const first = journeys(world.events).find(({ text }) => !text.startsWith('ARP'));
      const decided = (first?.hops ?? []).flatMap(({ visit }) => numbers.get(visit.decision.by?.comment ?? '') ?? []);
      assert.deepEqual(decided, rules, say);
    }
    assert.deepEqual(new Set(rows.map(([, , , outcome]) => outcome)), new Set(['answered', 'connected', 'silent']));
  });
}

test('the rows use every ACCEPT rule', () => {
  const used = new Set(rows.flatMap(([, , , , rules]) => rules));
  const accepts = rulesOf(list).filter(({ verdict, number }) => verdict === 'accept' && number !== undefined);
  assert.deepEqual(
    accepts.map(({ number }) => number).filter((number) => !used.has(number ?? 0)),
    [],
  );
});
