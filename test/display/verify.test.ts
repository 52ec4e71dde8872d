// Which pictures count, and what they prove: screens that change, are dark or cut off, against what is expected of them.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseDomainDisplay } from '../../src/display/domain-video.ts';
import { guestFacts, readSections } from '../../src/display/guest-facts.ts';
import type { LiveDisplay } from '../../src/display/live/display-facts.ts';
import type { Guest } from '../../src/display/live/guest.ts';
import { verifyPictures } from '../../src/display/live/verify.ts';
import { parseMonitor } from '../../src/display/monitors.ts';
import { pictureOf } from '../../src/display/picture.ts';
import { screenshots } from '../../src/display/predict.ts';
import { parseSize, printSize } from '../../src/display/size.ts';
import { nobodyViews } from '../../src/display/viewer.ts';

function chunk(name: string, data: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(data.length);
  head.write(name, 4, 'latin1');
  return Buffer.concat([head, data, Buffer.alloc(4)]);
}

function png(width: number, height: number, body = 'pixels'): Buffer {
  const size = Buffer.alloc(13);
  size.writeUInt32BE(width);
  size.writeUInt32BE(height, 4);
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  return Buffer.concat([
    signature,
    chunk('IHDR', size),
    chunk('IDAT', Buffer.from(body)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

const ppm = (head: string, bytes: number) => Buffer.concat([Buffer.from(head), Buffer.alloc(bytes)]);

const pictures: readonly (readonly [title: string, bytes: Buffer, size: string | undefined])[] = [
  ['PNG', png(1920, 1080), '1920x1080'],
  ['PNG without its end', png(1920, 1080).subarray(0, -12), undefined],
  ['PNG that is cut in its data', png(1920, 1080).subarray(0, -15), undefined],
  ['PNG of a head alone', png(1920, 1080).subarray(0, 33), undefined],
  ['PNG of nothing', png(0, 0), undefined],
  ['PNG of 4 billion pixels a line', png(0xffff_ffff, 1), undefined],
  ['PNG with an endless chunk', Buffer.concat([png(16, 16).subarray(0, 33), Buffer.alloc(12, 0xff)]), undefined],
  ['PPM', ppm('P6\n64 32\n255\n', 64 * 32 * 3), '64x32'],
  ['PPM with comments', ppm('P6\n# by QEMU\n64 # wide\n32\n255\n', 64 * 32 * 3), '64x32'],
  ['PPM of two bytes a colour', ppm('P6\n64 32\n65535\n', 64 * 32 * 6), '64x32'],
  ['PPM with lines of whole words, as QEMU writes it', ppm('P6\n1366 768\n255\n', 4100 * 768), '1366x768'],
  ['PPM of 1366 columns, packed', ppm('P6\n1366 768\n255\n', 4098 * 768), '1366x768'],
  ['PPM that is cut', ppm('P6\n64 32\n255\n', 64 * 32 * 3 - 1), undefined],
  ['PPM with more behind it', ppm('P6\n64 32\n255\n', 64 * 32 * 3 + 1), undefined],
  ['PPM of nothing', ppm('P6\n0 0\n255\n', 0), undefined],
  ['PPM of 99999 lines', ppm('P6\n64 99999\n255\n', 64 * 99_999 * 3), undefined],
  ['nothing', Buffer.alloc(0), undefined],
  ['text', Buffer.from('no picture'), undefined],
];

describe('a picture, from its first byte to its last', () => {
  for (const [title, bytes, size] of pictures) {
    test(title, () => {
      const picture = pictureOf(bytes);
      assert.equal(picture === undefined ? undefined : printSize(picture.size), size);
    });
  }
});

const definition = (devices: string) => `<domain type='kvm'>
  <name>web</name><uuid>0b6c1a52-6d9b-4d51-9a35-64f1f5d0a001</uuid><memory>1048576</memory>
  <devices>${devices}</devices>
</domain>`;

function domainOf(devices: string) {
  const read = parseDomainDisplay(definition(devices));
  return 'fault' in read ? assert.fail(read.fault.message) : read.value;
}

const said = (mark: string, connectors: string, drivers: string) => `
${mark} release
6.1.0
${mark} framebuffer
virtio_gpudrmfb
${mark} drivers
${drivers}
${mark} connectors
${connectors}
`;

type Scene = {
  readonly devices: string;
  /** Of the next start, where it is another. */
  readonly next?: string;
  /** What the kernel says of its connectors; without, nobody answers. */
  readonly connectors?: string;
  readonly drivers?: string;
  /** Size and content for each screen, look by look; the last look stays. `-` where there is none. */
  readonly looks: readonly string[];
};

function guestThat({ connectors, drivers = 'virtio-gpu' }: Scene): Guest | undefined {
  if (connectors === undefined) return undefined;
  return {
    way: 'agent',
    run: async (_program, _args, options) => {
      const mark = /echo "([0-9a-f]+) /.exec(Buffer.from(options?.input ?? []).toString())?.[1] ?? '';
      return { code: 0, stdout: Buffer.from(said(mark, connectors, drivers)), said: '' };
    },
  };
}

/** `1920x1080 640x480:other -`, a word for each screen. */
function screensThat(looks: readonly string[]): LiveDisplay['outside'] {
  let look = -1;
  return {
    sendKeys: async () => {},
    screenshot: async (screen) => {
      if (screen === 0) look++;
      const word = looks[Math.min(look, looks.length - 1)]?.split(' ')[screen] ?? '-';
      const [size = '', body = 'pixels'] = word.split(':');
      const parsed = parseSize(size);
      if (parsed === undefined) return undefined;
      return { format: 'png', size: parsed, bytes: png(parsed.width, parsed.height, body) };
    },
  };
}

function live(scene: Scene): LiveDisplay {
  const inside =
    scene.connectors === undefined ? undefined : said('feed', scene.connectors, scene.drivers ?? 'virtio-gpu');
  const running = domainOf(scene.devices);
  const facts = {
    ...{ definition: '', silence: undefined, transient: false, managedSave: false, memorySnapshots: [] },
    ...{ viewing: nobodyViews, modelsHere: new Set<string>() },
    domain: domainOf(scene.next ?? scene.devices),
    running,
    guest: inside === undefined ? undefined : guestFacts(readSections(inside, 'feed')),
  };
  return { uuid: running.uuid, facts, outside: screensThat(scene.looks), guest: guestThat(scene) };
}

const virtio = (heads: number, size = '') => `<video><model type='virtio' heads='${heads}'>${size}</model></video>`;
const fullHd = "<resolution x='1920' y='1080'/>";
const one = 'card0-Virtual-1 connected 1920x1080';
const both = `${one}\ncard0-Virtual-2 connected 640x480`;
const secondOff = `${one}\ncard0-Virtual-2 disconnected`;

const scenes: readonly (readonly [title: string, scene: Scene, expected: string, outcome: string, sizes: string])[] = [
  ['steady', { devices: virtio(1), connectors: one, looks: ['1920x1080'] }, '1920x1080', 'as-expected', '1920x1080'],
  [
    'in mid-switch, then another one, then steady',
    { devices: virtio(1), connectors: one, looks: ['64x64', '1920x1080:a', '1920x1080:b'] },
    ...(['1920x1080', 'as-expected', '1920x1080'] as const),
  ],
  [
    'the size comes and goes',
    { devices: virtio(1), connectors: one, looks: ['1920x1080', '1280x800'] },
    ...(['1920x1080', 'other-picture', '1280x800'] as const),
  ],
  [
    'two heads',
    { devices: virtio(2), connectors: both, looks: ['1920x1080 640x480'] },
    ...(['1920x1080 640x480', 'as-expected', '1920x1080 640x480'] as const),
  ],
  [
    'the picture of a head that is off, in just this size',
    { devices: virtio(2), connectors: secondOff, looks: ['1920x1080 640x480'] },
    ...(['1920x1080 640x480', 'other-picture', '1920x1080 -'] as const),
  ],
  [
    'a first picture that is none: the second does not take its place',
    { devices: virtio(2), connectors: both, looks: ['- 1920x1080'] },
    ...(['1920x1080', 'other-picture', '- 1920x1080'] as const),
  ],
  [
    'another size until the restart',
    { devices: virtio(1), next: virtio(1, fullHd), connectors: one, looks: ['1280x800'] },
    ...(['1920x1080', 'restart-pending', '1280x800'] as const),
  ],
  [
    'drivers that cannot be listed: the framebuffer is one of theirs',
    { devices: virtio(1), connectors: one, drivers: '-', looks: ['1920x1080'] },
    ...(['1920x1080', 'as-expected', '1920x1080'] as const),
  ],
  [
    'nobody inside, and not what the device starts with',
    { devices: virtio(1), looks: ['1920x1080'] },
    ...(['1920x1080', 'no-driver-yet', '1920x1080'] as const),
  ],
  [
    'nobody inside, and the size is the device’s own',
    { devices: virtio(1, fullHd), looks: ['1920x1080'] },
    ...(['1920x1080', 'as-expected', '1920x1080'] as const),
  ],
];

describe('what pictures prove', { concurrency: true }, () => {
  for (const [title, scene, expected, outcome, sizes] of scenes) {
    test(title, async () => {
      const wanted = expected.split(' ').map((word) => parseSize(word) ?? assert.fail(word));
      const seen = await verifyPictures(live(scene), wanted, 10_000);
      const shown = seen.sizes.map((size) => (size === undefined ? '-' : printSize(size))).join(' ');
      assert.deepEqual([seen.outcome, shown], [outcome, sizes]);
    });
  }

  test('a picture that never stands still', async () => {
    const looks = Array.from({ length: 100 }, (_, at) => `1920x1080:${at}`);
    const seen = await verifyPictures(live({ devices: virtio(1), connectors: one, looks }), [], 2_000);
    assert.equal(seen.outcome, 'unsteady');
  });
});

describe('the sizes of the screenshots', () => {
  const monitors = ['1920x1080', '1280x1024@below'].map((word) => parseMonitor(word) ?? assert.fail(word));
  for (const [model, sizes] of [
    ['virtio', '1920x1080 1280x1024'],
    ['qxl', '1920x2104'],
  ] as const) {
    test(`${model}: ${sizes}`, () => {
      const device = { model, heads: 2, memory: {}, primary: true };
      assert.equal(screenshots(device, monitors).map(printSize).join(' '), sizes);
    });
  }
});
