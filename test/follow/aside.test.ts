// Errands of a daemon on a large host: what another process says is what the same work says here, and so is what it refuses.
import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { makeStateDirectory } from '../../src/apply/live/state.ts';
import { asideOf } from '../../src/follow/aside.ts';
import { work } from '../../src/follow/aside-work.ts';
import { OwnProcesses } from '../../src/follow/own-processes.ts';
import { local } from '../../src/machine/access.ts';
import { LiveHost, policyText } from '../apply/live-host.ts';
import { mustRun, needsRoot } from '../support/namespace.ts';
import { Serving } from './serving.ts';

/** More than a small host's generation has. */
const remark = `#${' '.repeat(300_000)}\n`;

async function largeHost(): Promise<LiveHost> {
  const live = await LiveHost.build();
  await live.applyHere('ssh');
  appendFileSync(join(live.state, 'confirmed', 'policy.yaml'), remark);
  return live;
}

suite('an errand that another process does', { skip: needsRoot }, () => {
  test('answers as the same work does here', async (t) => {
    const live = await largeHost();
    t.after(() => live.close());
    const site = { access: local, state: live.state, command: 'test' };
    const started: boolean[] = [];
    const processes = new OwnProcesses((pid, isOver) => {
      if (!isOver) started.push(processes.has(pid));
    });
    const aside = asideOf(site, processes);
    const here = await work.applied(site);
    assert.ok(here?.ground !== undefined && here.isReadable);
    assert.deepEqual(await aside('applied', undefined), here);
    assert.deepEqual(started, [], 'it starts nothing');
    assert.ok((await aside('facts', undefined)).links.length > 0);
    // of the namespace that this runs in, where nothing is loaded
    assert.ok((await aside('drift', undefined)).isApplied);
    assert.ok(started.length > 0 && started.every(Boolean), 'what it runs is ours');
  });

  test('what it refuses is refused here, and what is missing is said', async (t) => {
    const live = await largeHost();
    t.after(() => live.close());
    const site = { access: local, state: live.state, command: 'test' };
    const aside = asideOf(site, new OwnProcesses());
    appendFileSync(join(live.state, 'confirmed', 'generation.json'), '}');
    await assert.rejects(aside('applied', undefined), { name: 'HostError', code: 'unreadable' });
  });

  test('a small host is not worth a process', async (t) => {
    const live = await LiveHost.build();
    t.after(() => live.close());
    makeStateDirectory(live.state);
    assert.equal(await asideOf(live.site, new OwnProcesses())('applied', undefined), undefined);
  });

  test('the daemon by such errands: what somebody changed is put right, guests come and go, and nothing of ours is drift', async (t) => {
    const live = await LiveHost.build();
    t.after(() => live.close());
    const policy = live.file('policy.yaml', `${policyText('ssh')}${remark}`);
    await live.applyHere('ssh');
    appendFileSync(join(live.state, 'confirmed', 'policy.yaml'), remark);
    const serving = await Serving.start(live.argv(['serve', '--policy', policy]));
    t.after(() => serving.end());
    const right = await live.digest();
    const flushed = () => mustRun(live.namespace, 'nft', ['flush', 'chain', 'bridge', 'bk', 'prerouting']);
    await serving.after(flushed, ({ kind, words }) => kind === 'drift' && /prerouting/.test(words), 20_000);
    assert.equal(await live.digest(), right);
    const from = serving.heard.length;
    await serving.after(
      () => mustRun(live.namespace, 'ip', ['link', 'del', 'g2']),
      ({ words }) => words === 'port g2 of br0 is no longer there',
      20_000,
    );
    await serving.after(
      () => mustRun(live.namespace, 'ip', ['-batch', '-'], live.portLines('g2').join('\n')),
      ({ words }) => /^port g2 of br0 is new: a guest's/.test(words),
      20_000,
    );
    // a change of ours that is taken for somebody else's leads to a look, and is told when it differs
    assert.deepEqual(
      serving.heard.slice(from).filter(({ kind }) => kind !== 'port'),
      [],
    );
    assert.equal(await live.digest(), right);
    assert.equal(await serving.end(), 0);
  });
});
