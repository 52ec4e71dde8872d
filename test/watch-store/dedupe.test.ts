// Which sightings are one event, rule by rule. dedupe-random.test.ts holds all of them against a slow version.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Dedupe } from '../../src/watch/dedupe.ts';
import type { Seen, Sighting } from '../../src/watch/same-text.ts';
import { Decided } from './decided.ts';
import { textOf, words } from './schedules.ts';

const line = '[UFW BLOCK] IN=eth0 OUT= SRC=192.0.2.7 DST=192.0.2.1 ID=1';
const noon = 1_700_000_000_000;

const witnesses = { kmsg: 1, journal: 2, dmesg: 3, kern: 4, ufw: 5, again: 6 } as const;

type Facts = Partial<Omit<Sighting, 'witness' | 'text' | 'length' | 'hash'>> & { readonly text?: string };

function by(witness: keyof typeof witnesses, facts: Facts): Sighting {
  const { text = line, ...others } = facts;
  return { witness: witnesses[witness], host: '', trust: 1, ...others, ...words(text) };
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
  const decided = new Decided();
  for (const sighting of sightings) decided.see(sighting);
  return [...decided.events.values()];
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
    const text = (shown: string) => textOf(words(shown));
    assert.equal(text('IN=a OUT=  '), text('IN=a OUT='));
    assert.notEqual(text('IN=a OUT=\t'), text('IN=a OUT='));
    assert.notEqual(text(' IN=a OUT='), text('IN=a OUT='));
    assert.equal(text('   '), '');
    assert.equal(text('I\xff '), 'I\xff');
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

function memory(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

describe('what is kept', () => {
  it('is bounded, whatever comes', () => {
    let asked = 0;
    const recall = (): readonly Seen[] => {
      asked++;
      return [];
    };
    const dedupe = new Dedupe({ capacity: 100, recall });
    const before = memory();
    for (let at = 0; at < 200_000; at++) {
      const sighting = by('kmsg', exact(at, { sequence: at, text: `${line} ${at}` }));
      if (dedupe.find(sighting) === undefined) dedupe.add(at, sighting);
    }
    const grown = memory() - before;
    assert.ok(grown < 20_000_000, `${grown} bytes`);
    assert.equal(asked, 0, 'what comes in the order of time needs no look into the store');
  });
});
