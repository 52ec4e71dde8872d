import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sameness } from '../../src/display/same-definition.ts';
import { withoutSecrets } from '../../src/display/without-secrets.ts';

const videoOf = (size: string) => `    <video>
      <model type='qxl' ram='65536' vgamem='16384' heads='1' primary='yes'>${size}</model>
      <address type='pci' slot='0x02'/>
    </video>
`;
const definition = (videos: string, more = '') => `<domain type='kvm'>
  <name>web</name>
  <uuid>0b6c1a52-6d9b-4d51-9a35-64f1f5d0a001</uuid>
  <devices>
    <controller type='pci' index='0' model='pcie-root'/>
${videos}${more}    <graphics type='spice' passwd='secret'/>
  </devices>
</domain>
`;
const size = "<resolution x='1920' y='1080'/>";
const before = definition(videoOf(''));
const wanted = definition(videoOf(size));
const second = "    <video>\n      <model type='virtio' heads='1'/>\n    </video>\n";
const withSecond = definition(videoOf(size) + second);
const addressed = second.replace('/>', "/>\n      <address type='pci' slot='0x03'/>");
const port = "    <controller type='pci' index='1' model='pcie-root-port'/>\n";

const rows: readonly (readonly [title: string, wanted: string, made: string, videos: boolean, outside: boolean])[] = [
  ['the same', wanted, wanted, true, true],
  ['in another way of writing', wanted, wanted.replace(`>${size}<`, `>\n        ${size}\n      <`), true, true],
  ['without the size', wanted, before, false, true],
  ['with another size', wanted, wanted.replace('1080', '1088'), false, true],
  ['with other memory', wanted, wanted.replace('16384', '32768'), false, true],
  ['with another place of the device', wanted, wanted.replace('0x02', '0x05'), false, true],
  ['with another name', wanted, wanted.replace('<name>web', '<name>bew'), true, false],
  ['without the password', wanted, wanted.replace(" passwd='secret'", ''), true, false],
  ['with a controller that nobody needs', wanted, definition(videoOf(size), port), true, false],
  [
    'another device, which needs a port and an address',
    withSecond,
    definition(videoOf(size) + addressed, port),
    true,
    true,
  ],
  ['another device, and another disk', withSecond, definition(videoOf(size) + addressed, '    <disk/>\n'), true, false],
  ['another device that is none', withSecond, wanted, false, true],
  ['nothing that could be read', wanted, '', false, false],
];

describe('what libvirt makes of a definition', () => {
  for (const [title, told, made, videos, outside] of rows) {
    test(title, () => assert.deepEqual(sameness(before, told, made), { videos, outside }));
  }
});

describe('what is shown of it', () => {
  for (const [text, shown] of [
    ["<graphics type='vnc' passwd='a&quot;b' port='1'/>", "<graphics type='vnc' passwd='***' port='1'/>"],
    ['<graphics passwd = "it\'s"/>', '<graphics passwd = "***"/>'],
    ["<graphics passwdValidTo='2030-01-01T00:00:00'/>", "<graphics passwdValidTo='2030-01-01T00:00:00'/>"],
  ] as const) {
    test(text, () => assert.equal(withoutSecrets(text), shown));
  }
});
