// What a limited LOG rule leaves of a scan; the bucket is played packet by packet and compared with the formula.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { rulesOf } from '../../src/ufw/rules.ts';
import { linesLeft, logRules, rulesOfLevel } from '../../src/ufw/sampling.ts';

const ufwLimit = { text: '3/min', perSecond: 3 / 60, burst: 10 };

const rows: readonly (readonly [lines: number, packets: number, perSecond: number])[] = [
  [10, 1_000, 100],
  [19, 1_000, 5],
  [10, 10, 100],
  [3, 3, 100],
  [40, 40, 0.05],
  [60, 60, 0.01],
];

suite('a limit of 3/min burst 10', () => {
  for (const [lines, packets, perSecond] of rows) {
    test(`${packets} packets at ${perSecond}/s leave ${lines} lines`, () => {
      assert.equal(linesLeft(ufwLimit, packets, perSecond), lines);
      assert.equal(played(packets, perSecond), lines);
    });
  }
});

/** As the kernel does it, in milliseconds. */
function played(packets: number, perSecond: number): number {
  const cost = 20_000;
  let credit = cost * ufwLimit.burst;
  let before = 0;
  let lines = 0;
  for (let index = 0; index < packets; index++) {
    const now = (index * 1_000) / perSecond;
    credit = Math.min(cost * ufwLimit.burst, credit + now - before);
    before = now;
    if (credit + 1e-6 < cost) continue;
    credit -= cost;
    lines++;
  }
  return lines;
}

test('the limit is read from the rule, as ufw writes it and as iptables lists it', () => {
  const text = [
    '*filter',
    '-A ufw-after-logging-input -j LOG --log-prefix "[UFW BLOCK] " -m limit --limit 3/min --limit-burst 10',
    '-A ufw-after-logging-input -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW BLOCK] "',
    '-A ufw-user-limit -m limit --limit 3/minute -j LOG --log-prefix "[UFW LIMIT BLOCK] "',
    '-A ufw-before-logging-input -j LOG --log-prefix "[UFW AUDIT] "',
    '-A ufw-before-input -m limit --limit 3/min -j ACCEPT',
  ].join('\n');
  const found = logRules(rulesOf(4, [text])).map(({ prefix, limit }) => [prefix, limit?.burst, limit?.perSecond]);
  assert.deepEqual(found, [
    ['[UFW BLOCK]', 10, 0.05],
    ['[UFW BLOCK]', 10, 0.05],
    ['[UFW LIMIT BLOCK]', 5, 0.05],
    ['[UFW AUDIT]', undefined, undefined],
  ]);
});

test('below high every line is sampled, from high on blocked packets are not', () => {
  const limited = (level: string): string[] =>
    rulesOfLevel(level).flatMap(({ prefix, limit }) => (limit === undefined ? [] : [prefix]));
  assert.deepEqual(limited('off'), []);
  assert.deepEqual(limited('low'), ['[UFW BLOCK]', '[UFW ALLOW]', '[UFW LIMIT BLOCK]']);
  assert.deepEqual(limited('medium'), ['[UFW BLOCK]', '[UFW ALLOW]', '[UFW AUDIT]', '[UFW LIMIT BLOCK]']);
  assert.deepEqual(limited('high'), ['[UFW AUDIT]', '[UFW LIMIT BLOCK]']);
  assert.deepEqual(limited('full'), ['[UFW LIMIT BLOCK]']);
});
