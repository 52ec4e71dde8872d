// Pictures taken too early, on purpose: what firmware left has the size that was asked for, and the display driver, which
// comes later, has another one. In none of these starts may that count as seen.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { printSize, type Size } from '../../src/display/size.ts';
import { freshLibvirt, needsLibvirt } from '../support/libvirt.ts';
import { mustRun, type Namespace } from '../support/namespace.ts';
import { program } from '../support/run-cli.ts';
import { DebianGuest } from './guests/debian-guest.ts';
import { miniGuestFiles, needsMiniGuests } from './guests/mini-guest.ts';

/** SeaBIOS's number of 1920x1080 with 32 bits, as the kernel counts: vgasrc/bochsvga.c and Documentation/admin-guide/svga.rst. */
const earlyMode = 'vga=0x392';
const early = '1920x1080';

const finals = { qxl: '1024x768', virtio: '1280x800', vga: '1280x800' } as const;

type Row = {
  readonly model: keyof typeof finals;
  readonly access: 'agent' | 'nobody';
  /** How long after the agent the driver comes. */
  readonly seconds: number;
};

const models = ['qxl', 'virtio', 'vga'] as const;

const rows: readonly Row[] = [
  ...models.flatMap((model) => [4, 5, 6, 8].map((seconds) => ({ model, access: 'agent', seconds }) as const)),
  ...models.flatMap((model) => [8, 14].map((seconds) => ({ model, access: 'nobody', seconds }) as const)),
  // longer than the program waits
  { model: 'qxl', access: 'agent', seconds: 600 },
  { model: 'vga', access: 'agent', seconds: 600 },
];

describe('pictures taken too early', { skip: needsLibvirt || needsMiniGuests, concurrency: 2 }, () => {
  let host: Namespace;
  let files: string;
  const outcomes: string[] = [];

  before(async () => {
    files = miniGuestFiles();
    host = await freshLibvirt();
  });
  after(async () => {
    await host?.close();
    assert.ok(outcomes.length >= 20);
    assert.deepEqual([...new Set(outcomes)].sort(), ['no-driver-yet', 'other-picture']);
  });

  const definition = (name: string, { model, access, seconds }: Row) => `<domain type='qemu'>
  <name>${name}</name>
  <memory unit='MiB'>256</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type>
    <kernel>${files}/vmlinuz</kernel><initrd>${files}/initrd-agent.img</initrd>
    <cmdline>console=tty0 quiet mitigations=off ${earlyMode} bridgekeeper.driver-after=${seconds}</cmdline></os>
  <cpu mode='custom' match='exact'><model>Westmere</model></cpu>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <serial type='file'><source path='/run/serial-${name}'/><target port='0'/></serial>
    ${access === 'agent' ? "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>" : ''}
    <graphics type='spice'><listen type='none'/></graphics>
    <video><model type='${model}'/></video>
    <memballoon model='none'/>
  </devices>
</domain>`;

  /** What it has told so far. */
  const serial = async (name: string) => (await host.run('cat', [`/run/serial-${name}`])).stdout;

  /** Early, but not before there is a picture to be wrong about. */
  async function untilEarly(guest: DebianGuest, { access }: Row): Promise<void> {
    for (let turn = 0; turn < 300; turn++, await pause(200)) {
      const told = await serial(guest.name);
      if ((access === 'nobody' || told.includes('AGENT')) && (await guest.picture()) === early) return;
      if (told.includes('READY')) break;
    }
    assert.fail(`no early picture; it told: ${await serial(guest.name)}`);
  }

  type Verdict = { readonly code: number; readonly outcome: string; readonly pictures: readonly string[] };

  async function verify(name: string, expected: string): Promise<Verdict> {
    const argv = [program, 'display', 'verify', name, '--expect', expected, '-o', 'json'];
    const { code, stdout, stderr } = await host.run(process.execPath, argv);
    assert.ok(code === 0 || code === 3, stderr);
    const { outcome, pictures } = JSON.parse(stdout) as {
      readonly outcome: string;
      readonly pictures: readonly Size[];
    };
    return { code, outcome, pictures: pictures.map(printSize) };
  }

  for (const [at, row] of rows.entries()) {
    const { model, access, seconds } = row;
    test(`${model}, asked by ${access}, ${seconds} s before its driver`, async () => {
      const guest = new DebianGuest(host, `early${at}`);
      await mustRun(host, 'tee', [`/run/early${at}.xml`], definition(guest.name, row));
      await mustRun(host, 'virsh', ['-q', '-c', 'qemu:///system', 'create', `/run/early${at}.xml`]);
      try {
        await untilEarly(guest, row);
        const { code, outcome, pictures } = await verify(guest.name, early);
        outcomes.push(outcome);
        assert.equal(code, 3, outcome);
        // wrong only because it was early, or early still
        assert.deepEqual(pictures, [outcome === 'no-driver-yet' ? early : finals[model]]);
        if (access === 'agent') assert.equal(outcome === 'no-driver-yet', seconds > 60);
        if (at % 4 !== 0) return;
        for (let turn = 0; turn < 300 && !(await serial(guest.name)).includes('READY'); turn++) await pause(200);
        const later = await verify(guest.name, finals[model]);
        assert.deepEqual([later.code, later.outcome], [0, 'as-expected']);
      } finally {
        await host.run('virsh', ['-q', '-c', 'qemu:///system', 'destroy', guest.name]);
      }
    });
  }

  test('that were twenty', () => assert.equal(rows.length, 20));
});
