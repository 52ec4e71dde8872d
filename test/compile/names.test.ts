// Names that hypervisors, kernels and administrators give: refused with a diagnostic, or carried into rules so that the
// kernel takes them and lists them as they were.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compile } from '../../src/compile/compile.ts';
import { lowerIptables } from '../../src/iptables/lower.ts';
import { printIptablesSave, printIptablesScript } from '../../src/iptables/print.ts';
import { type RuleList, rulesOf } from '../../src/model/rule-list.ts';
import { ruleComment } from '../../src/model/rule-prefix.ts';
import { lowerNft } from '../../src/nft/lower.ts';
import { printNft } from '../../src/nft/print.ts';
import { compiledFrom, type Facts, factsOf, faultsOf, listOf, type Texts } from '../support/compiled.ts';
import { hostileTexts } from '../support/hostile-texts.ts';
import { assertLoads } from '../support/loads.ts';
import { freshNamespace, mustRun, type Namespace, needsRoot } from '../support/namespace.ts';
import { topologies } from '../support/topologies.ts';

/** A name at every place where one can stand: guest, port, bridge, uplink, host interface, group, outside, line. */
function textsNamed(name: string, line = name): Texts {
  const ifname = name.slice(0, 13);
  const host = {
    host: name,
    bridges: {
      [ifname]: {
        ports: { [`${ifname}p`]: { guest: name, mac: '52:54:00:00:00:0a' }, [`${ifname}u`]: { uplink: true } },
      },
      other: { ports: { tap1: { guest: 'second' }, [`${ifname}1`]: { peer: `${ifname}2` } } },
    },
    interfaces: { [`${ifname}2`]: { peer: `${ifname}1`, addresses: ['10.0.1.1/24'] } },
  };
  const policy = {
    guests: { [name]: { ip: ['10.0.0.10', '10.0.0.12'] }, second: { ip: '10.0.1.10' } },
    outside: { [`${name.slice(0, 60)}.out`]: { ip: '10.0.0.0/24', behind: `${ifname}u` } },
    groups: { [`${name.slice(0, 60)}.all`]: [name, 'second'] },
    allow: [
      { from: `${name.slice(0, 60)}.all`, to: 'any', service: ['ping', 'https'], log: true, id: line },
      { from: ifname, to: `${name.slice(0, 60)}.out`, service: 'any' },
    ],
    'guest-ports': [`${ifname}p*`],
  };
  return { host: JSON.stringify(host), policy: JSON.stringify(policy) };
}

/** Words of nft, iptables, ip, YAML and JavaScript, and names as long as they may be. */
const taken: readonly string[] = [
  ...[
    'fwd',
    'in',
    'bridge',
    'accept',
    'drop',
    'table',
    'chain',
    'set',
    'map',
    'rule',
    'meta',
    'ip',
    'arp',
    'last',
    'all',
  ],
  ...[
    'oif',
    'iif',
    'define',
    'include',
    'counter',
    'policy',
    'type',
    'flags',
    'elements',
    'vmap',
    'goto',
    'jump',
    'limit',
  ],
  ...[
    'INPUT',
    'FORWARD',
    'ACCEPT',
    'DROP',
    'RETURN',
    'LOG',
    'COMMIT',
    'filter',
    'bk-input',
    'bk-rule-2',
    'leave',
    'enter',
  ],
  ...['rest', 'own', 'near', 'behind', 'mute', 'station', 'rule_2', 'group_1', 'prerouting', 'forward', 'output'],
  ...['-', '-j', '-t', '--', '-A', '...', '.x', '_', '0', '10', '0777', '1e3', '10.0.0.1', 'null', 'true', 'yes', 'no'],
  ...['constructor', 'toString', 'hasOwnProperty', 'lo', 'default', 'dev', 'vnet0', 'Vnet0'],
  'x'.repeat(64),
];

/** All of them on one host: as guests with ports and lines of the same names, or as bridges with a guest each. */
function crowd(names: readonly string[], place: 'guests' | 'bridges'): Texts {
  const port = (name: string) => name.slice(0, 15);
  const ports = Object.fromEntries(names.map((name) => [port(name), { guest: name }]));
  const bridges =
    place === 'guests'
      ? { crowd: { ports } }
      : Object.fromEntries(
          names.map((name) => [port(name), { ports: { [`${name.slice(0, 13)}.p`]: { guest: name } } }]),
        );
  const interfaces = place === 'guests' ? { crowd: { addresses: ['10.0.0.1/16'] } } : {};
  return {
    host: JSON.stringify({ host: 'crowd', bridges, interfaces }),
    policy: JSON.stringify({
      guests: Object.fromEntries(names.map((name, index) => [name, { ip: `10.0.1.${index + 1}` }])),
      allow: names.map((name, index) => ({
        from: name,
        to: names[(index + 1) % names.length],
        service: 'ssh',
        log: index % 2 === 0,
        id: name,
      })),
    }),
  };
}

for (const place of ['guests', 'bridges'] as const) {
  test(`words of other languages are names of ${place} like others: loaded, and read back`, {
    skip: needsRoot,
  }, async (t) => {
    const namespace = await freshNamespace();
    t.after(() => namespace.close());
    const texts = crowd(taken, place);
    assert.deepEqual(faultsOf(texts), []);
    const list = listOf(texts);
    for (const name of taken) {
      const about = rulesOf(list).filter(({ id }) => id.split('/').includes(name));
      assert.ok(about.length > 2, `no rules about '${name}'`);
    }
    await assertLoads(list, namespace, place);
    await assertLoads(list, namespace, place, { manyPorts: 1000, manyDestinations: 1000 });
  });
}

test('what cannot be a name is refused with its place, and nothing is made of it', () => {
  const refused = hostileTexts.filter((text) => !/^[A-Za-z0-9_.-]{1,64}$/.test(text));
  assert.ok(refused.length > 30);
  for (const name of refused) {
    const faults = faultsOf(textsNamed(name));
    assert.ok(faults.length > 0, JSON.stringify(name));
    for (const fault of faults)
      assert.match(fault, /^(?:policy|host)\.yaml:1:\d+: (?:error|warning)\[[a-z-]+\]: [^\p{C}]+$/u);
    const codes = new Set(faults.map((fault) => /\[([a-z-]+)\]/.exec(fault)?.[1]));
    assert.ok(
      codes.has('bad-name') || codes.has('bad-interface') || codes.has('syntax'),
      `${JSON.stringify(name)}: ${faults}`,
    );
  }
});

const known = { guest: 'web', port: 'vnet0', bridge: 'virbr0', line: 'web-to-db-postgresql' } as const;

type Place = keyof typeof known;

/** A host with one name replaced in the data itself, as if no reader had stood in between. */
function smuggled(name: string, place: Place): Facts {
  const { policy, host } = factsOf(topologies.oneBridge);
  const as = (what: Place, own: string) => (place === what && own === known[what] ? name : own);
  return {
    policy: {
      ...policy,
      guests: policy.guests.map((guest) => ({ ...guest, name: as('guest', guest.name) })),
      allow: policy.allow.map((line) => ({
        ...line,
        id: as('line', line.id),
        from: line.from.map((side) => ({ ...side, name: as('guest', side.name) })),
      })),
    },
    host: {
      ...host,
      interfaces: host.interfaces.map((one) => ({ ...one, name: as('bridge', one.name) })),
      bridges: host.bridges.map((bridge) => ({
        ...bridge,
        name: as('bridge', bridge.name),
        ports: bridge.ports.map((port) => ({
          ...port,
          bridge: as('bridge', port.bridge),
          name: as('port', port.name),
          ...(port.guest === undefined ? {} : { guest: as('guest', port.guest) }),
        })),
      })),
    },
  };
}

type Printer = (list: RuleList) => string;

const printers: Readonly<Record<string, Printer>> = {
  nft: (list) => printNft(lowerNft(list, { arp: 'bound' })),
  save: (list) => printIptablesSave(lowerIptables(list)),
  script: (list) => printIptablesScript(lowerIptables(list)),
};

/** The text, or undefined when it was refused as what we must not print. */
function printed(print: Printer, list: RuleList): string | undefined {
  try {
    return print(list);
  } catch (failure) {
    assert.ok(failure instanceof assert.AssertionError, `${failure}`);
    return undefined;
  }
}

const forgetOurs = `set -e
nft 'delete table bridge bk; delete table ip bk'
iptables-legacy -F
iptables-legacy -X`;

for (const place of ['guest', 'port', 'bridge', 'line'] satisfies readonly Place[]) {
  test(`a hostile ${place} that slipped past all readers is not printed, or is data to the kernel`, {
    skip: needsRoot,
  }, async (t) => {
    const namespace = await freshNamespace();
    t.after(() => namespace.close());
    await mustRun(namespace, 'iptables-legacy', ['-F']);
    const before = await rulesIn(namespace);
    let [refused, loaded] = [0, 0];
    for (const name of hostileTexts) {
      const { policy, host } = smuggled(name, place);
      const list = compile(policy, host).value?.list;
      assert.ok(list, JSON.stringify(name));
      const texts = Object.entries(printers).map(([tool, print]) => [tool, printed(print, list)] as const);
      refused += texts.filter(([, text]) => text === undefined).length;
      const whole = texts.every(([, text]) => text !== undefined);
      if (!whole) continue;
      await assertLoads(list, namespace, JSON.stringify(name));
      loaded++;
    }
    // each replaced the one before; what is not ours would still be there
    await mustRun(namespace, 'sh', ['-c', forgetOurs]);
    assert.equal(await rulesIn(namespace), before, 'something of a name was obeyed');
    assert.ok(refused > 10 && loaded > 5, `${refused} texts refused, ${loaded} names loaded`);
  });
}

async function rulesIn(namespace: Namespace): Promise<string> {
  const nft = await mustRun(namespace, 'nft', ['list', 'ruleset']);
  const legacy = await mustRun(namespace, 'iptables-legacy-save', []);
  return `${nft.stdout}${legacy.stdout}`.replace(/^#.*$/gm, '').replace(/\[\d+:\d+\]/g, '');
}

test('ids of any length become comments that nft keeps whole, and different ones stay different', {
  skip: needsRoot,
}, async (t) => {
  const namespace = await freshNamespace();
  t.after(() => namespace.close());
  const longest = 'x'.repeat(64);
  const list = listOf(textsNamed(longest, 'y'.repeat(64)));
  const ids = rulesOf(list).map(({ id }) => id);
  assert.ok(ids.some((id) => id.length > 120));
  const comments = ids.map(ruleComment);
  assert.ok(
    comments.every((comment) => Buffer.byteLength(comment) <= 120),
    'nft keeps 128 bytes with what it adds',
  );
  assert.equal(new Set(comments).size, new Set(ids).size);
  await assertLoads(list, namespace, longest);
});

test('long comments that begin alike differ, whatever stands at their ends', () => {
  const begin = `guest/${'x'.repeat(64)}/allow/${'y'.repeat(50)}`;
  const ids = Array.from({ length: 5_000 }, (_, index) => `${begin}${index.toString(36)}`);
  assert.equal(new Set(ids.map(ruleComment)).size, ids.length);
  assert.ok(ids.map(ruleComment).every((comment) => comment.startsWith(begin.slice(0, 103))));
});

test('a policy of IPv6 alone opens nothing for IPv4: not even ::/96, whose numbers are those of all of IPv4', () => {
  const { host, policy } = factsOf({
    host: JSON.stringify({
      host: 'h',
      bridges: { br: { ports: { tap: { guest: 'g' }, up: { uplink: true } } } },
      interfaces: { br: { addresses: ['10.0.0.1/24'] } },
    }),
    policy: JSON.stringify({
      guests: { g: { ip: '10.0.0.2' } },
      outside: { six: { ip: '::/96', behind: 'up' } },
      allow: [{ from: 'six', to: 'g', service: 'ssh' }],
      dhcp: 'none',
    }),
  });
  const { list } = compiledFrom({ host, policy });
  const accepting = printIptablesSave(lowerIptables(list))
    .split('\n')
    .filter((line) => line.includes('-j ACCEPT') && !line.includes('ESTABLISHED'));
  assert.deepEqual(accepting, []);
});
