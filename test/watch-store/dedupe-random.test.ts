// Random schedules of sightings, against a slow version and against the truth.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Seen } from '../../src/watch/same-text.ts';
import { Random } from '../kernel/random.ts';
import { Decided } from './decided.ts';
import { type FormName, forms, packetsOf, type Source, sightingsOf, stampedForms } from './schedules.ts';
import { SlowDedupe, type SlowEvent } from './slow-dedupe.ts';

const formNames = Object.keys(forms) as FormName[];
const seeds = process.env.BRIDGEKEEPER_FULL === '1' ? 20_000 : 600;

const plain = (text: string | undefined, event: Seen | SlowEvent) => {
  const { id, host, epoch, us, wall, wallSpan, sequence, trust, witnesses } = event;
  return { id, host, text, epoch, us, wall, wallSpan, sequence, trust, witnesses: [...witnesses] };
};

describe('random schedules', () => {
  it(`are decided as by the slow version, sighting by sighting (${seeds} seeds)`, () => {
    const occurred = { merges: 0, repeats: 0, upgrades: 0, crowds: 0 };
    for (let seed = 1; seed <= seeds; seed++) {
      const random = new Random(seed);
      const packets = packetsOf(random, {
        packets: random.between(5, 80),
        texts: random.pick([1, 2, 10]),
        hosts: random.pick([1, 1, 2]),
        boots: random.pick([1, 1, 2]),
        mostMs: random.pick([3, 300, 3_000]),
        sameUs: random.pick([0, 0.3]),
      });
      const sources = Array.from({ length: random.between(2, 5) }, (): Source => {
        return { form: random.pick(formNames), shown: random.some(packets, random.pick([0.6, 1])) };
      });
      const fast = new Decided();
      const slow = new SlowDedupe();
      // now and then all texts have one hash
      const hash = random.chance(0.2) ? -5 : undefined;
      for (const sighting of sightingsOf(random, sources, random.pick([1, 5, 60]), hash)) {
        const { id, isNew, gotStamp } = fast.see(sighting);
        const decided = slow.see(sighting);
        assert.deepEqual([id, isNew], [decided.event.id, decided.isNew], `seed ${seed}: ${JSON.stringify(sighting)}`);
        if (!isNew) occurred.merges++;
        if (gotStamp) occurred.upgrades++;
      }
      assert.deepEqual(
        [...fast.events.values()].map((event) => plain(fast.texts.get(event.id), event)),
        slow.events.map((event) => plain(event.text, event)),
        `seed ${seed}`,
      );
      const counts = countsOf(slow.events.map(({ host, text }) => `${host} ${text}`));
      if (counts.some((count) => count > 1)) occurred.repeats++;
      if (counts.some((count) => count > 16)) occurred.crowds++;
    }
    for (const [name, count] of Object.entries(occurred)) assert.ok(count > 20, `${name}: ${count}`);
  });

  it(`of sources that show everything give what was sent, also when hardly anything is kept (${seeds} seeds)`, () => {
    let repeats = 0;
    for (let seed = 1; seed <= seeds; seed++) {
      const random = new Random(seed);
      const packets = packetsOf(random, {
        packets: random.between(5, 60),
        texts: random.pick([1, 3, 20]),
        hosts: 1,
        boots: 1,
        mostMs: random.pick([3, 300, 3_000]),
        sameUs: random.pick([0, 0.2]),
      });
      const sources = Array.from({ length: random.between(2, 5) }, (): Source => {
        return { form: random.pick(formNames.filter((name) => name !== 'dmesg without times')), shown: packets };
      });
      for (const capacity of [undefined, 1_000, 8]) {
        const decided = new Decided(capacity);
        for (const sighting of sightingsOf(random, sources, random.pick([1, 5, 60]))) decided.see(sighting);
        const found = [...decided.texts.values()].sort();
        assert.deepEqual(found, packets.map(({ text }) => text).sort(), `seed ${seed}, capacity ${capacity}`);
      }
      if (new Set(packets.map(({ text }) => text)).size < packets.length) repeats++;
    }
    assert.ok(repeats > 100, `${repeats}`);
  });

  it(`of sources with stamps that lose lines give what any of them showed (${seeds} seeds)`, () => {
    let lost = 0;
    for (let seed = 1; seed <= seeds; seed++) {
      const random = new Random(seed);
      const packets = packetsOf(random, {
        ...{ packets: random.between(5, 60), texts: 3, hosts: 2, boots: random.pick([1, 3]) },
        ...{ mostMs: random.pick([3, 3_000]), sameUs: 0 },
      });
      const sources = Array.from({ length: random.between(2, 5) }, (): Source => {
        return { form: random.pick(stampedForms), shown: random.some(packets, 0.5) };
      });
      const shown = packets.filter((packet) => sources.some((source) => source.shown.includes(packet)));
      const events = [...sightingsOf(random, sources, random.pick([1, 60]))];
      const decided = new Decided(random.chance(0.5) ? 8 : undefined);
      for (const sighting of events) decided.see(sighting);
      const key = (host: string, text: string | undefined, us: number | undefined) => `${host} ${text} ${us}`;
      assert.deepEqual(
        [...decided.events.values()].map(({ id, host, us }) => key(host, decided.texts.get(id), us)).sort(),
        shown.map(({ host, text, us }) => key(host, text, us)).sort(),
        `seed ${seed}`,
      );
      if (shown.length < packets.length) lost++;
    }
    assert.ok(lost > 20, `${lost}`);
  });

  it(`of sources without stamps that lose lines give the largest count of any one (${seeds} seeds)`, () => {
    let differed = 0;
    for (let seed = 1; seed <= seeds; seed++) {
      const random = new Random(seed);
      const packets = packetsOf(random, { packets: 30, texts: 3, hosts: 1, boots: 1, mostMs: 30, sameUs: 0.1 });
      const sources = Array.from({ length: random.between(2, 4) }, (): Source => {
        return { form: random.pick(['ufw.log', 'ufw.log, whole seconds']), shown: random.some(packets, 0.7) };
      });
      const decided = new Decided();
      for (const sighting of sightingsOf(random, sources, random.pick([1, 60]))) decided.see(sighting);
      for (const text of new Set(packets.map((packet) => packet.text))) {
        const each = sources.map(({ shown }) => shown.filter((packet) => packet.text === text).length);
        const found = [...decided.texts.values()].filter((one) => one === text).length;
        assert.equal(found, Math.max(...each), `seed ${seed}: ${text}: ${each.join(', ')}`);
        if (new Set(each).size > 1) differed++;
      }
    }
    assert.ok(differed > 100, `${differed}`);
  });
});

function countsOf(keys: readonly string[]): readonly number[] {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return [...counts.values()];
}
