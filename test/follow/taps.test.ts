// Guests whose taps come and go: with perl the daemon asks the kernel itself about them, without it `ip`, and both notice the same.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { db, LiveHost, policyText } from '../apply/live-host.ts';
import { mustRun, needsRoot } from '../support/namespace.ts';
import { Serving } from './serving.ts';

const rounds = 3;

function tapLines(port: string): readonly string[] {
  return [`tuntap add ${port} mode tap`, `link set ${port} master br0 up`];
}

suite('taps that come and go', { skip: needsRoot }, () => {
  for (const way of ['with perl', 'without perl'] as const) {
    test(`${way}: it is noticed, ${way === 'with perl' ? 'and ip is not asked' : 'by ip'}`, async (t) => {
      const host = await LiveHost.build([]);
      t.after(() => host.close());
      await mustRun(host.namespace, 'ip', ['-batch', '-'], [...tapLines('g1'), ...tapLines('g2')].join('\n'));
      await host.applyHere('ssh');
      const asked = host.file('asked', '');
      const tools = join(host.directory, 'tools');
      await mkdir(tools);
      const ip = `#!/bin/sh\necho "$*" >> ${asked}\nPATH=\${PATH#*:}\nexec ip "$@"\n`;
      await writeFile(join(tools, 'ip'), ip, { mode: 0o755 });
      if (way === 'without perl') await writeFile(join(tools, 'perl'), '#!/bin/sh\nexit 127\n', { mode: 0o755 });
      const argv = host.argv(['serve', '--policy', host.file('policy.yaml', policyText('ssh'))]);
      const serving = await Serving.start(argv, { ...process.env, PATH: `${tools}:${process.env.PATH}` });
      t.after(() => serving.end('SIGKILL'));
      for (let round = 0; round < rounds; round++) {
        await serving.after(
          () => mustRun(host.namespace, 'ip', ['link', 'del', 'g2']),
          ({ kind, words }) => kind === 'port' && words === 'port g2 of br0 is no longer there',
        );
        await serving.after(
          () => mustRun(host.namespace, 'ip', ['-batch', '-'], tapLines('g2').join('\n')),
          ({ kind, words }) => kind === 'port' && words.startsWith(`port g2 of br0 is new: a guest's, ${db.ip}`),
        );
      }
      assert.equal(await serving.end(), 0);
      const said = readFileSync(asked, 'utf8').split('\n');
      assert.ok(
        said.some((words) => words.startsWith('monitor ')),
        'what it asks is seen',
      );
      const batches = said.filter((words) => words.includes('-batch'));
      // on a busy machine an answer may come too late
      if (way === 'with perl') assert.ok(batches.length < rounds, batches.join('\n'));
      else assert.ok(batches.length > 0, 'without perl it is asked');
    });
  }
});
