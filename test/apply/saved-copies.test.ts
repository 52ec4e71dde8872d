// A copy of everything that was loaded, kept for the next boot: nft refuses it there, and we say so beforehand.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { PresenceTable } from '../../src/apply/live/presence.ts';
import { savedCopies } from '../../src/apply/live/saved-copies.ts';
import { freshNamespace, mustRun, type Namespace, needsRoot } from '../support/namespace.ts';
import { accessTo } from '../support/namespace-access.ts';
import { freshDirectory, runProgram } from '../support/run-cli.ts';
import { LiveHost } from './live-host.ts';

const bootFile = '/etc/nftables.conf';

const own = 'table inet filter {\n\tchain input {\n\t\ttype filter hook input priority 0;\n\t}\n}\n';

suite('a saved copy of everything', { skip: needsRoot }, () => {
  test('is refused at boot as a whole; its line is told, until the table is taken out', async (t) => {
    const directory = join(freshDirectory(t), 'with blanks');
    mkdirSync(directory);
    const [host, booting] = await Promise.all([freshNamespace(), freshNamespace()]);
    t.after(() => Promise.all([host.close(), booting.close()]));
    await mustRun(host, 'ip', ['tuntap', 'add', 'g1', 'mode', 'tap']);
    const [{ ifindex = 0 } = {}] = JSON.parse((await mustRun(host, 'ip', ['-j', 'link', 'show', 'g1'])).stdout);
    await mustRun(host, 'nft', ['-f', '-'], own);
    await new PresenceTable(accessTo(host)).update({ guests: ['g1'], ports: [{ name: 'g1', index: ifindex }] }, []);

    const file = join(directory, 'nftables.conf');
    const lines = (await mustRun(host, 'nft', ['list', 'ruleset'])).stdout.split('\n');
    const begin = lines.indexOf('table bridge bk_present {');
    writeFileSync(file, ['#!/usr/sbin/nft -f', ...lines].join('\n'));
    assert.notEqual((await booting.run('nft', ['-f', file])).code, 0);
    assert.equal((await booting.run('nft', ['list', 'ruleset'])).stdout, '', 'nothing of it was loaded');
    assert.deepEqual(
      (await copiesIn(host, directory)).map((words) => words.replace(/: a saved copy .*/s, '')),
      [`${file}:${begin + 2}`],
    );

    writeFileSync(file, lines.toSpliced(begin, lines.indexOf('}', begin) - begin + 1).join('\n'));
    await mustRun(booting, 'nft', ['-f', file]);
    assert.deepEqual(await copiesIn(host, directory), []);
    assert.match((await booting.run('nft', ['list', 'tables'])).stdout, /^table inet filter$/m);
  });

  test('files that speak of it otherwise, and those that are not there, are none', async (t) => {
    const directory = freshDirectory(t);
    const host = await freshNamespace();
    t.after(() => host.close());
    for (const [name, text] of [
      ['comment', '# table bridge bk_present {'],
      ['longer', 'table bridge bk_presents {\n}'],
      ['ours', 'table bridge bk {\n}'],
    ] as const) {
      writeFileSync(join(directory, name), `${text}\n`);
    }
    assert.deepEqual(await copiesIn(host, directory), []);
    assert.deepEqual(await savedCopies(accessTo(host), [join(directory, 'none'), join(directory, 'none', '*')]), []);
  });

  test('`status` tells of it, with exit code 6', {
    skip: !existsSync(bootFile) && `no ${bootFile} here`,
  }, async (t) => {
    const host = await LiveHost.build();
    t.after(() => host.close());
    await host.applyHere('ssh');
    const status = async (text: string) => {
      const script = `mount --bind "$0" ${bootFile} && exec "$@"`;
      return runProgram('unshare', ['-m', 'sh', '-c', script, host.file('saved', text), ...host.argv(['status'])]);
    };
    assert.equal((await status(own)).code, 0);
    const { code, stdout } = await status(`${own}table bridge bk_present {\n}\n`);
    assert.equal(code, 6);
    assert.ok(
      stdout.includes(`${bootFile}:${own.split('\n').length}: a saved copy of table bridge bk_present`),
      stdout,
    );
  });
});

async function copiesIn(namespace: Namespace, directory: string): Promise<readonly string[]> {
  return (await savedCopies(accessTo(namespace), [join(directory, '*')])).map(({ words }) => words);
}
