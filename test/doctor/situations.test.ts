// The doctor in prepared situations, most of them with the real daemons: it must name the cause, and no other.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Verdict } from '../../src/doctor/verdict.ts';
import type { Run } from '../support/run-cli.ts';
import { ringSuite, Situation } from './situation.ts';
import { type Case, cases } from './situations.ts';

type Answer = { readonly version: number; readonly kind: string; readonly paths: readonly Verdict[] };

for (const alone of [false, true]) {
  ringSuite(`the doctor in situations${alone ? ', one at a time' : ''}`, !alone, () => {
    for (const one of cases.filter((each) => (each.alone ?? false) === alone)) {
      test(one.name, async (t) => {
        const on = await Situation.start();
        t.after(() => on.end());
        await one.prepare(on);
        const untouched = await rulesOf(on);
        await withoutProbe(on, one);
        await withProbe(on, one, t);
        if (one.says !== undefined) await says(on, one, one.says);
        assert.equal(await rulesOf(on), untouched, 'the probe leaves no rule and no file');
        assert.equal(await on.sh(watchdogs), '', 'and no process');
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

async function ask(on: Situation, { asker }: Case, ...args: readonly string[]): Promise<Run> {
  const ran = asker === undefined ? await on.doctor(...args) : await on.doctorBy(asker, ...args);
  assert.notEqual(ran.stdout, '', ran.stderr);
  return ran;
}

async function withProbe(on: Situation, one: Case, t: TestContext): Promise<void> {
  const begun = Date.now();
  const { code, stdout } = await ask(on, one, '--probe', '-o', 'json');
  t.diagnostic(`with a probe: ${Date.now() - begun} ms`);
  const { paths } = JSON.parse(stdout) as Answer;
  const named = one.rows.map(([path]) => path);
  const found = paths.filter(({ path, state }) => named.includes(path) || state === 'broken');
  assert.deepEqual(
    found.map(asRow).sort(),
    [...one.rows].map(([path, state, cause]) => [path, state, cause]).sort(),
    stdout,
  );
  assert.equal(code, one.health === 'healthy' ? 0 : 3);
}

/** Facts alone name the same causes, but for those that only a packet can show. */
async function withoutProbe(on: Situation, one: Case): Promise<void> {
  const { code, stdout } = await ask(on, one, '-o', 'json');
  const broken = (JSON.parse(stdout) as Answer).paths.filter(({ state }) => state === 'broken');
  const wanted = one.byProbeOnly ? [] : one.rows.filter(([, state]) => state === 'broken');
  assert.deepEqual(broken.map(asRow).sort(), wanted.map(([path, state, cause]) => [path, state, cause]).sort(), stdout);
  assert.equal(code, wanted.length === 0 ? 0 : 3);
}

async function says(on: Situation, one: Case, wanted: readonly RegExp[]): Promise<void> {
  const { stdout } = await ask(on, one, '--probe');
  for (const words of wanted) assert.match(stdout, words);
}

function asRow({ path, state, cause }: Verdict): readonly unknown[] {
  return [path, state, cause];
}

/** Those that are left after the moment that dying takes. */
const watchdogs =
  'for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do p=$(pgrep -f [b]ridgekeeper-probe) || exit 0; sleep 0.2; done; echo "$p"';

/** Counters differ, rules must not. */
async function rulesOf(on: Situation): Promise<string> {
  const rules = await on.sh(
    'nft -s list ruleset; iptables-legacy-save; ip6tables-legacy-save; ip netns list; ls -a /tmp /run',
  );
  return rules.replaceAll(/^#.*$|\[\d+:\d+\]/gm, '');
}
