// Might a tracked connection begin now: held against what the policy's lines say of every pair of machines on whole hosts,
// and in rows for what lines do not say.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { FlowJudge } from '../../src/apply/flow-judge.ts';
import { revokedFlows } from '../../src/apply/revocation.ts';
import { parseTracked, type TrackedFlow } from '../../src/apply/tracked-flow.ts';
import { lowerIptables } from '../../src/iptables/lower.ts';
import type { Backend } from '../../src/model/ruleset.ts';
import { lowerNft } from '../../src/nft/lower.ts';
import { policyFlows } from '../../src/simulate/flows.ts';
import { sceneOf } from '../../src/simulate/scene.ts';
import { compiledFrom, type Facts, factsOf, type Texts } from '../support/compiled.ts';
import { root } from '../support/run-cli.ts';
import { topologies } from '../support/topologies.ts';
import { type Asked, trackedLine } from './tracked-lines.ts';

function exampleOf(name: string): Texts {
  const text = (file: string) => readFileSync(join(root, 'examples', name, file), 'utf8');
  return { host: text('host.yaml'), policy: text('policy.yaml') };
}

function judgeOf(facts: Facts, backend: Backend): FlowJudge {
  const { list } = compiledFrom(facts);
  const ruleset = backend === 'nft' ? lowerNft(list, { arp: 'bound' }) : lowerIptables(list);
  return new FlowJudge({ ruleset, list, host: facts.host });
}

function tracked(asked: Asked): TrackedFlow {
  const [flow] = parseTracked(trackedLine(asked, 1));
  assert.ok(flow, trackedLine(asked, 1));
  return flow;
}

const backends: readonly Backend[] = ['nft', 'iptables'];

const hosts: readonly (readonly [name: string, texts: Texts])[] = [
  ...['two-bridge', 'one-bridge', 'uplink-bridge'].map((name) => [name, exampleOf(name)] as const),
  ...Object.entries(topologies),
];

suite('what the policy says of every pair with a guest is what is judged', () => {
  for (const [name, texts] of hosts) {
    for (const backend of backends) {
      test(`${name}, ${backend}`, () => {
        const facts = factsOf(texts);
        const judge = judgeOf(facts, backend);
        const flows = policyFlows(facts.policy, facts.host, sceneOf(facts.policy, facts.host)).filter(
          ({ from, to }) => from.kind === 'guest' || to.kind === 'guest',
        );
        const wrong = flows.filter(({ from, to, probe, allowed }) => {
          const service =
            probe.protocol === 'ping'
              ? { protocol: 'icmp' as const }
              : { protocol: 'tcp' as const, dport: probe.dport };
          return judge.allows(tracked({ from: from.ip, to: to.ip, ...service })) !== allowed;
        });
        assert.deepEqual(
          wrong.map(({ from, to, probe, allowed }) => `${from.node} ${to.node} ${JSON.stringify(probe)} ${allowed}`),
          [],
        );
        assert.ok(flows.some(({ allowed }) => allowed) && flows.some(({ allowed }) => !allowed), `${flows.length}`);
      });
    }
  }
});

const [kali2, kali3, kali4, kali5] = ['192.168.50.12', '192.168.50.13', '192.168.50.14', '192.168.50.15'];
const [lamp, admin, ownHere, ownThere] = ['192.168.0.37', '192.168.0.10', '192.168.50.1', '192.168.0.19'];

const rows: readonly (readonly [want: 'goes on' | 'ends', why: string, asked: Asked])[] = [
  [
    'goes on',
    'the policy has it, over two bridges and the host',
    { from: kali4, to: lamp, protocol: 'tcp', dport: 443 },
  ],
  ['ends', 'another port', { from: kali4, to: lamp, protocol: 'tcp', dport: 22 }],
  ['ends', 'another protocol', { from: kali4, to: lamp, protocol: 'udp', dport: 443 }],
  ['ends', 'the server did not open it', { from: lamp, to: kali4, protocol: 'tcp', sport: 443, dport: 40_000 }],
  ['goes on', 'a ping from bridge to bridge', { from: kali2, to: kali3, protocol: 'icmp' }],
  ['ends', 'another question', { from: kali2, to: kali3, protocol: 'icmp', type: 13 }],
  ['ends', 'a protocol of which no line speaks', { from: kali2, to: kali3, protocol: 47 }],
  ['ends', 'a guest with nobody that we know', { from: kali5, to: '203.0.113.5', protocol: 'tcp', dport: 443 }],
  ['ends', 'nobody that we know with a guest', { from: '203.0.113.5', to: kali5, protocol: 'tcp', dport: 443 }],
  ['goes on', 'the administrator', { from: admin, to: ownThere, protocol: 'tcp', dport: 22 }],
  ['ends', 'another machine at the ruled interface', { from: lamp, to: ownThere, protocol: 'tcp', dport: 22 }],
  ['goes on', 'the host by the ruled interface', { from: ownThere, to: '203.0.113.5', protocol: 'tcp', dport: 443 }],
  ['ends', 'a guest to the host, but by ping', { from: kali2, to: ownHere, protocol: 'tcp', dport: 22 }],
  ['goes on', 'the host with itself', { from: ownHere, to: ownThere, protocol: 'tcp', dport: 22 }],
  ['goes on', 'to everybody: no answer comes', { from: kali2, to: '224.0.0.251', protocol: 'udp', dport: 5353 }],
  ['goes on', 'neither end is ours', { from: '172.17.0.2', to: '203.0.113.5', protocol: 'tcp', dport: 443 }],
  [
    'goes on',
    "it was sent to the host, and is lamp's web server in the end",
    { from: kali4, to: ownHere, protocol: 'tcp', dport: 8080, really: [lamp, 80] },
  ],
  [
    'ends',
    'it was sent to lamp, and is another guest in the end',
    { from: kali4, to: lamp, protocol: 'tcp', dport: 80, really: [kali5, 80] },
  ],
];

suite('on the example with two bridges', () => {
  for (const backend of backends) {
    const judge = judgeOf(factsOf(exampleOf('two-bridge')), backend);
    for (const [want, why, asked] of rows) {
      test(`${backend}, ${want}: ${why}`, () => {
        assert.equal(judge.allows(tracked(asked)), want === 'goes on');
      });
    }
  }
});

const [web, mail, router, relay] = ['192.168.122.11', '192.168.122.13', '198.51.100.10', '198.51.100.25'];
const far = '203.0.113.5';

/** The host routes, and translates as libvirt's networks do. */
const translated: readonly (readonly [want: 'goes on' | 'ends', why: string, asked: Asked])[] = [
  ['goes on', 'mail behind the host', { from: mail, to: relay, protocol: 'tcp', dport: 25, masked: router }],
  ['ends', 'web behind the host', { from: web, to: relay, protocol: 'tcp', dport: 25, masked: router }],
  ['ends', 'mail, to somebody else', { from: mail, to: far, protocol: 'tcp', dport: 25, masked: router }],
  [
    'goes on',
    'a port of the host leads to web',
    { from: far, to: router, protocol: 'tcp', dport: 8080, really: [web, 80] },
  ],
  ['ends', 'another one to mail', { from: far, to: router, protocol: 'tcp', dport: 8080, really: [mail, 80] }],
  ['ends', 'and to another port of web', { from: far, to: router, protocol: 'tcp', dport: 80, really: [web, 22] }],
  [
    'goes on',
    'containers are none of ours',
    { from: '172.17.0.2', to: far, protocol: 'tcp', dport: 443, masked: router },
  ],
  [
    'goes on',
    'the host, translated by itself',
    { from: router, to: far, protocol: 'tcp', dport: 443, really: [relay, 443] },
  ],
];

suite('where addresses are translated', () => {
  for (const backend of backends) {
    const judge = judgeOf(factsOf(exampleOf('one-bridge')), backend);
    for (const [want, why, asked] of translated) {
      test(`${backend}, ${want}: ${why}`, () => {
        assert.equal(judge.allows(tracked(asked)), want === 'goes on');
      });
    }
  }
});

suite('which connections are revoked', () => {
  const flow = (from: string, to: string, dport: number, entry: number, rest = ''): TrackedFlow => {
    const line = trackedLine({ from, to, protocol: 'tcp', dport }, entry);
    const [parsed] = parseTracked(line.replace('use=1', `${rest}use=1`));
    assert.ok(parsed);
    return parsed;
  };
  const onlyTo21 = { allows: ({ original }: TrackedFlow) => original.dport === 21 };
  const control = flow(kali2, kali3, 21, 1, 'helper=ftp ');
  const data = flow(kali3, kali2, 40_000, 2);

  test('what a helper announced lives as long as a connection with a helper between the same two', () => {
    const expected = new Set(['2']);
    assert.deepEqual(revokedFlows([control, data], onlyTo21, new Set(), expected), []);
    assert.deepEqual(revokedFlows([control, data], onlyTo21, new Set(), new Set()), [data]);
    assert.deepEqual(revokedFlows([data], onlyTo21, new Set(), expected), [data]);
    const none = { allows: () => false };
    assert.deepEqual(revokedFlows([control, data], none, new Set(), expected), [control, data]);
    const other = flow(kali4, kali2, 40_000, 3);
    assert.deepEqual(revokedFlows([control, other], onlyTo21, new Set(), new Set(['3'])), [other]);
  });
});

const hostile: readonly string[] = [
  '',
  'conntrack v1.4.7 (conntrack-tools): 1 flow entries have been shown.',
  'ipv6     10 tcp 6 599 ESTABLISHED src=fd00::1 dst=fd00::2 sport=1 dport=2 src=fd00::2 dst=fd00::1 sport=2 dport=1 mark=0 use=1 id=1',
  'ipv4     2 tcp 6 599 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 mark=0 use=1 id=1',
  'ipv4     2 tcp 6 599 src=010.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 mark=0 use=1 id=1',
  'ipv4     2 tcp 6 599 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 mark=0 use=1',
  'ipv4     2 tcp six 599 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 mark=0 use=1 id=1',
];

suite('lines of conntrack', () => {
  for (const line of hostile) test(`no IPv4 connection: '${line}'`, () => assert.deepEqual(parseTracked(line), []));

  test('counters, zones, marks and flags', () => {
    const [flow] = parseTracked(
      'ipv4     2 tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1000 dport=80 packets=5 bytes=300 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=80 dport=1000 packets=0 bytes=0 [ASSURED] mark=5 zone=9 delta-time=7 use=2 id=4221075877',
    );
    assert.ok(flow);
    assert.deepEqual([flow.protocol, flow.zone, flow.entry, flow.original.dport], [6, 9, '4221075877', 80]);
  });
});
