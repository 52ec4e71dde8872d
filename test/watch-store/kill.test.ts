// kill -9 at random points, with rotation going on: what was acknowledged is stored, everything is stored, nothing twice.
// Several machines share one program, so that one kill hits each of them somewhere else.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HostError } from '../../src/model/host-error.ts';
import { type StoredEvent, StoreReader } from '../../src/watch/store/store-reader.ts';
import { Random } from '../kernel/random.ts';
import { until } from '../support/until.ts';
import { KillWorld, sourceNames, type WorldCounts } from './kill-world.ts';
import { type Acknowledged, KilledProgram } from './killed-program.ts';

const seeds = process.env.BRIDGEKEEPER_FULL === '1' ? 1_000 : 100;
/** Machines that one program follows. */
const together = 10;
const killsEach = 3;
const patienceMs = 60_000;

const counts: WorldCounts = { repeats: 0, create: 0, copy: 0, pack: 0, half: 0, unstamped: 0 };
/** When a kill came, seen from one machine: before the store was open; with nothing, some, or all acknowledged. */
const kills = { early: 0, none: 0, some: 0, all: 0 };
let events = 0;

describe('kill -9 at random points', () => {
  let directory: string;
  const programs: KilledProgram[] = [];
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-kill-'));
  });
  after(async () => {
    for (const program of programs) await program.kill();
    rmSync(directory, { recursive: true });
  });

  async function batch(first: number): Promise<void> {
    const last = Math.min(first + together - 1, seeds);
    const numbers = Array.from({ length: last - first + 1 }, (_, at) => first + at);
    const worlds = numbers.map((seed) => new KillWorld(join(directory, `${seed}`), new Random(seed), counts));
    const places = worlds.map((world) => world.directory);
    const program = new KilledProgram(places, join(directory, 'cache'));
    programs.push(program);
    const random = new Random(first);
    for (let kill = 0; kill < killsEach; kill++) {
      await runAndKill(program, worlds, random, kill === 0);
      for (const [at, world] of worlds.entries()) note(world, program.acknowledged[at] ?? []);
    }
    const running = program.start();
    for (const world of worlds) world.end();
    await running;
    await untilComplete(worlds);
    assert.equal(await program.end(), 0);
    for (const [at, world] of worlds.entries()) check(world, program.acknowledged[at] ?? [], first + at);
    for (const place of places) rmSync(place, { recursive: true });
  }

  it(`nothing acknowledged is lost, nothing is doubled, ${seeds} times`, { timeout: 1_800_000 }, async (context) => {
    const firsts = Array.from({ length: Math.ceil(seeds / together) }, (_, at) => 1 + at * together);
    const lane = async (): Promise<void> => {
      for (let first = firsts.shift(); first !== undefined; first = firsts.shift()) await batch(first);
    };
    await Promise.all([lane(), lane()]);
    for (const [name, count] of Object.entries({ ...counts, ...kills })) assert.ok(count > 0, `${name} occurred`);
    context.diagnostic(`${events} events, ${JSON.stringify({ ...counts, ...kills })}`);
  });
});

/** Things happen while the program starts and runs, and also between its runs. */
async function runAndKill(
  program: KilledProgram,
  worlds: readonly KillWorld[],
  random: Random,
  isFirst: boolean,
): Promise<void> {
  const isEarly = random.chance(0.2);
  const isQuiet = isFirst && !isEarly && random.chance(0.4);
  const begun = program.start();
  if (isEarly) kills.early++;
  else await begun;
  const deadline = Date.now() + (isEarly ? random.between(0, 600) : random.between(5, 400));
  do {
    for (const world of random.some(worlds, 0.3)) world.act();
    await sleep(random.between(0, 12));
  } while (Date.now() < deadline);
  // whatever the machine's speed, some kills come when there is nothing left to do
  if (isQuiet)
    await until(() => worlds.some((world, at) => isAcknowledged(world, program.acknowledged[at])), 'all told');
  assert.equal(await program.kill(), 'SIGKILL');
  for (const world of random.some(worlds, 0.5)) world.act();
}

function isAcknowledged({ sent }: KillWorld, acknowledged: readonly Acknowledged[] = []): boolean {
  return acknowledged.length === sent.length;
}

function note(world: KillWorld, acknowledged: readonly Acknowledged[]): void {
  if (acknowledged.length === 0) kills.none++;
  else if (isAcknowledged(world, acknowledged)) kills.all++;
  else kills.some++;
}

async function untilComplete(worlds: readonly KillWorld[]): Promise<void> {
  const deadline = Date.now() + patienceMs;
  let open = worlds;
  while (open.length > 0 && Date.now() < deadline) {
    await sleep(30);
    open = open.filter((world) => !isComplete(world));
  }
}

/** All sources have shown the last line, which all of them show. */
function isComplete({ directory, sent }: KillWorld): boolean {
  const last = sent.at(-1)?.text.trimEnd();
  const shown = withStore(directory, (reader) =>
    [...reader.events({}, 'stored')].some(
      (event) => textOf(event) === last && event.sources.length === sourceNames.length,
    ),
  );
  return shown === true;
}

/** `undefined` when there is no store yet. */
function withStore<T>(directory: string, read: (reader: StoreReader) => T): T | undefined {
  let reader: StoreReader;
  try {
    reader = new StoreReader(join(directory, 'store'));
  } catch (error) {
    if ((error as HostError).code === 'store-absent') return undefined;
    throw error;
  }
  try {
    return read(reader);
  } finally {
    reader.close();
  }
}

const textOf = ({ text }: { readonly text: Uint8Array }): string => Buffer.from(text).toString('latin1').trimEnd();

function inOrder(names: readonly string[]): string {
  return sourceNames.filter((name) => names.includes(name)).join(' ');
}

function shownBy({ sources }: StoredEvent): string {
  return inOrder(sources.map((name) => name.split('/').at(-1) ?? ''));
}

function check({ directory, sent }: KillWorld, acknowledged: readonly Acknowledged[], seed: number): void {
  const stored = withStore(directory, (reader) => {
    assert.deepEqual(reader.gaps({}), [], `seed ${seed}: nothing was lost`);
    assert.equal(reader.database.prepare('PRAGMA integrity_check').get()?.integrity_check, 'ok');
    return [...reader.events({}, 'stored')];
  });
  assert.deepEqual(
    stored?.map((event) => `${textOf(event)}: ${shownBy(event)}`).sort(),
    sent.map(({ text, shown }) => `${text.trimEnd()}: ${inOrder(shown)}`).sort(),
    `seed ${seed}`,
  );
  const texts = new Map(stored?.map((event) => [event.id, textOf(event)]));
  for (const { id, text } of acknowledged) assert.equal(texts.get(id), text, `seed ${seed}: acknowledged as ${id}`);
  assert.equal(new Set(acknowledged.map(({ id }) => id)).size, acknowledged.length, `seed ${seed}: once each`);
  events += sent.length;
}
