import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Agent, startAgent } from '../../src/lab/agent.ts';
import { identityOf } from '../../src/lab/registry.ts';
import { HostError } from '../../src/model/host-error.ts';
import { ended, nextWords } from '../support/child.ts';
import { until } from '../support/until.ts';
import { skipWithoutRoot as skip } from './root.ts';

const code =
  (wanted: string, pattern = /./) =>
  (error: unknown) => {
    assert.ok(error instanceof HostError, `${error}`);
    assert.equal(error.code, wanted, error.message);
    assert.match(error.message, pattern);
    return true;
  };

describe('one agent', { skip }, () => {
  let agent: Agent;
  before(async () => {
    agent = await startAgent('kali3');
  });
  after(() => agent.stop());

  it('is in a network namespace of its own', async () => {
    assert.notEqual(readlinkSync(`/proc/${agent.pid}/ns/net`), readlinkSync('/proc/self/ns/net'));
    assert.equal(JSON.parse(await agent.output(['ip', '-j', 'link', 'show'])).length, 1);
  });

  it('moves into a fresh one under the same pid', async () => {
    const earlier = readlinkSync(`/proc/${agent.pid}/ns/net`);
    await agent.output(['ip', 'link', 'set', 'lo', 'up']);
    await agent.renew();
    assert.notEqual(readlinkSync(`/proc/${agent.pid}/ns/net`), earlier);
    assert.match(await agent.output(['ip', 'link', 'show', 'lo']), /state DOWN/);
  });

  it('runs a command without a shell', async () => {
    assert.deepEqual(await agent.run(['printf', '%s', '$HOME;`id`']), { status: 0, stdout: '$HOME;`id`', stderr: '' });
    assert.deepEqual(await agent.run(['sh', '-c', 'echo wrong >&2; exit 3']), {
      status: 3,
      stdout: '',
      stderr: 'wrong\n',
    });
    assert.equal((await agent.run(['sh', '-c', 'kill -9 $$'])).status, -9);
  });

  it('does not block on megabytes in both directions', async () => {
    const input = 'a line of a big ruleset\n'.repeat(200_000);
    assert.equal(await agent.output(['cat'], { input }), input);
    assert.equal(await agent.output(['true'], { input }), '');
  });

  it('reads stdin by its name too', async () => {
    assert.equal(await agent.output(['cat', '/dev/stdin'], { input: 'x' }), 'x');
  });

  it('answers other requests while a command runs', async () => {
    const stop = new AbortController();
    const slow = agent.run(['sleep', '60'], { signal: stop.signal, timeoutMs: 100_000 }).then(() => 'slow');
    const ended = assert.rejects(slow, code('cancelled'));
    const quick = agent.run(['true']).then(() => 'quick');
    assert.equal(await Promise.race([slow, quick]), 'quick');
    stop.abort();
    await ended;
  });

  it('says who refused what', async () => {
    await assert.rejects(agent.run(['no-such-tool']), code('tool-missing', /kali3.*no-such-tool/));
    await assert.rejects(
      agent.output(['ip', 'link', 'show', 'vk63']),
      code('command-failed', /kali3: ip link show vk63.*vk63/),
    );
    await assert.rejects(agent.open('vk63'), code('ENODEV', /kali3: vk63/));
    await assert.rejects(agent.send([{ ifname: 'lo', bytes: new Uint8Array(60) }]), code('not-open', /lo/));
    await assert.rejects(agent.sysctl('net.ipv4.no_such'), code('unknown-sysctl', /net\.ipv4\.no_such/));
    await assert.rejects(agent.sysctl('net.ipv4.../../../etc/passwd'), code('unknown-sysctl'));
    await assert.rejects(
      agent.setSysctls({ 'net.ipv4.ip_forward': 'yes' }),
      code('sysctl-refused', /ip_forward = yes/),
    );
  });

  it('keeps sysctls to its namespace', async () => {
    await agent.setSysctls({ 'net.ipv4.conf.all.arp_ignore': '1', 'net/ipv4/conf/lo/arp_ignore': '2' });
    assert.equal(await agent.sysctl('net.ipv4.conf.lo.arp_ignore'), '2');
    assert.equal(await agent.sysctl('net/ipv4/conf/all/arp_ignore'), '1');
    await agent.renew();
    assert.equal(await agent.sysctl('net.ipv4.conf.lo.arp_ignore'), '0');
  });

  it('captures on what has the name now', async () => {
    const pair = 'link add name va type veth peer name vb\nlink set va up\nlink set vb up\n';
    const bytes = Buffer.alloc(60, 2);
    // else the namespace speaks of itself as soon as a link is up
    await agent.setSysctls({ 'net.ipv6.conf.all.disable_ipv6': '1', 'net.ipv6.conf.default.disable_ipv6': '1' });
    for (let round = 0; round < 2; round++) {
      await agent.output(['ip', '-batch', '-'], { input: pair });
      for (const ifname of ['va', 'vb', 'va']) await agent.open(ifname);
      await agent.send([{ ifname: 'va', bytes }]);
      await until(async () => {
        const { frames } = await agent.captured();
        return frames.some((frame) => frame.ifname === 'vb' && bytes.equals(frame.bytes));
      }, 'the frame arrives');
      await agent.output(['ip', 'link', 'del', 'va']);
      assert.deepEqual((await agent.captured()).frames, []);
      await assert.rejects(agent.send([{ ifname: 'vb', bytes }]), code('ENXIO', /vb/));
    }
  });

  it('ends a command that takes too long, with its children', async () => {
    const argv = ['sh', '-c', 'sleep 97 & echo $! $$ >&2; wait'];
    await assert.rejects(agent.run(argv, { timeoutMs: 150 }), code('command-timeout', /sleep 97/));
    await until(async () => (await processesNamed('sleep 97')).length === 0, 'its child is gone');
  });

  it('ends a command that is cancelled', async () => {
    const stop = new AbortController();
    const running = agent.run(['sleep', '98'], { signal: stop.signal });
    await sleep(50);
    stop.abort();
    await assert.rejects(running, code('cancelled'));
    await until(async () => (await processesNamed('sleep 98')).length === 0, 'it is gone');
    await assert.rejects(agent.run(['true'], { signal: stop.signal }), code('cancelled'));
  });

  it('tells when the agent itself is gone', async () => {
    const doomed = await startAgent('lamp');
    const running = doomed.run(['sleep', '96']);
    const failed = assert.rejects(running, code('agent-failed', /lamp/));
    await until(async () => (await processesNamed('sleep 96')).length === 1, 'it runs');
    process.kill(doomed.pid, 'SIGKILL');
    await failed;
    await assert.rejects(doomed.run(['true']), code('agent-failed'));
    await doomed.stop();
    await until(async () => (await processesNamed('sleep 96')).length === 0, 'it is gone');
  });
});

describe('the end of Bridgekeeper', { skip }, () => {
  let witness: Agent;
  before(async () => {
    witness = await startAgent('witness');
  });
  after(() => witness.stop());

  const cables = async () => JSON.parse(await witness.output(['ip', '-j', 'link', 'show', 'type', 'veth'])).length;

  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT'] as const) {
    it(`leaves nothing behind after ${signal}`, async () => {
      const child = spawn(process.execPath, [fileURLToPath(new URL('./doomed-lab.ts', import.meta.url))], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const pids: readonly number[] = JSON.parse(await nextWords(child));
      // A cable into each namespace is gone when the namespace is; inode numbers are soon used again.
      const plug = (pid: number) => `link add w${pid} type veth peer name w${pid} netns ${pid}\n`;
      await witness.output(['ip', '-batch', '-'], { input: pids.map(plug).join('') });
      assert.equal(await cables(), 3);
      assert.equal((await processesNamed('sleep 99')).length, 1);
      child.kill(signal);
      await ended(child);
      await until(async () => (await cables()) === 0, 'no cable is left');
      // Who inherits them may take seconds to collect them: a zombie holds nothing any more.
      assert.ok(pids.every((pid) => identityOf(pid) === undefined));
      assert.deepEqual(await processesNamed('sleep 99'), []);
    });
  }
});

async function processesNamed(command: string): Promise<readonly string[]> {
  const child = spawn('ps', ['-A', '-o', 'args='], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = Buffer.concat(await child.stdout.toArray())
    .toString()
    .split('\n');
  return lines.map((line) => line.trim()).filter((args) => args === command);
}
