// What the doctor must say in a situation: by facts alone, with a probe, and to a person; and what a probe leaves behind.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { type Diagnosis, decide } from '../../src/doctor/decide.ts';
import type { Facts } from '../../src/doctor/facts.ts';
import { gather } from '../../src/doctor/gather.ts';
import { probe } from '../../src/doctor/probe.ts';
import type { Verdict } from '../../src/doctor/verdict.ts';
import type { Situation } from './situation.ts';
import type { Case, Row } from './situations.ts';

/** Gives the facts that it was judged by: only the probe has changed anything since. */
export async function assertDiagnosed(on: Situation, one: Case, t: TestContext): Promise<Facts> {
  const untouched = await rulesOf(on);
  const facts = await gather(on.access(one.asker));
  sameWithoutProbe(decide(facts), one);
  await sameWithProbe(on, one, facts, t);
  if (one.says !== undefined) await says(on, one, one.says);
  assert.equal(await rulesOf(on), untouched, 'the probe leaves no rule and no file');
  assert.equal(await on.sh(watchdogs), '', 'and no process');
  return facts;
}

/** Facts alone name the same causes, but for those that only a packet can show. */
function sameWithoutProbe({ verdicts }: Diagnosis, { byProbeOnly, rows }: Case): void {
  const wanted = byProbeOnly ? [] : rows.filter(([, state]) => state === 'broken');
  assert.deepEqual(sorted(verdicts.filter(({ state }) => state === 'broken').map(asRow)), sorted(wanted));
}

async function sameWithProbe(on: Situation, one: Case, facts: Facts, t: TestContext): Promise<void> {
  const begun = Date.now();
  const verdicts = await (one.byProgram ? printed(on, one) : probed(on, one, facts));
  t.diagnostic(`with a probe: ${Date.now() - begun} ms`);
  const named = one.rows.map(([path]) => path);
  const found = verdicts.filter(({ path, state }) => named.includes(path) || state === 'broken');
  assert.deepEqual(sorted(found.map(asRow)), sorted(one.rows), JSON.stringify(verdicts));
}

async function probed(on: Situation, { asker }: Case, facts: Facts): Promise<readonly Verdict[]> {
  return decide(facts, await probe(on.access(asker), facts)).verdicts;
}

async function printed(on: Situation, one: Case): Promise<readonly Verdict[]> {
  return JSON.parse(await ask(on, one, '--probe', '-o', 'json')).paths;
}

async function says(on: Situation, one: Case, wanted: readonly RegExp[]): Promise<void> {
  const stdout = await ask(on, one, '--probe');
  for (const words of wanted) assert.match(stdout, words);
}

/** What the program prints, which ends as it should. */
async function ask(on: Situation, { asker, health }: Case, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = asker === undefined ? await on.doctor(...args) : await on.doctorBy(asker, ...args);
  assert.equal(code, health === 'healthy' ? 0 : 3, stdout + stderr);
  return stdout;
}

function sorted(rows: readonly Row[]): readonly unknown[] {
  return rows.map(([path, state, cause]) => [path, state, cause]).sort();
}

function asRow({ path, state, cause }: Verdict): Row {
  return cause === undefined ? [path, state] : [path, state, cause];
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
