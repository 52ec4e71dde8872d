// Guests that no libvirt runs: QEMU's own monitor is asked, its agent's channel is spoken to, and its pictures are looked at.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { askAgentSocket } from '../../src/display/live/agent-socket.ts';
import { agentGuest } from '../../src/display/live/guest.ts';
import { Qmp } from '../../src/display/live/qmp.ts';
import { videoDevices } from '../../src/display/qemu-video.ts';
import { stayingCli } from '../support/resident.ts';
import { spiceViewer } from '../support/spice-viewer.ts';
import { MiniGuest, needsMiniGuests } from './guests/mini-guest.ts';

const runCli = stayingCli();

describe('devices of QEMU, as libvirt would describe them', () => {
  const device = (type: string, properties: Readonly<Record<string, unknown>> = {}) => ({
    type,
    id: undefined,
    properties: new Map(Object.entries(properties)),
  });
  const shown = (...devices: readonly ReturnType<typeof device>[]) =>
    videoDevices(devices).map(({ model, heads, memory, resolution, primary }) => [
      `${model}${primary ? '*' : ''}`,
      heads,
      memory,
      resolution?.width,
    ]);

  test('qxl with its memory', () => {
    const properties = {
      ram_size_mb: 64,
      vram_size_mb: 64,
      vram64_size_mb: 2 ** 32 - 1,
      vgamem_mb: 16,
      xres: 0,
      yres: 0,
    };
    assert.deepEqual(shown(device('qxl-vga', { ...properties, max_outputs: 2 })), [
      ['qxl*', 2, { ram: 65_536, vram: 65_536, vgamem: 16_384 }, undefined],
    ]);
  });

  test('the one with a VGA is what firmware draws on; what draws nothing is left out', () => {
    assert.deepEqual(
      shown(device('virtio-gpu-pci', { xres: 1280, yres: 800 }), device('VGA', { vgamem_mb: 32 }), device('e1000')),
      [
        ['virtio', 1, {}, 1280],
        ['vga*', 1, { vram: 32_768 }, undefined],
      ],
    );
  });

  test('numbers that are none', () => {
    const odd = { xres: '1920', yres: 1080, vgamem_mb: -1, max_outputs: 1e9 };
    assert.deepEqual(shown(device('VGA', odd), device('constructor')), [['vga*', 1, {}, undefined]]);
  });
});

describe('a QEMU without a guest', { skip: needsMiniGuests }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'bridgekeeper-qemu-'));
  const at = (name: string): string => join(folder, name);
  let end = async (): Promise<void> => undefined;

  before(async () => {
    const qemu = spawn('qemu-system-x86_64', [
      ...[
        '-machine',
        'pc,accel=tcg',
        '-m',
        '64',
        '-nodefaults',
        '-display',
        'none',
        '-vga',
        'none',
        '-name',
        'bare"\u001b',
      ],
      ...['-device', 'qxl-vga,id=video0,vgamem_mb=32,ram_size_mb=128', '-S'],
      ...['-spice', `unix=on,addr=${at('spice')},disable-ticketing=on`, '-qmp', `unix:${at('qmp')},server=on,wait=off`],
    ]);
    const gone = new Promise<void>((resolve) => qemu.on('exit', () => resolve()));
    end = async () => {
      qemu.kill('SIGKILL');
      await gone;
      rmSync(folder, { recursive: true });
    };
    const deadline = Date.now() + 30_000;
    for (; ; await pause(100)) {
      const qmp = await Qmp.open(at('qmp')).catch(() => undefined);
      if (qmp !== undefined) return qmp.close();
      assert.ok(Date.now() < deadline, 'QEMU does not come up');
    }
  });
  after(() => end());

  const inspect = (...more: readonly string[]) => runCli(['display', 'inspect', `qmp:${at('qmp')}`, ...more]);

  test('its device, and a viewer that comes and goes', async () => {
    const alone = await inspect();
    assert.equal(alone.code, 0, alone.stderr);
    assert.match(alone.stdout, /^bare".*: qxl ram 128 MiB vgamem 32 MiB, bios; pictures now: \d+x\d+\n/);
    assert.ok(!alone.stdout.includes('\u001b'), 'a name may say nothing to the terminal');
    assert.match(alone.stdout, /^inside: not asked: no channel of a guest agent was found$/m);
    assert.match(alone.stdout, /^viewer +1 .* no viewer is connected; a window and its scaling are no resolution$/m);
    const viewer = await spiceViewer(at('spice'));
    try {
      const { guest, stages } = JSON.parse((await inspect('-o', 'json')).stdout);
      assert.deepEqual(guest.viewing, { spice: 1, vnc: 0, agentListens: false });
      assert.deepEqual([stages.at(-1).stage, stages.at(-1).limit.code], ['viewer', 'no-resolution']);
    } finally {
      viewer.close();
    }
  });

  test('its modes are listed, and nothing of it can be set', async () => {
    const modes = await runCli(['display', 'modes', `qmp:${at('qmp')}`]);
    assert.match(modes.stdout, /^2560x1600 +offered +offered/m);
    for (const command of ['plan', 'set']) {
      const { code, stderr } = await runCli(['display', command, `qmp:${at('qmp')}`, '--monitor', '800x600']);
      assert.equal(code, 2);
      assert.match(stderr, /a QEMU that no libvirt runs has no definition to change/);
    }
  });

  test('nobody behind the socket', async () => {
    const { code, stderr } = await runCli(['display', 'inspect', 'qmp:/nowhere/qmp']);
    assert.equal(code, 2);
    assert.match(stderr, /QEMU's monitor: connect ENOENT/);
  });
});

describe('a QEMU with a guest and its agent', { skip: needsMiniGuests }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'bridgekeeper-qemu-'));
  const at = (name: string): string => join(folder, name);
  let guest: MiniGuest;

  before(async () => {
    guest = await MiniGuest.boot({
      withAgent: true,
      devices: [
        ...['-device', 'virtio-vga,id=video0,xres=1920,yres=1080', '-qmp', `unix:${at('qmp')},server=on,wait=off`],
        ...['-device', 'virtio-serial', '-chardev', `socket,id=agent,path=${at('agent')},server=on,wait=off`],
        ...['-device', 'virtserialport,nr=1,chardev=agent,name=org.qemu.guest_agent.0'],
        ...[
          '-chardev',
          'spicevmc,id=vdagent,name=vdagent',
          '-device',
          'virtserialport,nr=2,chardev=vdagent,name=com.redhat.spice.0',
        ],
        ...['-spice', `unix=on,addr=${at('spice')},disable-ticketing=on`],
      ],
    });
  });
  after(async () => {
    await guest.close();
    rmSync(folder, { recursive: true });
  });

  test('it is asked by the channel of its agent, and the picture is the proof', async () => {
    const { code, stdout, stderr } = await runCli(['display', 'inspect', `qmp:${at('qmp')}`]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /pictures now: 1920x1080\ninside: kernel 6\.\S+, framebuffer virtio_gpudrmfb\n/);
    assert.match(stdout, /^console +1 +1920x1080 +1920x1080 /m);
    const verified = await runCli(['display', 'verify', `qmp:${at('qmp')}`, '--expect', '1920x1080']);
    assert.deepEqual(
      [verified.code, verified.stdout],
      [0, 'as expected: 1920x1080, expected 1920x1080\n'],
      verified.stderr,
    );
    const other = await runCli(['display', 'verify', `qmp:${at('qmp')}`, '--expect', '1024x768']);
    assert.equal(other.code, 3);
  });

  test('an answer to an earlier question is not taken for ours', async () => {
    const ask = (command: object) => askAgentSocket(at('agent'), command, 20);
    await assert.rejects(ask({ execute: 'guest-nonsense' }), /the guest agent refused/);
    const answers = [];
    for (const _ of [1, 2, 3]) answers.push(await ask({ execute: 'guest-ping' }));
    assert.deepEqual(answers, [{}, {}, {}]);
  });

  test("a viewer, and somebody who holds spice-vdagent's channel open: its window overrides", async () => {
    const agent = agentGuest((command, seconds) => askAgentSocket(at('agent'), command, seconds));
    await agent.run('/bin/sh', ['-c', 'exec 3</dev/vport1p2; sleep 300 >/dev/null 2>&1 &']);
    const viewer = await spiceViewer(at('spice'));
    try {
      const { stdout } = await runCli(['display', 'inspect', `qmp:${at('qmp')}`]);
      assert.match(
        stdout,
        /^viewer +1 .* a SPICE viewer is connected, and spice-vdagent listens in the guest: .* overrides/m,
      );
    } finally {
      viewer.close();
    }
  });
});
