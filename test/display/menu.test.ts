// The boot menu on real firmware and a real GRUB, for each model: the list that SeaBIOS offers, and the picture.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseKernelArgs } from '../../src/display/kernel-args.ts';
import { gopModes, vbeModes } from '../../src/display/mode-lists.ts';
import { predictMenu } from '../../src/display/predict.ts';
import { parseSize, printSize } from '../../src/display/size.ts';
import { deviceOf } from './cells.ts';
import { bootMenu, needsGrubDisk } from './guests/grub-disk.ts';

const rows: readonly (readonly [device: string, wish: string, picture: string])[] = [
  ['VGA', '1920x1080', '1920x1080'],
  ['VGA', '2560x1600', '2560x1600'],
  ['VGA', '3840x2160', '800x600'], // 16 MiB
  ['VGA,vgamem_mb=32', '3840x2160', '3840x2160'],
  ['VGA', '1366x768', '800x600'], // in no list
  ['qxl-vga', '1920x1080', '1920x1080'],
  ['qxl-vga', '1366x768', '640x480'],
  ['virtio-vga', '1920x1080', '1920x1080'],
  ['virtio-vga', '2560x1440', '640x480'], // 8 MiB, whatever is set
  ['bochs-display', '1920x1080', '1280x800'], // nothing beyond its own mode, silently
  ['bochs-display,xres=1920,yres=1080', '1920x1080', '1920x1080'],
  ['bochs-display,xres=2560,yres=1440', '1920x1200', '2560x1440'],
];

describe('the boot menu', { skip: needsGrubDisk, concurrency: 2 }, () => {
  for (const [qemu, wish, picture] of rows) {
    test(`${qemu}, GRUB_GFXMODE=${wish}x32,auto: ${picture}`, async () => {
      const device = deviceOf(qemu);
      const menu = await bootMenu(qemu, `${wish}x32,auto`);
      const boot = {
        firmware: 'bios',
        gfxmode: parseSize(wish) ?? assert.fail(wish),
        payload: 'keep',
        kernelArgs: parseKernelArgs(''),
        driver: true,
        hearing: 'edid',
        guestMemoryKib: 65_536,
      } as const;
      assert.equal(menu.picture, picture);
      assert.equal(printSize(predictMenu(device, boot).size), picture);
      assert.deepEqual([...menu.offered].sort(), vbeModes(device).map(printSize).sort());
    });
  }
});

/** As OVMF 2022.11 and GRUB 2.06 for UEFI showed them. */
const uefi: readonly (readonly [device: string, wish: string, picture: string, modes: number])[] = [
  ['virtio-vga,xres=1920,yres=1080', 'auto', '1280x800', 23],
  ['virtio-vga,xres=1920,yres=1080', '1920x1080', '1920x1080', 23],
  ['virtio-vga', '1920x1080', '1920x1080', 23],
  ['VGA,xres=1920,yres=1080', '1280x1024', '1280x1024', 30],
  ['qxl-vga,xres=1920,yres=1080', 'auto', '1280x800', 30],
  ['qxl-vga', '1920x1080', '1920x1080', 30],
  ['bochs-display', '1920x1080', '1920x1080', 30],
];

describe('the boot menu of UEFI, as it was seen', () => {
  for (const [qemu, wish, picture, modes] of uefi) {
    test(`${qemu}, GRUB_GFXMODE=${wish}: ${picture}`, () => {
      const device = deviceOf(qemu);
      const gfxmode = parseSize(wish);
      const boot = {
        firmware: 'uefi',
        payload: 'keep',
        kernelArgs: parseKernelArgs(''),
        driver: true,
        hearing: 'edid',
        ...(gfxmode === undefined ? {} : { gfxmode }),
        guestMemoryKib: 262_144,
      } as const;
      assert.equal(printSize(predictMenu(device, boot).size), picture);
      assert.equal(gopModes(device).length, modes);
    });
  }
});
