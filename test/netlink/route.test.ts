// What the kernel says of a device, as octets made here: what is understood, and all that is not.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { type Attribute, encodeAttributes, encodeText } from '../../src/netlink/message.ts';
import { decodeAddress, decodeLink } from '../../src/netlink/route.ts';

type Attributes = Readonly<Record<number, Attribute['value'] | undefined>>;

function number(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

function octet(value: number): Uint8Array {
  return Uint8Array.of(value);
}

function attributes(some: Attributes): readonly Attribute[] {
  return Object.entries(some).flatMap(([type, value]) => (value === undefined ? [] : [{ type: Number(type), value }]));
}

const tun: Attributes = { 3: octet(2) };
const settings: Attributes = { 4: octet(1), 8: octet(0), 33: octet(1) };
const tap: Attributes = { 1: encodeText('tun'), 2: attributes(tun) };
const port: Attributes = { ...tap, 4: encodeText('bridge'), 5: attributes(settings) };
const bridge: Attributes = { 1: encodeText('bridge'), 2: attributes({ 5: number(1), 7: octet(0) }) };

/** Number 7, up. */
function link(some: Attributes, info: Attributes | undefined, type = 1): Uint8Array {
  const named = { 1: Uint8Array.of(2, 0, 0, 0, 0, 0x1f), 3: encodeText('vnet0'), ...some };
  const all = { ...named, ...(info === undefined ? {} : { 18: attributes(info) }) };
  const header = new Uint8Array([
    ...new Uint8Array(Uint16Array.of(0, type).buffer),
    ...number(7),
    ...number(1),
    ...number(0),
  ]);
  return Uint8Array.of(...header, ...encodeAttributes(attributes(all)));
}

const links: readonly (readonly [what: string, octets: Uint8Array, said: string])[] = [
  ['a tap', link({}, tap), 'tap'],
  ['a port', link({ 10: number(3) }, port), 'tap, port of 3, hairpin, does not learn, isolated'],
  [
    'a usual port',
    link({ 10: number(3) }, { ...port, 5: attributes({ 4: octet(0), 8: octet(1), 33: octet(0) }) }),
    'tap, port of 3',
  ],
  ['a bridge', link({}, bridge), 'bridge, stp 1, filters 0'],
  ['a bridge of a kernel without VLANs', link({}, { ...bridge, 2: attributes({ 5: number(0) }) }), 'bridge, stp 0'],
  ['a bridge that says nothing of STP', link({}, { ...bridge, 2: attributes({ 7: octet(0) }) }), 'unknown'],
  ['a bridge below another device', link({ 10: number(3) }, bridge), 'unknown'],
  ['another kind', link({}, { 1: encodeText('veth') }), 'unknown'],
  ['no kind: a card', link({}, undefined), 'unknown'],
  ['a tunnel without Ethernet', link({}, { ...tap, 2: attributes({ 3: octet(1) }) }), 'unknown'],
  ['another type of device', link({}, tap, 772), 'unknown'],
  ['with another end', link({ 5: number(8) }, tap), 'unknown'],
  ['with another end elsewhere', link({ 37: number(0) }, tap), 'unknown'],
  ['below something that is no bridge', link({ 10: number(3) }, { ...port, 4: encodeText('bond') }), 'unknown'],
  ['below something of no kind', link({ 10: number(3) }, tap), 'unknown'],
  ['a port of nobody', link({}, port), 'unknown'],
  [
    'a kernel that knows no isolated ports',
    link({ 10: number(3) }, { ...port, 5: attributes({ ...settings, 33: undefined }) }),
    'unknown',
  ],
  [
    'a setting of another length',
    link({ 10: number(3) }, { ...port, 5: attributes({ ...settings, 8: number(1) }) }),
    'unknown',
  ],
  ['no MAC', link({ 1: undefined }, tap), 'unknown'],
  ['a MAC of four octets', link({ 1: number(1) }, tap), 'unknown'],
  ['no name', link({ 3: undefined }, tap), 'unknown'],
  ['nothing', new Uint8Array(0), 'unknown'],
];

function said(octets: Uint8Array): string {
  const decoded = decodeLink(octets);
  if (decoded === undefined) return 'unknown';
  const { what, ...others } = decoded;
  assert.deepEqual(others, { index: 7, name: 'vnet0', mac: '02:00:00:00:00:1f', isUp: true });
  if (what.kind === 'bridge') {
    const { stpState, vlanFiltering } = what;
    return `bridge, stp ${stpState}${vlanFiltering === undefined ? '' : `, filters ${vlanFiltering}`}`;
  }
  if (what.port === undefined) return 'tap';
  const { bridge: master, hairpin, learning, isolated } = what.port;
  const odd = [hairpin ? ['hairpin'] : [], learning ? [] : ['does not learn'], isolated ? ['isolated'] : []];
  return ['tap', `port of ${master}`, ...odd.flat()].join(', ');
}

function address(header: readonly number[], groups: readonly number[], more: Attributes = {}): Uint8Array {
  const value = Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
  return Uint8Array.of(...header, ...number(7), ...encodeAttributes(attributes({ 1: value, ...more })));
}

const own = [10, 64, 0x80, 253] as const;
const addresses: readonly (readonly [what: string, octets: Uint8Array, said: string | undefined])[] = [
  ['link-local', address(own, [0xfe80, 0, 0, 0, 0xfc54, 0xff, 0xfe00, 9]), 'fe80::fc54:ff:fe00:9'],
  ['with zeros behind', address(own, [0xfe80, 0, 0, 0, 0xa, 0, 0, 0]), 'fe80::a:0:0:0'],
  ['with more zeros in front', address(own, [0xfe80, 0, 0, 0, 0, 0, 0, 1]), 'fe80::1'],
  ['all zeros', address(own, [0xfe80, 0, 0, 0, 0, 0, 0, 0]), 'fe80::'],
  ['another net', address(own, [0xfe80, 0, 1, 0, 0, 0, 0, 1]), undefined],
  ['global', address([10, 64, 0x80, 0], [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]), undefined],
  ['of another length', address([10, 128, 0x80, 253], [0xfe80, 0, 0, 0, 0, 0, 0, 1]), undefined],
  ['with another end', address(own, [0xfe80, 0, 0, 0, 0, 0, 0, 1], { 2: new Uint8Array(16) }), undefined],
  ['of IPv4', address([2, 24, 0x80, 0], [0x0a00, 1]), undefined],
  ['cut off', address(own, [0xfe80, 0]), undefined],
  ['nothing', new Uint8Array(0), undefined],
];

suite('what the kernel says of devices', () => {
  for (const [what, octets, wanted] of links) test(`${what}: ${wanted}`, () => assert.equal(said(octets), wanted));
  for (const [what, octets, wanted] of addresses) {
    test(`an address, ${what}: ${wanted ?? 'unknown'}`, () => {
      assert.deepEqual(decodeAddress(octets), wanted === undefined ? undefined : { index: 7, local: wanted });
    });
  }

  test('garbage is no exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => {
        decodeLink(garbage);
        decodeAddress(garbage);
      }),
    );
  });
});
