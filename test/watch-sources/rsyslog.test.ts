// The real rsyslogd with Debian's files, and what logrotate does to them: every line that the kernel logged is read from
// kern.log and from ufw.log, once, in its order.
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { logFile } from '../../src/watch/sources/file.ts';
import { kmsg } from '../../src/watch/sources/kmsg.ts';
import { collect, textOf } from './collected.ts';
import { Chatter, firstPort, lockRing, type RingLock } from './ring.ts';
import { needsRsyslog, Rsyslog, type RsyslogOptions } from './rsyslog.ts';

const pollMs = 5;

type Row = readonly [name: string, options: RsyslogOptions, stamped: boolean, folded: boolean];

const rows: readonly Row[] = [
  ['Debian 12', { input: 'imklog' }, true, false],
  ['Debian 11: whole seconds', { input: 'imklog', traditional: true }, true, false],
  ['Ubuntu: repeats are folded', { input: 'imklog without stamps', folds: true, traditional: true }, false, true],
  ['imkmsg', { input: 'imkmsg' }, false, false],
];

describe('the real rsyslogd', { skip: needsRsyslog }, () => {
  let lock: RingLock;
  let directory: string;
  before(async () => {
    lock = await lockRing();
  });
  after(() => lock.release());

  for (const [name, options, stamped, folded] of rows) {
    it(`${name}: files are followed through a rotation by a new file and one by a copy`, async () => {
      directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-rsyslog-'));
      const rsyslog = await Rsyslog.start(directory, options);
      const chatter = await Chatter.start('[UFW BLOCK]');
      try {
        const total = 200;
        const isOwn = (text: string): boolean => text.startsWith(chatter.prefix);
        const enough = ({ texts }: { readonly texts: readonly string[] }): boolean =>
          texts.filter(isOwn).length >= total;
        const following = [kmsg(), logFile(rsyslog.kern, { pollMs }), logFile(rsyslog.ufw, { pollMs })].map((source) =>
          collect(source, { enough }),
        );
        await traffic(rsyslog, chatter);
        assert.equal(await chatter.logged(), total);
        const [truth, kern, ufw] = (await Promise.all(following)).map((one) => ({
          gaps: one.gaps,
          own: one.records.filter((record) => isOwn(textOf(record))),
        }));
        const texts = truth?.own.map((record) => textOf(record).trimEnd());
        assert.ok(new Set(texts).size < total, 'some are equal');
        for (const file of [kern, ufw]) {
          assert.deepEqual(
            file?.own.map((record) => textOf(record).trimEnd()),
            texts,
          );
          assert.deepEqual(file?.gaps, []);
          assert.equal(
            file?.own.every(({ us }) => us !== undefined),
            stamped,
          );
          assert.equal(
            file?.own.some((record) => record.folded === true),
            folded,
          );
        }
        if (stamped)
          assert.deepEqual(
            kern?.own.map(({ us }) => us),
            truth?.own.map(({ us }) => us),
          );
      } finally {
        await chatter.stop();
        await rsyslog.stop();
        rmSync(directory, { recursive: true });
      }
    });
  }
});

/** 200 datagrams. Nothing may be written between the copy and the emptying of a file: that is lost by logrotate itself. */
async function traffic(rsyslog: Rsyslog, chatter: Chatter): Promise<void> {
  const files = [rsyslog.kern, rsyslog.ufw];
  await chatter.send(50);
  for (const path of files) assert.ok((await rsyslog.lines(path, chatter.prefix, 1)) >= 1);
  for (const path of files) renameSync(path, `${path}.1`);
  await chatter.send(20); // they still go to the old file
  await rsyslog.reopen();
  await chatter.send(29, 1_000, 3);
  await chatter.send(1);
  // all that has been logged is in the files when the last one is, which has this port and is like no other
  for (const path of files) assert.equal(await rsyslog.lines(path, `DPT=${firstPort + 99} `, 1), 1);
  for (const path of files) {
    renameSync(`${path}.1`, `${path}.2`);
    copyFileSync(path, `${path}.1`);
    truncateSync(path, 0);
  }
  await chatter.send(98, 1_000, 4);
  await chatter.send(2);
}
