// Rules, chains and elements that the kernel got from us, beside the same ones that it got from nft: it says the same of both, down to
// each expression.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { exactly, fieldTypes, type Value } from '../../src/model/field.ts';
import { field, type Match, notField } from '../../src/model/match.ts';
import {
  accept,
  count,
  drop,
  type Expression,
  goTo,
  jump,
  log,
  type Table,
  type TableFamily,
} from '../../src/model/ruleset.ts';
import { encodeRule } from '../../src/netlink/rules.ts';
import { directChanges } from '../../src/netlink/table-changes.ts';
import { rulesetChanges } from '../../src/nft/changes.ts';
import { printNft } from '../../src/nft/print.ts';
import { freshNamespace, mustRun, type Namespace, needsRoot } from '../support/namespace.ts';
import { startRelay } from '../support/relay.ts';

const isIp = field('ether type', exactly(0x0800));
const isArp = field('ether type', exactly(0x0806));
const isTcp = field('meta l4proto', exactly(6));
const isIcmp = field('meta l4proto', exactly(1));
const limit: Match = { kind: 'limit', packets: 20, per: 'second', burst: 100 };
const network = (first: number, last: number): Value => ({ first: BigInt(first), last: BigInt(last) });
const ten = 0x0a00_0000;

type Row = readonly [what: string, family: 'bridge' | 'ip', body: readonly Expression[], comment?: string];

const rows: readonly Row[] = [
  ['what is denied is told', 'bridge', [limit, log('RULE 8009 -- DENY ')], 'guest/g7/in/source'],
  ['and counted', 'bridge', [count, drop], 'guest/g7/in/source'],
  ['a log without a prefix', 'ip', [log('')]],
  [
    'a concatenation that must not be there',
    'bridge',
    [{ kind: 'lookup', set: 'station', fields: ['oifname', 'ether daddr'], negated: true }, drop],
  ],
  [
    'an address behind a name',
    'bridge',
    [isIp, { kind: 'lookup', set: 'own', fields: ['oifname', 'ip daddr'], negated: false }, drop],
  ],
  [
    'without its guard',
    'bridge',
    [{ kind: 'lookup', set: 'own', fields: ['iifname', 'ip saddr'], negated: false }, accept],
  ],
  [
    'three parts, of which one has six octets',
    'bridge',
    [
      isArp,
      { kind: 'lookup', set: 'own_mac', fields: ['iifname', 'arp saddr ether', 'arp saddr ip'], negated: false },
      accept,
    ],
  ],
  [
    'a MAC and an address',
    'bridge',
    [{ kind: 'lookup', set: 'speakers', fields: ['ether saddr', 'ip saddr'], negated: false }, accept],
  ],
  ['a name', 'bridge', [field('iifname', 'fifteen-letters'), drop]],
  ['not that name', 'bridge', [notField('oifname', 'v7'), drop]],
  ['a MAC', 'bridge', [field('ether saddr', exactly(0x5254_0000_0007n)), goTo('other')]],
  ['an operation of ARP', 'bridge', [isArp, field('arp operation', network(1, 2)), accept]],
  [
    'addresses in ARP',
    'bridge',
    [isArp, field('arp saddr ip', exactly(ten + 1)), field('arp daddr ip', exactly(ten + 2)), accept],
  ],
  ['an address', 'ip', [field('ip saddr', exactly(ten + 1)), jump('other')]],
  ['not that address', 'ip', [notField('ip saddr', exactly(ten + 1)), accept]],
  ['a network of whole octets', 'ip', [field('ip daddr', network(ten, ten + 0xff_ffff)), accept]],
  ['a network of 24 bits, not', 'ip', [notField('ip daddr', network(ten, ten + 0xff)), accept]],
  ['a network of 30 bits', 'ip', [field('ip daddr', network(ten + 4, ten + 7)), accept]],
  ['a network of 1 bit, not', 'ip', [notField('ip saddr', network(0, 0x7fff_ffff)), accept]],
  ['some addresses', 'ip', [field('ip saddr', network(ten + 3, ten + 9)), accept]],
  [
    'a set of addresses',
    'ip',
    [
      { kind: 'lookup', set: 'group', fields: ['ip daddr'], negated: false },
      isIcmp,
      field('icmp type', exactly(8)),
      limit,
      log('RULE 1 -- ACCEPT '),
    ],
  ],
  [
    'a service',
    'ip',
    [
      isTcp,
      field('th dport', exactly(80)),
      { kind: 'tcp-flags', negated: false, mask: ['fin', 'syn', 'rst', 'ack'], flags: ['syn'] },
      count,
      accept,
    ],
  ],
  ['ports', 'ip', [isTcp, field('th dport', network(1024, 65535)), notField('th sport', exactly(22)), accept]],
  [
    'flags that must not be so',
    'ip',
    [isTcp, { kind: 'tcp-flags', negated: true, mask: ['syn', 'ack'], flags: [] }, drop],
  ],
  ['new flows', 'ip', [{ kind: 'ct-state', negated: false, states: ['new', 'untracked'] }, accept]],
  [
    'neither',
    'ip',
    [
      { kind: 'ct-state', negated: true, states: ['established', 'related'] },
      { kind: 'verdict', verdict: { kind: 'return' } },
    ],
  ],
  ['a mark', 'ip', [field('meta mark', exactly(0x10)), accept]],
  ['a slower limit', 'ip', [{ kind: 'limit', packets: 3, per: 'minute', burst: 5 }, log('slow ')]],
  [
    'an IPv6 address',
    'bridge',
    [field('ip6 saddr', exactly(0x2001_0db8n << 96n)), notField('ip6 daddr', exactly(1)), drop],
  ],
  ['another code', 'ip', [isIcmp, field('icmp type', exactly(3)), field('icmp code', network(1, 4)), accept]],
  [
    'MACs in ARP',
    'bridge',
    [isArp, field('arp saddr ether', exactly(0x0200_0000_0001n)), notField('arp daddr ether', exactly(0)), accept],
  ],
  ['some MACs', 'bridge', [field('ether daddr', network(0x0100_5e00_0000, 0x0100_5e7f_ffff)), accept]],
  [
    'rarer flags',
    'ip',
    [isTcp, { kind: 'tcp-flags', negated: false, mask: ['psh', 'urg', 'ecn', 'cwr'], flags: ['urg', 'cwr'] }, drop],
  ],
  ['what makes no sense', 'ip', [{ kind: 'ct-state', negated: false, states: ['invalid'] }, drop]],
  ['a limit for each hour', 'ip', [{ kind: 'limit', packets: 7, per: 'hour', burst: 5 }, count]],
  ['the largest limit', 'ip', [{ kind: 'limit', packets: 2 ** 32 - 1, per: 'day', burst: 2 ** 32 - 1 }, count]],
];

const left: readonly Row[] = [
  ['some IPv6 addresses', 'bridge', [field('ip6 saddr', network(1, 9)), drop]],
  ['several values', 'ip', [isTcp, field('th dport', exactly(53), exactly(80)), accept]],
  ['names that begin so', 'bridge', [field('iifname', 'vnet*'), drop]],
  ['a range that must not be', 'ip', [notField('ip saddr', network(ten + 3, ten + 9)), drop]],
  ['a protocol that nft would ask for', 'ip', [field('icmp type', exactly(8)), accept]],
  ['flags of whatever protocol', 'ip', [{ kind: 'tcp-flags', negated: false, mask: ['syn'], flags: ['syn'] }, accept]],
  ['a MAC where there may be none', 'ip', [field('ether saddr', exactly(1)), accept]],
  ['a reject', 'ip', [{ kind: 'verdict', verdict: { kind: 'reject' } }]],
  ['a map', 'bridge', [{ kind: 'vmap', fields: ['iifname'], map: 'leads' }]],
  ['what others wrote', 'ip', [{ kind: 'opaque', text: 'meta skuid 0' }, accept]],
];

/** Nothing of the guests in it, but what rules name. */
function emptyTable(family: TableFamily): Table {
  const set = (name: string, ...types: Table['sets'][number]['types']) => ({
    name,
    types,
    interval: false,
    elements: [],
  });
  return {
    family,
    name: 't',
    sets: [
      set('station', 'ifname', 'ether_addr'),
      set('own', 'ifname', 'ipv4_addr'),
      set('own_mac', 'ifname', 'ether_addr', 'ipv4_addr'),
      set('speakers', 'ether_addr', 'ipv4_addr'),
      set('cards', 'ether_addr'),
      set('group', 'ipv4_addr'),
      set('ports', 'inet_proto', 'inet_service'),
      set('six', 'ipv6_addr'),
    ],
    maps: [
      { name: 'leads', types: ['ifname'], interval: false, elements: [] },
      { name: 'enter', types: ['ifname', 'ipv4_addr'], interval: false, elements: [] },
    ],
    chains: [{ name: 'other', rules: [{ body: [count] }] }],
  };
}

const values: Readonly<Record<string, readonly Value[]>> = {
  station: ['fifteen-letters', exactly(0x5254_0000_0007n)],
  own: ['v7', exactly(ten + 7)],
  own_mac: ['v7', exactly(0x5254_0000_0007n), exactly(ten + 7)],
  speakers: [exactly(0x0200_0000_00ffn), exactly(0xffff_ffff)],
  cards: [exactly(0x5254_0000_0007n)],
  group: [exactly(ten + 7)],
  ports: [exactly(17), exactly(0x1234)],
  six: [exactly(0x2001_0db8n << 96n)],
};

function filledTable(family: 'bridge' | 'ip'): Table {
  const table = emptyTable(family);
  const rules = rows.flatMap(([, of, body, comment]) => (of === family ? [{ body, ...(comment && { comment }) }] : []));
  return {
    ...table,
    sets: table.sets.map((set) => ({ ...set, elements: [values[set.name] ?? []] })),
    maps: table.maps.map((map) => ({
      ...map,
      elements: [
        { key: map.types.length === 1 ? ['v7'] : ['br0', exactly(ten + 7)], verdict: { kind: 'goto', chain: 'in_v7' } },
        { key: map.types.length === 1 ? ['v8'] : ['br0', exactly(ten + 8)], verdict: { kind: 'accept' } },
        { key: map.types.length === 1 ? ['v9'] : ['br0', exactly(ten + 9)], verdict: { kind: 'jump', chain: 'other' } },
        { key: map.types.length === 1 ? ['v10'] : ['br1', exactly(ten + 8)], verdict: { kind: 'return' } },
      ],
    })),
    chains: [...table.chains, { name: 'in_v7', rules }],
  };
}

/** As the kernel has it: every expression, without numbers that it gives in order; elements have no order. */
async function expressions(namespace: Namespace): Promise<string> {
  const { stdout } = await mustRun(namespace, 'nft', ['--debug=netlink', 'list', 'ruleset']);
  return stdout
    .replace(/ # handle \d+$/gm, '')
    .replace(/^((?:bridge|ip) t \w+) \d+( \d+)?$/gm, '$1')
    .replace(
      /(?:^\telement .*\n)+/gm,
      (lines) =>
        `${lines
          .split(/(?<=\[end\])\s*/)
          .map((one) => one.trim())
          .sort()
          .join('\n')}\n`,
    );
}

suite('rules without nft', { skip: needsRoot }, () => {
  for (const family of ['bridge', 'ip'] as const) {
    test(`${family}: the kernel has the same rules, chains and elements as from nft, and lets them go again`, async (t) => {
      const [ours, theirs] = [await freshNamespace(), await freshNamespace()];
      t.after(() => Promise.all([ours.close(), theirs.close()]));
      const of = (table: Table) => ({ backend: 'nft', tables: [table] }) as const;
      const [empty, filled] = [of(emptyTable(family)), of(filledTable(family))];
      await mustRun(ours, 'nft', ['-f', '-'], printNft(empty));
      await mustRun(theirs, 'nft', ['-f', '-'], printNft(filled));
      const { relay, stop } = await startRelay(ours);
      t.after(stop);
      const before = await expressions(ours);
      assert.equal(await relay.change(directChanges(rulesetChanges(empty, filled)) ?? []), true);
      assert.equal(await expressions(ours), await expressions(theirs));
      assert.equal(await relay.change(directChanges(rulesetChanges(filled, empty)) ?? []), true);
      assert.equal(await expressions(ours), before);
    });
  }

  test('a chain that is there is emptied, and filled with something else', async (t) => {
    const namespace = await freshNamespace();
    t.after(() => namespace.close());
    const with_ = (...bodies: readonly (readonly Expression[])[]) =>
      ({
        backend: 'nft',
        tables: [{ ...emptyTable('ip'), chains: [{ name: 'other', rules: bodies.map((body) => ({ body })) }] }],
      }) as const;
    await mustRun(namespace, 'nft', ['-f', '-'], printNft(with_([count], [drop])));
    const { relay, stop } = await startRelay(namespace);
    t.after(stop);
    const changes = directChanges(rulesetChanges(with_([count], [drop]), with_([accept])));
    assert.equal(await relay.change(changes ?? []), true);
    const { stdout } = await mustRun(namespace, 'nft', ['list', 'chain', 'ip', 't', 'other']);
    assert.match(stdout, /chain other \{\s+accept\s+\}/);
  });

  test('a rule that names a set or a chain that is not there: refused, and nothing is changed', async (t) => {
    const namespace = await freshNamespace();
    t.after(() => namespace.close());
    await mustRun(namespace, 'nft', ['-f', '-'], printNft({ backend: 'nft', tables: [emptyTable('ip')] }));
    const { relay, stop } = await startRelay(namespace);
    t.after(stop);
    const before = await expressions(namespace);
    const place = { family: 'ip', table: 't', chain: 'other' } as const;
    const bodies: readonly (readonly Expression[])[] = [
      [{ kind: 'lookup', set: 'none', fields: ['ip saddr'], negated: false }, drop],
      [jump('none')],
    ];
    for (const body of bodies) {
      const more = { ...place, what: 'add chain', chain: 'more' } as const;
      assert.equal(await relay.change([more, { ...place, what: 'add rule', rule: { body } }]), false);
      assert.equal(await expressions(namespace), before);
    }
  });
});

suite('what is left to nft', () => {
  test('of all that there is a row says which way it goes', () => {
    const bodies = rows.flatMap(([, , body]) => body);
    const fields = bodies.flatMap((one) =>
      one.kind === 'field' ? [one.field] : one.kind === 'lookup' ? one.fields : [],
    );
    assert.deepEqual([...new Set(fields)].toSorted(), Object.keys(fieldTypes).toSorted());
    const byUs = new Set(bodies.map(({ kind }) => kind));
    assert.deepEqual([...byUs].toSorted(), [
      'counter',
      'ct-state',
      'field',
      'limit',
      'log',
      'lookup',
      'tcp-flags',
      'verdict',
    ]);
    for (const [, family, body] of rows) assert.ok(encodeRule({ body }, family));
  });

  for (const [what, family, body] of left) {
    test(what, () => assert.equal(encodeRule({ body }, family), undefined));
  }
});
