// What a lab would show, from the simulator alone: for users without root.
import type { LabReport } from '../lab/lab.ts';
import { attackReport, flowReports, lowered } from '../lab/lab.ts';
import type { RuleList } from '../model/rule-list.ts';
import { attackSteps, attacksOn } from '../simulate/attacks.ts';
import { flowSteps, policyFlows } from '../simulate/flows.ts';
import { performAll } from '../simulate/perform.ts';
import { sceneOf } from '../simulate/scene.ts';
import { World } from '../simulate/world.ts';
import type { Inputs } from './input.ts';
import type { Variant } from './lab-variant.ts';

export function simulatedReports(
  { policy, host }: Inputs,
  list: RuleList,
  variants: readonly Variant[],
  wanted: { readonly flows: boolean; readonly attack?: readonly number[] },
): readonly LabReport[] {
  const scene = sceneOf(policy, host);
  return variants.map((variant) => {
    const world = new World(scene, lowered(list, variant));
    const flows = wanted.flows ? policyFlows(policy, host, scene) : [];
    const steps = flowSteps(flows, { ident: 512, sport: 16_384 });
    const results = performAll(world, steps).slice(steps.length - flows.length);
    const attacks = attacksOn(scene)
      .filter(({ number }) => wanted.attack?.includes(number) ?? true)
      .map((attack) => {
        const course = attackSteps(attack, { first: attack.number * 8 });
        return attackReport(attack, { steps: course, results: performAll(world, course), found: [] }, variant);
      });
    return { ...variant, attacks, flows: flowReports(flows, results), flowDifferences: [] };
  });
}
