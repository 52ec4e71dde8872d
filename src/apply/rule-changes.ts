// Two numbered lists -> what is different between them, in the policy's words: rules by their ids, ports by what is behind
// them.
import { type IpSet, printIpSet, subtractIps } from '../model/ip-set.ts';
import { printMac } from '../model/mac.ts';
import { type Ground, type GroundPort, type ListRule, type RuleList, rulesOf } from '../model/rule-list.ts';
import { isSameTree } from '../model/stable-text.ts';

export type RuleChange = {
  readonly change: 'added' | 'removed' | 'changed';
  /** As it will be; of a removed one, as it was. */
  readonly rule: ListRule;
  readonly before?: ListRule;
};

export type PortChange = {
  readonly port: string;
  readonly bridge: string;
  /** What it is now; undefined when it is gone. */
  readonly kind?: GroundPort['kind'];
  /** Who is behind it, or was. */
  readonly guest?: string;
  /** One line for each thing that is different there. */
  readonly words: readonly string[];
};

export type ListChanges = { readonly rules: readonly RuleChange[]; readonly ports: readonly PortChange[] };

/** @param before undefined when nothing was loaded */
export function listChanges(before: RuleList | undefined, after: RuleList): ListChanges {
  return {
    rules: ruleChanges(before === undefined ? [] : rulesOf(before), rulesOf(after)),
    ports: groundChanges(before?.ground, after.ground),
  };
}

/** What is different at the ports. */
export function groundChanges(before: Ground | undefined, after: Ground): readonly PortChange[] {
  return portChanges(before === undefined ? [] : portsOf(before), portsOf(after));
}

function portsOf(ground: Ground): readonly GroundPort[] {
  return ground.bridges.flatMap(({ ports }) => ports);
}

/** The same ground with ports that came, went or changed; those that are gone have no kind. */
export function groundWith(ground: Ground, changes: readonly PortChange[], now: readonly GroundPort[]): Ground {
  const names = new Set(changes.map(({ port }) => port));
  const bridges = ground.bridges.map((bridge) => ({
    ...bridge,
    ports: [
      ...bridge.ports.filter(({ name }) => !names.has(name)),
      ...now.filter((port) => port.bridge === bridge.name && names.has(port.name)),
    ],
  }));
  return { ...ground, bridges };
}

function ruleChanges(before: readonly ListRule[], after: readonly ListRule[]): readonly RuleChange[] {
  const old = new Map(before.map((rule) => [rule.id, rule]));
  const kept = new Set(after.map(({ id }) => id));
  return [
    ...before.filter(({ id }) => !kept.has(id)).map((rule): RuleChange => ({ change: 'removed', rule })),
    ...after.flatMap((rule): readonly RuleChange[] => {
      const was = old.get(rule.id);
      if (was === undefined) return [{ change: 'added', rule }];
      return isSameTree(said(was), said(rule)) ? [] : [{ change: 'changed', rule, before: was }];
    }),
  ];
}

/** What a rule says. Who is in a group is said by the ports: it would be repeated at every rule that names the group. */
function said({ number, place, verdict, log, text }: ListRule): object {
  return { number, place, verdict, log, text };
}

function portChanges(before: readonly GroundPort[], after: readonly GroundPort[]): readonly PortChange[] {
  const old = new Map(before.map((port) => [port.name, port]));
  const kept = new Set(after.map(({ name }) => name));
  return [
    ...before
      .filter(({ name }) => !kept.has(name))
      .map((port) => ({ port: port.name, bridge: port.bridge, ...whose(port), words: ['is no longer there'] })),
    ...after.flatMap((port) => {
      const was = old.get(port.name);
      const words = portWords(was, port);
      const { name, bridge, kind } = port;
      return words.length === 0 ? [] : [{ port: name, bridge, kind, ...whose(port, was), words }];
    }),
  ];
}

function whose({ guest }: GroundPort, was?: GroundPort): Pick<PortChange, 'guest'> {
  const name = guest ?? was?.guest;
  return name === undefined ? {} : { guest: name };
}

function portWords(was: GroundPort | undefined, port: GroundPort): readonly string[] {
  if (was === undefined) return [`is new: ${kindWords(port)}`];
  if (kindWords(was) !== kindWords(port)) return [`was ${kindWords(was)}, is ${kindWords(port)}`];
  return [
    ...(was.bridge === port.bridge ? [] : [`was on ${was.bridge}`]),
    ...sideWords('behind it', was.behind, port.behind),
    ...sideWords('on this side of it', was.near, port.near),
  ];
}

function kindWords({ kind, own }: GroundPort): string {
  switch (kind) {
    case 'guest':
      return `a guest's, ${printIpSet(own?.ips ?? [])}${own?.mac === undefined ? '' : ` ${printMac(own.mac)}`}`;
    case 'link':
      return 'a cable to another bridge';
    case 'host':
      return "a cable to the host's own interface";
    case 'uplink':
      return 'an uplink';
    case 'closed':
      return 'closed';
  }
}

function sideWords(where: string, was: IpSet, is: IpSet): readonly string[] {
  const gained = subtractIps(is, was);
  const lost = subtractIps(was, is);
  return [
    ...(gained.length === 0 ? [] : [`${printIpSet(gained)} is ${where} now`]),
    ...(lost.length === 0 ? [] : [`${printIpSet(lost)} is not ${where} any more`]),
  ];
}
