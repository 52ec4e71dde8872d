import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Ip, printIp } from '../../src/model/ip.ts';
import { printMac } from '../../src/model/mac.ts';
import { parseAgentAddresses } from '../../src/topology/agent-table.ts';
import { parseDomain, parseNetwork } from '../../src/topology/libvirt-xml.ts';
import { parseXml } from '../../src/topology/xml.ts';
import { assertPrompt } from '../support/slowness.ts';
import { goldenText } from '../yaml/golden.ts';

function domainOf(file: string) {
  const read = parseDomain(goldenText(`topology/libvirt/${file}`));
  if ('fault' in read) return assert.fail(read.fault.message);
  return read.value;
}

const shown = (ips: readonly Ip[]) => ips.map(printIp).join(' ');

describe('definitions', () => {
  test('a running domain: cards with taps, bridges and filters; nothing out of the metadata', () => {
    const { name, uuid, running, cards } = domainOf('running.xml');
    assert.deepEqual([name, uuid, running], ['web', '0b6c1a52-6d9b-4d51-9a35-64f1f5d0a001', true]);
    assert.deepEqual(
      cards.map(({ type, mac, tap, bridge, network, filter }) =>
        [type, printMac(mac), tap, bridge, network, shown(filter)].map((one) => one ?? '-').join(' '),
      ),
      [
        'network 52:54:00:10:00:01 vnet0 virbr0 default 192.168.122.10 192.168.122.11',
        'bridge 52:54:00:10:00:02 - br0 - ', // no interface has such a name
        'ethernet 52:54:00:10:00:03 vk63 - - ',
        'direct 52:54:00:10:00:04 macvtap0 - - ',
      ],
    );
  });

  test('a defined domain, with a name that is only data', () => {
    const { name, running, cards } = domainOf('defined.xml');
    assert.deepEqual([name, running], ['a\nb "; touch pwned; #', false]);
    assert.deepEqual([cards.length, cards[0]?.network, cards[0]?.tap], [1, 'default', undefined]);
  });

  test('a network: its bridge, and reservations that have a MAC and an address of a machine', () => {
    const read = parseNetwork(goldenText('topology/libvirt/network.xml'));
    assert.ok('value' in read);
    assert.deepEqual([read.value.name, read.value.bridge], ['default', 'virbr0']);
    assert.deepEqual(
      read.value.reservations.map(({ mac, ip }) => `${printMac(mac)} ${printIp(ip)}`),
      ['52:54:00:10:00:01 192.168.122.10', '52:54:00:10:00:05 192.168.122.12'],
    );
  });

  test('one is not taken for the other', () => {
    assert.ok('fault' in parseDomain(goldenText('topology/libvirt/network.xml')));
    assert.ok('fault' in parseNetwork(goldenText('topology/libvirt/running.xml')));
  });
});

const MiB = 1024 * 1024;

const rows: readonly (readonly [title: string, xml: string, outcome: RegExp | 'read'])[] = [
  ['a name of 1 MiB', `<a>${'x'.repeat(MiB)}</a>`, 'read'],
  ['an attribute of 1 MiB that looks like tags', `<a b="${'/>'.repeat(MiB / 2)}"/>`, 'read'],
  ['63 levels', '<a>'.repeat(63) + '</a>'.repeat(63), 'read'],
  ['a declaration inside of a comment', '<a><!-- <!DOCTYPE a> --></a>', 'read'],
  ['a declaration as text', '<a><![CDATA[<!DOCTYPE a>]]></a>', 'read'],
  ['5 MiB', `<a>${'x'.repeat(5 * MiB)}</a>`, /4 MiB/],
  ['100,000 levels', '<a>'.repeat(100_000) + '</a>'.repeat(100_000), /64 deep/],
  ['100,000 elements', `<a>${'<b/>'.repeat(100_000)}</a>`, /50000 elements/],
  ['entities that grow', '<!DOCTYPE a [<!ENTITY x "xx"><!ENTITY y "&x;&x;">]><a>&y;</a>', /document type/],
  ['an entity of a file', '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', /document type/],
  ['a declaration behind a comment', '<!-- --><!DOCTYPE a SYSTEM "http://192.0.2.1/"><a/>', /document type/],
  ['an unknown entity', '<a>&x;</a>', /well-formed/],
  ['a text that is cut off', '<domain><name>we', /well-formed/],
  ['a tag that is cut off', '<domain name="we', /well-formed/],
  ['two roots', '<a/><b/>', /well-formed/],
  ['nothing', '', /well-formed/],
  ['a million brackets', '<'.repeat(1_000_000), /well-formed|deep/],
  ['an attribute twice', '<a b="1" b="2"/>', /well-formed/],
];

describe('hostile XML', () => {
  for (const [title, xml, outcome] of rows) {
    test(`${title}: ${outcome}`, () => {
      const begin = performance.now();
      const read = parseXml(xml);
      const said = 'fault' in read ? read.fault.message : 'read';
      assert.match(said, outcome === 'read' ? /^read$/ : outcome);
      assertPrompt(performance.now() - begin, 2_000, title);
    });
  }
});

describe('guest agents', () => {
  const said = (text: string) => parseAgentAddresses(text).map(({ mac, ip }) => `${printMac(mac)} ${printIp(ip)}`);

  test('addresses by MAC; none of loopbacks, links, or what is no address', () => {
    assert.deepEqual(said(goldenText('topology/libvirt/agent.txt')), [
      '52:54:00:10:00:01 192.168.122.10',
      '52:54:00:10:00:01 192.168.122.77',
      '52:54:00:10:00:01 2001:db8::10',
      '02:42:4f:9d:01:01 172.17.0.1',
      '52:54:00:10:00:01 192.168.122.78',
    ]);
  });

  test('no guest has a million addresses', () => {
    const row = ' e 52:54:00:10:00:01 ipv4 192.168.122.10/24\n';
    assert.equal(said(row.repeat(100_000)).length, 64);
    assert.deepEqual(said(`${' '.repeat(100_000)}52:54:00:10:00:01${' '.repeat(100_000)}`), []);
  });
});
