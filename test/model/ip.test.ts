import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Ip,
  networkOf,
  parseIp,
  parsePrefix,
  prefixContains,
  printIp,
  printPrefix,
  sameIp,
} from '../../src/model/ip.ts';

/** The canonical form of each text, or undefined for what is no address. */
const texts: readonly (readonly [text: string, canonical: string | undefined])[] = [
  ['192.168.50.12', '192.168.50.12'],
  ['0.0.0.0', '0.0.0.0'],
  ['255.255.255.255', '255.255.255.255'],
  ['256.1.1.1', undefined],
  ['010.0.0.1', undefined], // some read 8.0.0.1
  ['10.0.0.01', undefined],
  ['0x0a.0.0.1', undefined],
  ['10.1', undefined], // inet_aton(3) reads 10.0.0.1
  ['167772161', undefined],
  ['10.0.0.1.', undefined],
  [' 10.0.0.1', undefined],
  ['10.0.0.1/32', undefined],
  ['10.0.0.1\n', undefined],
  ['١٠.0.0.1', undefined], // Arabic digits
  ['', undefined],
  ['::', '::'],
  ['::1', '::1'],
  ['fe80::1', 'fe80::1'],
  ['fe80::1%eth0', undefined],
  ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'], // one zero group is not shortened (RFC 5952 section 4.2.2)
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['::ffff:192.168.50.12', '::ffff:c0a8:320c'],
  ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ['1:2:3:4:5:6:7:8:9', undefined],
  ['1::2::3', undefined],
  ['12345::', undefined],
];

test('an address is what node:net says, and has one text', () => {
  for (const [text, canonical] of texts) {
    const ip = parseIp(text);
    assert.equal(ip && printIp(ip), canonical, text);
  }
});

const ip4 = fc.nat({ max: 0xffff_ffff }).map((bits): Ip => ({ family: 4, bits: BigInt(bits) }));
const group = fc.oneof(fc.constant(0n), fc.bigInt(0n, 0xffffn));
const ip6 = fc
  .array(group, { minLength: 8, maxLength: 8 })
  .map((groups): Ip => ({ family: 6, bits: groups.reduce((bits, value) => (bits << 16n) | value, 0n) }));

test('every address comes back from its text', () => {
  fc.assert(
    fc.property(fc.oneof(ip4, ip6), (ip) => {
      const read = parseIp(printIp(ip));
      assert.ok(read !== undefined && sameIp(read, ip), printIp(ip));
    }),
  );
});

test('the same number in both families is two addresses', () => {
  assert.ok(!sameIp({ family: 4, bits: 1n }, { family: 6, bits: 1n }));
});

const prefixes: readonly (readonly [text: string, canonical: string | undefined, network?: string])[] = [
  ['192.168.0.19/24', '192.168.0.19/24', '192.168.0.0/24'],
  ['192.168.50.12', '192.168.50.12', '192.168.50.12'],
  ['192.168.50.12/32', '192.168.50.12', '192.168.50.12'],
  ['0.0.0.0/0', '0.0.0.0/0', '0.0.0.0/0'],
  ['10.9.8.7/0', '10.9.8.7/0', '0.0.0.0/0'],
  ['fe80::1/64', 'fe80::1/64', 'fe80::/64'],
  ['10.0.0.0/33', undefined],
  ['::/129', undefined],
  ['10.0.0.0/', undefined],
  ['10.0.0.0/08', undefined],
  ['10.0.0.0/+8', undefined],
  ['10.0.0.0/8/8', undefined],
  ['10.0.0/24', undefined],
  ['/24', undefined],
];

test('a prefix keeps its host bits until its network is asked for', () => {
  for (const [text, canonical, network] of prefixes) {
    const prefix = parsePrefix(text);
    assert.equal(prefix && printPrefix(prefix), canonical, text);
    assert.equal(prefix && printPrefix(networkOf(prefix)), network, text);
  }
});

const contained: readonly (readonly [prefix: string, ip: string, inside: boolean])[] = [
  ['192.168.50.0/24', '192.168.50.255', true],
  ['192.168.50.77/24', '192.168.50.0', true],
  ['192.168.50.0/24', '192.168.51.0', false],
  ['192.168.50.12', '192.168.50.12', true],
  ['192.168.50.12', '192.168.50.13', false],
  ['0.0.0.0/0', '255.255.255.255', true],
  ['0.0.0.0/0', '::1', false],
  ['fe80::/10', 'febf::1', true],
  ['fe80::/10', 'fec0::1', false],
];

test('a prefix contains the addresses of its network, and none of the other family', () => {
  for (const [text, address, inside] of contained) {
    const [prefix, ip] = [parsePrefix(text), parseIp(address)];
    assert.ok(prefix && ip);
    assert.equal(prefixContains(prefix, ip), inside, `${address} in ${text}`);
  }
  assert.deepEqual(new Set(contained.map(([, , inside]) => inside)), new Set([true, false]));
});
