// Real packets, logged by the real kernel, seen by all local sources at once: /dev/kmsg, the real journald, the real
// rsyslogd's kern.log and ufw.log, and dmesg. Stored is what was sent, exactly, equal lines included.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { dmesg } from '../../src/watch/sources/dmesg.ts';
import { logFile } from '../../src/watch/sources/file.ts';
import { journal } from '../../src/watch/sources/journal.ts';
import { kmsg } from '../../src/watch/sources/kmsg.ts';
import type { Source } from '../../src/watch/sources/source.ts';
import { follow } from '../../src/watch/store/follow.ts';
import { type KnownGap, type StoredEvent, StoreReader } from '../../src/watch/store/store-reader.ts';
import { openStoreWriter } from '../../src/watch/store/store-writer.ts';
import { Journald, needsJournald } from '../watch-sources/journald.ts';
import { Chatter, lockRing, type RingLock } from '../watch-sources/ring.ts';
import { needsRsyslog, Rsyslog } from '../watch-sources/rsyslog.ts';
import { KernelTruth, type TrueLine } from './kernel-truth.ts';

const isFull = process.env.BRIDGEKEEPER_FULL === '1';
const sends = isFull ? 100_000 : 5_000;
/** All readers can keep up with this. */
const perSecond = 500;
const atOnce = 500;

type Stored = { readonly events: readonly StoredEvent[]; readonly gaps: readonly KnownGap[] };

describe('all sources at once', { skip: needsJournald || needsRsyslog }, () => {
  let lock: RingLock;
  let directory: string;
  let journald: Journald;
  let rsyslog: Rsyslog;
  let chatter: Chatter;
  before(async () => {
    lock = await lockRing();
    directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-every-'));
    journald = await Journald.start();
    rsyslog = await Rsyslog.start(directory, { input: 'imklog' });
    chatter = await Chatter.start('[UFW BLOCK]');
  });
  const truths: KernelTruth[] = [];
  const truthIn = (file: string): KernelTruth => {
    const truth = new KernelTruth(file);
    truths.push(truth);
    return truth;
  };
  after(async () => {
    for (const truth of truths) truth.end();
    await chatter?.stop();
    await rsyslog?.stop();
    await journald?.end();
    rmSync(directory, { recursive: true });
    await lock.release();
  });

  const sources = (): readonly Source[] => [
    kmsg(),
    journal({ directory: journald.directory }),
    logFile(rsyslog.kern),
    logFile(rsyslog.ufw),
    dmesg({ pollMs: 100 }),
  ];

  const stored = (store = 'store', { prefix } = chatter): Stored => {
    const reader = new StoreReader(join(directory, store));
    try {
      return { events: [...reader.events({ prefix }, 'stored')], gaps: reader.gaps({}) };
    } finally {
      reader.close();
    }
  };

  /** Stores until all sources have shown the last line. */
  async function storeDuring(
    sources: readonly Source[],
    action: () => Promise<void>,
    name = 'store',
    { prefix } = chatter,
  ): Promise<void> {
    const store = join(directory, name);
    const writer = await openStoreWriter(store);
    assert.ok(writer !== undefined);
    const abort = new AbortController();
    const following = follow(sources, writer, abort.signal, () => undefined);
    try {
      await action();
      await untilShown(store, sources.length, prefix, 60_000);
    } finally {
      abort.abort();
      await following;
      await writer.close();
    }
  }

  it(`${sends} lines, every third of them equal to others: stored is what was sent`, {
    timeout: 900_000,
  }, async (context) => {
    const truth = truthIn(join(directory, 'truth'));
    await storeDuring(sources(), async () => {
      for (let sent = 0; sent < sends - 1; sent += atOnce) {
        await chatter.send(Math.min(atOnce, sends - 1 - sent), perSecond, (sent / atOnce) % 2 === 0 ? 1 : 3);
      }
      await chatter.send(1); // like no other
    });
    const lines = (await truth.stop()).filter(({ text }) => text.startsWith(chatter.prefix));
    assert.equal(await chatter.logged(), sends);
    assert.equal(lines.length, sends);
    const texts = new Set(lines.map(({ text }) => text)).size;
    assert.ok(texts < sends * 0.8, `${texts} different ones`);
    const { events, gaps } = stored();
    context.diagnostic(`${events.length} stored of ${sends}, ${texts} different texts; ${countsText(events, gaps)}`);
    assertSame(events, lines);
    for (const { name } of sources()) assertWhole(name, events, gaps, linesOf(name, chatter.prefix));
    assert.ok(events.every((event) => event.trust === 3));
  });

  it('a journald that sleeps while the ring goes round: its loss is told exactly, and the others have it all', async () => {
    const own = await Chatter.start('[UFW BLOCK]');
    const truth = truthIn(join(directory, 'asleep.truth'));
    const action = async (): Promise<void> => {
      await own.send(10);
      await untilShown(join(directory, 'asleep'), sources().length, own.prefix, 10_000);
      await journald.say('slow');
      await own.send(4_000, perSecond); // of a quarter of a kilobyte: more than the ring holds
      await journald.say('go');
      await own.send(1);
    };
    try {
      await storeDuring(sources(), action, 'asleep', own);
    } finally {
      await own.stop();
    }
    const records = await truth.stop();
    const isOwn = ({ text }: TrueLine): boolean => text.startsWith(own.prefix);
    const { events, gaps } = stored('asleep', own);
    assertSame(events, records.filter(isOwn));
    const begin = events[0]?.us ?? 0;
    const missed = gaps.filter(({ source, reason, between }) => {
      return source === 'journal' && reason === 'missed' && (between.after?.us ?? 0) >= begin;
    });
    // so many records behind the last one that it had: just these are missing
    const lost = missed.flatMap(({ lost, between }) => {
      const last = records.findLastIndex(({ us }) => us === between.after?.us);
      const count = typeof lost === 'object' && 'exact' in lost ? lost.exact : 0;
      return records.slice(last + 1, last + 1 + count);
    });
    assert.ok(lost.length > 1_000, countsText(events, missed));
    const without = events.filter((event) => !event.sources.includes('journal'));
    assert.deepEqual(
      without.map(({ us }) => us),
      lost.filter(isOwn).map(({ us }) => us),
    );
    const delivered = missed.reduce((sum, gap) => sum + gap.delivered, 0);
    assert.ok(delivered >= without.length, 'all of ours came by the others');
    assert.ok(missed.every((gap) => typeof gap.lost === 'object' && 'exact' in gap.lost));
    for (const gap of missed) assert.equal(gap.healed, JSON.stringify(gap.lost) === `{"exact":${gap.delivered}}`);
  });

  it("files without stamps, equal lines folded by Ubuntu's rsyslogd: stored is what was sent", async () => {
    const folded = mkdtempSync(join(directory, 'folded-'));
    const ubuntu = await Rsyslog.start(folded, { input: 'imklog without stamps', folds: true, traditional: true });
    const own = await Chatter.start('[UFW BLOCK]');
    const truth = truthIn(join(folded, 'truth'));
    try {
      const action = async (): Promise<void> => {
        for (let round = 0; round < 4; round++) await own.send(250, perSecond, round % 2 === 0 ? 1 : 5);
        await own.send(1);
      };
      await storeDuring([kmsg(), logFile(ubuntu.kern), logFile(ubuntu.ufw)], action, 'folded', own);
    } finally {
      await own.stop();
      await ubuntu.stop();
    }
    const isOwn = (text: string): boolean => text.startsWith(own.prefix);
    const { events } = stored('folded', own);
    assertSame(
      events,
      (await truth.stop()).filter(({ text }) => isOwn(text)),
    );
    assert.equal(events.length, 1_001);
    assert.ok((linesOf(`file:${ubuntu.kern}`, own.prefix) ?? 0) < 900, 'some lines stand for several');
    for (const path of [ubuntu.kern, ubuntu.ufw]) assert.equal(seenBy(`file:${path}`, events), 1_001, path);
  });
});

/** Not for ever: on a busy ring one of them may have lost that line. */
async function untilShown(store: string, sources: number, prefix: string, mostMs: number): Promise<void> {
  const deadline = Date.now() + mostMs;
  while (lastShown(store, prefix) < sources && Date.now() < deadline) await sleep(100);
}

/** By how many sources the newest of these events has been shown; others log, too. */
function lastShown(store: string, prefix: string): number {
  const reader = new StoreReader(store);
  try {
    const last = [...reader.events({ prefix, afterId: reader.last().event - 1_000 }, 'stored')].at(-1);
    return last?.sources.length ?? 0;
  } finally {
    reader.close();
  }
}

function assertSame(events: readonly StoredEvent[], lines: readonly TrueLine[]): void {
  assert.equal(events.length, lines.length, 'stored = sent');
  const shown = (us: number | undefined, text: string): string => `${us} ${text}`;
  assert.deepEqual(
    events.map(({ us, text }) => shown(us, text.toString('latin1').trimEnd())).sort(),
    lines.map(({ us, text }) => shown(us, text)).sort(),
  );
}

function linesOf(name: string, prefix: string): number | undefined {
  return name.startsWith('file:') ? readFileSync(name.slice(5), 'latin1').split(prefix).length - 1 : undefined;
}

const seenBy = (name: string, events: readonly StoredEvent[]): number =>
  events.filter(({ sources }) => sources.includes(name)).length;

/** A source has shown everything, or has said that it lost something; a file everything that stands in it. */
function assertWhole(
  name: string,
  events: readonly StoredEvent[],
  gaps: readonly KnownGap[],
  inFile: number | undefined,
): void {
  const seen = seenBy(name, events);
  if (inFile !== undefined) assert.equal(seen, inFile, name);
  else if (seen < events.length) {
    const own = gaps.filter(({ source }) => source === name).map(({ lost }) => lost);
    assert.ok(own.length > 0, `${name} showed ${seen} and told no loss`);
    // exact numbers count all messages of the kernel, not ours only
    const exact = own.map((lost) =>
      typeof lost === 'object' && 'exact' in lost ? lost.exact : Number.POSITIVE_INFINITY,
    );
    assert.ok(exact.reduce((sum, one) => sum + one, 0) >= events.length - seen, name);
  }
}

function countsText(events: readonly StoredEvent[], gaps: readonly KnownGap[]): string {
  const names = [...new Set(events.flatMap(({ sources }) => sources))];
  const seen = names.map((name) => `${name.split('/').at(-1)} ${seenBy(name, events)}`);
  const lost = gaps.map(({ source, reason, lost }) => `${source} ${reason} ${JSON.stringify(lost)}`);
  return `${seen.join(', ')}; gaps: ${lost.join(', ') || 'none'}`;
}
