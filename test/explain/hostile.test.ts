// Whatever stands in a line: no exception, and nobody is named by a line that is no evidence.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attributionOf } from '../../src/explain/attribution.ts';
import { explainEvent } from '../../src/explain/explain.ts';
import { Explainer } from '../../src/explain/explainer.ts';
import { explanationText } from '../../src/explain/sentences.ts';
import { parseLogLine } from '../../src/watch/parse-line.ts';
import { goldenText } from '../yaml/golden.ts';
import { exampleSite } from './lines.ts';

const names = ['bridge-host-journal', 'kernel-plain', 'kernel-all', 'kvm-guest-journal', 'container-dmesg'];
const lines = names.flatMap((name) => goldenText(`logs/${name}.log`).split('\n').filter(Boolean));

/** xorshift32: the same lines in every run. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const pieces = [
  'MAC=',
  ' SRC=192.168.50.13',
  'RULE 2 -- DENY ',
  'PHYSIN=vk63 ',
  '\x1b[31m',
  '[',
  ' ',
  '\u0000',
  'ARP HTYPE=1 ',
  '=',
];

function mutated(line: string, random: (below: number) => number): Buffer {
  const bytes = [...Buffer.from(line, 'latin1')];
  for (let count = 1 + random(4); count > 0; count--) {
    const at = random(bytes.length + 1);
    const kind = random(4);
    if (kind === 0) bytes[at] = random(256);
    else if (kind === 1) bytes.splice(at, 1 + random(12));
    else if (kind === 2) bytes.splice(at, 0, ...Buffer.from(pieces[random(pieces.length)] ?? '', 'latin1'));
    else bytes.splice(at, 0, ...bytes.slice(random(bytes.length), random(bytes.length)));
  }
  return Buffer.from(bytes);
}

test('40,000 lines that somebody has written into', () => {
  const random = randomFrom(20_260_317);
  const explainer = new Explainer(exampleSite);
  const count = { evidence: 0, none: 0, named: 0 };
  for (let run = 0; run < 40_000; run++) {
    const bytes = mutated(lines[random(lines.length)] ?? '', random);
    const event = parseLogLine(bytes);
    if (event === undefined) continue;
    const explanation = explainer.explain(event);
    assert.ok(explanationText(explanation).every((text) => text.length > 0));
    attributionOf(explanation);
    const isEvidence = !event.ambiguous && (event.status === 'ok' || event.status === 'partial');
    count[isEvidence ? 'evidence' : 'none']++;
    if (explanation.culprit === undefined) continue;
    count.named++;
    assert.ok(isEvidence, bytes.toString('latin1'));
  }
  assert.ok(count.evidence > 1_000 && count.none > 1_000 && count.named > 100, JSON.stringify(count));
});

test('what an ICMP error quotes changes nothing but the remark that it is there', () => {
  const quoted = lines.filter((line) => line.includes('[SRC='));
  assert.ok(quoted.length > 4, `${quoted.length} lines`);
  for (const line of quoted) {
    const event = parseLogLine(Buffer.from(line, 'latin1'));
    assert.ok(event !== undefined);
    const without = explainEvent({ ...event, inner: undefined }, exampleSite);
    const { findings, culprit } = explainEvent(event, exampleSite);
    assert.deepEqual(
      findings.filter(({ kind }) => kind !== 'nested'),
      without.findings,
    );
    assert.equal(findings.filter(({ kind }) => kind === 'nested').length, 1);
    assert.deepEqual(culprit, without.culprit);
  }
});
