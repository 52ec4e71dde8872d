// What is wrong between policy and host is said with its place, all at once. A fault of one guest closes the port of that
// guest and leaves the others alone; a fault of the whole gives no list.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compile } from '../../src/compile/compile.ts';
import { type Diagnostic, printDiagnostic } from '../../src/model/diagnostic.ts';
import { type RuleList, rulesOf } from '../../src/model/rule-list.ts';
import { parsePolicy } from '../../src/policy/parse-policy.ts';
import { parseHost } from '../../src/topology/host-file.ts';
import { exampleTexts, type Texts } from '../support/compiled.ts';

const example = exampleTexts();

type Change = readonly [from: string, to: string];

/** What one changes in the example, and what is said about it, word for word. */
type Row = {
  readonly what: string;
  readonly host?: readonly Change[];
  readonly policy?: readonly Change[];
  readonly says: readonly string[];
  /** The ports that nothing passes any more; undefined when there is no list at all. */
  readonly closed: readonly string[] | undefined;
};

const rows: readonly Row[] = [
  { what: 'nothing', says: [], closed: [] },
  {
    what: 'two bridges with two links: a loop',
    host: [
      ['      vethb2: { peer: vethb1 }', '      vethb2: { peer: vethb1 }\n      l6: { peer: l4 }'],
      ['      vethb1: { peer: vethb2 }', '      vethb1: { peer: vethb2 }\n      l4: { peer: l6 }'],
    ],
    says: [
      'host.yaml:10:7: error[bridge-loop]: the links between virbr6, virbr4 form a loop',
      '  hint: take one of the links away: linked bridges must form a tree',
      '  host.yaml:11:7: l6 leads to l4',
      '  host.yaml:15:7: vethb1 leads to vethb2',
      '  host.yaml:16:7: l4 leads to l6',
    ],
    closed: undefined,
  },
  {
    what: 'a cable from a bridge to itself: a loop',
    host: [
      [
        '      vethb2: { peer: vethb1 }',
        '      vethb2: { peer: vethb1 }\n      l1: { peer: l2 }\n      l2: { peer: l1 }',
      ],
    ],
    says: [
      'host.yaml:10:7: error[bridge-loop]: the links between virbr6, virbr4 form a loop',
      '  hint: take one of the links away: linked bridges must form a tree',
      '  host.yaml:11:7: l1 leads to l2',
      '  host.yaml:12:7: l2 leads to l1',
      '  host.yaml:16:7: vethb1 leads to vethb2',
    ],
    closed: undefined,
  },
  {
    what: 'a port of which nobody knows anything',
    host: [['      vethb2: { peer: vethb1 }', '      vethb2: { peer: vethb1 }\n      tap9: {}']],
    says: [
      "host.yaml:11:7: warning[unknown-port]: port 'tap9' of bridge 'virbr6' stays closed: nobody knows what is behind it",
      "  hint: name it with 'port: tap9' at a guest, or with 'uplink: true' in the host file",
    ],
    closed: ['tap9'],
  },
  {
    what: 'a guest of the host that the policy does not name',
    host: [['      vethb2: { peer: vethb1 }', '      vethb2: { peer: vethb1 }\n      vk66: { guest: kali6 }']],
    says: [
      "host.yaml:11:7: warning[unbound-port]: port 'vk66' of guest 'kali6' stays closed: the policy gives this guest no addresses",
      "  hint: add 'kali6: { ip: ... }' under guests",
    ],
    closed: ['vk66'],
  },
  {
    what: 'a guest of the policy that the host does not show',
    policy: [['  kali5: { ip: 192.168.50.15 }', '  kali5: { ip: 192.168.50.15 }\n  kali6: { ip: 192.168.50.16 }']],
    says: [
      "policy.yaml:8:3: warning[guest-without-port]: guest 'kali6' is behind no bridge port",
      "  hint: if it runs on this host, name its bridge port with 'port:'",
    ],
    closed: [],
  },
  {
    what: 'a port that is not there',
    policy: [['  kali5: { ip: 192.168.50.15 }', '  kali5: { ip: 192.168.50.15, port: vk66 }']],
    says: [
      "policy.yaml:7:3: error[unknown-port]: no bridge has a port 'vk66'",
      '  hint: the bridge ports are: vk63, vk64, vk65, vethb2, vk42, vethb1, vmh1, eth0',
      "host.yaml:9:7: warning[unbound-port]: port 'vk65' of guest 'kali5' stays closed: the policy gives this guest no addresses",
      "  hint: add 'kali5: { ip: ... }' under guests",
    ],
    closed: ['vk65'],
  },
  {
    what: 'two guests behind one port',
    policy: [
      [
        '  kali5: { ip: 192.168.50.15 }',
        '  kali5: { ip: 192.168.50.15, port: tap1 }\n  kali6: { ip: 192.168.50.16, port: tap1 }',
      ],
    ],
    host: [['      vk65: { guest: kali5, mac: 52:54:00:d7:1a:45 }', '      tap1: {}']],
    says: [
      "policy.yaml:8:3: error[port-conflict]: guests 'kali5' and 'kali6' are both behind port 'tap1'",
      '  hint: a guest port has exactly one guest behind it; the port stays closed',
      '  policy.yaml:7:3: the first one',
      "host.yaml:9:7: warning[unknown-port]: port 'tap1' of bridge 'virbr6' stays closed: nobody knows what is behind it",
      "  hint: name it with 'port: tap1' at a guest, or with 'uplink: true' in the host file",
    ],
    closed: ['tap1'],
  },
  {
    what: 'one guest behind two ports',
    host: [['      vethb2: { peer: vethb1 }', '      vethb2: { peer: vethb1 }\n      vk66: { guest: kali5 }']],
    says: [
      "policy.yaml:7:3: error[port-conflict]: guest 'kali5' has several ports: vk65, vk66",
      "  hint: say which one has these addresses with 'port: vk65' or its 'mac:', and name the other card as a guest of its own",
      "host.yaml:9:7: warning[unbound-port]: port 'vk65' of guest 'kali5' stays closed: the policy gives this guest no addresses",
      "  hint: add 'kali5: { ip: ... }' under guests",
      "host.yaml:11:7: warning[unbound-port]: port 'vk66' of guest 'kali5' stays closed: the policy gives this guest no addresses",
      "  hint: add 'kali5: { ip: ... }' under guests",
    ],
    closed: ['vk65', 'vk66'],
  },
  {
    what: "a guest behind another guest's port",
    policy: [['  kali5: { ip: 192.168.50.15 }', '  kali5: { ip: 192.168.50.15, port: vk64 }']],
    says: [
      "policy.yaml:7:3: error[port-conflict]: port 'vk64' belongs to guest 'kali4', not to 'kali5'",
      '  host.yaml:8:7: the port is here',
      "host.yaml:9:7: warning[unbound-port]: port 'vk65' of guest 'kali5' stays closed: the policy gives this guest no addresses",
      "  hint: add 'kali5: { ip: ... }' under guests",
    ],
    closed: ['vk65'],
  },
  {
    what: 'a guest behind a link',
    policy: [['  kali5: { ip: 192.168.50.15 }', '  kali5: { ip: 192.168.50.15, port: vethb1 }']],
    says: [
      "policy.yaml:7:3: error[port-conflict]: port 'vethb1' leads to 'vethb2', so guest 'kali5' cannot be behind it",
      '  host.yaml:14:7: the port is here',
      "host.yaml:9:7: warning[unbound-port]: port 'vk65' of guest 'kali5' stays closed: the policy gives this guest no addresses",
      "  hint: add 'kali5: { ip: ... }' under guests",
    ],
    closed: ['vk65'],
  },
  {
    what: 'a guest behind an uplink',
    policy: [['  kali5: { ip: 192.168.50.15 }', '  kali5: { ip: 192.168.50.15, port: eth0 }']],
    says: [
      "policy.yaml:7:3: error[port-conflict]: port 'eth0' leads outside of this host, so guest 'kali5' cannot be behind it",
      '  host.yaml:18:7: the port is here',
      "host.yaml:9:7: warning[unbound-port]: port 'vk65' of guest 'kali5' stays closed: the policy gives this guest no addresses",
      "  hint: add 'kali5: { ip: ... }' under guests",
    ],
    closed: ['vk65'],
  },
  {
    what: 'two MACs for one guest',
    policy: [['  kali5: { ip: 192.168.50.15 }', '  kali5: { ip: 192.168.50.15, mac: 52:54:00:00:00:15 }']],
    says: [
      "policy.yaml:7:3: error[mac-conflict]: the policy and the host give different MACs for guest 'kali5'",
      '  hint: leave `mac` out to take the one that the host shows',
      '  host.yaml:9:7: the port is here',
      "host.yaml:9:7: warning[unbound-port]: port 'vk65' of guest 'kali5' stays closed: the policy gives this guest no addresses",
      "  hint: add 'kali5: { ip: ... }' under guests",
    ],
    closed: ['vk65'],
  },
  {
    what: "a guest with the host's own address",
    policy: [['  kali5: { ip: 192.168.50.15 }', '  kali5: { ip: [192.168.50.15, 192.168.50.1] }']],
    says: [
      "policy.yaml:7:3: error[duplicate-address]: guest 'kali5' has the host's own address 192.168.50.1; its port stays closed",
      "  host.yaml:20:3: the host's interface 'vmh2'",
      "host.yaml:9:7: warning[unbound-port]: port 'vk65' of guest 'kali5' stays closed: the policy gives this guest no addresses",
      "  hint: add 'kali5: { ip: ... }' under guests",
    ],
    closed: ['vk65'],
  },
  {
    what: "a guest with the host's own MAC",
    host: [['52:54:00:d7:1a:45', '52:54:00:a3:01:50']],
    says: [
      "policy.yaml:7:3: error[duplicate-mac]: guest 'kali5' has the host's own MAC 52:54:00:a3:01:50; its port stays closed",
      "  host.yaml:20:3: the host's interface 'vmh2'",
      "host.yaml:9:7: warning[unbound-port]: port 'vk65' of guest 'kali5' stays closed: the policy gives this guest no addresses",
      "  hint: add 'kali5: { ip: ... }' under guests",
    ],
    closed: ['vk65'],
  },
  {
    what: 'a pattern of guest ports that would close the uplink',
    policy: [['allow:', "guest-ports: ['vk*', 'eth*']\nallow:"]],
    says: [
      "policy.yaml:1:1: error[port-conflict]: the pattern 'eth*' of guest-ports fits 'eth0', which is no guest port",
      '  host.yaml:18:7: it is here',
    ],
    closed: undefined,
  },
  {
    what: 'names that nobody has, each once, with the one that was probably meant',
    policy: [
      ['from: kali4, to: lamp', 'from: kali44, to: [lamp, "10.0.0.1"]'],
      ['  ext: [host, lamp]', '  ext: [host, lamb]'],
    ],
    says: [
      "policy.yaml:12:15: error[unknown-name]: no guest, outside machine, group or bridge is named 'lamb'",
      "  hint: did you mean 'lamp'?",
      "policy.yaml:16:13: error[unknown-name]: no guest, outside machine, group or bridge is named 'kali44'",
      "  hint: did you mean 'kali4'?",
      "policy.yaml:16:32: error[unknown-name]: no guest, outside machine, group or bridge is named '10.0.0.1'",
      '  hint: name it under guests, outside or groups',
    ],
    closed: undefined,
  },
  {
    what: 'a machine behind nothing that the host has',
    policy: [['lamp: { ip: 192.168.0.37, behind: br0 }', 'lamp: { ip: 192.168.0.37, behind: br1 }']],
    says: [
      "policy.yaml:9:3: error[unknown-interface]: 'lamp' is behind 'br1', but the host has no such interface or bridge",
      '  hint: the host has: vmh2, br0, virbr6, vk63, vk64, vk65, vethb2, virbr4, vk42, vethb1, vmh1, eth0',
    ],
    closed: undefined,
  },
  {
    what: 'via an interface that the host does not have',
    policy: [['from: host, to: any, via: br0', 'from: host, to: any, via: eth7']],
    says: [
      "policy.yaml:17:33: error[unknown-interface]: the host has no interface 'eth7'",
      "  hint: the host's interfaces are: vmh2, br0",
    ],
    closed: undefined,
  },
  {
    what: 'via the interface that leads to the guests',
    policy: [['from: host, to: any, via: br0', 'from: host, to: any, via: vmh2']],
    says: [
      "policy.yaml:17:33: error[no-way]: 'vmh2' leads to guests",
      "  hint: leave `via` out: the host's way to its guests follows from the topology",
    ],
    closed: undefined,
  },
  {
    what: "via for a connection that is not the host's own",
    policy: [['from: host, to: any, via: br0', 'from: lamp, to: admin, via: br0']],
    says: ["policy.yaml:17:35: error[no-way]: `via` is for the host's own connections: one side must be `host`"],
    closed: undefined,
  },
  {
    what: 'several at once, in the order of the text',
    policy: [
      ['  kali5: { ip: 192.168.50.15 }', '  kali5: { ip: 192.168.50.15, port: vk66 }'],
      ['from: kali4, to: lamp', 'from: kali4, to: lamb'],
      ['from: host, to: any, via: br0', 'from: host, to: any, via: eth7'],
    ],
    says: [
      "policy.yaml:7:3: error[unknown-port]: no bridge has a port 'vk66'",
      '  hint: the bridge ports are: vk63, vk64, vk65, vethb2, vk42, vethb1, vmh1, eth0',
      "policy.yaml:16:24: error[unknown-name]: no guest, outside machine, group or bridge is named 'lamb'",
      "  hint: did you mean 'lamp'?",
      "policy.yaml:17:33: error[unknown-interface]: the host has no interface 'eth7'",
      "  hint: the host's interfaces are: vmh2, br0",
      "host.yaml:9:7: warning[unbound-port]: port 'vk65' of guest 'kali5' stays closed: the policy gives this guest no addresses",
      "  hint: add 'kali5: { ip: ... }' under guests",
    ],
    closed: undefined,
  },
];

function changed(text: string, changes: readonly Change[] = []): string {
  return changes.reduce((whole, [from, to]) => {
    assert.ok(whole.includes(from), `the example has no '${from}'`);
    return whole.replace(from, to);
  }, text);
}

type Outcome = { readonly diagnostics: readonly Diagnostic[]; readonly list?: RuleList };

function compiled({ host, policy }: Texts): Outcome {
  const [facts, intent] = [parseHost(host, 'host.yaml'), parsePolicy(policy, 'policy.yaml')];
  assert.deepEqual([facts.diagnostics, intent.diagnostics], [[], []]);
  assert.ok(facts.value && intent.value);
  const { value, diagnostics } = compile(intent.value, facts.value);
  return { diagnostics, ...(value === undefined ? {} : { list: value.list }) };
}

/** Without the files in the order of the alphabet: the policy's faults first. */
function policyFirst(diagnostics: readonly Diagnostic[]): readonly string[] {
  const [policy, host] = [/^policy/, /^host/].map((file) => diagnostics.filter(({ span }) => file.test(span.file)));
  return [...(policy ?? []), ...(host ?? [])].flatMap((diagnostic) => printDiagnostic(diagnostic).split('\n'));
}

for (const { what, host, policy, says, closed } of rows) {
  test(what, () => {
    const { diagnostics, list } = compiled({
      host: changed(example.host, host),
      policy: changed(example.policy, policy),
    });
    assert.deepEqual(policyFirst(diagnostics), says);
    const ports = list?.ground.bridges.flatMap((bridge) => bridge.ports);
    assert.deepEqual(
      ports?.filter(({ kind }) => kind === 'closed').map(({ name }) => name),
      closed,
    );
  });
}

test('every code that compiling knows occurred', () => {
  const codes = rows.flatMap(({ says }) => says.flatMap((line) => /\[([a-z-]+)\]:/.exec(line)?.[1] ?? []));
  assert.deepEqual([...new Set(codes)].toSorted(), [
    'bridge-loop',
    'duplicate-address',
    'duplicate-mac',
    'guest-without-port',
    'mac-conflict',
    'no-way',
    'port-conflict',
    'unbound-port',
    'unknown-interface',
    'unknown-name',
    'unknown-port',
  ]);
});

test('a fault of one guest closes its port, and every other rule is the same as without it', () => {
  const whole = compiled(example).list;
  const port = changed(example.policy, [
    ['  kali5: { ip: 192.168.50.15 }', '  kali5: { ip: 192.168.50.15, port: vk64 }'],
  ]);
  const { diagnostics, list } = compiled({ ...example, policy: port });
  assert.ok(whole && list);
  assert.equal(diagnostics.filter(({ severity }) => severity === 'error').length, 1);
  const closing = rulesOf(list).filter(({ place }) => place.kind === 'port' && place.port === 'vk65');
  assert.deepEqual(
    closing.map(({ id, verdict, check }) => [id, verdict, check.kind]),
    [
      ['port/vk65/closed/out', 'deny', 'everything'],
      ['port/vk65/closed/in', 'deny', 'everything'],
    ],
  );
  const others = (some: RuleList) =>
    rulesOf(some)
      .filter(({ place }) => place.kind === 'port' && /^vk6[34]$|^vk42$/.test(place.port) && place.direction === 'out')
      .map(({ id, check }) => [id, check]);
  assert.deepEqual(others(list), others(whole));
  const fifth = rulesOf(list).filter(({ id }) => id.includes('kali5'));
  assert.deepEqual(fifth, [], 'no rule speaks of the guest that nobody knows the place of');
});
