// Ports share sets, and what they say together must be what the topology says of each port alone. The slow way to ask who may
// speak ARP: all ports of random hosts, each MAC and each address of the host there, one by one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { exactly } from '../../src/model/field.ts';
import type { Ip } from '../../src/model/ip.ts';
import { containsIp } from '../../src/model/ip-set.ts';
import type { Mac } from '../../src/model/mac.ts';
import { field } from '../../src/model/match.ts';
import type { GroundPort, RuleList } from '../../src/model/rule-list.ts';
import { accept, type Ruleset } from '../../src/model/ruleset.ts';
import { isSameTree } from '../../src/model/stable-text.ts';
import { etherTypeOf, fieldsOf } from '../../src/nft/layers.ts';
import { lowerNft } from '../../src/nft/lower.ts';
import { elementKey } from '../../src/nft/values.ts';
import type { Arp } from '../../src/packet/arp.ts';
import { Firewall } from '../../src/simulate/evaluate.ts';
import { compiledFrom, type Facts, factsOf, listOf } from '../support/compiled.ts';
import { poolsOf } from '../support/probes.ts';
import { hostPlan, textsOf } from '../support/random-hosts.ts';

const nobody: Ip = { family: 4, bits: 0n };
const everybody: Mac = 0xffff_ffff_ffff;
const stranger: Mac = 0x0200_0000_0042;

type Said = Pick<Arp, 'operation' | 'senderMac' | 'senderIp' | 'targetIp'> & { readonly etherMac: Mac };

/** RFC 826 requests and replies of who is behind the port, and probes (RFC 5227) for an own address. */
function isHonest(port: GroundPort, { operation, etherMac, senderMac, senderIp, targetIp }: Said): boolean {
  const lives = (ip: Ip): boolean =>
    containsIp(port.arpFree, ip) ||
    port.arp.some((pair) => pair.ip.bits === ip.bits && pair.mac === etherMac && pair.mac === senderMac);
  return (operation === 1 || operation === 2) && (lives(senderIp) || (senderIp.bits === 0n && lives(targetIp)));
}

function passes(firewall: Firewall, port: string, { etherMac, ...said }: Said): boolean {
  const packet = {
    ether: { source: etherMac, destination: everybody, type: 0x0806 },
    payload: { kind: 'arp', targetMac: 0, ...said },
  } as const;
  const view = { packet, mark: 0, ctState: 'untracked', iif: port } as const;
  return firewall.decide('bridge', 'prerouting', view, 0, () => {}).verdict === 'accept';
}

function* saidBy(macs: readonly Mac[], ips: readonly Ip[]): Generator<Said> {
  for (const [turn, etherMac] of macs.entries()) {
    const other = macs[(turn + 1) % macs.length] ?? stranger;
    for (const ip of ips) {
      yield { operation: 1 + (turn % 2), etherMac, senderMac: etherMac, senderIp: ip, targetIp: nobody };
      yield { operation: 1, etherMac, senderMac: etherMac, senderIp: nobody, targetIp: ip };
      yield { operation: 2, etherMac, senderMac: other, senderIp: ip, targetIp: nobody };
      yield { operation: 8, etherMac, senderMac: etherMac, senderIp: ip, targetIp: nobody };
    }
  }
}

/** How many frames passed, and how many did not. */
function compare({ ground }: RuleList, ruleset: Ruleset, ips: readonly Ip[]): readonly [honest: number, lies: number] {
  const firewall = new Firewall(ruleset);
  const ports = ground.bridges.flatMap((bridge) => bridge.ports);
  const macs = [...new Set([...ports.flatMap(({ arp }) => arp.map(({ mac }) => mac)), stranger])];
  let honest = 0;
  let lies = 0;
  for (const port of ports) {
    for (const said of saidBy(macs, ips)) {
      const want = isHonest(port, said);
      if (passes(firewall, port.name, said) !== want)
        assert.fail(
          `${port.name}, ${want ? 'honest' : 'a lie'}: ${said.etherMac.toString(16)} ${JSON.stringify(said, (_key, value) => (typeof value === 'bigint' ? `${value}` : value))}`,
        );
      if (want) honest++;
      else lies++;
    }
  }
  return [honest, lies];
}

function ipsOf(facts: Facts): readonly Ip[] {
  return poolsOf(facts).ips;
}

test('random hosts: at each port speaks who is behind it, and nobody else', () => {
  let [honest, lies] = [0, 0];
  const kinds = new Map<string, number>();
  fc.assert(
    fc.property(hostPlan, (plan) => {
      const facts = factsOf(textsOf(plan));
      const { list } = compiledFrom(facts);
      const [some, others] = compare(list, lowerNft(list, { arp: 'bound' }), ipsOf(facts));
      honest += some;
      lies += others;
      for (const { kind } of list.ground.bridges.flatMap(({ ports }) => ports))
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }),
    { seed: 826, numRuns: 150 },
  );
  assert.ok(honest > 5_000 && lies > 50_000, `${honest} honest, ${lies} lies`);
  assert.deepEqual([...kinds.keys()].sort(), ['closed', 'guest', 'host', 'link', 'uplink']);
});

/** The host has one address on two bridges, with another card on each, and says so by both. */
const twice = {
  host: `
host: twice
bridges:
  br1: { ports: { g1: { guest: a, mac: 52:54:00:00:00:10 }, l12: { peer: l21 }, h1: { peer: h2 } } }
  br2: { ports: { l21: { peer: l12 }, g2: { guest: b, mac: 52:54:00:00:00:11 }, l23: { peer: l32 } } }
  br3: { ports: { l32: { peer: l23 }, g3: { guest: c, mac: 52:54:00:00:00:12 }, h3: { peer: h4 } } }
interfaces:
  h2: { mac: 52:54:00:00:00:01, peer: h1, addresses: [10.0.0.1/24] }
  h4: { mac: 52:54:00:00:00:02, peer: h3, addresses: [10.0.0.1/24] }
`,
  policy: `
guests: { a: { ip: 10.0.0.11 }, b: { ip: 10.0.0.12 }, c: { ip: 10.0.0.13 } }
allow: [{ from: guests, to: [guests, host], service: ping }]
dhcp: none
`,
};

test('an address with two cards is bound to each where it is', () => {
  const list = listOf(twice);
  const ruleset = lowerNft(list, { arp: 'bound' });
  const [honest] = compare(list, ruleset, ipsOf(factsOf(twice)));
  assert.ok(honest > 0);
  const bound = ruleset.tables[0]?.sets.find(({ name }) => name === 'arp_bound')?.elements ?? [];
  const address = exactly(0x0a00_0001);
  assert.ok(bound.length > 0 && bound.every((element) => elementKey([element[3] ?? '']) === elementKey([address])));
});

test('random hosts: what is near the one end of a cable is behind the other', () => {
  let cables = 0;
  fc.assert(
    fc.property(hostPlan, (plan) => {
      const ports = listOf(textsOf(plan)).ground.bridges.flatMap((bridge) => bridge.ports);
      for (const { peer, near } of ports.filter(({ kind }) => kind === 'link')) {
        assert.deepEqual(near, ports.find(({ name }) => name === peer)?.behind);
        cables++;
      }
    }),
    { seed: 8021, numRuns: 150 },
  );
  assert.ok(cables > 100);
});

test('no port has a set of another one', () => {
  const cable = (name: string, peer: string) => `${name}: { peer: ${peer} }`;
  const names = ['u', 'u_net', 'u__net', 'u_'];
  const ports = names.map((name) => `${name}: { uplink: true }`).join(', ');
  const host = `
host: alike
bridges:
  br1: { ports: { g1: { guest: a, mac: 52:54:00:00:00:10 }, ${cable('l', 'l_net')}, ${ports} } }
  br2: { ports: { g2: { guest: b, mac: 52:54:00:00:00:11 }, ${cable('l_net', 'l')} } }
`;
  const policy = `
guests: { a: { ip: 10.0.0.11 }, b: { ip: 10.0.0.12 } }
allow: [{ from: [guests, any], to: [guests, any], service: ping }]
dhcp: none
`;
  const { tables } = lowerNft(listOf({ host, policy }), { arp: 'bound' });
  for (const { sets } of tables) {
    assert.deepEqual(sets.map(({ name }) => name).toSorted(), [...new Set(sets.map(({ name }) => name))].toSorted());
    for (const name of names) assert.ok(sets.some((set) => set.name.endsWith(`_${name.replaceAll('_', '__')}_net`)));
  }
});

// nft lists a type as implied by the fields behind it, and loads it from a listing as one that sees through VLAN tags
test('what accepts ARP or IPv4 by its fields names the type behind them, where a listing keeps it', () => {
  const [bridge] = lowerNft(listOf(twice), { arp: 'bound' }).tables;
  const chains = bridge?.chains.filter(({ name }) => /^(?:in|out)_|^prerouting$|^arp_in$/.test(name)) ?? [];
  const accepting = chains.flatMap(({ rules }) =>
    rules.filter(({ body }) => isSameTree(body.at(-1), accept) && body.flatMap(fieldsOf).some(etherTypeOf)),
  );
  for (const { body } of accepting) {
    const [type] = body.flatMap(fieldsOf).flatMap((one) => etherTypeOf(one) ?? []);
    assert.ok(type !== undefined && isSameTree(body.at(-2), field('ether type', exactly(type))));
  }
  assert.ok(accepting.length > 20);
});
