// Which sightings are one event: the rules one by one, then random schedules against a slow version and against the truth.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Dedupe, textLength, textOf } from '../../src/watch/dedupe.ts';
import type { Seen, Sighting } from '../../src/watch/same-text.ts';
import { Random } from '../kernel/random.ts';
import { type FormName, forms, packetsOf, type Source, sightingsOf, stampedForms, usualHash } from './schedules.ts';
import { SlowDedupe } from './slow-dedupe.ts';

const line = '[UFW BLOCK] IN=eth0 OUT= SRC=192.0.2.7 DST=192.0.2.1 ID=1';
const noon = 1_700_000_000_000;

const witnesses = { kmsg: 1, journal: 2, dmesg: 3, kern: 4, ufw: 5, again: 6 } as const;

type Facts = Partial<Omit<Sighting, 'witness' | 'hash'>>;

function by(witness: keyof typeof witnesses, facts: Facts): Sighting {
  const { text = line } = facts;
  return { witness: witnesses[witness], host: '', trust: 1, ...facts, text, hash: usualHash(text) };
}

/** By kmsg, with everything; `ms` after noon. */
function exact(ms: number, facts: Facts = {}): Facts {
  return { epoch: 'a', us: ms * 1000, wall: noon + ms, ...facts };
}

/** Of a file without stamps. */
function bare(ms: number, facts: Facts = {}): Facts {
  return { wall: noon + ms, ...facts };
}

function eventsOf(sightings: readonly Sighting[]): readonly Seen[] {
  const dedupe = new Dedupe();
  const events: Seen[] = [];
  for (const sighting of sightings)
    if (dedupe.find(sighting) === undefined) events.push(dedupe.add(events.length + 1, sighting));
  return events;
}

/** Who saw each event, in the order in which they came. */
function seenBy(sightings: readonly Sighting[]): readonly string[] {
  const nameOf = (id: number) => Object.entries(witnesses).find(([, number]) => number === id)?.[0];
  return eventsOf(sightings).map((event) => event.witnesses.map(nameOf).join(' '));
}

describe('the exact key: boot, stamp, text', () => {
  const rows: readonly [name: string, sightings: readonly Sighting[], seen: readonly string[]][] = [
    [
      'one line in three sources is one event',
      [by('kmsg', exact(5)), by('journal', exact(5)), by('dmesg', exact(5))],
      ['kmsg journal dmesg'],
    ],
    ['twice in one source: two events', [by('dmesg', exact(5)), by('dmesg', exact(5))], ['dmesg', 'dmesg']],
    [
      'the n-th of one is the n-th of the other',
      [by('dmesg', exact(5)), by('dmesg', exact(5)), by('journal', exact(5)), by('journal', exact(5))],
      ['dmesg journal', 'dmesg journal'],
    ],
    [
      'one saw it twice, the other once: two events',
      [by('dmesg', exact(5)), by('journal', exact(5)), by('journal', exact(5))],
      ['dmesg journal', 'journal'],
    ],
    [
      'numbers of the ring break the tie',
      [by('kmsg', exact(5, { sequence: 7 })), by('kmsg', exact(5, { sequence: 8 }))],
      ['kmsg', 'kmsg'],
    ],
    [
      'the same number is the same record, also when it is read again',
      [by('kmsg', exact(5, { sequence: 7 })), by('kmsg', exact(5, { sequence: 7 }))],
      ['kmsg'],
    ],
    [
      'another reading of the ring meets the same number',
      [
        by('kmsg', exact(5, { sequence: 7 })),
        by('kmsg', exact(5, { sequence: 8 })),
        by('again', exact(5, { sequence: 8 })),
      ],
      ['kmsg', 'kmsg again'],
    ],
    [
      'a microsecond apart: two events',
      [by('kmsg', exact(5)), by('journal', { ...exact(5), us: 5_001 })],
      ['kmsg', 'journal'],
    ],
    ['another boot: two events', [by('kmsg', exact(5)), by('journal', exact(5, { epoch: 'b' }))], ['kmsg', 'journal']],
    [
      'a file does not know the boot: its time tells, whatever the delay',
      [by('kmsg', exact(5)), by('kern', { us: 5_000, wall: noon + 3_600_000 })],
      ['kmsg kern'],
    ],
    [
      'the same stamp two days later is another boot',
      [by('kmsg', exact(5)), by('kern', { us: 5_000, wall: noon + 2 * 86_400_000 })],
      ['kmsg', 'kern'],
    ],
    [
      'of two boots with this stamp the one at that time',
      [
        by('kmsg', exact(5)),
        by('kmsg', exact(5, { epoch: 'b', wall: noon + 3_600_000 })),
        by('kern', { us: 5_000, wall: noon + 3_600_100 }),
      ],
      ['kmsg', 'kmsg kern'],
    ],
  ];
  for (const [name, sightings, seen] of rows) it(name, () => assert.deepEqual(seenBy(sightings), seen));
});

describe('without a stamp: the text, within two seconds, counted', () => {
  const rows: readonly [name: string, sightings: readonly Sighting[], seen: readonly string[]][] = [
    ['two seconds are near', [by('kmsg', exact(0)), by('ufw', bare(2_000))], ['kmsg ufw']],
    ['more are not', [by('kmsg', exact(0)), by('ufw', bare(2_001))], ['kmsg', 'ufw']],
    ['also backwards', [by('ufw', bare(0)), by('kmsg', exact(2_000)), by('kmsg', exact(2_001))], ['ufw kmsg', 'kmsg']],
    ['whole seconds reach further', [by('kmsg', exact(2_999)), by('ufw', bare(0, { wallSpan: 999 }))], ['kmsg ufw']],
    [
      'the largest count of any one source: three',
      [
        ...[1, 2, 3].map((ms) => by('kern', bare(ms))),
        ...[1, 2].map((ms) => by('ufw', bare(ms))),
        by('journal', bare(1)),
      ],
      ['kern ufw journal', 'kern ufw', 'kern'],
    ],
    [
      'never the sum, in whatever order they come',
      [by('ufw', bare(1)), by('kern', bare(1)), by('kern', bare(2)), by('ufw', bare(2)), by('ufw', bare(3))],
      ['ufw kern', 'kern ufw', 'ufw'],
    ],
    [
      'never one: a scanner sends the same packet again',
      [by('ufw', bare(1)), by('ufw', bare(2)), by('ufw', bare(3))],
      ['ufw', 'ufw', 'ufw'],
    ],
    [
      'two stamps that differ are two events, and a line without one is the earliest',
      [by('kmsg', exact(1)), by('kmsg', exact(2)), by('ufw', bare(2))],
      ['kmsg ufw', 'kmsg'],
    ],
    ['neither time nor stamp: nothing to go by', [by('kmsg', exact(1)), by('ufw', {})], ['kmsg', 'ufw']],
    [
      'a folded repeat is near to all of its time',
      [by('kmsg', exact(1)), by('kmsg', exact(9_000)), by('ufw', bare(0)), by('ufw', bare(0, { wallSpan: 10_000 }))],
      ['kmsg ufw', 'kmsg ufw'],
    ],
  ];
  for (const [name, sightings, seen] of rows) it(name, () => assert.deepEqual(seenBy(sightings), seen));

  it('a crowd of equal lines obeys the same rules', () => {
    const many = Array.from({ length: 100 }, (_, at) => at * 10);
    const sightings = [
      ...many.map((ms) => by('ufw', bare(ms))),
      ...many.map((ms) => by('kmsg', exact(ms, { sequence: ms }))),
      ...many.map((ms) => by('kern', { us: ms * 1000, wall: noon + ms })),
      by('kern', bare(990)),
    ];
    assert.deepEqual(seenBy(sightings), [...many.map(() => 'ufw kmsg kern'), 'kern']);
  });
});

describe('never one event', () => {
  const rows: readonly [name: string, one: string, other: string][] = [
    ['another prefix', 'RULE 32 -- ACCEPT IN=vbr OUT=vbr ID=48428', 'RULE 5 -- DENY IN=vbr OUT=vbr ID=48428'],
    ['another interface', 'IN=br0 OUT=br1 ID=48428', 'IN=br0 OUT=br2 ID=48428'],
    ['another bridge port', 'IN=br0 PHYSIN=v1 ID=48428', 'IN=br0 PHYSIN=v2 ID=48428'],
    ['blanks inside', 'IN=br0  OUT=', 'IN=br0 OUT='],
  ];
  for (const [name, one, other] of rows) {
    it(name, () => {
      const sightings = [by('kmsg', exact(5, { text: one })), by('journal', exact(5, { text: other }))];
      assert.equal(eventsOf(sightings).length, 2);
    });
  }

  it('of two machines', () => {
    assert.deepEqual(seenBy([by('kmsg', exact(5)), by('journal', exact(5, { host: 'lab' }))]), ['kmsg', 'journal']);
    assert.deepEqual(seenBy([by('ufw', bare(5)), by('kern', bare(5, { host: 'lab' }))]), ['ufw', 'kern']);
  });

  it('only blanks at the end are no difference', () => {
    const textOfBytes = (bytes: Uint8Array) => textOf(bytes, textLength(bytes));
    const text = (words: string) => textOfBytes(Buffer.from(words));
    assert.equal(text('IN=a OUT=  '), text('IN=a OUT='));
    assert.notEqual(text('IN=a OUT=\t'), text('IN=a OUT='));
    assert.notEqual(text(' IN=a OUT='), text('IN=a OUT='));
    assert.equal(text('   '), '');
    assert.equal(textOfBytes(new Uint8Array([0x49, 0xff, 0x20])), 'I\xff');
  });
});

describe('a better witness that comes later', () => {
  it('adds stamp, boot, number and trust to the event that is there', () => {
    const [event, ...others] = eventsOf([
      by('ufw', bare(0, { wallSpan: 999, trust: 1 })),
      by('kern', { us: 700_000, wall: noon + 900, trust: 2 }),
      by('kmsg', exact(700, { sequence: 9, trust: 3 })),
      by('dmesg', exact(700, { trust: 3 })),
    ]);
    assert.deepEqual(others, []);
    const { epoch, us, wall, wallSpan, sequence, trust } = event ?? {};
    assert.deepEqual(
      { epoch, us, wall, wallSpan, sequence, trust },
      { epoch: 'a', us: 700_000, wall: noon + 700, wallSpan: 0, sequence: 9, trust: 3 },
    );
  });

  it('a worse one takes nothing away', () => {
    const [event] = eventsOf([
      by('kmsg', exact(700, { sequence: 9, trust: 3 })),
      by('ufw', bare(0, { wallSpan: 999, trust: 1 })),
    ]);
    assert.deepEqual([event?.wall, event?.wallSpan, event?.trust, event?.us], [noon + 700, 0, 3, 700_000]);
  });
});

const formNames = Object.keys(forms) as FormName[];
const seeds = process.env.BRIDGEKEEPER_FULL === '1' ? 20_000 : 600;

/** What all sightings make of events, as the program decides it. */
class Decided {
  readonly events = new Map<number, Seen>();
  readonly #dedupe: Dedupe;

  /** With a capacity, what is not in memory any more is asked for. */
  constructor(capacity?: number) {
    const recall = ({ host, text, us }: Sighting, from: number, to: number): readonly Seen[] =>
      [...this.events.values()]
        .filter((seen) => seen.host === host && seen.text === text)
        .filter((seen) => (us !== undefined && seen.us === us) || isWithin(seen, from, to, us))
        .map((seen) => ({ ...seen, moved: false }));
    this.#dedupe = new Dedupe(capacity === undefined ? {} : { capacity, recall });
  }

  see(sighting: Sighting): { readonly id: number; readonly isNew: boolean; readonly gotStamp: boolean } {
    const stamps = new Map([...this.events].map(([id, { us }]) => [id, us]));
    const known = this.#dedupe.find(sighting);
    if (known !== undefined) {
      this.events.set(known.id, known);
      return { id: known.id, isNew: false, gotStamp: stamps.get(known.id) === undefined && known.us !== undefined };
    }
    const id = this.events.size + 1;
    this.events.set(id, this.#dedupe.add(id, sighting));
    return { id, isNew: true, gotStamp: false };
  }
}

function isWithin({ wall, wallSpan, us }: Seen, from: number, to: number, wanted: number | undefined): boolean {
  if (wall === undefined || (wanted !== undefined && us !== undefined)) return false;
  return wall + wallSpan >= from && wall <= to;
}

const plain = ({
  id,
  host,
  text,
  epoch,
  us,
  wall,
  wallSpan,
  sequence,
  trust,
  witnesses,
}: Omit<Seen, 'moved' | 'hash'>) => ({
  ...{ id, host, text, epoch, us, wall, wallSpan, sequence, trust },
  witnesses: [...witnesses],
});

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
      const hash = random.chance(0.2) ? () => -5 : usualHash;
      for (const sighting of sightingsOf(random, sources, random.pick([1, 5, 60]), hash)) {
        const { id, isNew, gotStamp } = fast.see(sighting);
        const decided = slow.see(sighting);
        assert.deepEqual([id, isNew], [decided.event.id, decided.isNew], `seed ${seed}: ${JSON.stringify(sighting)}`);
        if (!isNew) occurred.merges++;
        if (gotStamp) occurred.upgrades++;
      }
      assert.deepEqual(
        [...fast.events.values()].map(plain),
        slow.events.map((event) =>
          plain({ epoch: undefined, us: undefined, wall: undefined, sequence: undefined, ...event }),
        ),
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
        const found = [...decided.events.values()].map(({ text }) => text).sort();
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
      const key = (host: string, text: string, us: number | undefined) => `${host} ${text} ${us}`;
      assert.deepEqual(
        [...decided.events.values()].map(({ host, text, us }) => key(host, text, us)).sort(),
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
        const found = [...decided.events.values()].filter((event) => event.text === text).length;
        assert.equal(found, Math.max(...each), `seed ${seed}: ${text}: ${each.join(', ')}`);
        if (new Set(each).size > 1) differed++;
      }
    }
    assert.ok(differed > 100, `${differed}`);
  });
});

describe('what is kept', () => {
  it('is bounded, whatever comes', () => {
    let asked = 0;
    const recall = (): readonly Seen[] => {
      asked++;
      return [];
    };
    const dedupe = new Dedupe({ capacity: 100, recall });
    const before = process.memoryUsage().heapUsed;
    for (let at = 0; at < 200_000; at++) {
      const sighting = by('kmsg', exact(at, { sequence: at, text: `${line} ${at}` }));
      if (dedupe.find(sighting) === undefined) dedupe.add(at, sighting);
    }
    const grown = process.memoryUsage().heapUsed - before;
    assert.ok(grown < 30_000_000, `${grown} bytes`);
    assert.equal(asked, 0, 'what comes in the order of time needs no look into the store');
  });
});

function countsOf(keys: readonly string[]): readonly number[] {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return [...counts.values()];
}
