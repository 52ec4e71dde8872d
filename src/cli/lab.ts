// `lab`: the attacks on the real kernel, in network namespaces that vanish with the command.

import type { Difference } from '../lab/compare.ts';
import { type LabReport, labFailed, runLab, wasTried } from '../lab/lab.ts';
import { HostError } from '../model/host-error.ts';
import type { RuleList } from '../model/rule-list.ts';
import { attacksOn } from '../simulate/attacks.ts';
import { sceneOf } from '../simulate/scene.ts';
import { exitCodes } from './exit-codes.ts';
import { type InputOptions, type Inputs, readInputs, tellFaults } from './input.ts';
import { Interrupted } from './interrupted.ts';
import { simulatedReports } from './lab-simulated.ts';
import { attackTable, flowText } from './lab-table.ts';
import { type VariantOptions, variantName, variantsOf } from './lab-variant.ts';
import { compileInputs } from './lowering.ts';
import { type Format, print, printJson, styled, tell } from './output.ts';
import { ruleTable } from './rule-table.ts';

export type LabCommandOptions = InputOptions &
  VariantOptions & {
    readonly without?: number;
    readonly attack?: readonly number[];
    readonly flows: boolean;
    readonly rules?: boolean;
    readonly output: Format;
  };

export async function lab(directory: string | undefined, options: LabCommandOptions): Promise<number> {
  const inputs = await readInputs(directory, options);
  const compiled = compileInputs(inputs);
  if (tellFaults(compiled.diagnostics) || inputs.value === undefined || compiled.value === undefined)
    return exitCodes.faults;
  assertAttacks(inputs.value, options.attack ?? []);
  if (options.rules === true && options.output === 'text') print(`${ruleTable(compiled.value.list)}\n`);
  if (process.getuid?.() !== 0) return withoutRoot(inputs.value, compiled.value.list, options);
  return report(await runAll(inputs.value, options), options);
}

/** Otherwise a lab of no attacks would end well. @throws HostError 'usage' */
function assertAttacks({ policy, host }: Inputs, wanted: readonly number[]): void {
  const known = attacksOn(sceneOf(policy, host)).map(({ number }) => number);
  const unknown = wanted.find((number) => !known.includes(number));
  if (unknown === undefined) return;
  throw new HostError('usage', `there is no attack ${unknown} on this host; there are ${known.join(', ') || 'none'}`);
}

/** All at once: most of a lab's time is waiting. A signal or a failure of one ends all, and all clean up. */
async function runAll({ policy, host }: Inputs, options: LabCommandOptions): Promise<readonly LabReport[]> {
  const abort = new AbortController();
  const interrupt = (): void => abort.abort(new Interrupted());
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
  const runs = variantsOf(options).map((variant) =>
    runLab(policy, host, {
      ...variant,
      flows: options.flows,
      ...(options.without === undefined ? {} : { without: options.without }),
      ...(options.attack === undefined ? {} : { attacks: options.attack }),
      signal: abort.signal,
      progress: (text) => tell(`[${variantName(variant)}] ${text}`),
    }),
  );
  for (const run of runs) run.catch((error: unknown) => abort.abort(error));
  const ended = await Promise.allSettled(runs);
  const failed = ended.find((one) => one.status === 'rejected');
  if (failed !== undefined) throw abort.signal.aborted ? abort.signal.reason : failed.reason;
  return ended.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
}

function withoutRoot(inputs: Inputs, list: RuleList, options: LabCommandOptions): number {
  tell('not root: nothing is built on the kernel, this is the simulation only');
  return report(simulatedReports(inputs, list, variantsOf(options), options), { ...options, simulated: true });
}

function report(reports: readonly LabReport[], options: LabCommandOptions & { readonly simulated?: boolean }): number {
  const failed = reports.some(labFailed);
  if (options.output === 'json') {
    printJson('lab', { simulated: options.simulated ?? false, failed, reports });
  } else {
    print(
      reports
        .map(flowText)
        .filter((text) => text !== '')
        .join('\n'),
    );
    print(attackTable(reports, options.simulated ?? false));
    for (const one of reports) tellFailures(one);
    for (const text of limitTexts(reports)) print(text);
    print(failed ? styled('red', 'FAILED: see above') : styled('green', verdict(reports, options.simulated ?? false)));
  }
  return failed ? exitCodes.verificationFailed : exitCodes.fine;
}

function verdict(reports: readonly LabReport[], simulated: boolean): string {
  const attacks = reports.flatMap((one) => one.attacks).filter(wasTried).length;
  const where = simulated ? 'in the simulation' : 'on this kernel; every log line was predicted';
  return `${attacks} attacks tried, ${attacks} stopped ${where}`;
}

/** What no rule can mend, and what can. */
function limitTexts(reports: readonly LabReport[]): readonly string[] {
  const caught = reports.filter(
    ({ backend, attacks }) => backend === 'iptables' && attacks.some(({ outcome }) => outcome.caught > 0),
  );
  if (caught.length === 0) return [];
  return [
    'iptables does not see by which port a frame of the host itself leaves a bridge, nor what is sent to the bridge',
    "device's own MAC before it is there: where the host has an address on a bridge with guests, use nft.",
  ];
}

function tellFailures(one: LabReport): void {
  const name = variantName(one);
  for (const { flow, outcome } of one.flows.filter(({ ok }) => !ok)) {
    print(
      `[${name}] ${flow.from.node} -> ${flow.to.node} ${flow.probe.protocol}: ${outcome}, but the policy ${flow.allowed ? 'allows' : 'forbids'} it`,
    );
  }
  for (const difference of one.flowDifferences) print(`[${name}] connections: ${differenceText(difference)}`);
  for (const { attack, faults, differences } of one.attacks) {
    if (faults.length === 0) continue;
    print(`[${name}] attack ${attack.number} (${attack.title}): ${faults.join('; ')}`);
    for (const difference of differences) print(`    ${differenceText(difference)}`);
  }
}

function differenceText({ step, what, predicted, seen }: Difference): string {
  return `step ${step + 1}, ${what}\n      predicted: ${predicted}\n      seen:      ${seen}`;
}
