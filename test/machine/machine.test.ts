// Programs and files of this machine and of another one, where the other one is this one behind a stand-in for ssh.
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { type Access, accessNamed, local, sshAccess } from '../../src/machine/access.ts';
import { type ChangeSet, printChange } from '../../src/machine/change.ts';
import { applyChanges, openChanges, undoChanges } from '../../src/machine/change-log.ts';
import { fileKind, readFile, readText, removeFile, replaceFile } from '../../src/machine/files.ts';
import { mustRun, run } from '../../src/machine/run.ts';
import { HostError } from '../../src/model/host-error.ts';
import { FakeSsh } from '../watch-sources/fake-ssh.ts';

const everyByte = Buffer.from(Array.from({ length: 1024 }, (_, at) => at % 256));

let ssh: FakeSsh;
let directory: string;
before(() => {
  ssh = new FakeSsh();
  directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-machine-'));
});
after(() => {
  ssh.end();
  rmSync(directory, { recursive: true });
});

const ways: readonly (readonly [name: string, access: Access])[] = [
  ['here', local],
  ['by ssh', sshAccess('other')],
];

for (const [name, access] of ways) {
  suite(name, () => {
    const path = (file: string): string => join(directory, name.replace(' ', '-'), file);
    const state = (): string => path('state');

    test('a program: its output, its exit code, what it said', async () => {
      const { code, stdout, said } = await run(access, 'sh', ['-c', 'echo out; echo no >&2; exit 7']);
      assert.deepEqual([code, stdout.toString(), said], [7, 'out\n', 'no']);
      await assert.rejects(mustRun(access, 'refused', 'sh', ['-c', 'echo no >&2; exit 7']), /ended with 7: no/);
    });

    test('a program that is not there ends with 127, one that hangs is ended', async () => {
      assert.equal((await run(access, 'bridgekeeper-no-such-program')).code, 127);
      const begun = Date.now();
      const { code } = await run(access, 'sleep', ['20'], { timeoutMs: 300 });
      assert.notEqual(code, 0);
      assert.ok(Date.now() - begun < 10_000);
    });

    test('any bytes, in folders that are made; read back the same', async () => {
      await replaceFile(access, path('a/b/every.bin'), everyByte, '640');
      assert.deepEqual(await readFile(access, path('a/b/every.bin')), everyByte);
      assert.equal(statSync(path('a/b/every.bin')).mode & 0o777, 0o640);
      assert.deepEqual(readdirSync(path('a/b')), ['every.bin'], 'nothing else is left');
    });

    test('mode and owner of a file stay, and so does a link to it', async () => {
      await replaceFile(access, path('real'), Buffer.from('old\n'), '644');
      chmodSync(path('real'), 0o604);
      symlinkSync('real', path('link'));
      await replaceFile(access, path('link'), Buffer.from('new\n'));
      assert.equal(readFileSync(path('real'), 'utf8'), 'new\n');
      assert.equal(statSync(path('real')).mode & 0o777, 0o604);
    });

    test('a link to a device, as a masked unit is one, and a link that leads nowhere are left alone', async () => {
      symlinkSync('/dev/null', path('masked'));
      symlinkSync('nowhere', path('dangling'));
      for (const name of ['masked', 'dangling']) {
        await assert.rejects(replaceFile(access, path(name), Buffer.from('x')), { code: 'unwritable' }, name);
      }
      assert.ok(statSync('/dev/null').isCharacterDevice());
      assert.equal(existsSync(path('nowhere')), false);
    });

    test('a path with a blank in it, a file that is empty, one that is gone', async () => {
      await replaceFile(access, path('two words'), Buffer.alloc(0));
      assert.equal(await readText(access, path('two words')), '');
      await removeFile(access, path('two words'));
      await removeFile(access, path('two words'));
      assert.equal(await readText(access, path('two words')), undefined);
      assert.equal(await fileKind(access, path('two words')), undefined);
      assert.equal(await fileKind(access, directory), 'directory');
      assert.equal(await fileKind(access, '/dev/null'), 'character device');
    });

    test('a folder cannot be read, and a file where a folder should be cannot be written behind', async () => {
      await replaceFile(access, path('plain'), Buffer.from('x'));
      await assert.rejects(readFile(access, directory), { name: 'HostError', code: 'unreadable' });
      await assert.rejects(replaceFile(access, path('plain/below'), Buffer.from('x')), { code: 'unwritable' });
      assert.equal(await readText(access, path('plain')), 'x');
    });

    const set = (changes: ChangeSet['changes']): ChangeSet => ({ name: 'trial', title: 'a trial', changes });

    test('a change set is done, written down, and taken back byte for byte', async () => {
      await replaceFile(access, path('one'), everyByte);
      const undone = path('undone');
      const changes = [
        { kind: 'file', path: path('one'), before: everyByte, after: Buffer.from('changed') },
        { kind: 'file', path: path('two'), before: undefined, after: Buffer.from('made'), mode: '600' },
        { kind: 'command', argv: ['touch', path('ran')], undoLast: ['touch', undone] },
      ] as const;
      const record = await applyChanges(access, state(), set(changes));
      assert.ok(record);
      assert.deepEqual([readFileSync(path('one'), 'utf8'), readFileSync(path('two'), 'utf8')], ['changed', 'made']);
      assert.ok(existsSync(path('ran')));
      const [open] = openChanges(state(), access.host);
      assert.deepEqual(open, record, 'what is on the disk is the whole of it');
      await undoChanges(access, state(), record);
      assert.deepEqual(await readFile(access, path('one')), everyByte);
      assert.equal(existsSync(path('two')), false);
      assert.ok(existsSync(undone));
      assert.deepEqual(openChanges(state(), access.host), []);
    });

    test('when a step fails, what was done before it is put back', async () => {
      const changes = [
        { kind: 'file', path: path('one'), before: everyByte, after: Buffer.from('changed') },
        { kind: 'command', argv: ['sh', '-c', 'echo no such luck >&2; exit 3'] },
      ] as const;
      await assert.rejects(
        applyChanges(access, state(), set(changes)),
        /a trial: .* no such luck; what had been changed was put back/,
      );
      assert.deepEqual(await readFile(access, path('one')), everyByte);
      assert.deepEqual(openChanges(state(), access.host), []);
    });

    test('when not all can be put back, the first cause is told too, and what is left can be taken back later', async () => {
      const files = ['safe', 'stuck'].map((name) => {
        writeFileSync(path(name), 'before');
        return { kind: 'file', path: path(name), before: Buffer.from('before'), after: Buffer.from('after') } as const;
      });
      const [safe, stuck] = [path('safe'), path('stuck')];
      // a folder of the file's name: nothing can be written there
      const script = `rm ${stuck}; mkdir ${stuck}; echo first cause >&2; exit 3`;
      const changes = [...files, { kind: 'command', argv: ['sh', '-c', script] } as const];
      const error = await applyChanges(access, state(), set(changes)).catch((one: unknown) => one);
      assert.ok(error instanceof HostError && error.cause instanceof AggregateError);
      assert.match(
        error.message,
        /a trial: .*first cause; not all could be put back: .*write .*stuck.*still to be taken back/,
      );
      assert.equal(error.cause.errors.length, 2);
      assert.equal(readFileSync(safe, 'utf8'), 'before', 'one failure does not keep the others from it');
      const [open] = openChanges(state(), access.host);
      assert.ok(open !== undefined && error.message.includes(open.id));
      rmSync(stuck, { recursive: true });
      writeFileSync(stuck, 'after');
      await undoChanges(access, state(), open);
      assert.equal(readFileSync(stuck, 'utf8'), 'before');
      assert.deepEqual(openChanges(state(), access.host), []);
    });

    test('a file that somebody changed meanwhile is not overwritten, neither there nor back', async () => {
      writeFileSync(path('mine'), 'before');
      const change = {
        kind: 'file',
        path: path('mine'),
        before: Buffer.from('other'),
        after: Buffer.from('after'),
      } as const;
      await assert.rejects(applyChanges(access, state(), set([change])), { code: 'changed-meanwhile' });
      const record = await applyChanges(access, state(), set([{ ...change, before: Buffer.from('before') }]));
      assert.ok(record);
      writeFileSync(path('mine'), 'edited by hand');
      await assert.rejects(undoChanges(access, state(), record), { code: 'changed-since' });
      assert.equal(readFileSync(path('mine'), 'utf8'), 'edited by hand');
    });

    test('nothing to do: nothing is written', async () => {
      const same = { kind: 'file', path: path('one'), before: everyByte, after: everyByte } as const;
      const known = openChanges(state(), access.host).length;
      assert.equal(await applyChanges(access, state(), set([same])), undefined);
      assert.equal(openChanges(state(), access.host).length, known);
    });
  });
}

test('processes that begin a change in the same moment get folders of their own', async (t) => {
  const state = mkdtempSync(join(tmpdir(), 'bridgekeeper-machine-'));
  t.after(() => rmSync(state, { recursive: true }));
  const records = join(import.meta.dirname, '../../src/machine/change-records.ts');
  const script = `import { freshId } from ${JSON.stringify(records)};
    while (Date.now() < Number(process.argv[1])) {}
    for (let turn = 0; turn < 100; turn++) console.log(freshId(process.argv[2], 'trial', 0));`;
  const at = `${Date.now() + 1_500}`;
  const argv = ['--input-type=module', '-e', script, at, state];
  const runs = await Promise.all([1, 2, 3, 4].map(() => run(local, process.execPath, argv)));
  const ids = runs.flatMap(({ stdout }) => stdout.toString().trimEnd().split('\n'));
  assert.equal(ids.length, 400, runs[0]?.said);
  assert.equal(new Set(ids).size, 400);
  assert.deepEqual(openChanges(state, ''), [], 'nothing was changed yet');
});

test('what a change will do is shown as a diff and as commands', () => {
  const before = Buffer.from('[Journal]\nReadKMsg=no\nStorage=auto\n');
  const after = Buffer.from('[Journal]\nReadKMsg=yes\nStorage=auto\n');
  assert.equal(
    printChange({ kind: 'file', path: '/etc/systemd/journald.conf', before, after }),
    '--- /etc/systemd/journald.conf\n+++ /etc/systemd/journald.conf\n@@ -1,3 +1,3 @@\n [Journal]\n-ReadKMsg=no\n+ReadKMsg=yes\n Storage=auto\n',
  );
  assert.match(printChange({ kind: 'file', path: '/a', before: undefined, after }), /^--- \/dev\/null\n\+\+\+ \/a\n/);
  assert.equal(printChange({ kind: 'command', argv: ['sh', '-c', "it's"] }), "$ sh -c 'it'\\''s'\n");
});

test('--access takes ssh:HOST', () => {
  assert.equal(accessNamed(undefined).host, '');
  assert.equal(accessNamed('ssh:root@node7').host, 'root@node7');
  for (const name of ['node7', 'ssh:', 'ssh:-oProxyCommand=x', 'ssh:a b']) {
    assert.throws(() => accessNamed(name), { name: 'HostError' });
  }
});
