// A guest that is off: its files from a folder or a raw image, whatever the guest has made of them.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { guestFacts } from '../../src/display/guest-facts.ts';
import { folderRoot } from '../../src/display/live/root-folder.ts';
import { imageRoot } from '../../src/display/live/root-image.ts';
import { type GuestRoot, mostFileBytes, offlineSections } from '../../src/display/offline-facts.ts';
import { HostError } from '../../src/model/host-error.ts';
import { until } from '../support/until.ts';

const MiB = 1 << 20;
const release = '6.1.0-5-amd64';
const drm = `usr/lib/modules/${release}/kernel/drivers/gpu/drm`;
const grubCfg = `menuentry 'Debian' {
	linux	/vmlinuz-${release} root=UUID=1 ro quiet video=1280x1024
}
`;

const files: Readonly<Record<string, string>> = {
  'etc/passwd': 'root:x:0:0::/root:/bin/sh\n',
  'etc/default/grub': 'GRUB_GFXMODE=800x600\n',
  'etc/default/grub.d/10-cloud.cfg': 'GRUB_TERMINAL=console\n',
  'etc/default/grub.d/$(reboot).cfg': 'GRUB_GFXMODE=1x1\n',
  'etc/X11/xorg.conf.d/90-bridgekeeper.conf': '# ours\n',
  'usr/sbin/grub-mkconfig': 'for x in $folder/default/grub.d/*.cfg\n',
  'usr/lib/modules/5.10.0-9-amd64/modules.builtin': '',
  [`${drm}/qxl/qxl.ko.xz`]: '',
  [`${drm}/tiny/bochs.ko`]: '',
  [`usr/lib/modules/${release}/modules.builtin`]:
    'kernel/drivers/gpu/drm/virtio/virtio-gpu.ko\nkernel/fs/ext4/ext4.ko\n',
};

/** A root as guests have it, with everything in it that a hostile one would try. */
function makeRoot(folder: string, boot: 'inside' | 'apart'): void {
  const all = boot === 'inside' ? { ...files, 'boot/grub/grub.cfg': grubCfg } : files;
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(join(folder, dirname(name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  symlinkSync('usr/lib', join(folder, 'lib'));
  const link = (target: string, name: string): void => symlinkSync(target, join(folder, 'etc', name));
  link('/etc/passwd', 'inside');
  link('../../../../../../etc/passwd', 'beyond');
  link('loop', 'loop');
  link('/proc/self/environ', 'environment');
  link('/etc/default/$(reboot)', 'odd');
  writeFileSync(join(folder, 'etc', 'large'), '');
  truncateSync(join(folder, 'etc', 'large'), mostFileBytes + 1);
  execFileSync('mkfifo', [join(folder, 'etc', 'pipe')]);
}

const said = (root: GuestRoot, path: string) => root.read(path).then((bytes) => bytes?.toString('utf8'));

async function holdsWhatAGuestHas(root: GuestRoot): Promise<void> {
  const facts = guestFacts(await offlineSections(root));
  assert.equal(facts.release, release);
  assert.equal(facts.commandLine, 'root=UUID=1 ro quiet video=1280x1024');
  assert.deepEqual([...facts.drivers].sort(), ['bochs', 'qxl', 'virtio-gpu']);
  assert.deepEqual(
    facts.grubFiles.map(({ path, text }) => [path, text]),
    [
      ['/etc/default/grub', 'GRUB_GFXMODE=800x600\n'],
      ['/etc/default/grub.d/10-cloud.cfg', 'GRUB_TERMINAL=console\n'],
    ],
  );
  assert.deepEqual([facts.bootLoader, facts.readsDropIns, facts.xorgFile], ['grub', true, '# ours\n']);
  assert.deepEqual([facts.sessions, facts.connectors, facts.framebuffer], [[], [], undefined]);
}

const hostile: readonly (readonly [title: string, path: string, text: string | undefined])[] = [
  ['a link to an absolute path stays in the root', '/etc/inside', files['etc/passwd']],
  ['a link out of the root ends at the root', '/etc/beyond', files['etc/passwd']],
  ['dots in a path do not lead out', '/../../etc/passwd', files['etc/passwd']],
  ['a link to itself', '/etc/loop', undefined],
  ["a link to the reader's own environment", '/etc/environment', undefined],
  ['a link with a name for a shell', '/etc/odd', undefined],
  ['a pipe, that nobody writes to', '/etc/pipe', undefined],
  ['a file beyond all measure', '/etc/large', undefined],
  ['a folder', '/etc', undefined],
  ['a file as a folder', '/etc/passwd/x', undefined],
  ['nothing', '/etc/none', undefined],
];

describe('a folder with a root', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bridgekeeper-root-'));
  before(() => makeRoot(folder, 'inside'));
  after(() => rmSync(folder, { recursive: true }));

  test('what a guest has', async () => holdsWhatAGuestHas(await folderRoot(folder)));

  for (const [title, path, text] of hostile) {
    test(title, async () => assert.equal(await said(await folderRoot(folder), path), text));
  }

  test('nothing is left open', async () => {
    const open = (): number =>
      Number(execFileSync('sh', ['-c', `ls /proc/${process.pid}/fd | wc -l`], { encoding: 'utf8' }));
    const root = await folderRoot(folder);
    const before = open();
    for (let turn = 0; turn < 20; turn++) for (const [, path] of hostile) await root.read(path);
    await until(() => open() <= before + 1, 'what was opened is closed');
  });

  test('what is no folder', async () => {
    await assert.rejects(folderRoot(join(folder, 'etc/passwd')), HostError);
    await assert.rejects(folderRoot('/nowhere'), HostError);
  });
});

const needsImages =
  ['mkfs.ext4', 'debugfs'].some((program) => spawnSync(program, ['-V']).error !== undefined) &&
  'not installed: e2fsprogs';

/** Entries of 16 octets at the end of a boot sector. */
function msDosTable(entries: readonly (readonly [type: number, first: number, sectors: number])[]): Buffer {
  const sector = Buffer.alloc(512);
  for (const [at, [type, first, sectors]] of entries.entries()) {
    sector.writeUInt8(type, 446 + 16 * at + 4);
    sector.writeUInt32LE(first, 446 + 16 * at + 8);
    sector.writeUInt32LE(sectors, 446 + 16 * at + 12);
  }
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

function gpt(entries: readonly (readonly [first: number, last: number])[]): Buffer {
  const disk = Buffer.alloc(34 * 512);
  msDosTable([[0xee, 1, 0xffff_ffff]]).copy(disk);
  disk.write('EFI PART', 512, 'latin1');
  disk.writeBigUInt64LE(2n, 512 + 72);
  disk.writeUInt32LE(128, 512 + 80);
  disk.writeUInt32LE(128, 512 + 84);
  for (const [at, [first, last]] of entries.entries()) {
    disk.fill(0x11, 1024 + 128 * at, 1024 + 128 * at + 16);
    disk.writeBigUInt64LE(BigInt(first), 1024 + 128 * at + 32);
    disk.writeBigUInt64LE(BigInt(last), 1024 + 128 * at + 40);
  }
  return disk;
}

describe('a raw image', { skip: needsImages }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'bridgekeeper-image-'));
  const image = (name: string): string => join(folder, name);
  const sector = (mebibytes: number): number => (mebibytes * MiB) / 512;

  /** @param root in MiB where it begins; `boot` the same, where /boot has a file system of its own */
  function makeImage(name: string, table: Buffer, root: number, boot?: number): string {
    const file = image(name);
    writeFileSync(file, table);
    truncateSync(file, 24 * MiB);
    const make = (source: string, start: number): void => {
      execFileSync('mkfs.ext4', ['-q', '-F', '-E', `offset=${start * MiB}`, '-d', source, file, '8M'], {
        stdio: 'pipe',
      });
    };
    make(join(folder, boot === undefined ? 'root' : 'root-apart'), root);
    if (boot !== undefined) make(join(folder, 'boot'), boot);
    return file;
  }

  before(() => {
    makeRoot(join(folder, 'root'), 'inside');
    makeRoot(join(folder, 'root-apart'), 'apart');
    mkdirSync(join(folder, 'boot', 'grub'), { recursive: true });
    writeFileSync(join(folder, 'boot', 'grub', 'grub.cfg'), grubCfg);
  });
  after(() => rmSync(folder, { recursive: true }));

  test('a table of MS-DOS', async () => {
    const table = msDosTable([[0x83, sector(1), sector(8)]]);
    await holdsWhatAGuestHas(await imageRoot(makeImage('dos', table, 1)));
  });

  test('a GPT, with /boot apart', async () => {
    const table = gpt([
      [sector(1), sector(9) - 1],
      [sector(12), sector(20) - 1],
    ]);
    await holdsWhatAGuestHas(await imageRoot(makeImage('gpt', table, 12, 1)));
  });

  test('a logical partition', async () => {
    const table = msDosTable([[0x05, sector(4), sector(16)]]);
    const file = makeImage('logical', table, 6);
    const chain = msDosTable([[0x83, sector(2), sector(8)]]);
    const handle = openSync(file, 'r+');
    writeSync(handle, chain, 0, chain.length, 4 * MiB);
    await holdsWhatAGuestHas(await imageRoot(file));
  });

  test('no table at all', async () => {
    await holdsWhatAGuestHas(await imageRoot(makeImage('bare', Buffer.alloc(0), 0)));
  });

  for (const [title, path, text] of hostile) {
    test(title, async () => assert.equal(await said(await imageRoot(image('bare')), path), text));
  }

  test('what has no root is told by what it is', async () => {
    const refused = async (name: string, bytes: Buffer | string, message: RegExp): Promise<void> => {
      writeFileSync(image(name), bytes);
      truncateSync(image(name), MiB);
      await assert.rejects(
        imageRoot(image(name)),
        (error) => error instanceof HostError && message.test(error.message),
      );
    };
    await refused('xfs', 'XFSB', /found: xfs\); mount it and say root:DIRECTORY/);
    await refused('luks', Buffer.from('LUKS\xba\xbe', 'latin1'), /found: luks/);
    await refused('qcow', Buffer.from('QFI\xfb', 'latin1'), /it is qcow2/);
    await refused('zeros', '', /found: unknown/);
    await assert.rejects(imageRoot(image('none')), HostError);
    writeFileSync(image('x?offset=4096'), '');
    await assert.rejects(imageRoot(image('x?offset=4096')), /takes for options/);
  });

  test('tables that lie: endless chains, partitions beyond the disk, entries of no size', async () => {
    const lies: readonly Buffer[] = [
      Buffer.concat([
        msDosTable([[0x05, 1, 100]]),
        msDosTable([
          [0x83, 1, 1],
          [0x05, 0xffff_ffff, 1],
        ]),
      ]),
      Buffer.concat([
        msDosTable([[0x05, 1, 100]]),
        msDosTable([
          [0x83, 1, 1],
          [0x05, 0, 1],
        ]),
      ]),
      msDosTable([[0x83, 0xffff_ffff, 0xffff_ffff]]),
      gpt([[2 ** 45, 2 ** 46]]),
      gpt([[5, 1]]),
    ];
    for (const [at, lie] of lies.entries()) {
      writeFileSync(image(`lie-${at}`), lie);
      truncateSync(image(`lie-${at}`), MiB);
      await assert.rejects(imageRoot(image(`lie-${at}`)), /no root of a guest/);
    }
  });

  test('an image is only read', async () => {
    const before = readFileSync(image('dos'));
    cpSync(image('dos'), image('read-only'));
    chmodSync(image('read-only'), 0o400);
    await holdsWhatAGuestHas(await imageRoot(image('read-only')));
    assert.ok(before.equals(readFileSync(image('read-only'))));
  });
});
