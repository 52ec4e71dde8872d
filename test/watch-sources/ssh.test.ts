// Sources of a machine where Node does not run: a real shell, real dmesg, journalctl, od and ls behind an ssh that stays
// on this machine.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { remoteCommand, sshAccess } from '../../src/machine/access.ts';
import { bootId } from '../../src/watch/sources/boot-clock.ts';
import { logFile } from '../../src/watch/sources/file.ts';
import { journal } from '../../src/watch/sources/journal.ts';
import { kmsg } from '../../src/watch/sources/kmsg.ts';
import { sourcesNamed } from '../../src/watch/sources/known-sources.ts';
import { packings } from '../../src/watch/sources/older-copies.ts';
import { checkedPath, remoteFiles } from '../../src/watch/sources/remote-files.ts';
import { remoteDmesg, remoteKmsg } from '../../src/watch/sources/remote-ring.ts';
import type { Cursor, Source, SourceRecord } from '../../src/watch/sources/source.ts';
import { ended } from '../support/child.ts';
import { until } from '../support/until.ts';
import { type Collected, collect, textOf } from './collected.ts';
import { FakeSsh } from './fake-ssh.ts';
import { Journald, needsJournald } from './journald.ts';
import { LogWriter } from './log-writer.ts';
import { Chatter, lockRing, needsRing, type RingLock, turnRingOver, writeMark } from './ring.ts';

/** Those to the fake ssh since then. */
function endConnections(from: readonly { readonly pid: number }[]): void {
  for (const { pid } of from) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // it has ended by itself
    }
  }
}

describe('what a remote shell is given', () => {
  it('are words in quotes', () => {
    assert.equal(remoteCommand('dmesg', ['-r', 'a b', '$x;`'.slice(0, 3)], 'read'), "exec 'dmesg' '-r' 'a b' '$x;'");
    assert.match(remoteCommand('journalctl', ['-f'], 'unread'), /^exec sh -c '[^']+' sh 'journalctl' '-f'$/);
  });

  for (const word of ["it's", 'a\nb', 'a!b', 'a^b', 'a`b', 'ü', '\0']) {
    it(`is never ${JSON.stringify(word)}`, () => {
      assert.throws(() => remoteCommand('echo', [word], 'read'), { code: 'unsafe-argument' });
    });
  }

  for (const host of ['', '-oProxyCommand=x', 'a b', 'a;b', '$(x)', 'a/b', "a'b", '@x', '[::1]']) {
    it(`is never the host ${JSON.stringify(host)}`, () => assert.throws(() => sshAccess(host), { code: 'bad-host' }));
  }

  for (const host of ['vps', 'root@vps.example.org', '192.0.2.1', '2001:db8::1', 'root@2001:db8::1', 'my_vps-2']) {
    it(`may be the host ${host}`, () => assert.equal(sshAccess(host).host, host));
  }

  for (const path of [
    '',
    'x',
    '/',
    '/a b',
    '/a;b',
    '/../etc/shadow',
    '/var/log/../x',
    '/a$b',
    '/a*',
    '/-x/../y',
    '/a\n',
    "/a'b",
  ]) {
    it(`is never the path ${JSON.stringify(path)}`, () => assert.throws(() => checkedPath(path), { code: 'bad-path' }));
  }

  it('ends when our side is closed, however silent it is', async () => {
    const child = spawn('sh', ['-c', remoteCommand('sleep', ['1000'], 'unread')], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    await sleep(100);
    assert.equal(child.exitCode, null);
    const gone = ended(child);
    child.stdin?.end();
    const [, signal] = await gone;
    assert.equal(signal, 'SIGTERM');
  });
});

describe('by ssh', () => {
  let ssh: FakeSsh;
  let directory: string;
  let files = 0;
  before(() => {
    ssh = new FakeSsh();
    directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-remote-'));
  });
  after(() => {
    ssh.end();
    rmSync(directory, { recursive: true });
  });

  function freshPath(): string {
    const own = join(directory, `${files++}`);
    mkdirSync(own);
    return join(own, 'kern.log');
  }

  function remoteFile(path: string, once = true): Source {
    return logFile(path, { files: remoteFiles(sshAccess('vps')), host: 'vps', pollMs: 200, once });
  }

  const readOn = (path: string, cursor?: Cursor): Promise<Collected> => collect(remoteFile(path), { cursor });

  describe('a log file', () => {
    it('is read as here, every byte', async () => {
      const writer = new LogWriter(freshPath());
      writer.append(2_000);
      writer.appendText(
        `Mar 17 13:21:53 h kernel: IN=${Buffer.from(
          Array.from({ length: 255 }, (_, byte) => (byte === 9 ? 1 : byte + 1)),
        )
          .toString('latin1')
          .replaceAll('\n', '')}\n`,
      );
      const local = await collect(logFile(writer.path, { once: true }));
      const remote = await readOn(writer.path);
      assert.deepEqual(remote.texts, local.texts);
      assert.deepEqual(
        remote.records.map(({ trust }) => trust),
        local.records.map(({ trust }) => trust),
      );
      assert.equal(remote.texts.length, 2_001);
      assert.equal(remoteFile(writer.path).host, 'vps');
    });

    it('that is a directory or a pipe is told, and nothing is read', async () => {
      for (const program of ['mkdir', 'mkfifo']) {
        const path = freshPath();
        execFileSync(program, [path]);
        const { findings, records } = await readOn(path);
        assert.deepEqual(
          findings.map(({ code, message }) => [code, message]),
          [['file-refused', `${path}: ${path} is no file`]],
        );
        assert.deepEqual(records, []);
      }
    });

    it('is followed through a rotation', async () => {
      const writer = new LogWriter(freshPath());
      writer.append(3);
      const following = collect(remoteFile(writer.path, false), { enough: ({ records }) => records.length >= 8 });
      await sleep(200);
      const finish = writer.appendHalf();
      await sleep(60);
      finish();
      writer.rotateByCreate();
      writer.append(4);
      assert.deepEqual((await following).texts, writer.written);
    });

    for (const packing of packings) {
      it(`is found again in copies, also packed by ${packing}`, async () => {
        const writer = new LogWriter(freshPath());
        writer.append(4);
        const earlier = await readOn(writer.path);
        writer.append(3);
        writer.rotateByCopy();
        writer.append(2);
        writer.rotateByCreate();
        writer.pack(2, packing);
        writer.append(3);
        const later = await readOn(writer.path, earlier.cursor);
        assert.deepEqual([...earlier.texts, ...later.texts], writer.written);
        assert.deepEqual(later.gaps, []);
      });
    }

    it('that is lost is a gap, that is not there a finding, that others may write has no trust', async () => {
      const writer = new LogWriter(freshPath());
      writer.append(4);
      const { cursor } = await readOn(writer.path);
      writeFileSync(`${writer.path}.new`, '');
      renameSync(`${writer.path}.new`, writer.path);
      writer.append(1);
      chmodSync(writer.path, 0o666);
      const later = await readOn(writer.path, cursor);
      assert.deepEqual(
        later.gaps.map(({ reason }) => reason),
        ['rotated-away'],
      );
      assert.deepEqual(
        later.records.map(({ trust }) => trust),
        [0],
      );
      assert.deepEqual(
        (await readOn(freshPath())).findings.map(({ code }) => code),
        ['file-absent'],
      );
    });

    it('goes on when the connection breaks', async () => {
      const writer = new LogWriter(freshPath());
      writer.append(3);
      const before = ssh.connections.length;
      let seen = 0;
      const following = collect(remoteFile(writer.path, false), {
        enough: ({ records }) => {
          seen = records.length;
          return seen >= 5;
        },
      });
      await until(() => seen >= 3 && ssh.connections.length > before, 'all is read');
      endConnections(ssh.connections.slice(before));
      writer.append(2);
      assert.deepEqual((await following).texts, writer.written);
      assert.ok(ssh.connections.length > before + 1, 'there was a second connection');
    });
  });

  describe('the kernel ring', { skip: needsRing }, () => {
    let lock: RingLock;
    before(async () => {
      lock = await lockRing();
    });
    after(() => lock.release());

    const mark = (): string => `bridgekeeper test ${randomUUID()} IN=`;
    const shows =
      (text: string) =>
      ({ texts }: { readonly texts: readonly string[] }): boolean =>
        texts.includes(text);

    for (const [name, make] of [
      ['kmsg', remoteKmsg],
      ['dmesg', remoteDmesg],
    ] as const) {
      it(`shows real log lines by ${name} as here`, async () => {
        const chatter = await Chatter.start('ssh');
        try {
          const isOwn = (record: SourceRecord): boolean => textOf(record).startsWith(chatter.prefix);
          const both = [make(sshAccess('vps')), kmsg()].map((source) =>
            collect(source, { enough: ({ records }) => records.filter(isOwn).length >= 30 }),
          );
          await sleep(500);
          await chatter.send(30);
          const facts = ({ us, trust, epoch, facility, text }: SourceRecord) => ({
            us,
            trust,
            epoch,
            facility,
            text: Buffer.from(text).toString('latin1'),
          });
          const [there, here] = (await Promise.all(both)).map(({ records }) => records.filter(isOwn));
          assert.deepEqual(there?.map(facts), here?.map(facts));
          assert.equal(there?.length, 30);
          for (const [at, { wall = 0 }] of (there ?? []).entries())
            assert.ok(Math.abs(wall - (here?.[at]?.wall ?? 0)) < 2_500);
        } finally {
          await chatter.stop();
        }
      });

      it(`goes on by ${name} where it was, and a break of the connection loses nothing`, async () => {
        const [first, second, third] = [mark(), mark(), mark()];
        writeMark(first);
        const one = await collect(make(sshAccess('vps')), { enough: shows(first) });
        assert.equal(one.cursor?.boot, bootId());
        writeMark(second);
        const before = ssh.connections.length;
        const following = collect(make(sshAccess('vps')), { cursor: one.cursor, enough: shows(third) });
        await until(() => ssh.connections.length > before, 'it is connected');
        await sleep(800);
        endConnections(ssh.connections.slice(before));
        await sleep(200);
        writeMark(third);
        const two = await following;
        const own = two.texts.filter((text) => [first, second, third].includes(text));
        assert.deepEqual(own, [second, third]);
        assert.deepEqual(two.gaps, []);
      });
    }

    it('that went round is an exact gap by kmsg, an unknown one by dmesg', async () => {
      const [first, second] = [mark(), mark()];
      writeMark(first);
      const makes = [remoteKmsg, remoteDmesg];
      const earlier = await Promise.all(makes.map((make) => collect(make(sshAccess('vps')), { enough: shows(first) })));
      const lines = await turnRingOver();
      writeMark(second);
      const [byKmsg, byDmesg] = await Promise.all(
        makes.map((make, at) =>
          collect(make(sshAccess('vps')), { cursor: earlier[at]?.cursor, enough: shows(second) }),
        ),
      );
      const [gap] = byKmsg?.gaps ?? [];
      assert.equal(byKmsg?.gaps.length, 1);
      assert.ok(typeof gap?.lost === 'object' && 'exact' in gap.lost && gap.lost.exact > lines / 4);
      assert.equal((gap?.between.before?.sequence ?? 0) - Number(earlier[0]?.cursor?.sequence) - 1, gap.lost.exact);
      assert.deepEqual(
        byDmesg?.gaps.map(({ lost, reason }) => [lost, reason]),
        [['unknown', 'no-overlap']],
      );
    });

    it('of a machine that cannot be reached is a finding', async () => {
      const { findings } = await collect(remoteKmsg(sshAccess('broken')), {
        enough: (collected) => collected.findings.length > 0,
      });
      assert.deepEqual(
        findings.map(({ code }) => code),
        ['ssh-ended'],
      );
      assert.match(findings[0]?.message ?? '', /Connection refused/);
    });
  });

  describe('the journal', { skip: needsJournald }, () => {
    it('shows lines as here', async () => {
      const lock = await lockRing();
      const journald = await Journald.start();
      try {
        const text = `bridgekeeper test ${randomUUID()} IN=`;
        const source = journal({ access: sshAccess('vps'), directory: journald.directory });
        const following = collect(source, { enough: ({ texts }) => texts.includes(text) });
        writeMark(text);
        const { records } = await following;
        assert.equal(source.host, 'vps');
        assert.deepEqual(
          records.filter((record) => textOf(record) === text).map(({ trust, facility }) => [trust, facility]),
          [[1, 1]],
        );
      } finally {
        await journald.end();
        await lock.release();
      }
    });
  });

  describe('a whole machine', () => {
    it('says what it has', async () => {
      const sources = await sourcesNamed(['ssh:vps', 'ssh:vps'], new AbortController().signal);
      assert.ok(sources.every(({ host }) => host === 'vps'));
      const names = sources.map(({ name }) => name);
      assert.equal(new Set(names).size, names.length);
      if (needsRing === false) assert.ok(names.includes('kmsg') && !names.includes('dmesg'));
    });

    it('by --access: the same, or those of its sources that are named', async () => {
      const signal = new AbortController().signal;
      const named = async (names: readonly string[]): Promise<readonly string[]> =>
        (await sourcesNamed(names, signal, sshAccess('vps'))).map(({ host, name }) => `${host}/${name}`);
      const all = (await sourcesNamed(['ssh:vps'], signal)).map(({ host, name }) => `${host}/${name}`);
      assert.deepEqual(await named([]), all);
      assert.deepEqual(await named(['dmesg', 'journal', '/var/log/kern.log', '/var/log/kern.log']), [
        'vps/dmesg',
        'vps/journal',
        'vps/file:/var/log/kern.log',
      ]);
      for (const name of ['-', 'ssh:other', 'kern', '/var/log/../x y']) {
        await assert.rejects(named([name]), { name: 'HostError' }, name);
      }
    });

    it('that cannot be reached is refused', async () => {
      await assert.rejects(sourcesNamed(['ssh:broken'], new AbortController().signal), {
        code: 'ssh-failed',
        message: /Connection refused/,
      });
    });

    it('never gets anything but fixed words and checked names', () => {
      assert.ok(ssh.connections.length > 10);
      for (const { command } of ssh.connections)
        assert.match(command, /^exec (?:sh -c '[^']+' sh )?(?:'[^'!^`\n]*'\s?)+$/);
    });
  });
});

describe('names of sources', () => {
  const signal = new AbortController().signal;
  const rows: readonly [names: readonly string[], sources: readonly string[]][] = [
    [
      ['kmsg', 'dmesg', 'journal'],
      ['kmsg', 'dmesg', 'journal'],
    ],
    [['-'], ['stdin']],
    [
      ['/var/log/kern.log', './x.log', 'file:y'],
      ['file:/var/log/kern.log', 'file:./x.log', 'file:y'],
    ],
    [['ulogd:/var/log/ulogd.json'], ['ulogd:/var/log/ulogd.json']],
    [['kmsg', 'kmsg'], ['kmsg']],
  ];
  for (const [names, sources] of rows) {
    it(names.join(' '), async () =>
      assert.deepEqual(
        (await sourcesNamed(names, signal)).map(({ name }) => name),
        sources,
      ),
    );
  }

  it('without any: all that a machine may have', async () => {
    const names = (await sourcesNamed([], signal)).map(({ name }) => name);
    assert.ok(['kmsg', 'dmesg'].includes(names[0] ?? ''));
    assert.ok(
      names.includes('journal') &&
        names.includes('file:/var/log/kern.log') &&
        names.includes('ulogd:/var/log/ulogd.json'),
    );
  });

  for (const name of ['', 'kern', 'kmsgs', 'ssh:', 'ssh:-x']) {
    it(`${name || 'nothing'} is none`, async () => assert.rejects(sourcesNamed([name], signal), { name: 'HostError' }));
  }
});
