// What an attack came to, from the results of its steps: the same reading for the simulator's and for the kernel's.
import { printMac } from '../model/mac.ts';
import { decodePacket, type Packet } from '../packet/packet.ts';
import type { Attack, Party } from './attacks.ts';
import { passed } from './flows.ts';
import type { Step, StepResult } from './scenario.ts';

/** A rule that denied a redirected packet, and the ports it was on its way between. */
export type Stop = { readonly number: number; readonly from: string; readonly to: string };

export type AttackOutcome = {
  /** Before the poisoning, how many of the two pings were answered: the others the policy does not allow. */
  readonly introduced: number;
  /** Of the two victims, how many believed the lie when it was checked last. */
  readonly poisoned: number;
  /** Frames from one victim to the other that arrived at the attacker. */
  readonly caught: number;
  /** Of those, how many arrived at the other victim by the attacker's hand. */
  readonly relayed: number;
  readonly answered: number;
  readonly probes: number;
  readonly stops: readonly Stop[];
};

/** Steps as attackSteps() makes them: introductions, lies, caches, probes, caches. */
export function attackOutcome(attack: Attack, steps: readonly Step[], results: readonly StepResult[]): AttackOutcome {
  const { attacker, victims } = attack;
  const lied = printMac(attacker.mac);
  const ofKind = (kind: Step['kind']): readonly StepResult[] =>
    results.filter((_, index) => steps[index]?.kind === kind);
  const introductions = ofKind('ping').slice(0, 2);
  const probes = ofKind('ping').slice(2);
  const arrivals = results.flatMap((result) => result.arrivals);
  const between = arrivals.filter(({ frame }) => isBetween(decodePacket(frame), victims));
  return {
    introduced: introductions.filter(({ outcome }) => passed(outcome)).length,
    poisoned: ofKind('neighbour')
      .slice(-2)
      .filter(({ outcome }) => outcome === lied).length,
    caught: between.filter(({ node, ifname }) => node === attacker.node && ifname === attacker.ifname).length,
    relayed: between.filter(
      ({ node, frame }) =>
        victims.some((victim) => victim.node === node) && decodePacket(frame)?.ether.source === attacker.mac,
    ).length,
    answered: probes.filter(({ outcome }) => passed(outcome)).length,
    probes: probes.length,
    stops: probes.flatMap(({ lines }) => lines.flatMap(stopOf)),
  };
}

function isBetween(packet: Packet | undefined, [a, b]: readonly [Party, Party]): boolean {
  if (packet?.payload.kind !== 'ip4') return false;
  const { source, destination } = packet.payload.ip;
  return (
    (source.bits === a.ip.bits && destination.bits === b.ip.bits) ||
    (source.bits === b.ip.bits && destination.bits === a.ip.bits)
  );
}

/** Our own prefixes only; ports are in PHYSIN/PHYSOUT, or in IN/OUT for rules of the bridge family. */
function stopOf(line: string): readonly Stop[] {
  const number = /^RULE (\d+) -- DENY IN=/.exec(line)?.[1];
  if (number === undefined) return [];
  const value = (name: string): string => new RegExp(`\\b${name}=(\\S*)`).exec(line)?.[1] ?? '';
  return [{ number: Number(number), from: value('PHYSIN') || value('IN'), to: value('PHYSOUT') || value('OUT') }];
}
