// A file of a user's is read and written as that user: what this one has made of the place leads no farther than its own rights.
import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { asUser, type Guest } from '../../src/display/live/guest.ts';
import { readGuestFile, removeGuestFile, writeGuestFile } from '../../src/display/live/guest-file.ts';
import { local } from '../../src/machine/access.ts';
import { run } from '../../src/machine/run.ts';
import { HostError } from '../../src/model/host-error.ts';

/** This machine, as a guest with root's rights. */
const machine: Guest = {
  way: 'local',
  run: async (program, args, { input } = {}) => {
    const { code, stdout, said } = await run(local, program, args, input === undefined ? {} : { input });
    return { code: code ?? 255, stdout, said };
  },
};

const nobody = 65_534;
const ours = { bytes: Buffer.from('<monitors/>\n'), mode: '644', owner: 'nobody' };

describe('a file of a user', { skip: process.getuid?.() !== 0 && 'needs root' }, () => {
  let folder: string;
  const guest = asUser(machine, 'nobody');

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'bridgekeeper-owned-'));
    chownSync(folder, nobody, nobody);
    writeFileSync(join(folder, 'secret'), 'of root\n');
    chmodSync(join(folder, 'secret'), 0o600);
    symlinkSync('/root', join(folder, 'away'));
  });
  after(() => rmSync(folder, { recursive: true }));

  test('is new, is read again, and goes with its folder', async () => {
    const path = join(folder, '.config', 'monitors.xml');
    assert.equal(await readGuestFile(guest, path), undefined);
    await writeGuestFile(guest, path, ours);
    assert.deepEqual([readFileSync(path, 'utf8'), statSync(path).uid], ['<monitors/>\n', nobody]);
    const kept = await readGuestFile(guest, path);
    assert.deepEqual([kept?.bytes.toString(), kept?.mode], ['<monitors/>\n', '644']);
    await removeGuestFile(guest, path, true);
    assert.throws(() => statSync(join(folder, '.config')));
  });

  test('that only root may read is not read', async () => {
    await assert.rejects(readGuestFile(guest, join(folder, 'secret')), HostError);
    const seen = await readGuestFile(asUser(machine, undefined), join(folder, 'secret'));
    assert.equal(seen?.bytes.toString(), 'of root\n');
  });

  test('behind a link to where only root may write is not written', async () => {
    const place = `bridgekeeper-${process.pid}`;
    await assert.rejects(writeGuestFile(guest, join(folder, 'away', place), ours), HostError);
    assert.throws(() => statSync(join('/root', place)));
  });
});
