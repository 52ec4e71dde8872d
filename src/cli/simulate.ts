// `simulate`: one packet's way hop by hop, or an attack with every step of it, without touching the machine.

import { HostError } from '../model/host-error.ts';
import { type Ip, parseIp } from '../model/ip.ts';
import type { RuleList } from '../model/rule-list.ts';
import type { Backend } from '../model/ruleset.ts';
import type { Decider, HookVisit } from '../model/trace.ts';
import { unreachable } from '../model/unreachable.ts';
import { type Attack, attackSteps, attacksOn } from '../simulate/attacks.ts';
import { passed } from '../simulate/flows.ts';
import { type Disposition, type Journey, journeys } from '../simulate/journey.ts';
import { type AttackOutcome, attackOutcome } from '../simulate/outcome.ts';
import { perform, performAll } from '../simulate/perform.ts';
import type { Step, StepResult } from '../simulate/scenario.ts';
import { hostNode, sceneOf } from '../simulate/scene.ts';
import { World } from '../simulate/world.ts';
import { exitCodes } from './exit-codes.ts';
import { type InputOptions, type Inputs, readInputs, tellFaults } from './input.ts';
import { type ArpChecks, compileInputs, lower } from './lowering.ts';
import { type Format, print, printJson } from './output.ts';
import { ruleNames } from './rule-names.ts';

export type SimulateOptions = InputOptions & {
  readonly backend: Backend;
  readonly arpChecks: ArpChecks;
  readonly from?: string;
  readonly to?: string;
  readonly icmp?: boolean;
  readonly tcp?: number;
  readonly udp?: number;
  readonly attack?: number;
  readonly output: Format;
};

export async function simulate(directory: string | undefined, options: SimulateOptions): Promise<number> {
  const inputs = await readInputs(directory, options);
  const compiled = compileInputs(inputs);
  tellFaults(compiled.diagnostics);
  if (inputs.value === undefined || compiled.value === undefined) return exitCodes.faults;
  const { list } = compiled.value;
  const scene = sceneOf(inputs.value.policy, inputs.value.host);
  const world = new World(scene, lower(list, options.backend, options.arpChecks));
  if (options.attack === undefined) return simulatePacket(world, inputs.value, list, options);
  const attack = attacksOn(scene).find(({ number }) => number === options.attack);
  if (attack === undefined) throw new HostError('usage', `there is no attack ${options.attack} on this host`);
  return simulateAttack(world, attack, options);
}

function simulatePacket(world: World, inputs: Inputs, list: RuleList, options: SimulateOptions): number {
  const step = probeStep(world, inputs, options);
  const { outcome } = perform(world, step);
  const found = journeys(world.events).filter(({ text }) => !text.startsWith('ARP'));
  if (options.output === 'json') printJson('simulate', { step, outcome, journeys: found, lines: logLines(world) });
  else print([...found.flatMap((one) => journeyText(one, list)), '', `outcome: ${outcome}`].join('\n'));
  return passed(outcome) ? exitCodes.fine : exitCodes.verificationFailed;
}

function logLines({ events }: World): readonly string[] {
  return events.flatMap((event) => (event.kind === 'log' ? [event.text] : []));
}

function probeStep(world: World, inputs: Inputs, options: SimulateOptions): Step {
  const { from, to, tcp, udp } = options;
  if (from === undefined || to === undefined) throw new HostError('usage', 'say --from and --to, or --attack');
  if (!world.nodes.has(from))
    throw new HostError('usage', `no machine is named '${from}'; there are ${namesOf(world)}`);
  if (udp !== undefined)
    return { kind: 'datagram', node: from, to: addressOf(world, inputs, to, from), sport: 40_000, dport: udp };
  if (tcp === undefined)
    return { kind: 'ping', node: from, to: addressOf(world, inputs, to, from), ident: 1, sequence: 1 };
  if (world.nodes.has(to)) world.node(to).listening.add(tcp);
  return { kind: 'connect', node: from, to: addressOf(world, inputs, to, from), sport: 40_000, dport: tcp };
}

function namesOf(world: World): string {
  return [...world.nodes.values()].flatMap(({ kind, name }) => (kind === 'segment' ? [] : [name])).join(', ');
}

/** By name or by address; the host has the address that it has towards the sender. */
function addressOf(world: World, { host }: Inputs, to: string, from: string): Ip {
  const ip = parseIp(to);
  if (ip?.family === 4) return ip;
  const node = world.nodes.get(to);
  if (node === undefined)
    throw new HostError('usage', `'${to}' is no machine and no IPv4 address; there are ${namesOf(world)}`);
  const addresses = [...node.ifaces.values()].flatMap((iface) => iface.addresses);
  const gateway = world.node(from).routes.find(({ via }) => via !== undefined)?.via;
  const own = to === hostNode ? addresses.find((one) => one.bits === gateway?.bits) : undefined;
  const [first] = own === undefined ? addresses : [own];
  if (first === undefined) throw new HostError('usage', `'${to}' has no address on ${host.name}`);
  return first;
}

function journeyText(journey: Journey, list: RuleList): readonly string[] {
  const names = ruleNames(list);
  return [
    `${journey.from}: ${journey.text}`,
    ...journey.hops.flatMap(({ visit, lines }) => [
      `  ${where(visit)}  ${visit.decision.verdict.toUpperCase()} by ${names(visit.decision.by)}`,
      ...lines.map((line) => `      log: ${line}`),
    ]),
    ...journey.ends.map((end) => `  ${dispositionText(end, names)}`),
  ];
}

function where({ family, hook, iif, oif, physin, physout }: HookVisit): string {
  const ports = physin === undefined && physout === undefined ? '' : ` [${physin ?? ''} -> ${physout ?? ''}]`;
  return `${family} ${hook} ${iif ?? ''} -> ${oif ?? ''}${ports}`;
}

function dispositionText(end: Disposition, names: (by: Decider | undefined) => string): string {
  switch (end.kind) {
    case 'delivered':
      return `delivered to ${end.node} (${end.ifname})`;
    case 'denied':
      return `denied at ${where(end.hop.visit)} by ${names(end.hop.visit.decision.by)}`;
    case 'lost':
      return `lost at ${end.node}: ${end.reason}`;
    default:
      return unreachable(end);
  }
}

function simulateAttack(world: World, attack: Attack, options: SimulateOptions): number {
  const steps = attackSteps(attack, { first: 1 });
  const results = performAll(world, steps);
  const outcome = attackOutcome(attack, steps, results);
  if (options.output === 'json')
    printJson('simulate', { attack, steps, results: results.map(withoutArrivals), outcome });
  else
    print(
      [
        `attack ${attack.number}: ${attack.title}`,
        ...steps.flatMap((step, index) => stepText(step, results[index])),
        '',
        outcomeText(outcome),
      ].join('\n'),
    );
  return outcome.relayed + outcome.caught > 0 ? exitCodes.verificationFailed : exitCodes.fine;
}

function withoutArrivals({ outcome, lines }: StepResult): Pick<StepResult, 'outcome' | 'lines'> {
  return { outcome, lines };
}

const stepNames: Readonly<Record<Step['kind'], string>> = {
  ping: 'pings',
  connect: 'connects',
  datagram: 'sends',
  inject: 'forges',
  neighbour: 'believes',
  listen: 'listens',
  forget: 'all caches are empty',
  wait: 'a second passes',
};

function stepText(step: Step, result: StepResult | undefined): readonly string[] {
  const node = 'node' in step ? `${step.node} ` : '';
  const outcome = result === undefined || result.outcome === 'done' ? '' : `: ${result.outcome}`;
  return [`  ${node}${stepNames[step.kind]}${outcome}`, ...(result?.lines ?? []).map((line) => `      log: ${line}`)];
}

function outcomeText({ poisoned, caught, relayed, stops }: AttackOutcome): string {
  const stopped = stops.map(({ number, from, to }) => `RULE ${number} (${from} -> ${to})`);
  const by = stopped.length === 0 ? '' : `, stopped by ${[...new Set(stopped)].join(', ')}`;
  return `outcome: ${poisoned} of 2 caches poisoned, ${caught} packets caught, ${relayed} relayed${by}`;
}
