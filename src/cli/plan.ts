// `plan`: what `apply` would change, and nothing is changed. `diff`: the same as a unified diff of the kernel's rules.
import { writeFileSync } from 'node:fs';
import { livePlan } from '../apply/live/apply.ts';
import { loadedOf } from '../apply/loaded.ts';
import { HostError } from '../model/host-error.ts';
import { cutData, cutLines } from './cut-text.ts';
import { exitCodes } from './exit-codes.ts';
import { faultData, noRules } from './fault-data.ts';
import { tellFaults } from './input.ts';
import { type LiveOptions, readTarget, siteOf } from './live-target.ts';
import { type Format, print, printJson } from './output.ts';
import { planFileOf } from './plan-file.ts';
import { planText } from './plan-text.ts';
import { rulesDiff } from './rules-diff.ts';

export type PlanOptions = LiveOptions & { readonly out?: string; readonly output: Format };

export async function plan(options: PlanOptions): Promise<number> {
  const target = await readTarget(options);
  const failed = tellFaults(target.diagnostics);
  const faults = faultData(target);
  if (target.value === undefined) return noRules('plan', faults, options.output);
  const live = await livePlan(siteOf(options, 'plan'), target.value);
  if (options.out !== undefined) writeOut(options.out, planFileOf(target.value, live.digests));
  const { changes, kernel, steps } = live.plan;
  if (options.output === 'json') {
    const cut = cutData(live.cut, target.value);
    printJson('plan', { ...faults, digests: live.digests, ...changes, kernel, steps, cut });
  } else print(planText(live.plan, cutLines(live.cut, target.value)));
  return failed ? exitCodes.faults : exitCodes.fine;
}

function writeOut(file: string, text: string): void {
  try {
    writeFileSync(file, text, { mode: 0o640 });
  } catch (cause) {
    throw new HostError('unwritable', `cannot write ${file}: ${(cause as Error).message}`, cause);
  }
}

export async function diff(options: LiveOptions & { readonly output: Format }): Promise<number> {
  const target = await readTarget(options);
  const failed = tellFaults(target.diagnostics);
  const faults = faultData(target);
  if (target.value === undefined) return noRules('diff', faults, options.output);
  const { facts } = await livePlan(siteOf(options, 'diff'), target.value);
  const text = rulesDiff(facts.loaded, loadedOf(target.value.ruleset));
  if (options.output === 'json') printJson('diff', { ...faults, different: text !== '', diff: text });
  else if (text !== '') print(text);
  return failed ? exitCodes.faults : exitCodes.fine;
}
