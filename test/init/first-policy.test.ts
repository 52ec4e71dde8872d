// What `init` writes, for hosts that are described here; and that no host brings it to write what `check` refuses.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { compile } from '../../src/compile/compile.ts';
import { settlePolicy } from '../../src/compile/settle.ts';
import { firstPolicy } from '../../src/init/first-policy.ts';
import { yamlWord } from '../../src/init/yaml-word.ts';
import { printDiagnostic } from '../../src/model/diagnostic.ts';
import { allPorts, type Host } from '../../src/model/host.ts';
import { type Ip, parseIp } from '../../src/model/ip.ts';
import { parseMac } from '../../src/model/mac.ts';
import { parsePolicy } from '../../src/policy/parse-policy.ts';
import type { Hints } from '../../src/topology/hints.ts';
import { parseHost } from '../../src/topology/host-file.ts';
import { hostPlan, textsOf } from '../support/random-hosts.ts';
import { assertGolden } from '../yaml/golden.ts';

const ip = (text: string): Ip => parseIp(text) ?? assert.fail(text);
const none: Hints = new Map();

function hostOf(text: string): Host {
  const { value, diagnostics } = parseHost(text, 'host.yaml');
  return value ?? assert.fail(diagnostics.map(printDiagnostic).join('\n'));
}

/** The errors that `check` would find. */
function errorsOf(text: string, host: Host): readonly string[] {
  const parsed = parsePolicy(text, 'policy.yaml');
  if (parsed.value === undefined) return parsed.diagnostics.map(printDiagnostic);
  const settled = settlePolicy(parsed.value, host);
  const { value, diagnostics } = compile(settled.value ?? parsed.value, host);
  const all = [...parsed.diagnostics, ...settled.diagnostics, ...diagnostics];
  const errors = all.filter(({ severity }) => severity === 'error').map(printDiagnostic);
  return value === undefined && errors.length === 0 ? ['no rules'] : errors;
}

const libvirt = `
host: node1
bridges:
  virbr0:
    ports:
      vnet0: { guest: web, mac: 52:54:00:10:00:01 }
      vnet1: { guest: db, mac: 52:54:00:10:00:02 }
      vnet2: { guest: gw, mac: 52:54:00:10:00:03 }
      vnet3: { guest: gw, mac: 52:54:00:10:00:04 }
      vnet4: { mac: 52:54:00:10:00:05 }
      vnet5: { guest: "true", mac: 52:54:00:10:00:06 }
      vnet6: { guest: host, mac: 52:54:00:10:00:07 }
      vk1: { guest: box }
      odd: {}
interfaces:
  virbr0: { mac: 52:54:00:10:00:fe, addresses: [192.168.122.1/24] }
  enp1s0: { mac: 52:54:00:10:01:01, addresses: [198.51.100.10/24] }
routes:
  - { to: default, via: 198.51.100.1, dev: enp1s0 }
guests:
  web: { running: true, cards: [{ mac: 52:54:00:10:00:01, bridge: virbr0, reservation: 192.168.122.10, filter: 192.168.122.10, agent: 192.168.122.99 }] }
  db: { running: true, cards: [{ mac: 52:54:00:10:00:02, bridge: virbr0, agent: 192.168.122.11 }] }
  gw:
    running: true
    cards:
      - { mac: 52:54:00:10:00:03, bridge: virbr0, filter: [192.168.122.20, 192.168.122.21] }
      - { mac: 52:54:00:10:00:04, bridge: virbr0, filter: [192.168.122.1, "2001:db8::4", 192.168.122.22] }
  "true": { running: true, cards: [{ mac: 52:54:00:10:00:06, bridge: virbr0, filter: 192.168.122.30 }] }
  host: { running: true, cards: [{ mac: 52:54:00:10:00:07, bridge: virbr0, filter: 192.168.122.31 }] }
  copy: { cards: [{ mac: 52:54:00:10:00:08, bridge: virbr0, reservation: 192.168.122.10 }] }
  old: { cards: [{ mac: 52:54:00:10:00:09, bridge: virbr0, reservation: 192.168.122.40 }] }
  away: { cards: [{ mac: 52:54:00:10:00:0a, bridge: br9, reservation: 192.168.122.41 }] }
`;

const hints: Hints = new Map([
  ['vnet1', { macs: [parseMac('52:54:00:10:00:02') ?? 0], heard: [ip('192.168.122.77')], inside: [] }],
  ['vk1', { macs: [], heard: [], inside: [ip('192.168.122.50')] }],
]);

const uplink = `
host: node2
bridges:
  br0:
    ports:
      eno1: { uplink: true }
      vnet0: { guest: lan-br0, mac: 52:54:00:20:00:01 }
      link0: { peer: link1 }
  br1: { ports: { link1: { peer: link0 }, eno2: { uplink: true } } }
interfaces:
  br0: { mac: 52:54:00:20:00:fe, addresses: [192.0.2.10/24] }
routes:
  - { to: default, via: 192.0.2.1, dev: br0 }
guests:
  lan-br0: { running: true, cards: [{ mac: 52:54:00:20:00:01, bridge: br0, filter: 192.0.2.21 }] }
`;

describe('golden', () => {
  const cases: readonly (readonly [name: string, text: string, hints: Hints, client?: string, server?: string])[] = [
    ['libvirt', libvirt, hints, '203.0.113.7', '198.51.100.10'],
    ['uplink', uplink, none, '203.0.113.7', '192.0.2.10'],
    ['nothing', 'host: bare\n', none],
  ];
  for (const [name, text, seen, client, server] of cases) {
    test(`${name}: passes check`, () => {
      const host = hostOf(text);
      const ssh = client === undefined ? {} : { ssh: { client: ip(client), server: ip(server ?? '') } };
      const policy = firstPolicy(host, { hints: seen, ...ssh });
      assertGolden(policy, `init/${name}.yaml`);
      assert.deepEqual(errorsOf(policy, host), []);
      assert.equal(policy, firstPolicy(host, { hints: seen, ...ssh }), 'the same host, the same text');
    });
  }
});

test('whatever a guest is named, the policy means it', () => {
  const name = fc.oneof(
    fc.constantFrom('true', 'no', 'null', '.inf', '-', '--', '---', '0777', '1e3', 'host', 'any', '0x1', '1.2.3'),
    fc.string({ unit: fc.constantFrom(...'abz019_.-'), minLength: 1, maxLength: 64 }),
  );
  let pinned = 0;
  fc.assert(
    fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 4 }), (names) => {
      const word = (index: number) => JSON.stringify(names[index]);
      const ports = names.map((_, index) => `v${index}: { guest: ${word(index)}, mac: "52:54:00:00:00:0${index}" }`);
      const cards = names.map(
        (_, index) =>
          `${word(index)}: { cards: [{ mac: "52:54:00:00:00:0${index}", filter: 10.0.0.${10 + index} }], running: true }`,
      );
      const host = hostOf(
        `host: h\nbridges: { b: { ports: { ${ports.join(', ')} } } }\nguests: { ${cards.join(', ')} }\n`,
      );
      const policy = firstPolicy(host, { hints: none });
      assert.deepEqual(errorsOf(policy, host), [], policy);
      assert.equal(parsePolicy(policy, 'p').value?.guests.length, names.length);
      if (policy.includes('mac: "')) pinned++;
    }),
    { numRuns: 300 },
  );
  assert.ok(pinned > 10, `${pinned} were named otherwise`);
});

test('random hosts: what is written passes check, with every address that libvirt gives', () => {
  let written = 0;
  let linked = 0;
  fc.assert(
    fc.property(hostPlan, fc.boolean(), (plan, known) => {
      const plain = hostOf(textsOf(plan).host);
      const ports = allPorts(plain).filter(({ guest }) => guest !== undefined);
      const guests = ports.map((port, index) => {
        const card = { mac: port.mac ?? 1, bridge: port.bridge };
        const reservation = known ? [ip(`172.30.0.${index + 1}`)] : [];
        return {
          name: port.guest ?? '',
          running: true,
          cards: [{ ...card, addresses: { reservation, filter: [], agent: [ip('172.30.0.1')] } }],
          span: port.span,
        };
      });
      const host = { ...plain, guests };
      const server = plain.interfaces[0]?.addresses[0];
      const ssh = server === undefined ? {} : { ssh: { client: ip('203.0.113.7'), server } };
      const policy = firstPolicy(host, { hints: none, ...ssh });
      assert.deepEqual(errorsOf(policy, host), [], policy);
      const withMac = ports.filter(({ mac }) => mac !== undefined).length;
      assert.equal(parsePolicy(policy, 'p').value?.guests.length, known ? withMac : 0, policy);
      written += known ? withMac : 0;
      if (policy.includes('lan-br')) linked++;
    }),
    { numRuns: 200 },
  );
  assert.ok(written > 50 && linked > 5, `${written} guests, ${linked} uplinks`);
});

test('names that YAML would take for something else are quoted', () => {
  for (const word of ['true', 'No', 'null', 'y', '1', '-', '.nan', 'inf', '0x1', '1.2']) {
    assert.equal(yamlWord(word), `"${word}"`);
  }
  for (const word of ['web', 'vnet0', 'a.b-c', '_x']) assert.equal(yamlWord(word), word);
});
