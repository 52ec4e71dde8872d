// The lab: a host file built on the real kernel, rules loaded, attacks run, and what the kernel said compared with what
// the simulator predicted. It leaves nothing behind, whatever ends it.
import { compile } from '../compile/compile.ts';
import { lowerIptables } from '../iptables/lower.ts';
import type { Host } from '../model/host.ts';
import { HostError } from '../model/host-error.ts';
import type { Policy } from '../model/policy.ts';
import { type RuleList, rulesOf } from '../model/rule-list.ts';
import type { Backend, Ruleset } from '../model/ruleset.ts';
import { lowerNft } from '../nft/lower.ts';
import { type Attack, attackSteps, attacksOn } from '../simulate/attacks.ts';
import { flowSteps, type PolicyFlow, passed, policyFlows } from '../simulate/flows.ts';
import { type AttackOutcome, attackOutcome } from '../simulate/outcome.ts';
import { performAll as predict } from '../simulate/perform.ts';
import type { Step, StepResult } from '../simulate/scenario.ts';
import { hostNode, sceneOf } from '../simulate/scene.ts';
import { World } from '../simulate/world.ts';
import { type Difference, differences } from './compare.ts';
import { KernelLogOverrun, openKernelLog } from './kernel-log.ts';
import { loadRuleset } from './load.ts';
import { buildScene } from './namespaces.ts';
import { performAll, type Stage } from './perform.ts';
import { joinLabs } from './registry.ts';
import { relabel } from './relabel.ts';

export type Arp = 'bound' | 'unchecked';

export type LabOptions = {
  readonly backend: Backend;
  readonly arp: Arp;
  /** A rule that is left out of what is loaded; the prediction stays that of the whole list. */
  readonly without?: number;
  /** Only these attacks, by number; all without it. */
  readonly attacks?: readonly number[];
  readonly flows: boolean;
  readonly signal: AbortSignal;
  readonly progress: (text: string) => void;
};

export type FlowReport = { readonly flow: PolicyFlow; readonly outcome: string; readonly ok: boolean };

export type AttackReport = {
  readonly attack: Attack;
  readonly outcome: AttackOutcome;
  readonly differences: readonly Difference[];
  readonly lines: readonly string[];
  /** Why the attack counts as a failure of ours; empty when it was stopped as predicted. */
  readonly faults: readonly string[];
};

export type LabReport = {
  readonly backend: Backend;
  readonly arp: Arp;
  readonly attacks: readonly AttackReport[];
  readonly flows: readonly FlowReport[];
  readonly flowDifferences: readonly Difference[];
};

/**
 * Log lines that others pushed out of the kernel's ring before they were read prove nothing: then all is tried again.
 * @throws HostError what the machine refused, 'no-such-rule', 'not-compiled'; KernelLogOverrun after the last attempt
 */
export async function runLab(policy: Policy, host: Host, options: LabOptions): Promise<LabReport> {
  for (let left = mostAttempts - 1; ; left--) {
    try {
      return await tryLab(policy, host, options);
    } catch (error) {
      if (!(error instanceof KernelLogOverrun) || left === 0) throw error;
      options.progress(`${error.message}; once more from the beginning`);
    }
  }
}

const mostAttempts = 3;

async function tryLab(policy: Policy, host: Host, options: LabOptions): Promise<LabReport> {
  const membership = await joinLabs();
  const log = openKernelLog();
  try {
    let next = membership.slot.firstMac;
    const labelled = relabel(policy, host, () => ++next);
    const scene = sceneOf(labelled.policy, labelled.host, { mac: () => ++next });
    const list = compiled(labelled.policy, labelled.host);
    options.progress('building the namespaces');
    const lab = await buildScene(scene);
    try {
      const stage: Stage = { lab, scene, log, slot: membership.slot, signal: options.signal };
      await loadRuleset(lab.node(hostNode), lowered(withoutRule(list, options.without), options));
      await openCards(stage);
      const world = new World(scene, lowered(list, options));
      return await experiments(stage, world, labelled.policy, labelled.host, options);
    } finally {
      await lab.close();
    }
  } finally {
    log.close();
    await membership.leave();
  }
}

function compiled(policy: Policy, host: Host): RuleList {
  const list = compile(policy, host).value?.list;
  if (list === undefined) throw new HostError('not-compiled', 'the policy has faults; `bridgekeeper check` names them');
  return list;
}

function withoutRule(list: RuleList, number: number | undefined): RuleList {
  if (number === undefined) return list;
  if (!rulesOf(list).some((rule) => rule.number === number)) {
    throw new HostError('no-such-rule', `the list has no rule ${number} to leave out`);
  }
  return { ...list, entries: list.entries.filter((entry) => entry.kind !== 'rule' || entry.number !== number) };
}

export function lowered(list: RuleList, { backend, arp }: Pick<LabOptions, 'backend' | 'arp'>): Ruleset {
  return backend === 'nft' ? lowerNft(list, { arp }) : lowerIptables(list);
}

async function openCards({ lab, scene }: Stage): Promise<void> {
  await Promise.all(
    scene.nodes.flatMap(({ name, interfaces, kind }) =>
      kind === 'segment'
        ? []
        : interfaces
            .filter(({ master }) => master === undefined)
            .map(({ name: ifname }) => lab.node(name).open(ifname)),
    ),
  );
}

async function experiments(
  stage: Stage,
  world: World,
  policy: Policy,
  host: Host,
  options: LabOptions,
): Promise<LabReport> {
  const { backend, arp, progress } = options;
  const { flows, results, found } = options.flows ? await tryFlows(stage, world, policy, host, progress) : noFlows;
  const attacks: AttackReport[] = [];
  const chosen = attacksOn(stage.scene).filter(({ number }) => options.attacks?.includes(number) ?? true);
  for (const attack of chosen) {
    progress(`attack ${attack.number}: ${attack.title}`);
    attacks.push(await tryAttack(stage, world, attack, options));
  }
  return { backend, arp, attacks, flows: flowReports(flows, results), flowDifferences: found };
}

type FlowRun = {
  readonly flows: readonly PolicyFlow[];
  readonly results: readonly StepResult[];
  readonly found: readonly Difference[];
};

const noFlows: FlowRun = { flows: [], results: [], found: [] };

/** Identifiers of the attacks count from the lab's first one, those of the flows from its 513th. */
async function tryFlows(
  stage: Stage,
  world: World,
  policy: Policy,
  host: Host,
  progress: (text: string) => void,
): Promise<FlowRun> {
  const flows = policyFlows(policy, host, stage.scene);
  progress(`trying ${flows.length} connections between all machines`);
  const steps = flowSteps(flows, { ident: stage.slot.firstIdent + 512, sport: stage.slot.firstPort });
  const { seen, found } = await both(stage, world, steps);
  return { flows, results: seen.slice(steps.length - flows.length), found };
}

async function both(
  stage: Stage,
  world: World,
  steps: readonly Step[],
): Promise<{ seen: readonly StepResult[]; found: readonly Difference[] }> {
  const predicted = predict(world, steps);
  const seen = await performAll(stage, steps, predicted);
  return { seen, found: differences(predicted, seen) };
}

export function flowReports(flows: readonly PolicyFlow[], results: readonly StepResult[]): readonly FlowReport[] {
  return flows.map((flow, index) => {
    const outcome = results[index]?.outcome ?? 'not performed';
    return { flow, outcome, ok: passed(outcome) === flow.allowed };
  });
}

async function tryAttack(stage: Stage, world: World, attack: Attack, options: LabOptions): Promise<AttackReport> {
  const steps = attackSteps(attack, { first: stage.slot.firstIdent + attack.number * 8 });
  const { seen, found } = await both(stage, world, steps);
  return attackReport(attack, { steps, results: seen, found }, options);
}

export type Course = {
  readonly steps: readonly Step[];
  readonly results: readonly StepResult[];
  readonly found: readonly Difference[];
};

export function attackReport(
  attack: Attack,
  { steps, results, found }: Course,
  { backend, arp }: Pick<LabOptions, 'backend' | 'arp'>,
): AttackReport {
  const outcome = attackOutcome(attack, steps, results);
  const lines = results.flatMap((result) => result.lines);
  const faults = faultsOf(outcome, found, arp === 'bound' && backend === 'nft');
  return { attack, outcome, differences: found, lines, faults };
}

/** A running flow that the policy does not allow never ran: nothing could be taken over. */
export function wasTried({ attack, outcome }: AttackReport): boolean {
  return !attack.running || outcome.introduced > 0;
}

/** A victim's frame at the attacker is a failure even when a later rule stops the relay, and so is a wrong prediction. */
function faultsOf(outcome: AttackOutcome, found: readonly Difference[], bound: boolean): readonly string[] {
  const poisoned = bound ? 0 : 2;
  return [
    ...(outcome.relayed > 0 ? [`${outcome.relayed} packets were relayed`] : []),
    ...(outcome.caught > 0 ? [`${outcome.caught} packets of the victims reached the attacker`] : []),
    ...(outcome.poisoned === poisoned
      ? []
      : [
          bound
            ? `${outcome.poisoned} caches were poisoned`
            : `only ${outcome.poisoned} of 2 caches were poisoned: nothing was tried`,
        ]),
    ...(bound && outcome.answered < outcome.introduced
      ? ['what was answered before the attack is answered no more']
      : []),
    ...(!bound && outcome.stops.length === 0 ? ['no numbered rule stopped it'] : []),
    ...(found.length > 0 ? [`the kernel did not do what was predicted, in ${found.length} places`] : []),
  ];
}

export function labFailed(report: LabReport): boolean {
  const nothing = report.attacks.length === 0 && report.flows.length === 0;
  return (
    nothing ||
    report.attacks.some(({ faults }) => faults.length > 0) ||
    report.flows.some(({ ok }) => !ok) ||
    report.flowDifferences.length > 0
  );
}
