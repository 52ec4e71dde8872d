import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { printIp, printPrefix } from '../../src/model/ip.ts';
import { rangePrefixes } from '../../src/model/ip-set.ts';
import { printMac } from '../../src/model/mac.ts';
import { nearest } from '../../src/model/nearest.ts';
import { quoted } from '../../src/yaml/quoted.ts';
import {
  type Read,
  readAddress,
  readAddresses,
  readDestination,
  readInterface,
  readInterfacePattern,
  readMac,
  readName,
  readPrefix,
  readSysctl,
} from '../../src/yaml/words.ts';

const readers = {
  address: (text: string) => print(readAddress(text), printIp),
  addresses: (text: string) => print(readAddresses(text), (range) => rangePrefixes(range).map(printPrefix).join(' ')),
  destination: (text: string) => print(readDestination(text), ({ bits, length }) => `${bits}/${length}`),
  interface: (text: string) => print(readInterface(text), String),
  mac: (text: string) => print(readMac(text), printMac),
  name: (text: string) => print(readName(text), String),
  pattern: (text: string) => print(readInterfacePattern(text), String),
  prefix: (text: string) => print(readPrefix(text), ({ bits, length }) => `${bits}/${length}`),
  sysctl: (text: string) => print(readSysctl(text), String),
};

function print<T>(read: Read<T>, shown: (value: T) => string): string {
  if ('value' in read) return shown(read.value);
  return read.fault.hint === undefined ? read.fault.code : `${read.fault.code}: ${read.fault.hint}`;
}

const interfaceHint = 'bad-interface: it is 1 to 15 of A-Z a-z 0-9 _ . -';

const rows: readonly (readonly [reader: keyof typeof readers, text: string, want: string])[] = [
  ['address', '192.168.50.12', '192.168.50.12'],
  ['address', '2001:DB8::1', '2001:db8::1'],
  ['address', '010.0.0.1', 'bad-address: leave out leading zeros, which may be read as octal: write 10.0.0.1'],
  ['address', '10.0.0.1/24', 'bad-address: one address is wanted here: write 10.0.0.1'],
  ['address', 'fe80::1%eth0', 'bad-address: leave the zone out: write fe80::1'],
  ['address', '10.0.0.1-10.0.0.9', 'bad-address: list the addresses: [a, b]'],
  ['address', '10.0.0.1, 10.0.0.2', 'bad-address: list the addresses: [a, b]'],
  ['address', '256.1.1.1', 'bad-address'],
  ['address', 'kali2', 'bad-address'],
  ['address', '', 'bad-address'],
  ['address', '0.0.0.0', 'bad-address'],
  ['address', '127.0.0.1', 'bad-address'],
  ['address', '224.0.0.251', 'bad-address'],
  ['address', '255.255.255.255', 'bad-address'],
  ['address', '::', 'bad-address'],
  ['address', '::1', 'bad-address'],
  ['address', 'ff02::1', 'bad-address'],
  ['addresses', '10.0.0.0/8', '10.0.0.0/8'],
  ['addresses', '0.0.0.0/0', '0.0.0.0/0'],
  ['addresses', '10.0.0.1-10.0.0.3', '10.0.0.1 10.0.0.2/31'],
  ['addresses', '10.0.0.1 - 10.0.0.1', '10.0.0.1'],
  ['addresses', '10.0.0.9-10.0.0.1', 'bad-address'],
  ['addresses', '10.0.0.9-::1', 'bad-address: write it as 10.0.0.1-10.0.0.9'],
  ['addresses', '10.0.0.37/8', 'bad-address: write 10.0.0.0/8 for the network, or 10.0.0.37 for the one machine'],
  ['addresses', '10.0.0.0/33', 'bad-address: the length is a number from 0 to 32'],
  ['addresses', '10.0.0.0/08', 'bad-address: the length is a number from 0 to 32'],
  ['destination', 'default', '0/0'],
  ['destination', '10.0.0.0/8', '167772160/8'],
  ['destination', 'defalt', 'bad-address: write default, or a network such as 10.0.0.0/8'],
  ['interface', 'vk63', 'vk63'],
  ['interface', 'a.b-c_d', 'a.b-c_d'],
  ['interface', '.', interfaceHint],
  ['interface', '..', interfaceHint],
  ['interface', '', interfaceHint],
  ['interface', 'sixteen-letters0', interfaceHint],
  ['interface', 'a/b', interfaceHint],
  ['interface', 'vnet1\n', interfaceHint],
  ['interface', '__proto__', interfaceHint],
  ['mac', '52:54:00:B1:5d:1f', '52:54:00:b1:5d:1f'],
  ['mac', '52-54-00-b1-5d-1f', 'bad-mac: write 52:54:00:b1:5d:1f'],
  ['mac', '5254.00b1.5d1f', 'bad-mac: write 52:54:00:b1:5d:1f'],
  ['mac', '52:54:0:b1:5d:1f', 'bad-mac: it is six pairs of hexadecimal digits: 52:54:00:b1:5d:1f'],
  ['mac', '01:00:5e:00:00:01', 'bad-mac'],
  ['mac', 'ff:ff:ff:ff:ff:ff', 'bad-mac'],
  ['mac', '00:00:00:00:00:00', 'bad-mac'],
  ['name', 'kali2', 'kali2'],
  ['name', '-', '-'],
  ['name', 'x'.repeat(64), 'x'.repeat(64)],
  ['name', 'x'.repeat(65), 'bad-name: a name is 1 to 64 of A-Z a-z 0-9 _ . -'],
  ['name', '__proto__', 'bad-name: a name is 1 to 64 of A-Z a-z 0-9 _ . -'],
  ['pattern', 'vnet*', 'vnet*'],
  ['pattern', '*', "bad-interface: it is 1 to 15 of A-Z a-z 0-9 _ . -, and may end in '*'"],
  ['pattern', 'v*t', "bad-interface: it is 1 to 15 of A-Z a-z 0-9 _ . -, and may end in '*'"],
  ['prefix', '192.168.50.1/24', '3232248321/24'],
  ['prefix', '192.168.50.1', '3232248321/32'],
  ['prefix', '01.2.3.4/8', 'bad-address: leave out leading zeros, which may be read as octal: write 1.2.3.4/8'],
  ['prefix', '1.2.3.4/', 'bad-address: the length is a number from 0 to 32'],
  ['sysctl', 'net.ipv4.conf.all.arp_ignore', 'net.ipv4.conf.all.arp_ignore'],
  ['sysctl', 'net/ipv4/conf/eth0.7/arp_ignore', 'net/ipv4/conf/eth0.7/arp_ignore'],
  ['sysctl', '../../etc/passwd', 'bad-name: write it as net.ipv4.ip_forward'],
  ['sysctl', 'net..x', 'bad-name: write it as net.ipv4.ip_forward'],
  ['sysctl', '/net.x', 'bad-name: write it as net.ipv4.ip_forward'],
];

test('each word is read as what it is, or refused with a way out', () => {
  for (const [reader, text, want] of rows) assert.equal(readers[reader](text), want, `${reader} ${quoted(text)}`);
  const seen = new Set(rows.map(([reader]) => reader));
  assert.deepEqual([...seen].sort(), Object.keys(readers).sort(), 'every reader was asked');
});

test('no reader throws, and messages stay on one printable line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
      for (const read of [readAddress, readAddresses, readInterface, readMac, readName, readPrefix, readSysctl]) {
        const result: Read<unknown> = read(text);
        if ('value' in result) continue;
        assert.match(result.fault.message, /^[^\p{C}]{1,800}$/u);
      }
    }),
  );
});

test('quoted text cannot command a terminal', () => {
  const texts: readonly (readonly [text: string, want: string])[] = [
    ['plain', "'plain'"],
    ['a\nb', "'a\\u{a}b'"],
    ['\u001b[2J', "'\\u{1b}[2J'"],
    ['a\u202eb', "'a\\u{202e}b'"],
    ['😀', "'😀'"],
    ['x'.repeat(61), `'${'x'.repeat(60)}...'`],
  ];
  for (const [text, want] of texts) assert.equal(quoted(text), want);
});

test('the nearest word is a slip away, or there is none', () => {
  const known = ['guests', 'outside', 'groups', 'allow', 'dhcp', 'ip'];
  const words: readonly (readonly [word: string, want: string | undefined])[] = [
    ['guest', 'guests'],
    ['Guests', 'guests'],
    ['gruops', 'groups'],
    ['alow', 'allow'],
    ['dchp', 'dhcp'],
    ['ipp', 'ip'],
    ['deny', undefined],
    ['', undefined],
  ];
  for (const [word, want] of words) assert.equal(nearest(word, known), want, word);
});
