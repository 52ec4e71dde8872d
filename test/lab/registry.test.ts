import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { identityOf, joinLabs, slotCount, slotOf } from '../../src/lab/registry.ts';
import { HostError } from '../../src/model/host-error.ts';
import { ended, nextWords } from '../support/child.ts';
import { skipWithoutRoot as skip } from './root.ts';

type Member = { readonly child: ChildProcessByStdio<Writable, Readable, null>; readonly slot: number };

describe('the registry of labs', { skip }, () => {
  let directory: string;
  let setting: string;
  const place = () => ({ directory, setting });
  const value = () => readFileSync(setting, 'latin1').trim();
  const entries = () => readdirSync(directory).filter((name) => name !== 'lock');

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'labs-'));
    setting = `${directory}.setting`;
    writeFileSync(setting, '0\n');
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
    rmSync(setting);
  });

  const started: Member['child'][] = [];
  afterEach(() => {
    for (const child of started.splice(0)) child.kill('SIGKILL');
  });

  async function member(): Promise<Member> {
    const script = fileURLToPath(new URL('./member.ts', import.meta.url));
    const child = spawn(process.execPath, [script, directory, setting], { stdio: ['pipe', 'pipe', 'inherit'] });
    started.push(child);
    return { child, slot: Number(await nextWords(child)) };
  }

  async function leave({ child }: Member): Promise<void> {
    const ending = ended(child);
    child.stdin.end('leave\n');
    assert.deepEqual(await ending, [0, null]);
  }

  async function kill({ child }: Member): Promise<void> {
    const ending = ended(child);
    child.kill('SIGKILL');
    await ending;
  }

  /** The watcher of a lab is its only other child that outlives it: found by the directory in its arguments. */
  function watchers(): readonly number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && identityOf(Number(name)) !== undefined)
      .filter((pid) => commandLine(pid).some((argument) => argument.endsWith('watcher.ts')))
      .filter((pid) => commandLine(pid).includes(directory))
      .map(Number);
  }

  it('turns the setting on for the first lab, back after the last', async () => {
    const first = await joinLabs(place());
    assert.equal(value(), '1');
    const second = await joinLabs(place());
    assert.deepEqual([first.slot.number, second.slot.number], [0, 1]);
    await first.leave();
    assert.equal(value(), '1');
    assert.equal(watchers().length, 1);
    await second.leave();
    assert.equal(value(), '0');
    await second.leave();
    assert.deepEqual([entries(), watchers()], [[], []]);
  });

  it('leaves a setting alone that was on before, or was changed meanwhile', async () => {
    writeFileSync(setting, '1\n');
    await (await joinLabs(place())).leave();
    assert.equal(value(), '1');
    writeFileSync(setting, '0\n');
    const lab = await joinLabs(place());
    writeFileSync(setting, '2\n');
    await lab.leave();
    assert.equal(value(), '2');
  });

  it('gives every lab a slot of its own, and free ones again', async () => {
    const members = await Promise.all(Array.from({ length: 6 }, member));
    assert.deepEqual(members.map(({ slot }) => slot).toSorted(), [0, 1, 2, 3, 4, 5]);
    const third = members.find(({ slot }) => slot === 2);
    assert.ok(third);
    await leave(third);
    const next = await member();
    assert.equal(next.slot, 2);
    assert.equal(value(), '1');
    await Promise.all([next, ...members.filter((other) => other !== third)].map(leave));
    assert.equal(value(), '0');
    assert.deepEqual([entries(), watchers()], [[], []]);
  });

  it('is left by the watcher after SIGKILL', async () => {
    const [first, second] = await Promise.all([member(), member()]);
    await kill(first);
    await until(() => entries().length === 2); // the other one's and the earlier value
    assert.equal(value(), '1');
    await kill(second);
    await until(() => value() === '0');
    await until(() => entries().length === 0 && watchers().length === 0);
  });

  it('is tidied by the next lab when the watcher was killed too', async () => {
    const dead = await member();
    for (const pid of watchers()) process.kill(pid, 'SIGKILL');
    await kill(dead);
    assert.equal(value(), '1');
    const next = await joinLabs(place());
    assert.equal(next.slot.number, 0);
    await next.leave();
    assert.equal(value(), '0');
  });

  it('is tidied by one that leaves', async () => {
    const here = await joinLabs(place());
    const own = new Set(watchers());
    const dead = await member();
    for (const pid of watchers()) if (!own.has(pid)) process.kill(pid, 'SIGKILL');
    await kill(dead);
    assert.equal(entries().length, 3);
    await here.leave();
    assert.deepEqual([value(), entries()], ['0', []]);
  });

  it('forgets entries and values of an earlier boot, and files that say nothing', async () => {
    writeFileSync(join(directory, '0'), JSON.stringify({ pid: process.pid, started: 'another-boot 1' }));
    writeFileSync(join(directory, '1'), '{');
    writeFileSync(join(directory, 'earlier'), JSON.stringify({ boot: 'another-boot', value: '7' }));
    const lab = await joinLabs(place());
    assert.equal(lab.slot.number, 0);
    await lab.leave();
    assert.deepEqual([value(), entries()], ['0', []]);
  });

  it('survives labs that come, leave and die all at once', async () => {
    const rounds = Array.from({ length: 12 }, async (_, index) => {
      const lab = await member();
      await sleep((index * 7) % 20);
      await (index % 3 === 0 ? kill(lab) : leave(lab));
    });
    await Promise.all(rounds);
    await until(() => entries().length === 0 && watchers().length === 0);
    assert.equal(value(), '0');
  });

  it('refuses one lab too many, and a machine without the setting', async () => {
    const self = JSON.stringify(identityOf(process.pid));
    for (let number = 0; number < slotCount; number++) writeFileSync(join(directory, `${number}`), self);
    const code = (wanted: string) => (error: unknown) => error instanceof HostError && error.code === wanted;
    await assert.rejects(joinLabs(place()), code('labs-full'));
    for (let number = 0; number < slotCount; number++) rmSync(join(directory, `${number}`));
    await assert.rejects(joinLabs({ directory, setting: `${setting}.missing` }), code('no-namespace-log'));
    assert.deepEqual([entries(), watchers()], [[], []]);
  });

  it('does not keep a process alive that forgot to leave', async () => {
    const child = spawn(
      process.execPath,
      ['--input-type=module-typescript', '-e', `${importing}; await joinLabs(${JSON.stringify(place())})`],
      { stdio: 'inherit' },
    );
    assert.deepEqual(await ended(child), [0, null]);
    await until(() => value() === '0' && entries().length === 0);
  });
});

const importing = `import { joinLabs } from ${JSON.stringify(new URL('../../src/lab/registry.ts', import.meta.url).href)}`;

describe('slots', () => {
  it('share no MAC, identifier or port', () => {
    const slots = Array.from({ length: slotCount }, (_, number) => slotOf(number));
    for (const [index, slot] of slots.entries()) {
      const next = slots[index + 1];
      assert.ok(slot.firstIdent + 1024 <= (next?.firstIdent ?? 65_536));
      assert.ok(slot.firstPort + 256 <= (next?.firstPort ?? 32_768));
      assert.ok(slot.firstMac + 2 ** 24 <= (next?.firstMac ?? 0x02bd_0000_0000));
    }
  });
});

function commandLine(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!holds() && Date.now() < deadline) await sleep(10);
  assert.ok(holds(), 'still not after a minute');
}
