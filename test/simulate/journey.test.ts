// What `simulate` tells of one packet: its hops, the rule that decided at each, and how it ended.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lowerIptables } from '../../src/iptables/lower.ts';
import { parseIp } from '../../src/model/ip.ts';
import { lowerNft } from '../../src/nft/lower.ts';
import { type Disposition, journeys } from '../../src/simulate/journey.ts';
import { perform } from '../../src/simulate/perform.ts';
import { sceneOf } from '../../src/simulate/scene.ts';
import { World } from '../../src/simulate/world.ts';
import { compiledFrom, example } from '../support/compiled.ts';

const facts = example();
const { list } = compiledFrom(facts);
const scene = sceneOf(facts.policy, facts.host);
const iptables = lowerIptables(list);
const nft = lowerNft(list, { arp: 'bound' });

type Row = {
  readonly what: string;
  readonly from: string;
  readonly to: string;
  readonly ruleset: typeof iptables;
  /** Of each hop the hook, its way, and the id of the rule. */
  readonly hops: readonly string[];
  readonly ends: readonly string[];
};

const rows: readonly Row[] = [
  {
    what: 'guest to guest on one bridge, iptables',
    from: 'kali3',
    to: '192.168.50.14',
    ruleset: iptables,
    hops: ['ip forward virbr6>virbr6 vk63>vk64: guest/kali3/allow/guests-to-guests+ext-ping'],
    ends: ['delivered to kali4'],
  },
  {
    what: 'guest to the host over two bridges, iptables',
    from: 'kali3',
    to: '192.168.50.1',
    ruleset: iptables,
    hops: [
      'ip forward virbr6>virbr6 vk63>vethb2: guest/kali3/allow/guests-to-guests+ext-ping',
      'ip forward virbr4>virbr4 vethb1>vmh1: port/vethb1/allow',
      'ip input vmh2>: host/vmh2/allow/in',
    ],
    ends: ['delivered to host'],
  },
  {
    what: 'guest to a machine outside: what the host sends on has not ended there',
    from: 'kali2',
    to: '192.168.0.37',
    ruleset: iptables,
    hops: [
      'ip forward virbr4>virbr4 vk42>vmh1: guest/kali2/allow/guests-to-guests+ext-ping',
      'ip forward vmh2>br0: host/vmh2/allow/in',
    ],
    ends: ['delivered to lamp'],
  },
  {
    what: 'nft asks at every port besides',
    from: 'kali3',
    to: '192.168.50.14',
    ruleset: nft,
    hops: [
      'bridge prerouting vk63>: chain prerouting',
      'bridge forward vk63>vk64 vk63>: chain leave',
      'ip forward virbr6>virbr6 vk63>vk64: guest/kali3/allow/guests-to-guests+ext-ping',
    ],
    ends: ['delivered to kali4'],
  },
  {
    what: 'nobody of that address: the question for it is all that is sent',
    from: 'kali3',
    to: '192.168.50.99',
    ruleset: iptables,
    hops: [],
    ends: ['lost at kali3: no-neighbour'],
  },
  {
    what: 'a service that no line allows',
    from: 'lamp',
    to: '192.168.0.19',
    ruleset: nft,
    hops: [
      'bridge prerouting eth0>: policy of prerouting',
      'bridge input eth0> eth0>: policy of input',
      'ip input br0> eth0>: rest',
    ],
    ends: ['denied at ip input by rest'],
  },
];

for (const { what, from, to, ruleset, hops, ends } of rows) {
  test(what, () => {
    const world = new World(scene, ruleset);
    const ip = parseIp(to);
    assert.ok(ip);
    perform(world, { kind: 'ping', node: from, to: ip, ident: 1, sequence: 1 });
    world.runUntil(world.now + 5_000_000);
    const [journey] = journeys(world.events).filter(({ text }) => text.includes('echo-request') || text === '');
    assert.ok(journey);
    assert.deepEqual(
      journey.hops.map(({ visit: { family, hook, iif = '', oif = '', physin, physout, decision } }) => {
        const ports = physin === undefined ? '' : ` ${physin}>${physout ?? ''}`;
        const { comment, rule, chain } = decision.by ?? {};
        const by = comment ?? (rule === undefined ? `policy of ${chain}` : `chain ${chain}`);
        return `${family} ${hook} ${iif}>${oif}${ports}: ${by}`;
      }),
      hops,
    );
    assert.deepEqual(journey.ends.map(endText), ends);
  });
}

function endText(end: Disposition): string {
  switch (end.kind) {
    case 'delivered':
      return `delivered to ${end.node}`;
    case 'denied':
      return `denied at ${end.hop.visit.family} ${end.hop.visit.hook} by ${end.hop.visit.decision.by?.comment}`;
    case 'lost':
      return `lost at ${end.node}: ${end.reason}`;
  }
}

test('every kind of end occurred', () => {
  const kinds = new Set(rows.flatMap(({ ends }) => ends.map((end) => end.split(' ')[0])));
  assert.deepEqual(kinds, new Set(['delivered', 'denied', 'lost']));
});

test('log lines stand at the hop that caused them', () => {
  const world = new World(scene, iptables);
  perform(world, { kind: 'ping', node: 'kali3', to: parseIp('192.168.50.12') ?? assert.fail(), ident: 1, sequence: 1 });
  const [journey] = journeys(world.events).filter(({ text }) => text.includes('echo-request'));
  assert.deepEqual(
    journey?.hops.map(({ lines }) => lines.map((line) => line.split(' IN=')[0])),
    [['RULE 32 -- ACCEPT'], ['RULE 39 -- ACCEPT']],
  );
});
