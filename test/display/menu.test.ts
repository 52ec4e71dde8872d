// The boot menu on real firmware and a real GRUB, for each model: the list that SeaBIOS offers, and the picture.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseKernelArgs } from '../../src/display/kernel-args.ts';
import { type Firmware, menuModes } from '../../src/display/mode-lists.ts';
import { predictMenu } from '../../src/display/predict.ts';
import { parseSize, printSize } from '../../src/display/size.ts';
import { deviceOf } from './cells.ts';
import { bootMenu, needsGrubDisk, needsUefi } from './guests/grub-disk.ts';

/** `full`: only with BRIDGEKEEPER_FULL=1, since another row shows the same. */
const rows: readonly (readonly [device: string, wish: string, picture: string, when?: 'full'])[] = [
  ['VGA', '1920x1080', '1920x1080'],
  ['VGA', '2560x1600', '2560x1600', 'full'],
  ['VGA', '3840x2160', '800x600'], // 16 MiB
  ['VGA,vgamem_mb=32', '3840x2160', '3840x2160'],
  ['VGA', '1366x768', '800x600'], // in no list
  ['qxl-vga', '1920x1080', '1920x1080', 'full'],
  ['qxl-vga', '1366x768', '640x480'],
  ['virtio-vga', '1920x1080', '1920x1080', 'full'],
  ['virtio-vga', '2560x1440', '640x480'], // 8 MiB, whatever is set
  ['bochs-display', '1920x1080', '1280x800'], // nothing beyond its own mode, silently
  ['bochs-display,xres=1920,yres=1080', '1920x1080', '1920x1080', 'full'],
  ['bochs-display,xres=2560,yres=1440', '1920x1200', '2560x1440'],
];

/** On OVMF; `virtio-gpu-pci` is what libvirt makes of further devices. */
const uefiRows: typeof rows = [
  ['VGA', '1366x768', '1360x768'], // a VGA's lines are whole groups of eight
  ['VGA', '3840x2160', '800x600', 'full'], // 16 MiB
  ['qxl-vga,xres=1920,yres=1080', '3840x2160', '1280x800'], // its own size is not asked for
  ['virtio-vga,xres=1920,yres=1200', '1920x1200', '1280x800', 'full'], // 8 MiB, as on BIOS
  ['virtio-gpu-pci,xres=1600,yres=900', '1910x1070', '1600x900'],
  ['bochs-display,xres=1910,yres=1070', '1910x1070', '1910x1070', 'full'],
  ['ramfb', '1920x1080', '800x600'],
];

function ofThisRun(all: typeof rows): typeof rows {
  return process.env.BRIDGEKEEPER_FULL === '1' ? all : all.filter(([, , , when]) => when === undefined);
}

/** What is shown, and what is offered, against what is predicted. */
async function compared(qemu: string, wish: string, picture: string, firmware: Firmware): Promise<void> {
  const device = { ...deviceOf(qemu), primary: !qemu.startsWith('virtio-gpu') };
  const menu = await bootMenu(qemu, `${wish}x32,auto`, firmware);
  const boot = {
    firmware,
    gfxmode: parseSize(wish) ?? assert.fail(wish),
    payload: 'keep',
    kernelArgs: parseKernelArgs(''),
    driver: true,
    hearing: 'edid',
    guestMemoryKib: 65_536,
  } as const;
  assert.equal(menu.picture, picture);
  assert.equal(printSize(predictMenu(device, boot).size), picture);
  assert.deepEqual([...menu.offered].sort(), menuModes(device, firmware).map(printSize).sort());
}

describe('the boot menu', { skip: needsGrubDisk, concurrency: 2 }, () => {
  for (const [qemu, wish, picture] of ofThisRun(rows)) {
    test(`${qemu}, GRUB_GFXMODE=${wish}x32,auto: ${picture}`, () => compared(qemu, wish, picture, 'bios'));
  }
});

describe('the boot menu on UEFI', { skip: needsUefi, concurrency: 2 }, () => {
  for (const [qemu, wish, picture] of ofThisRun(uefiRows)) {
    test(`${qemu}, GRUB_GFXMODE=${wish}x32,auto: ${picture}`, () => compared(qemu, wish, picture, 'uefi'));
  }
});
