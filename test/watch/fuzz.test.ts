// Mutated lines by the hundred thousand, ten millions with BRIDGEKEEPER_FULL=1: no exception, no field that no kernel can
// have written, nothing from a nested packet, a prefix or the name of an interface in the packet's own fields.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogEvent, LogPacket } from '../../src/model/log-event.ts';
import { parseLogLine, parseLogLineAt } from '../../src/watch/parse-line.ts';
import { PrefixTable } from '../../src/watch/prefixes.ts';
import { corpus, Dice, locallyMutated, mutated } from './mutations.ts';
import { innerTaint, nameTaint, outerTaint, taintedLines } from './tainted-lines.ts';

const isFull = process.env.BRIDGEKEEPER_FULL === '1';
const [mutatedCount, taintedCount] = isFull ? [7_000_000, 3_000_000] : [140_000, 60_000];

/** Another run has other lines; a failure tells its seed, with which all comes again. */
const seed = Number(process.env.BRIDGEKEEPER_SEED ?? Date.now() % 0x7fff_ffff);

const shown = (line: Buffer): string => `seed ${seed}: ${JSON.stringify(line.toString('latin1'))}`;

test(`${mutatedCount} mutated lines`, (t) => {
  const dice = new Dice(seed);
  const counts: Record<string, number> = {};
  for (let count = 0; count < mutatedCount; count++) {
    const line = mutated(dice, dice.pick(corpus));
    const event = parsedSafely(line);
    const kind = event?.status ?? 'notLog';
    counts[kind] = (counts[kind] ?? 0) + 1;
    if (event !== undefined) assertPossible(event, line);
  }
  // a mutation that never did harm would prove nothing
  for (const kind of ['ok', 'partial', 'cut', 'damaged', 'notLog']) assert.ok((counts[kind] ?? 0) > 100, kind);
  t.diagnostic(JSON.stringify(counts));
});

test(`${taintedCount} mutated lines with values that tell where they come from`, () => {
  const dice = new Dice(seed + 1);
  let sound = 0;
  let nested = 0;
  for (let count = 0; count < taintedCount; count++) {
    const { line: whole, header } = dice.pick(taintedLines);
    const line = locallyMutated(dice, whole);
    const event = parsedSafely(line);
    if (event === undefined) continue;
    assert.deepEqual(outerTaint(event, innerTaint), [], shown(line));
    const isEvidence = event.status !== 'damaged' && !event.ambiguous;
    // a blank in a name ends it, and without its header the rest of a prefix is a line of its own
    const isLine = line.includes(header);
    if (isEvidence && isLine) assert.deepEqual(outerTaint(event, nameTaint), [], shown(line));
    if (isEvidence) sound++;
    if (event.inner?.src) nested++;
  }
  assert.ok(sound > taintedCount / 100 && nested > taintedCount / 10, `${sound} sound, ${nested} nested`);
});

test('without mutations no line has anything from elsewhere, and all of it is read', () => {
  for (const { line, prefix, ownHeader } of taintedLines) {
    const table = new PrefixTable(ownHeader ? [{ prefix, action: 'deny' }] : []);
    const event = parseLogLine(line, table);
    assert.ok(event?.packet?.src && event.inner?.src, line.toString('latin1'));
    assert.deepEqual([...outerTaint(event, innerTaint), ...outerTaint(event, nameTaint)], [], line.toString('latin1'));
    assert.deepEqual([event.prefix, event.status === 'damaged', event.mark], [prefix, false, 0x1234]);
  }
});

test('a line in a larger buffer is read as if it were alone', () => {
  const dice = new Dice(seed + 2);
  for (let count = 0; count < 2_000; count++) {
    const [before, line, behind] = [
      mutated(dice, dice.pick(corpus)),
      mutated(dice, dice.pick(corpus)),
      dice.pick(corpus),
    ];
    const all = Buffer.concat([before, line, behind]);
    const alone = parseLogLine(line);
    assert.deepEqual(parseLogLineAt(all, before.length, before.length + line.length), alone, shown(line));
  }
});

function parsedSafely(line: Buffer): LogEvent | undefined {
  try {
    return parseLogLine(line);
  } catch (error) {
    throw new Error(shown(line), { cause: error });
  }
}

/** The largest number of each field that has a smaller one than 32 bits. */
const most: Partial<Record<keyof LogPacket, number>> = {
  ...{ tos: 255, prec: 255, ttl: 255, id: 0xffff, tc: 255, hoplimit: 255, flowlabel: 0xf_ffff, frag: 0xffff },
  ...{ protocol: 255, sport: 0xffff, dport: 0xffff, udpLen: 0xffff, window: 0xffff, res: 255, urgp: 0xffff },
  ...{ icmpType: 255, icmpCode: 255, icmpId: 0xffff, icmpSeq: 0xffff, parameter: 255 },
};

function assertPossible(event: LogEvent, line: Buffer): void {
  const isWhole = event.status === 'ok' || event.status === 'partial';
  if (isWhole) assert.equal(event.damaged.length, 0, shown(line));
  if (event.prefix.length > 127) assert.equal(event.status, 'damaged', shown(line));
  assert.ok(!event.iif.includes(' ') && !event.oif.includes(' '), shown(line));
  for (const packet of [event.packet, event.inner]) {
    if (packet) assertPacket(packet, isWhole, line);
  }
}

function assertPacket(packet: LogPacket, isWhole: boolean, line: Buffer): void {
  for (const field in packet) {
    const value = packet[field as keyof LogPacket];
    if (typeof value === 'number') {
      const limit = most[field as keyof LogPacket] ?? 0xffff_ffff;
      if (!Number.isInteger(value) || value < 0 || value > limit) assert.fail(`${field}=${value} ${shown(line)}`);
    }
    if (value !== null || !isWhole) continue;
    const text = field === 'src' ? packet.srcText : field === 'dst' ? packet.dstText : undefined;
    if (text === undefined) assert.fail(`${field} is not there in a whole line: ${shown(line)}`);
  }
}
