import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseDomainDisplay } from '../../src/display/domain-video.ts';
import { hostStep } from '../../src/display/host-step.ts';
import { parseMonitor } from '../../src/display/monitors.ts';
import { spliceVideo } from '../../src/display/splice-video.ts';

function displayOf(text: string) {
  const read = parseDomainDisplay(text);
  return 'fault' in read ? assert.fail(read.fault.message) : read.value;
}

const monitorsOf = (words: string) => words.split(' ').map((word) => parseMonitor(word) ?? assert.fail(word));

/** The definition after the wish, or why not; and that a second time nothing changes. */
function after(text: string, words: string): string {
  const domain = displayOf(text);
  const step = hostStep(domain, monitorsOf(words));
  if (step.kind === 'impossible') return step.reasons.join('; ');
  if (step.kind === 'nothing') return text;
  const changed = spliceVideo(text, domain, step.changes, step.added);
  assert.deepEqual(hostStep(displayOf(changed), monitorsOf(words)), { kind: 'nothing' });
  return changed;
}

const domainWith = (videos: string) => `<?xml version="1.0"?>
<!-- <video><model type='qxl'/></video> ä 𝄞 -->
<domain type='kvm' xmlns:x='urn:x'>
  <name>x"; touch pwned; #</name>
  <uuid>0b6c1a52-6d9b-4d51-9a35-64f1f5d0a001</uuid>
  <memory unit='MiB'>1024</memory>
  <metadata><x:video><x:model type='vga'/></x:video><![CDATA[<video>]]></metadata>
  <devices>
    <emulator>/usr/bin/qemu</emulator>
${videos}
    <graphics type='spice'/>
  </devices>
</domain>
`;

const qxl = `    <video>
      <model type="qxl"  ram='65536' vram='65536' vgamem='16384' heads='1' primary='yes'/><!-- mine -->
      <address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x0'/>
    </video>`;
const virtio = `    <video><model type='virtio' heads='1'><acceleration accel3d='no'/></model></video>`;
const vga = `    <video>\r\n      <model type='vga' vram='16384' heads='1'/>\r\n    </video>`;

const rows: readonly (readonly [title: string, video: string, wish: string, result: string])[] = [
  [
    'qxl: a size alone',
    qxl,
    '1920x1080',
    `    <video>
      <model type="qxl"  ram='65536' vram='65536' vgamem='16384' heads='1' primary='yes'>
        <resolution x='1920' y='1080'/>
      </model><!-- mine -->
      <address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x0'/>
    </video>`,
  ],
  [
    'qxl: 4K needs memory',
    qxl,
    '3840x2160',
    `    <video>
      <model type="qxl"  ram='131072' vram='65536' vgamem='32768' heads='1' primary='yes'>
        <resolution x='3840' y='2160'/>
      </model><!-- mine -->
      <address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x0'/>
    </video>`,
  ],
  [
    'qxl: two monitors are two heads in one box',
    qxl,
    '1920x1080 1280x1024@right',
    `    <video>
      <model type="qxl"  ram='65536' vram='65536' vgamem='16384' heads='2' primary='yes'>
        <resolution x='1920' y='1080'/>
      </model><!-- mine -->
      <address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x0'/>
    </video>`,
  ],
  [
    'virtio: what else is in the model stays',
    virtio,
    '1366x768',
    `    <video><model type='virtio' heads='1'>
      <resolution x='1366' y='768'/><acceleration accel3d='no'/></model></video>`,
  ],
  [
    'virtio: another monitor is another device',
    virtio,
    '1920x1080 1280x1024@right',
    `    <video><model type='virtio' heads='1'>
      <resolution x='1920' y='1080'/><acceleration accel3d='no'/></model></video>
    <video>
      <model type='virtio' heads='1'>
        <resolution x='1280' y='1024'/>
      </model>
    </video>`,
  ],
  [
    'vga: the kernel wants twice the memory; lines end as they did',
    vga,
    '2560x1440',
    `    <video>\r\n      <model type='vga' vram='32768' heads='1'>\r\n        <resolution x='2560' y='1440'/>\r\n      </model>\r\n    </video>`,
  ],
  [
    'a size that is there already is replaced',
    `    <video><model heads='1' type='bochs' vram='65536'><resolution x="800" y="600" /></model></video>`,
    '1920x1080',
    `    <video><model heads='1' type='bochs' vram='65536'><resolution x="1920" y="1080" /></model></video>`,
  ],
];

describe('the definition of a domain, with the display changed', () => {
  for (const [title, video, wish, result] of rows) {
    test(title, () => assert.equal(after(domainWith(video), wish), domainWith(result)));
  }
});

const refusals: readonly (readonly [title: string, video: string, wish: string, reason: RegExp])[] = [
  ['cirrus takes no resolution', "<video><model type='cirrus'/></video>", '1024x768', /cirrus takes no resolution/],
  ['ramfb takes none either', "<video><model type='ramfb'/></video>", '1024x768', /ramfb takes no resolution/],
  ['vga has one head', vga, '1024x768 1024x768', /vga shows one monitor/],
  ['qxl has four connectors', qxl, '800x600 800x600 800x600 800x600 800x600', /qxl shows 4 monitors/],
  ['qxl draws one box of 8192 at most', qxl, '5120x1080 5120x1080', /qxl draws at most 8192x8192, not 10240x1080/],
  ['virtio draws 8192 pixels a line at most', virtio, '9000x600', /virtio draws at most 8192x8192, not 9000x600/],
  [
    "virtio's picture is in the guest's memory",
    virtio,
    '8192x8192 8192x8192',
    /its 1024 MiB do not hold 8192x8192 and/,
  ],
  ['vga draws 8192 lines at most', vga, '640x9000', /vga draws at most 8192x8192/],
  ['vga has 256 MiB at most', vga, '8192x8192', /cannot have the memory for 8192x8192/],
  ['qxl draws 8192 lines at most', qxl, '1024x9000', /qxl draws at most 8192x8192/],
  [
    'a model from elsewhere is left alone',
    "<video><model type='xen'/></video>",
    '1024x768',
    /nothing is known of display devices of the model 'xen'/,
  ],
  ['no device', '', '1024x768', /no display device/],
];

describe('what libvirt or QEMU would refuse is said before', () => {
  for (const [title, video, wish, reason] of refusals) {
    test(title, () => assert.match(after(domainWith(video), wish), reason));
  }
});

describe('what decides the pictures of a domain', () => {
  test('devices, firmware, graphics; nothing out of comments and metadata', () => {
    const domain = displayOf(domainWith(`${virtio}\n${qxl}`));
    assert.deepEqual(
      domain.devices.map(({ model, heads, primary }) => `${model} ${heads} ${primary}`),
      ['virtio 1 false', 'qxl 1 true'],
    );
    assert.deepEqual([domain.firmware, domain.graphics, domain.guestMemoryKib], ['bios', ['spice'], 1024 * 1024]);
    assert.equal(domain.name, 'x"; touch pwned; #');
  });

  for (const [os, firmware] of [
    ["<os firmware='efi'/>", 'uefi'],
    ["<os><loader readonly='yes' type='pflash'>/x.fd</loader></os>", 'uefi'],
    ['<os><type>hvm</type></os>', 'bios'],
  ] as const) {
    test(`${os}: ${firmware}`, () => {
      assert.equal(displayOf(domainWith(vga).replace('  <devices>', `  ${os}\n  <devices>`)).firmware, firmware);
    });
  }

  for (const [title, text] of [
    ['entities that grow', '<!DOCTYPE d [<!ENTITY x "xx">]><domain><name>&x;</name></domain>'],
    ['no domain', '<network><name>a</name></network>'],
    ['5 MiB', domainWith(`<!--${'x'.repeat(5 << 20)}-->`)],
  ] as const) {
    test(`refused: ${title}`, () => assert.ok('fault' in parseDomainDisplay(text)));
  }
});
