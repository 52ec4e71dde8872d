// The doctor in prepared situations, most of them with the real daemons: it must name the cause, and no other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertDiagnosed } from './diagnosed.ts';
import { ringSuite, Situation } from './situation.ts';
import { cases } from './situations.ts';

/** The others are those that fixes.test.ts begins with. */
const lookedAt = cases.filter(({ isMended }) => !isMended);

for (const alone of [false, true]) {
  ringSuite(`the doctor in situations${alone ? ', one at a time' : ''}`, !alone, () => {
    for (const one of lookedAt.filter((each) => (each.alone ?? false) === alone)) {
      test(one.name, async (t) => {
        const on = await Situation.start();
        t.after(() => on.end());
        await one.prepare(on);
        await assertDiagnosed(on, one, t);
      });
    }
  });
}

test('these are enough situations, and most of them are real', () => {
  const broken = cases.filter(({ health }) => health === 'broken');
  assert.ok(broken.length >= 14 && broken.filter(({ stub }) => stub === undefined).length >= 10);
  assert.ok(cases.length - broken.length >= 3);
  const found = new Set(
    broken.flatMap(({ rows }) => rows.flatMap(([, state, cause]) => (state === 'broken' ? cause : []))),
  );
  assert.ok(found.size >= 14, [...found].join());
});
