// A guest of two megabytes that proves what a console shows: Debian's kernel, its display drivers, nothing else. It boots in
// seconds on an emulated processor, without libvirt, disk or root. Its picture is taken by QEMU's own monitor.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Qmp } from '../../../src/display/live/qmp.ts';
import { pictureOf } from '../../../src/display/picture.ts';
import type { Size } from '../../../src/display/size.ts';

/** Downloads and built guests; may be lost at any time. */
export const cache = process.env.BRIDGEKEEPER_TEST_CACHE ?? join(tmpdir(), 'bridgekeeper-test-guests');

/** Without what takes an emulated processor long and shows nothing: tests of ciphers, timers and clocks. */
const bootArgs = 'console=tty0 quiet mitigations=off panic=-1 cryptomgr.notests no_timer_check tsc=reliable nokaslr';

/** For `node:test`: what is missing here, or false. */
export const needsMiniGuests: string | false = missing([
  'qemu-system-x86_64',
  'apt-get',
  'dpkg-deb',
  'depmod',
  'flock',
  'xz',
]);

function missing(programs: readonly string[]): string | false {
  const absent = programs.filter((program) => spawnSync(program, ['--version']).error !== undefined);
  return absent.length === 0 ? false : `not installed: ${absent.join(', ')}`;
}

export type Machine = {
  /** Of `qemu-system-x86_64`, the display devices among them; the first one has the id `video0`. */
  readonly devices: readonly string[];
  readonly kernelArgs?: readonly string[];
  readonly memoryMb?: number;
  /** It unpacks its kernel itself, which takes as long as all the rest. */
  readonly unpacks?: boolean;
  /** The guest agent runs on its port. */
  readonly withAgent?: boolean;
};

export type Connector = { readonly name: string; readonly status: string; readonly modes: readonly string[] };

export type Seen = {
  readonly framebuffer: string;
  readonly connectors: readonly Connector[];
  readonly tty: string;
};

let files: string | undefined;

/** The folder with vmlinuz, vmlinux and initrd.img; made if it is not there. */
export function miniGuestFiles(): string {
  files ??= execFileSync(join(import.meta.dirname, 'build-mini.sh'), [cache], { encoding: 'utf8' }).trim();
  return files;
}

export class MiniGuest {
  readonly seen: Seen;
  readonly qmp: Qmp;
  readonly #folder: string;
  readonly #end: () => Promise<void>;

  private constructor(seen: Seen, qmp: Qmp, folder: string, end: () => Promise<void>) {
    this.seen = seen;
    this.qmp = qmp;
    this.#folder = folder;
    this.#end = end;
  }

  /** @throws Error when it does not come up within five minutes, with what it said */
  static async boot(machine: Machine): Promise<MiniGuest> {
    const { devices, kernelArgs = [], memoryMb = 256, unpacks = false, withAgent = false } = machine;
    const place = miniGuestFiles();
    const folder = mkdtempSync(join(tmpdir(), 'bridgekeeper-mini-'));
    const serial = join(folder, 'serial');
    const qemu = spawn(
      'qemu-system-x86_64',
      [
        ...['-machine', 'pc,accel=tcg', '-cpu', 'Westmere', '-m', `${memoryMb}`, '-nodefaults', '-display', 'none'],
        ...['-vga', 'none', ...devices],
        ...['-kernel', join(place, unpacks ? 'vmlinuz' : 'vmlinux')],
        ...['-initrd', join(place, withAgent ? 'initrd-agent.img' : 'initrd.img')],
        ...['-append', [bootArgs, ...kernelArgs].join(' ')],
        ...['-serial', `file:${serial}`, '-qmp', `unix:${join(folder, 'qmp')},server=on,wait=off`],
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let said = '';
    qemu.stderr.on('data', (text) => (said += text));
    const gone = new Promise<void>((resolve) => qemu.on('exit', () => resolve()));
    const end = async (): Promise<void> => {
      qemu.kill('SIGKILL');
      await gone;
      rmSync(folder, { recursive: true, force: true });
    };
    try {
      const text = await untilReady(serial, () => qemu.exitCode !== null);
      await pause(700);
      return new MiniGuest(seenOf(text), await Qmp.open(join(folder, 'qmp')), folder, end);
    } catch (cause) {
      await end();
      throw new Error(`the mini guest did not come up: ${said}`, { cause });
    }
  }

  /** The size of what this head shows. */
  async picture(head = 0, device = 'video0'): Promise<Size | undefined> {
    const filename = join(this.#folder, 'picture');
    await this.qmp.ask('screendump', { filename, device, head });
    return pictureOf(readFileSync(filename))?.size;
  }

  async close(): Promise<void> {
    this.qmp.close();
    await this.#end();
  }
}

async function untilReady(file: string, isGone: () => boolean): Promise<string> {
  for (const deadline = Date.now() + 300_000; Date.now() < deadline; await pause(100)) {
    const text = readText(file);
    if (text.includes('READY\n')) return text;
    if (isGone()) break;
  }
  throw new Error(`it said: ${readText(file)}`);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8').replaceAll('\r', '');
  } catch {
    return '';
  }
}

function seenOf(text: string): Seen {
  const lines = text.split('\n').map((line) => line.trim().split(' '));
  const after = (word: string) => lines.find(([first]) => first === word)?.slice(1) ?? [];
  return {
    framebuffer: after('fb0').join(' '),
    tty: after('tty').join('x'),
    connectors: lines
      .filter(([first]) => first === 'connector')
      .map(([, name = '', status = '', ...modes]) => ({ name, status, modes: [...new Set(modes)] })),
  };
}
