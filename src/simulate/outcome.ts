// What an attack came to, from the results of its steps: the same reading for the simulator's and for the kernel's.
import { printMac } from '../model/mac.ts';
import { decodePacket, type Packet } from '../packet/packet.ts';
import type { Attack, Party } from './attacks.ts';
import { passed } from './flows.ts';
import type { StepResult } from './scenario.ts';

/** A rule that denied a redirected packet, and the ports it was on its way between. */
export type Stop = { readonly number: number; readonly from: string; readonly to: string };

export type AttackOutcome = {
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

/** Steps in the order of attackSteps(): introductions, lies, caches, probes, caches. */
export function attackOutcome(attack: Attack, results: readonly StepResult[]): AttackOutcome {
  const { attacker, victims } = attack;
  const lied = printMac(attacker.mac);
  const probes = [results[8], results[10]].filter((result) => result !== undefined);
  const arrivals = results.flatMap((result) => result.arrivals);
  const between = arrivals.filter(({ frame }) => isBetween(decodePacket(frame), victims));
  return {
    poisoned: results.slice(-2).filter(({ outcome }) => outcome === lied).length,
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
