import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type DiagnosticCode, hasErrors } from '../../src/model/diagnostic.ts';
import { parseIp } from '../../src/model/ip.ts';
import { containsIp } from '../../src/model/ip-set.ts';
import { parseMac } from '../../src/model/mac.ts';
import type { Policy } from '../../src/model/policy.ts';
import { parsePolicy } from '../../src/policy/parse-policy.ts';
import { marked, placesOf } from '../yaml/marked.ts';

const examples = join(import.meta.dirname, '..', '..', 'examples');

function policyOf(text: string): Policy {
  const { value, diagnostics } = parsePolicy(text, 'policy.yaml');
  assert.deepEqual(diagnostics, []);
  assert.ok(value !== undefined);
  return value;
}

test('the example is a policy without faults', () => {
  const policy = policyOf(readFileSync(join(examples, 'two-bridge', 'policy.yaml'), 'utf8'));
  assert.deepEqual(
    policy.guests.map(({ name }) => name),
    ['kali2', 'kali3', 'kali4', 'kali5'],
  );
  assert.deepEqual(
    policy.allow.map(({ id, log }) => [id, log]),
    [
      ['guests-to-guests+ext-ping', true],
      ['ext-to-guests-ping', true],
      ['kali4-to-lamp-http+https', true],
      ['host-to-any-any-via-br0', false],
      ['admin-to-host-any-via-br0', false],
    ],
  );
  assert.deepEqual(policy.dhcp, { name: 'host', span: { file: 'policy.yaml', line: 1, column: 1 } });
});

test('everything that a policy can say arrives', () => {
  const { text, places } = marked(`
guests:
  web: { ip: [10.0.0.2, 10.0.0.3], mac: 52:54:00:b1:5d:1f, port: vk42 }
  "42": { ip: 10.0.0.4 }
outside:
  office: { ip: [10.1.0.0/16, 10.2.0.1-10.2.0.9, 10.3.0.1], behind: br0 }
groups: { all: [web, office, virbr6], none-yet: [] }
allow:
  - { from: office, to: [web, "42"], service: [dns, tcp/8080, udp/5000-5010, icmp/3/4, proto/47], via: ¦br0, id: office }
  - { from: all, to: any }
dhcp: web
guest-ports: [vnet*, tap1]
`);
  const policy = policyOf(text);
  const [web] = policy.guests;
  assert.equal(web?.mac, parseMac('52:54:00:b1:5d:1f'));
  assert.equal(web?.port, 'vk42');
  assert.deepEqual(web?.span, { file: 'policy.yaml', line: 3, column: 3 });
  const office = policy.outside[0]?.addresses ?? [];
  for (const [address, inside] of [
    ['10.1.255.1', true],
    ['10.2.0.5', true],
    ['10.2.0.10', false],
    ['10.3.0.1', true],
  ] as const) {
    const ip = parseIp(address);
    assert.ok(ip !== undefined && containsIp(office, ip) === inside, address);
  }
  const [line, second] = policy.allow;
  assert.equal(line?.id, 'office');
  assert.deepEqual([line?.via?.name, `${line?.via?.span.line}:${line?.via?.span.column}`], ['br0', ...places]);
  assert.deepEqual(
    line?.services.map(({ kind, name }) => `${kind} ${name}`),
    ['tcp dns', 'udp dns', 'tcp tcp/8080', 'udp udp/5000-5010', 'icmp icmp/3/4', 'protocol proto/47'],
  );
  assert.deepEqual(second?.services, [{ kind: 'any', name: 'any' }]);
  assert.deepEqual(
    policy.groups.map(({ members }) => members.map(({ name }) => name)),
    [['web', 'office', 'virbr6'], []],
  );
  assert.equal(policy.dhcp?.name, 'web');
  assert.deepEqual(policy.guestPorts, ['vnet*', 'tap1']);
  assert.equal(policyOf('dhcp: none').dhcp, undefined);
});

test('drift is put right unless the policy says otherwise', () => {
  assert.equal(policyOf('dhcp: none').restoreDrift, true);
  assert.equal(policyOf('restore-drift: true').restoreDrift, true);
  assert.equal(policyOf('restore-drift: false').restoreDrift, false);
});

const line = (rest: string) => `allow: [{ ${rest} }]`;

/** `¦` stands before each place that a fault of this code must point to, and nowhere else are there faults. */
const rows: readonly (readonly [code: string, text: string])[] = [
  ['syntax', 'guests: {\n¦allow: []'],
  ['duplicate-key', 'guests:\n  a: { ip: 10.0.0.1 }\n  ¦a: { ip: 10.0.0.2 }'],
  ['unknown-key', '¦gests: {}'],
  ['unknown-key', 'guests: { a: { ip: 10.0.0.1, ¦addr: x, ¦0777: y } }'],
  ['unknown-key', line('from: a, to: b, service: http, ¦https')],
  ['unknown-key', '¦__proto__: { guests: 1 }'],
  ['missing-key', 'guests: { ¦a: {} }'],
  ['missing-key', 'outside: { ¦a: { ip: 10.0.0.1 } }'],
  ['missing-key', 'allow: [¦{ from: a }, ¦{ to: a }]'],
  ['wrong-type', '¦foo'],
  ['wrong-type', '¦[]'],
  ['wrong-type', '¦guests:'],
  ['wrong-type', 'guests: ¦[]\ngroups: ¦x\nallow: ¦{}'],
  ['wrong-type', 'guests: { ¦a: , ¦b: }'],
  ['wrong-type', 'guests:\n  a:\n    ¦ip:\n  b: { ip: ¦~ }\n  c: { ip: [10.0.0.1, ¦[10.0.0.2]] }'],
  ['wrong-type', 'groups: { a: ¦b }'],
  ['wrong-type', line('from: a, to: b, log: ¦yes')],
  ['not-text', 'guests: { ¦0777: { ip: 10.0.0.1 }, a: { ip: ¦10, mac: ¦525400112233, port: ¦1e3 } }'],
  ['not-text', '%YAML 1.1\n---\nguests: { a: { ip: 10.0.0.1, mac: ¦52:54:00:11:22:33 } }'],
  ['not-text', line('from: [a, ¦1], to: ¦true, service: ¦80')],
  ['bad-name', "guests: { ¦'a b': { ip: 10.0.0.1 }, ¦'': { ip: 10.0.0.2 } }"],
  ['bad-name', line("from: ¦a/b, to: [b, ¦'$(x)']")],
  ['bad-name', line("from: a, to: b, id: ¦'x y'")],
  ['bad-name', 'guests: { ¦__proto__: { ip: 10.0.0.1 } }'],
  [
    'reserved-name',
    'guests: { ¦host: { ip: 10.0.0.1 } }\noutside: { ¦any: { ip: 10.0.0.2, behind: br0 } }\ngroups: { ¦guests: [a] }',
  ],
  ['reserved-name', 'groups: { a: [¦none] }\nallow: [{ from: ¦none, to: a }]\ndhcp: ¦guests'],
  [
    'duplicate-name',
    'guests: { a: { ip: 10.0.0.1 } }\noutside: { ¦a: { ip: 10.0.0.2, behind: br0 } }\ngroups: { ¦a: [b] }',
  ],
  ['duplicate-name', 'groups: { a: [b] }\nguests: { ¦a: { ip: 10.0.0.1 } }'],
  ['duplicate-name', 'allow: [{ from: a, to: b, id: x }, { from: b, to: a, id: ¦x }]'],
  ['bad-address', 'guests: { a: { ip: ¦010.0.0.1 }, b: { ip: [¦10.0.0.1/24, ¦x] } }'],
  ['bad-address', 'outside: { a: { ip: ¦10.0.0.1/24, behind: br0 } }'],
  ['bad-mac', 'guests: { a: { ip: 10.0.0.1, mac: ¦52-54-00-b1-5d-1f }, b: { ip: 10.0.0.2, mac: ¦ff:ff:ff:ff:ff:ff } }'],
  ['bad-interface', "guests: { a: { ip: 10.0.0.1, port: ¦'v k' } }\noutside: { o: { ip: 10.0.0.2, behind: ¦.. } }"],
  ['bad-interface', "guest-ports: [vnet*, ¦'*', ¦a/b]"],
  ['bad-interface', line("from: host, to: any, via: ¦'br0; reboot'")],
  ['bad-service', line('from: a, to: b, service: ¦pingg')],
  ['bad-service', line('from: a, to: b, service: [http, ¦icmp/300, ¦sctp/80, ¦proto/6]')],
  ['bad-port-range', line("from: a, to: b, service: [¦tcp/0, ¦udp/9-1, ¦tcp/70000, ¦'tcp/80,443']")],
  ['empty-side', line('from: ¦[], to: b, service: ¦[]')],
  ['empty-side', 'guests: { a: { ip: ¦[] } }'],
  ['unknown-name', 'guests: { lamp: { ip: 10.0.0.1 } }\ndhcp: ¦lmap'],
  ['group-cycle', 'groups: { a: [b], b: [x, c], c: [¦a] }'],
  ['group-cycle', 'groups: { a: [¦a], b: [a] }'],
  ['duplicate-address', 'guests: { a: { ip: 10.0.0.1 }, b: { ip: [10.0.0.2, ¦10.0.0.1] }, c: { ip: ¦10.0.0.2 } }'],
  ['duplicate-address', 'outside: { o: { ip: ¦10.0.0.1, behind: br0 } }\nguests: { a: { ip: 10.0.0.1 } }'],
  [
    'duplicate-mac',
    'guests: { a: { ip: 10.0.0.1, mac: 52:54:00:b1:5d:1f }, b: { ip: 10.0.0.2, mac: ¦52:54:00:B1:5D:1F } }',
  ],
  ['unsupported', 'guests: { a: { ip: [10.0.0.1, ¦"2001:db8::1"] } }\noutside: { o: { ip: ¦fd00::/8, behind: br0 } }'],
];

/** The faults that a policy can have without looking at a host. */
const policyCodes: readonly DiagnosticCode[] = [
  'bad-address',
  'bad-interface',
  'bad-mac',
  'bad-name',
  'bad-port-range',
  'bad-service',
  'duplicate-address',
  'duplicate-key',
  'duplicate-mac',
  'duplicate-name',
  'empty-side',
  'group-cycle',
  'missing-key',
  'not-text',
  'reserved-name',
  'syntax',
  'unknown-key',
  'unknown-name',
  'unsupported',
  'wrong-type',
];

test('each fault is reported once, at the key or value that it is about', () => {
  for (const [code, row] of rows) {
    const { text, places } = marked(row);
    const { diagnostics } = parsePolicy(text, 'policy.yaml');
    assert.ok(places.length > 0, row);
    assert.deepEqual(
      placesOf(diagnostics),
      places.map((place) => `${place} ${code}`),
      text,
    );
  }
  assert.deepEqual([...new Set(rows.map(([code]) => code))].sort(), policyCodes);
});

test('what is no fault is not reported', () => {
  const texts = [
    '{}',
    'guests: {}\nallow: []\ngroups: {}',
    'guests: { a: { ip: [10.0.0.1, 10.0.0.1] } }',
    'outside: { a: { ip: 10.0.0.1, behind: br0 }, b: { ip: 10.0.0.1, behind: br0 } }',
    'outside: { world: { ip: 0.0.0.0/0, behind: br0 } }\nguests: { a: { ip: 10.0.0.1 } }',
    'groups: { a: [b, c], b: [d], c: [d], d: [virbr6] }',
    'allow: [{ from: virbr6, to: virbr4 }]',
    'guests: { constructor: { ip: 10.0.0.1 }, toString: { ip: 10.0.0.2 } }',
  ];
  for (const text of texts) assert.deepEqual(parsePolicy(text, 'policy.yaml').diagnostics, [], text);
});

test('hints say what to write instead', () => {
  const hints: readonly (readonly [text: string, hint: string])[] = [
    ['gests: {}', "did you mean 'guests'?"],
    ['guests: { a: { ip: 010.0.0.1 } }', 'leave out leading zeros, which may be read as octal: write 10.0.0.1'],
    ['guests: { 0777: { ip: 10.0.0.1 } }', 'put it in quotes: "0777"'],
    ['guests: { a: { ip: 10.0.0.1, mac: 52-54-00-b1-5d-1f } }', 'write 52:54:00:b1:5d:1f'],
    [line('from: a, to: b, service: htpps'), "did you mean 'https'?"],
    [line('from: a, to: b, service: "443"'), 'write tcp/443 or udp/443'],
    [line('from: a, to: b, service: tcp/https'), 'write https'],
    [line('from: a, to: b, service: "tcp/80,443"'), 'write a list: [tcp/80, tcp/443]'],
    [line('from: a, to: b, service: http, https'), 'a comma inside { } ends the value; write [a, b] for several'],
    [line('from: a, to: b, log: on'), 'write true'],
    ['guests: { lamp: { ip: 10.0.0.1 } }\ndhcp: lmap', "did you mean 'lamp'?"],
  ];
  for (const [text, hint] of hints) {
    assert.deepEqual(
      parsePolicy(text, 'policy.yaml').diagnostics.map((fault) => fault.hint),
      [hint],
      text,
    );
  }
});

test('a fault of one guest closes this guest, a fault of the policy stops it', () => {
  const good = 'good: { ip: 10.0.0.9 }';
  const policies: readonly (readonly [
    text: string,
    open: readonly string[] | undefined,
    closed?: readonly string[],
  ])[] = [
    [`guests: { a: { ip: 10.0.0.300 }, ${good} }`, ['good'], ['a']],
    [`guests: { a: {}, ${good} }`, ['good'], ['a']],
    [`guests: { a: { ip: 10.0.0.1, prot: vk1 }, ${good} }`, ['good'], ['a']],
    [`guests: { 'a b': { ip: 10.0.0.1 }, ${good} }`, ['good'], []],
    [`guests: { 0777: { ip: 10.0.0.1 }, ${good} }`, ['good'], ['0777']],
    [`guests: { a: { ip: 10.0.0.1 }, b: { ip: 10.0.0.1 }, ${good} }`, ['good'], ['a', 'b']],
    [`guests: { a: { ip: 10.0.0.1 }, ${good} }\noutside: { o: { ip: 10.0.0.1, behind: x } }`, ['good'], ['a']],
    [`guests: { a: { ip: fd00::1 }, ${good} }`, ['a', 'good'], []],
    [`guests: { a: { ip: 10.0.0.1 }, a: { ip: 10.0.0.2 }, ${good} }`, undefined],
    [`guests: { ${good} }\nallow: [{ from: good, to: good, service: [] }]`, undefined],
    [`guests: { ${good} }\ngroups: { good: [x] }`, undefined],
    [`guests: { ${good} }\nallw: []`, undefined],
  ];
  for (const [text, open, closed = []] of policies) {
    const { value, diagnostics } = parsePolicy(text, 'policy.yaml');
    const named = (has: boolean) =>
      value?.guests.filter(({ addresses }) => addresses.length > 0 === has).map(({ name }) => name);
    assert.deepEqual([named(true), named(false) ?? []], [open, closed], text);
    assert.equal(hasErrors(diagnostics), open === undefined || !text.includes('fd00'), text);
  }
});
