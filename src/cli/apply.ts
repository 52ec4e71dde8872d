// `apply`: loads what the policy wants of this host. The previous rules come back by themselves unless somebody confirms.
import { readFileSync } from 'node:fs';
import { type Applied, type ApplyOptions, applyTarget, type LivePlan, livePlan } from '../apply/live/apply.ts';
import { withKeptBridges } from '../apply/live/kept-bridges.ts';
import type { Site } from '../apply/live/site.ts';
import { isLocalConsole, sshSessions } from '../apply/live/ssh-sessions.ts';
import { readNumbering } from '../apply/live/state.ts';
import { Tracking } from '../apply/live/tracking.ts';
import { lockouts } from '../apply/lockout.ts';
import type { PlanDigests } from '../apply/plan.ts';
import type { SshSession } from '../apply/ssh-way.ts';
import { type Target, targetOfText } from '../apply/target.ts';
import type { Checked } from '../model/diagnostic.ts';
import type { Host } from '../model/host.ts';
import { HostError } from '../model/host-error.ts';
import type { Policy } from '../model/policy.ts';
import { parsePolicy } from '../policy/parse-policy.ts';
import { untilDecided } from './countdown.ts';
import { cutData, cutLines, cutSummary } from './cut-text.ts';
import { exitCodes } from './exit-codes.ts';
import { type FaultData, faultData, noRules } from './fault-data.ts';
import { assertGuestsKnown, readHostFacts, tellFaults } from './input.ts';
import { untilInterrupted } from './interrupted.ts';
import { type LiveOptions, readTarget, siteOf } from './live-target.ts';
import { lockoutText } from './lockout-text.ts';
import { type Format, print, printJson, tell } from './output.ts';
import { type PlanFile, parsePlanFile } from './plan-file.ts';
import { planText } from './plan-text.ts';

export type ApplyCommandOptions = LiveOptions & {
  /** Seconds; false is --no-confirm. */
  readonly confirm?: number | false;
  readonly dryRun?: boolean;
  readonly wait?: boolean;
  readonly allowLockout?: boolean;
  readonly output: Format;
};

const usualSeconds = 60;

export async function apply(planFile: string | undefined, options: ApplyCommandOptions): Promise<number> {
  const saved = planFile === undefined ? undefined : parsePlanFile(readPlan(planFile), planFile);
  const site = siteOf(options, 'apply');
  const target = saved === undefined ? await readTarget(options) : await savedTarget(saved, site, options);
  const failed = tellFaults(target.diagnostics);
  const faults = faultData(target);
  if (target.value === undefined) return noRules('apply', { outcome: 'faults', ...faults }, options.output);
  const { value } = target;
  const faultCode = failed ? exitCodes.faults : exitCodes.fine;
  if (options.dryRun === true) return dryRun(site, value, faults, options, faultCode);
  const report = (applied: Applied): void =>
    printJson('apply', { ...faults, ...applied, cut: cutData(applied.cut, value) });
  return change(site, value, { ...options, report, ...(saved && { expected: saved.digests }) }, faultCode);
}

export type ChangeOptions = Pick<ApplyCommandOptions, 'confirm' | 'wait' | 'allowLockout' | 'output'> & {
  readonly expected?: PlanDigests;
  /** What is said in JSON. */
  readonly report: (applied: Applied) => void;
};

/** Whatever loads other rules does it so: shown, asked for lock-outs, and back again unless somebody confirms. */
export async function change(site: Site, target: Target, options: ChangeOptions, faultCode: number): Promise<number> {
  const { confirm, expected, output, allowLockout = false } = options;
  const confirmSeconds = confirm ?? (isLocalConsole() ? false : usualSeconds);
  const tracking = new Tracking(site.access, () =>
    tell('waiting until connection tracking has seen your SSH connection'),
  );
  const applyOptions = {
    ...(confirmSeconds === false ? {} : { confirmSeconds }),
    ...(expected === undefined ? {} : { expected }),
    approve: async (live: LivePlan) => {
      if (output === 'text') print(planText(live.plan, cutLines(live.cut, target)));
      await assertNoLockout(await tracking.sessions(), target, live, allowLockout);
    },
  };
  try {
    return await applyAndWait(site, target, applyOptions, options, faultCode);
  } finally {
    await tracking.end();
  }
}

/** A signal ends the waiting, never the loading: what was loaded stays until the deadline all the same. */
function applyAndWait(
  site: Site,
  target: Target,
  applyOptions: ApplyOptions,
  { output, wait = false, report }: ChangeOptions,
  faultCode: number,
): Promise<number> {
  return untilInterrupted(async (signal) => {
    const applied = await applyTarget(site, target, applyOptions);
    if (output === 'json') report(applied);
    const cut = cutSummary(applied.cut);
    if (cut !== undefined) tell(cut);
    if (applied.outcome === 'confirmed') tell('loaded and kept');
    const { generation, deadline } = applied;
    if (deadline === undefined) return faultCode;
    tell(`loaded; ${comesBack(deadline)}: over a new connection, \`bridgekeeper confirm\``);
    if (!wait && !process.stderr.isTTY) return faultCode;
    const decision = await untilDecided(site.state, { generation, deadline }, signal);
    if (decision === 'undecided') tell(`not waiting any longer; ${comesBack(deadline)}`);
    return decision === 'rolled-back' ? exitCodes.rolledBack : faultCode;
  });
}

function comesBack(deadline: number): string {
  const left = Math.max(0, Math.ceil((deadline - Date.now()) / 1000));
  return `the previous rules come back in ${left} s unless this is confirmed`;
}

function readPlan(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new HostError('unreadable', `cannot read ${file}: ${(cause as Error).message}`, cause);
  }
}

/** The policy of the plan for the host as it is now; that both are as they were is asked before anything is loaded. */
async function savedTarget(saved: PlanFile, { state }: Site, options: LiveOptions): Promise<Checked<Target>> {
  const policy = parsePolicy(saved.policyText, saved.policyFile);
  const host = await readHostFacts(options.host, policy.value);
  if (host.value === undefined) return { diagnostics: [...policy.diagnostics, ...host.diagnostics] };
  if (policy.value !== undefined) assertGuestsKnown(host.diagnostics, policy.value, host.value);
  const completed = (intended: Policy, bare: Host): Host => withKeptBridges(state, intended, bare);
  const target = targetOfText(saved, host.value, readNumbering(state), completed);
  return { ...target, diagnostics: [...host.diagnostics, ...target.diagnostics] };
}

/** @throws HostError 'lockout' */
async function assertNoLockout(
  sessions: readonly SshSession[],
  target: Target,
  { plan }: LivePlan,
  allowed: boolean,
): Promise<void> {
  const found = plan.steps.length === 0 ? [] : lockouts(sessions, target.ruleset, target.list, target.host);
  if (found.length === 0) return;
  const text = lockoutText(found);
  if (!allowed) throw new HostError('lockout', `${text}\nnothing was changed; --allow-lockout does it all the same`);
  tell(text);
}

async function dryRun(
  site: Site,
  target: Target,
  faults: FaultData,
  { output, allowLockout = false }: ApplyCommandOptions,
  exitCode: number,
): Promise<number> {
  const live = await livePlan(site, target);
  const { digests, plan, cut } = live;
  const data = { ...faults, outcome: 'dry-run', digests, steps: plan.steps, cut: cutData(cut, target) };
  if (output === 'json') printJson('apply', data);
  else print(planText(plan, cutLines(cut, target)));
  await assertNoLockout(await sshSessions(site.access), target, live, allowLockout);
  tell('dry run: nothing was changed');
  return exitCode;
}
