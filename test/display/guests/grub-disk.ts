// A disk of two megabytes with GRUB and nothing to boot: which modes the firmware offers, and what the boot menu shows.
import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Qmp } from '../../../src/display/live/qmp.ts';
import type { Firmware } from '../../../src/display/mode-lists.ts';
import { pictureOf } from '../../../src/display/picture.ts';
import { printSize } from '../../../src/display/size.ts';

/** For `node:test`: what is missing here, or false. */
export const needsGrubDisk: string | false = existsSync('/usr/lib/grub/i386-pc/boot.img')
  ? false
  : 'not installed: grub-pc-bin';

const uefiCode = '/usr/share/OVMF/OVMF_CODE_4M.fd';
const uefiVariables = '/usr/share/OVMF/OVMF_VARS_4M.fd';

/** The same for those that boot by UEFI. */
export const needsUefi: string | false = [uefiCode, uefiVariables, '/usr/lib/grub/x86_64-efi/efi_gop.mod'].every(
  existsSync,
)
  ? false
  : 'not installed: ovmf, grub-efi-amd64-bin';

export type Menu = {
  readonly picture: string;
  /** With 32 bits a pixel. */
  readonly offered: ReadonlySet<string>;
  readonly memoryKib: number;
};

/** @throws Error when GRUB does not come up within five minutes */
export async function bootMenu(device: string, gfxmode: string, firmware: Firmware = 'bios'): Promise<Menu> {
  const folder = mkdtempSync(join(tmpdir(), 'bridgekeeper-grub-'));
  execFileSync(join(import.meta.dirname, 'build-grub-disk.sh'), [folder, gfxmode, firmware]);
  const serial = join(folder, 'serial');
  const qemu = spawn('qemu-system-x86_64', [
    ...['-machine', 'pc,accel=tcg', '-nodefaults', '-display', 'none', '-vga', 'none', '-device', device],
    ...(firmware === 'bios' ? biosWords(folder) : uefiWords(folder)),
    ...['-serial', `file:${serial}`, '-qmp', `unix:${join(folder, 'qmp')},server=on,wait=off`],
  ]);
  const gone = new Promise((resolve) => qemu.on('exit', resolve));
  try {
    const text = await untilReady(serial);
    const qmp = await Qmp.open(join(folder, 'qmp'));
    const filename = join(folder, 'picture');
    await qmp.ask('screendump', { filename });
    qmp.close();
    const size = pictureOf(readFileSync(filename))?.size;
    return { picture: size === undefined ? 'none' : printSize(size), ...offeredIn(text) };
  } finally {
    qemu.kill('SIGKILL');
    await gone;
    rmSync(folder, { recursive: true, force: true });
  }
}

function biosWords(folder: string): readonly string[] {
  return ['-m', '64', '-drive', `file=${join(folder, 'disk.img')},format=raw,if=ide`];
}

/** The folder is shown as a disk with FAT. */
function uefiWords(folder: string): readonly string[] {
  const variables = join(folder, 'variables.fd');
  copyFileSync(uefiVariables, variables);
  return [
    ...['-m', '128', '-drive', `if=pflash,format=raw,readonly=on,file=${uefiCode}`],
    ...['-drive', `if=pflash,format=raw,file=${variables}`],
    ...['-drive', `file=fat:${join(folder, 'esp')},format=raw,if=none,id=esp,readonly=on`],
    ...['-device', 'virtio-blk-pci,drive=esp,bootindex=0'],
  ];
}

async function untilReady(file: string): Promise<string> {
  for (const deadline = Date.now() + 300_000; Date.now() < deadline; await pause(100)) {
    const text = existsSync(file) ? readFileSync(file, 'latin1') : '';
    if (text.includes('READY')) return text;
  }
  throw new Error('GRUB did not come up');
}

function offeredIn(text: string): Pick<Menu, 'offered' | 'memoryKib'> {
  const modes = [...text.matchAll(/(\d+) x +(\d+) x 32 /g)].map(([, width, height]) => `${width}x${height}`);
  return { offered: new Set(modes), memoryKib: Number(/total memory: (\d+) KiB/.exec(text)?.[1] ?? 0) };
}
