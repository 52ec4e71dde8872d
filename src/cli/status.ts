// `status`: what is loaded, since when, from which policy; what waits; what each rule decided; what somebody changed.
import { currentGeneration, policyOfGeneration } from '../apply/live/facts.ts';
import { readPending } from '../apply/live/pending.ts';
import { readStatus, type Status } from '../apply/live/status.ts';
import { exitCodes } from './exit-codes.ts';
import { readHostFacts, tellFaults } from './input.ts';
import { siteOf } from './live-target.ts';
import { type Format, print, printJson, styled, table } from './output.ts';
import type { StateOptions } from './state-directory.ts';

export type StatusOptions = StateOptions & { readonly host?: string; readonly output: Format };

export async function status(options: StatusOptions): Promise<number> {
  const site = siteOf(options, 'status');
  const current = currentGeneration(site.state, readPending(site.state));
  const host = await readHostFacts(options.host, current && policyOfGeneration(current));
  tellFaults(host.diagnostics);
  if (host.value === undefined) return exitCodes.faults;
  const found = await readStatus(site, host.value);
  if (options.output === 'json') printJson('status', statusData(found));
  else print(statusText(found));
  return found.drift.length > 0 ? exitCodes.drift : exitCodes.fine;
}

function statusData({ current, pending, counts, drift }: Status): object {
  const { texts: _texts, ...generation } = current ?? { texts: undefined };
  return {
    loaded: current === undefined ? null : generation,
    pending: pending === undefined ? null : { ...pending, secondsLeft: secondsLeft(pending.deadline) },
    rules: counts.map(({ rule: { id, number, verdict, text }, packets, bytes }) => ({
      id,
      number,
      verdict,
      text,
      packets,
      bytes,
    })),
    drift,
  };
}

function secondsLeft(deadline: number): number {
  return Math.max(0, Math.ceil((deadline - Date.now()) / 1000));
}

function statusText(found: Status): string {
  return [loadedText(found), ...pendingLines(found), ...driftLines(found), ...countLines(found)].join('\n');
}

function loadedText({ current }: Status): string {
  if (current === undefined) return 'Nothing was applied yet.';
  const { id, backend, policyFile, policyDigest, loadedAt } = current;
  const since = new Date(loadedAt).toISOString();
  return `Generation ${id} (${backend}), loaded ${since}, from ${policyFile} (${policyDigest.slice(0, 12)})`;
}

function pendingLines({ pending }: Status): readonly string[] {
  switch (pending?.stage) {
    case undefined:
    case 'confirmed':
      return [];
    case 'armed': {
      const timer = pending.timer ? '' : ', and the timer is dead: run `bridgekeeper rollback`';
      return [
        styled('yellow', `Not confirmed: the previous rules come back in ${secondsLeft(pending.deadline)} s${timer}`),
      ];
    }
    case 'firing':
      return [styled('yellow', 'The previous rules are being put back')];
    case 'rolled-back':
      return [`Generation ${pending.generation} was not confirmed and is gone`];
    case 'failed':
      return [
        styled('red', 'The previous rules could not be put back: see pending/rollback.log in the state directory'),
      ];
  }
}

function driftLines({ drift }: Status): readonly string[] {
  return drift.map(({ words }) => styled('red', `Drift: ${words}`));
}

function countLines({ counts }: Status): readonly string[] {
  if (counts.length === 0) return [];
  const rows = counts.map(({ rule, packets, bytes }) => [
    rule.number === undefined ? '' : String(rule.number),
    String(packets),
    String(bytes),
    rule.verdict.toUpperCase(),
    rule.text,
  ]);
  return ['', ...table(['RULE', 'PACKETS', 'BYTES', 'VERDICT', 'WHAT'], rows)];
}
