import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { framebufferLimit, memoryFor } from '../../src/display/memory.ts';
import { boxOf, parseMonitor, placed } from '../../src/display/monitors.ts';
import { parseSize, printSize, type Size } from '../../src/display/size.ts';
import type { VideoMemory, VideoModel } from '../../src/display/video.ts';

const MiB = 1024;

function size(text: string): Size {
  return parseSize(text) ?? assert.fail(text);
}

// box; MiB of vgamem with qxl, of vram with vga and bochs
const rows: readonly (readonly [box: string, qxl: number, vga: number | 'never'])[] = [
  ['1920x1080', 16, 16],
  ['2560x1440', 16, 32],
  ['2560x1600', 16, 32],
  ['3440x1440', 32, 64],
  ['3840x2160', 32, 64],
  ['5120x2880', 64, 128],
  ['3840x1080', 16, 32], // two of 1920x1080
  ['5120x1440', 32, 64], // two of 2560x1440
  ['7680x2160', 64, 128], // two of 4K
  ['10240x5760', 256, 'never'],
];

describe('video memory for a picture', () => {
  for (const [box, qxl, vga] of rows) {
    test(`${box}: qxl ${qxl}, vga and bochs ${vga} MiB`, () => {
      const wanted = memoryFor('qxl', size(box), {});
      assert.deepEqual(wanted, { vgamem: qxl * MiB, ram: Math.max(64, 4 * qxl) * MiB, vram: 64 * MiB });
      for (const model of ['vga', 'bochs'] as const) {
        assert.deepEqual(memoryFor(model, size(box), {}), vga === 'never' ? undefined : { vram: vga * MiB });
      }
      assert.deepEqual(memoryFor('virtio', size(box), {}), {});
    });
  }

  test('what is there is never made less, and what is enough stays unwritten', () => {
    const present = { vgamem: 64 * MiB, ram: 512 * MiB, vram: 128 * MiB };
    assert.deepEqual(memoryFor('qxl', size('1920x1080'), present), present);
    assert.deepEqual(memoryFor('vga', size('1920x1080'), { vram: 64 * MiB }), { vram: 64 * MiB });
  });

  test('what libvirt and QEMU ask of it beside its size', () => {
    const odd = memoryFor('qxl', size('1920x1080'), { vgamem: 20_000, ram: 65_536, vram: 65_536 });
    assert.deepEqual(odd, { vgamem: 32 * MiB, ram: 128 * MiB, vram: 65_536 });
    const small = memoryFor('qxl', size('1920x1080'), {
      vgamem: 16 * MiB,
      ram: 64 * MiB,
      vram: 8 * MiB,
      vram64: 16 * MiB,
    });
    assert.deepEqual(small, { vgamem: 16 * MiB, ram: 64 * MiB, vram: 64 * MiB, vram64: 64 * MiB });
    const large = { vgamem: 16 * MiB, ram: 64 * MiB, vram: 64 * MiB, vram64: 512 * MiB };
    assert.deepEqual(memoryFor('qxl', size('1920x1080'), large), large);
  });

  test('no memory makes qxl or cirrus go beyond what they are', () => {
    assert.equal(memoryFor('qxl', size('16384x8192'), {}), undefined);
    assert.equal(memoryFor('cirrus', size('1920x1080'), {}), undefined);
  });

  const limits: readonly (readonly [VideoModel, VideoMemory, number | undefined])[] = [
    ['qxl', { vgamem: 16 * MiB }, 16],
    ['qxl', {}, 16],
    ['vga', { vram: 16 * MiB }, 8],
    ['vga', { vram: 20_000 }, 16], // QEMU rounds up to 32
    ['bochs', { vram: 64 * MiB }, 32],
    ['virtio', { vram: 16 * MiB }, undefined],
  ];
  for (const [model, memory, limit] of limits) {
    test(`${model} with ${JSON.stringify(memory)}: a framebuffer of ${limit} MiB at most`, () => {
      const device = { model, memory, heads: 1, primary: true };
      assert.equal(framebufferLimit(device), limit === undefined ? undefined : limit * MiB * 1024);
    });
  }
});

describe('monitors', () => {
  const boxes: readonly (readonly [words: string, box: string, places: string])[] = [
    ['1920x1080', '1920x1080', '0,0'],
    ['1920x1080 1280x1024@right', '3200x1080', '0,0 1920,0'],
    ['1920x1080 1280x1024', '3200x1080', '0,0 1920,0'],
    ['1920x1080 1280x1024@left', '3200x1080', '1280,0 0,0'],
    ['1920x1080 1280x1024@below', '1920x2104', '0,0 0,1080'],
    ['1920x1080 1280x1024@above 800x600@right', '2080x2104', '0,1024 0,0 1280,0'],
  ];
  for (const [words, box, places] of boxes) {
    test(`${words}: a box of ${box}`, () => {
      const monitors = words.split(' ').map((word) => parseMonitor(word) ?? assert.fail(word));
      assert.equal(printSize(boxOf(monitors)), box);
      assert.equal(
        placed(monitors)
          .map(({ x, y }) => `${x},${y}`)
          .join(' '),
        places,
      );
    });
  }

  for (const word of [
    '',
    '1920',
    '1920x',
    '0x0',
    '15x600',
    '40000x10',
    '1920x1080@',
    '1920x1080@north',
    '1x1@right@left',
    ' 1920x1080',
    '1920X1080',
  ]) {
    test(`'${word}' is no monitor`, () => assert.equal(parseMonitor(word), undefined));
  }
});
