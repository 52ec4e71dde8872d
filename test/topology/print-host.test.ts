import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addressSources,
  type Bridge,
  type Host,
  type HostInterface,
  type Port,
  type Route,
} from '../../src/model/host.ts';
import { networkOf, type Prefix } from '../../src/model/ip.ts';
import { parseHost } from '../../src/topology/host-file.ts';
import { printHost } from '../../src/topology/print-host.ts';

const span = { file: 'h', line: 1, column: 1 };

/** Among them what YAML takes for numbers, truth values, nothing, or the start of something else. */
const awkward = [
  '0777',
  '1e3',
  '0x1F',
  '1_000',
  'true',
  'yes',
  'NO',
  'null',
  '-',
  '---',
  '...',
  '.5',
  '.inf',
  'on',
  'y',
  '12',
  'constructor',
];
const letters = fc.constantFrom(...'abz019_.-');
const interfaceName = fc
  .oneof(fc.constantFrom(...awkward), fc.string({ unit: letters, minLength: 1, maxLength: 15 }))
  .filter((name) => name !== '.' && name !== '..');
const guestName = fc.oneof(fc.constantFrom(...awkward), fc.string({ unit: letters, minLength: 1, maxLength: 64 }));
/** Unicast, and often of digits only. */
const mac = fc.oneof(fc.nat(0xffff_ffff), fc.constant(0x123456)).map((low) => 0x5254_0000_0000 + low);
const ip4 = fc
  .integer({ min: 0x0100_0000, max: 0x7eff_ffff })
  .map((bits) => ({ family: 4 as const, bits: BigInt(bits) }));
const ip6 = fc
  .bigInt({ min: 1n, max: (1n << 64n) - 1n })
  .map((low) => ({ family: 6 as const, bits: (0x2001_0db8n << 96n) | low }));
const prefix: fc.Arbitrary<Prefix> = fc.oneof(
  fc.tuple(ip4, fc.integer({ min: 0, max: 32 })).map(([ip, length]) => ({ ...ip, length })),
  fc.tuple(ip6, fc.integer({ min: 0, max: 128 })).map(([ip, length]) => ({ ...ip, length })),
);
const sysctlName = fc
  .string({ unit: letters.filter((letter) => letter !== '.'), minLength: 1, maxLength: 9 })
  .map((name) => `net.${name}`);
const sysctlValue = fc.oneof(
  fc.nat().map(String),
  fc.constantFrom('01', '-1', '4096\t87380', 'a b', 'true', '~', '# x', '"', "'", '1e3'),
);

type Card = {
  readonly name: string;
  readonly kind: 'guest' | 'pair' | 'uplink' | 'closed';
  readonly guest: string;
  readonly mac: number;
};

const host: fc.Arbitrary<Host> = fc
  .record({
    name: guestName,
    names: fc.uniqueArray(interfaceName, { maxLength: 16 }),
    kinds: fc.array(fc.constantFrom<Card['kind']>('guest', 'pair', 'uplink', 'closed'), {
      minLength: 16,
      maxLength: 16,
    }),
    guest: guestName,
    macs: fc.uniqueArray(mac, { minLength: 16, maxLength: 16 }),
    prefixes: fc.array(prefix, { maxLength: 3 }),
    gateway: fc.option(ip4, { nil: undefined }),
    sysctls: fc.array(fc.tuple(sysctlName, sysctlValue), { maxLength: 3 }),
    stp: fc.boolean(),
    managed: fc.boolean(),
  })
  .map(({ names, kinds, macs, ...rest }) => {
    const cards = names.map(
      (name, index): Card => ({ name, kind: kinds[index] ?? 'closed', guest: rest.guest, mac: macs[index] ?? 1 }),
    );
    return hostOf(cards, rest);
  });

type Rest = {
  name: string;
  prefixes: readonly Prefix[];
  gateway: Route['via'];
  sysctls: readonly (readonly [string, string])[];
  stp: boolean;
  managed: boolean;
};

/** A third of the names are bridges, half are ports, the others interfaces; neighbours of kind `pair` are cabled. */
function hostOf(cards: readonly Card[], { name, prefixes, gateway, sysctls, stp, managed }: Rest): Host {
  const bridgeNames = cards.filter((_, index) => index % 6 < 2).map((card) => card.name);
  const others = cards.filter((_, index) => index % 6 >= 2);
  const peers = peersOf(others);
  const owner = (index: number) => bridgeNames[index % bridgeNames.length] ?? '';
  const ports = others.flatMap((card, index) =>
    index % 4 < 3 ? [portOf(card, owner(index), peers.get(card.name))] : [],
  );
  const interfaces = others
    .filter((_, index) => index % 4 === 3)
    .map((card) => interfaceOf(card, prefixes, peers.get(card.name)));
  const dev = interfaces[0]?.name;
  return {
    name,
    bridges: bridgeNames.map(
      (bridge): Bridge => ({
        name: bridge,
        ports: ports.filter((port) => port.bridge === bridge),
        stp,
        ...(managed ? { managed } : {}),
        span,
      }),
    ),
    interfaces,
    routes: prefixes.map((to) => ({
      to: networkOf(to),
      ...(gateway === undefined ? {} : { via: gateway }),
      ...(dev === undefined ? {} : { dev }),
      span,
    })),
    sysctls: Object.fromEntries(sysctls),
    guests: guestsOf(cards, prefixes, bridgeNames),
  };
}

/** One guest a name, with the addresses of each source in turn; every third one does not run. */
function guestsOf(cards: readonly Card[], prefixes: readonly Prefix[], bridges: readonly string[]): Host['guests'] {
  const addresses = prefixes.map(({ family, bits }) => ({ family, bits }));
  return cards
    .filter(({ kind }) => kind === 'guest')
    .map(({ name, mac }, index) => {
      const bridge = bridges[index % (bridges.length + 1)];
      const none = { reservation: [], filter: [], agent: [] };
      const source = addressSources[index % addressSources.length] ?? 'agent';
      const card = { mac, ...(bridge === undefined ? {} : { bridge }), addresses: { ...none, [source]: addresses } };
      return { name, running: index % 3 > 0, cards: index % 4 === 3 ? [] : [card], span };
    });
}

function peersOf(cards: readonly Card[]): ReadonlyMap<string, string> {
  const paired = cards.filter(({ kind }) => kind === 'pair').map(({ name }) => name);
  const last = paired.length % 2 === 0 ? paired.length : paired.length - 1;
  return new Map(paired.slice(0, last).map((name, index) => [name, paired[index ^ 1] ?? '']));
}

function portOf(card: Card, bridge: string, peer: string | undefined): Port {
  return {
    name: card.name,
    bridge,
    ...(peer === undefined ? {} : { peer }),
    ...(card.kind === 'guest' ? { guest: card.guest, mac: card.mac } : {}),
    uplink: card.kind === 'uplink',
    span,
  };
}

function interfaceOf(card: Card, addresses: readonly Prefix[], peer: string | undefined): HostInterface {
  return { name: card.name, mac: card.mac, addresses, ...(peer === undefined ? {} : { peer }), span };
}

/** Everything but the places. */
function facts(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, inner) =>
      key === 'span' ? undefined : typeof inner === 'bigint' ? `${inner}` : inner,
    ),
  );
}

test('a printed host is read back as the same host', () => {
  const seen = { ports: 0, peers: 0, routes: 0, addresses: 0 };
  fc.assert(
    fc.property(host, (original) => {
      const { value, diagnostics } = parseHost(printHost(original), 'h');
      assert.deepEqual(diagnostics, []);
      assert.deepEqual(facts(value), facts(original));
      seen.ports += original.bridges.flatMap(({ ports }) => ports).length;
      seen.peers += original.bridges.flatMap(({ ports }) => ports.flatMap(({ peer }) => peer ?? [])).length;
      seen.routes += original.routes.length;
      seen.addresses += original.guests.flatMap(({ cards }) => cards.flatMap((card) => card.addresses.agent)).length;
    }),
    { numRuns: 500 },
  );
  assert.ok(seen.ports > 100 && seen.peers > 20 && seen.routes > 100 && seen.addresses > 10, JSON.stringify(seen));
});

test('a hostile guest name stays inside its quotes', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary', minLength: 1 }),
        fc.constantFrom(
          "a'b",
          'a"b',
          'a\nbridges: {}',
          '$(reboot)',
          '# x',
          '{',
          '*a',
          '&a',
          '!x',
          '%YAML',
          '\u0085',
          '\u2028',
        ),
      ),
      (guest) => {
        const port: Port = { name: 'p', bridge: 'b', guest, uplink: false, span };
        const text = printHost({
          name: 'h',
          bridges: [{ name: 'b', ports: [port], stp: false, span }],
          interfaces: [],
          routes: [],
          sysctls: {},
          guests: [],
        });
        const { value, diagnostics } = parseHost(text, 'h');
        if (/^(?!__proto__$)[A-Za-z0-9_.-]{1,64}$/.test(guest)) assert.equal(value?.bridges[0]?.ports[0]?.guest, guest);
        else if (text.includes('\ufffd'))
          assert.deepEqual(
            diagnostics.map(({ code }) => code),
            ['syntax'],
          );
        else
          assert.deepEqual(
            diagnostics.map(({ code }) => code),
            ['bad-name'],
            text,
          );
      },
    ),
    { numRuns: 2000 },
  );
});

test('arbitrary text never throws', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.notEqual(parseHost(text, 'h').diagnostics.length, 0);
    }),
    { numRuns: 1000 },
  );
});
