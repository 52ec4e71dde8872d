// Sizes by model, firmware and memory: offered, taken when named, possible with more memory, or impossible, and why.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseDomainDisplay } from '../../src/display/domain-video.ts';
import { type GuestFacts, guestFacts } from '../../src/display/guest-facts.ts';
import { deviceModes, type ModeStage } from '../../src/display/mode-rows.ts';
import type { Session } from '../../src/display/session-facts.ts';
import { printSize } from '../../src/display/size.ts';

const debian: GuestFacts = { ...guestFacts(new Map()), drivers: new Set(['qxl', 'bochs', 'virtio-gpu', 'cirrus']) };

const x11: Session = {
  ...{ kind: 'x11', desktop: 'other', user: 'ann', uid: 1000, display: ':0', authority: undefined },
  outputs: [{ name: 'Virtual-1', connected: true, shown: undefined, modes: ['1024x768', '1680x1050_60.00'] }],
};
const mode = { id: '1', size: { width: 1024, height: 768 }, hz: 60 };
const gnome: Session = {
  ...{
    kind: 'wayland',
    desktop: 'gnome',
    user: 'ann',
    uid: 1000,
    display: undefined,
    authority: undefined,
    outputs: [],
  },
  compositor: { tool: 'gdctl', outputs: [{ name: 'Virtual-1', modes: [mode], shown: undefined, monitor: undefined }] },
};

function rowOf(models: string, stage: ModeStage, size: string, guest: GuestFacts = debian, os = '<os/>'): string {
  const videos = models.split(' + ').map((model) => `<video><model type='${model}/></video>`);
  const read = parseDomainDisplay(
    `<domain><name>a</name><uuid>u</uuid><memory>4194304</memory>${os}<devices>${videos.join('')}</devices></domain>`,
  );
  if ('fault' in read) return assert.fail(read.fault.message);
  const modes = deviceModes(read.value, guest).at(-1)?.modes ?? [];
  const row = modes.find((one) => one.stage === stage && printSize(one.size) === size);
  return row === undefined ? 'no row' : `${row.is}: ${row.why}`;
}

const uefi = "<os firmware='efi'/>";
const asked = 'as <resolution> of the device';

const rows: readonly (readonly [
  model: string,
  stage: ModeStage,
  size: string,
  wanted: string,
  guest?: GuestFacts,
  os?: string,
])[] = [
  ["qxl'", 'boot menu', '1920x1080', "offered: in the firmware's list"],
  ["qxl'", 'boot menu', '3840x2160', 'with-memory: vgamem 32 MiB, ram 128 MiB'],
  ["qxl'", 'boot menu', '1366x768', 'impossible: the firmware offers no 1366x768 on qxl'],
  ["qxl'", 'boot menu', '1366x768', "offered: in the firmware's list", debian, uefi],
  ["virtio'", 'boot menu', '2560x1440', 'impossible: the firmware offers no 2560x1440 on virtio'],
  ["virtio'", 'boot menu', '2560x1440', 'impossible: the firmware offers no 2560x1440 on virtio', debian, uefi],
  ["bochs'", 'boot menu', '1920x1080', `when-named: ${asked}`],
  ["bochs'", 'boot menu', '1920x1080', "offered: in the firmware's list", debian, uefi],
  ["cirrus'", 'boot menu', '1024x768', 'impossible: the firmware offers no 1024x768 on cirrus'],
  ["qxl'", 'console', '2560x1600', "offered: in the driver's list"],
  ["qxl'", 'console', '3440x1440', 'with-memory: vgamem 32 MiB, ram 128 MiB'],
  ["qxl' vgamem='32768' ram='131072'", 'console', '3440x1440', `when-named: ${asked}, or video=`],
  ["vga'", 'console', '1366x768', 'impossible: a VGA draws widths of whole eights: 1366x768 is shown as 1360x768'],
  ["vga'", 'console', '2560x1440', 'with-memory: vram 32 MiB'],
  ["virtio'", 'console', '3840x2160', "offered: in the driver's list"],
  ["virtio'", 'console', '5120x2880', `when-named: ${asked}, or video=`],
  ["qxl'", 'console', '1024x768', 'no row', { ...debian, drivers: new Set() }],
  ["qxl'", 'session', '1680x1050', "offered: in the session's list", { ...debian, sessions: [x11] }],
  ["qxl'", 'session', '1280x800', 'when-named: by a modeline', { ...debian, sessions: [x11] }],
  ["qxl'", 'session', '3840x2160', 'with-memory: vgamem 32 MiB, ram 128 MiB', { ...debian, sessions: [x11] }],
  ["qxl'", 'session', '1024x768', "offered: in the session's list", { ...debian, sessions: [gnome] }],
  [
    "qxl'",
    'session',
    '1280x800',
    'impossible: Wayland compositors take no modelines: as <resolution> of the device it is listed',
    { ...debian, sessions: [gnome] },
  ],
  ["qxl'", 'session', '1024x768', 'no row'],
  ["virtio' + virtio'", 'boot menu', '1024x768', 'no row'],
  ["virtio' + virtio'", 'console', '1920x1080', "offered: in the driver's list"],
];

describe('a size at a stage', () => {
  for (const [model, stage, size, wanted, guest, os] of rows) {
    test(`${model.replace("'", '')} ${os === undefined ? '' : 'UEFI '}${stage} ${size}: ${wanted}`, () => {
      assert.equal(rowOf(model, stage, size, guest, os), wanted);
    });
  }

  test('every verdict occurred', () => {
    const verdicts = new Set(rows.map(([, , , wanted]) => wanted.split(':')[0]));
    assert.deepEqual([...verdicts].sort(), ['impossible', 'no row', 'offered', 'when-named', 'with-memory']);
  });
});
