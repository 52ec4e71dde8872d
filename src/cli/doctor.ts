// `doctor`: which way of the firewall's log is broken, why, and what mends it; on request it mends it, and takes it back.

import { diagnose, type Examination } from '../doctor/diagnose.ts';
import { decidedFix, fixPlan } from '../doctor/fixes.ts';
import { machineWords } from '../doctor/machine-kind.ts';
import { type FixName, fixNames, type State } from '../doctor/verdict.ts';
import { explain, verdictLine } from '../doctor/words.ts';
import { type Access, accessNamed } from '../machine/access.ts';
import { HostError } from '../model/host-error.ts';
import { escaped } from './escaped.ts';
import { exitCodes } from './exit-codes.ts';
import { doChanges, takeBack } from './mend.ts';
import { print, printJson, type Style, styled, tell } from './output.ts';
import { type StateOptions, stateDirectory } from './state-directory.ts';

export type DoctorOptions = StateOptions & {
  readonly access?: string;
  readonly probe?: true;
  readonly fix?: FixName;
  /** With a value: which change. */
  readonly undo?: string | true;
  readonly yes?: true;
  readonly output: string;
};

/** @throws HostError 'usage', 'cannot-ask', 'cannot-probe', and what applying a fix throws */
export async function doctor(options: DoctorOptions): Promise<number> {
  const access = accessNamed(options.access);
  const state = stateDirectory(options);
  if (options.undo !== undefined) {
    tell(`taken back: ${(await takeBack(access, state, options.undo, fixNames)).title}`);
    return exitCodes.fine;
  }
  const found = await diagnose(access, { probe: options.probe === true });
  if (options.fix !== undefined) return mend(access, state, options.fix, found, options);
  if (options.output === 'json') printJson('doctor', jsonOf(found, access));
  else printText(found, access);
  return found.verdicts.some((verdict) => verdict.state === 'broken') ? exitCodes.verificationFailed : exitCodes.fine;
}

async function mend(
  access: Access,
  state: string,
  name: FixName,
  found: Examination,
  { yes }: DoctorOptions,
): Promise<number> {
  const offered = decidedFix(found);
  const isCalledFor = offered.includes(name);
  const plan = await fixPlan(access, name, found.facts, isCalledFor);
  if (plan === undefined) {
    tell(`${name}: nothing to do`);
    return exitCodes.fine;
  }
  const onlyCommands = plan.changes.every(({ kind }) => kind === 'command');
  if (!isCalledFor && !onlyCommands) {
    const others = offered.length === 0 ? 'no fix is called for' : `called for: ${offered.join(', ')}`;
    throw new HostError('not-called-for', `nothing that was found calls for ${name}; ${others}`);
  }
  const way = access.host === '' ? '' : ` --access ssh:${access.host}`;
  return doChanges(access, state, plan, yes, `bridgekeeper doctor${way} --undo`);
}

const styles: Readonly<Record<State, Style>> = { works: 'green', broken: 'red', absent: 'dim', unknown: 'yellow' };

function printText(found: Examination, { host }: Access): void {
  print(`${host === '' ? 'This' : escaped(host)} is ${machineWords(found.kind)}.`);
  for (const verdict of found.verdicts) print(styled(styles[verdict.state], escaped(verdictLine(verdict, found))));
}

function jsonOf({ kind, verdicts, facts, probe }: Examination, { host }: Access): object {
  return {
    host,
    machine: kind,
    ...(probe !== undefined && { probe: { ...probe, seen: Object.fromEntries(probe.seen) } }),
    paths: verdicts.map((verdict) => ({ ...verdict, ...explain(verdict, kind, facts) })),
  };
}
