// The small chains of the bridge table: for each border port and direction what may pass and then the numbered checks in the
// list's order, for each DENY rule what becomes of a frame. A guest's port has them if there are rules for it alone.
import { lookup, type Match, notLookup } from '../model/match.ts';
import type { GroundPort, ListRule } from '../model/rule-list.ts';
import { logLimit, logPrefix, ruleComment } from '../model/rule-prefix.ts';
import { accept, type Chain, count, drop, goTo, type KernelRule, log, type Statement } from '../model/ruleset.ts';
import { unreachable } from '../model/unreachable.ts';
import { type ArpChecks, announcement, arpRule, arpRules } from './arp.ts';
import { type BorderPorts, cardsOf, isBorder } from './border-ports.ts';
import { acceptIp, isArp, isIp, isRarp, plainDatagrams, portChain, ruleChain } from './parts.ts';

/** What becomes of a frame that a rule denies. @param port where it is denied, if that is at one */
export function denyChain(rule: ListRule, port: GroundPort | undefined): Chain {
  const isOut = rule.place.kind === 'port' && rule.place.direction === 'out';
  return {
    name: ruleChain(rule),
    rules: [...(isOut && port !== undefined ? floodedCopies(rule, port) : []), ...denial(rule)],
  };
}

/** A frame that was not addressed to a card behind the port is a flooded copy: no attack, so it is counted only. */
export function floodedCopies(rule: ListRule, port: GroundPort): readonly KernelRule[] {
  const comment = ruleComment(rule.id);
  if (isBorder(port)) {
    // a guest whose card nobody knows may come and go behind it
    return [{ body: [lookup('told', 'oifname'), notLookup(cardsOf(port), 'ether daddr'), count, drop], comment }];
  }
  return port.macs === undefined
    ? []
    : [{ body: [notLookup('station', 'oifname', 'ether daddr'), count, drop], comment }];
}

/** Logged as often as the limit lets, counted and dropped each time. */
export function denial(rule: ListRule, ...matches: readonly Match[]): readonly KernelRule[] {
  const comment = ruleComment(rule.id);
  return [
    { body: [...matches, logLimit, log(logPrefix(rule))], comment },
    { body: [...matches, count, drop], comment },
  ];
}

export type PortRules = {
  readonly borders: BorderPorts;
  /** The way to what guests and servers may send to everybody, as DHCP needs it. */
  readonly broadcasts: readonly KernelRule[];
  readonly rest: ListRule | undefined;
  readonly arp: ArpChecks;
};

export function inChain(port: GroundPort, rules: readonly ListRule[], about: PortRules): Chain {
  const checks = rules.flatMap((rule) => portRules(rule, port, 'in', about.borders));
  return { name: portChain('in', port), rules: [...entering(port, about), ...checks, ...lastRules(about)] };
}

export function outChain(port: GroundPort, rules: readonly ListRule[], about: PortRules): Chain {
  const checks = rules.flatMap((rule) => portRules(rule, port, 'out', about.borders));
  return { name: portChain('out', port), rules: [...leaving(port, about), ...checks, ...lastRules(about)] };
}

/** What no check would stop. A guest's IPv4 was asked before. */
function entering(port: GroundPort, { borders, arp }: PortRules): readonly KernelRule[] {
  switch (port.kind) {
    case 'closed':
      return [];
    case 'guest':
      return [arpRule(arp), announcement(lookup('station', 'iifname', 'ether saddr'))];
    case 'link':
    case 'host':
    case 'uplink':
      return [
        ...borders.crossings(port, 'in').map((matches) => ({ body: acceptIp(...matches) })),
        ...(arp === 'bound' ? arpRules((address) => borders.speakers(port, address)) : [arpRule(arp)]),
        announcement(lookup(cardsOf(port), 'ether saddr')),
      ];
    default:
      return unreachable(port.kind);
  }
}

/** Senders of ARP were proved where the frame came in. */
function leaving(port: GroundPort, { borders, broadcasts }: PortRules): readonly KernelRule[] {
  const isAny = isBorder(port);
  return [
    ...(isAny ? borders.crossings(port, 'out').map((matches) => ({ body: acceptIp(...matches) })) : []),
    { body: [isArp, accept] },
    // a migrated guest's announcement is for bridges to learn from, not for other guests
    ...(isAny ? [{ body: [isRarp, accept] }] : []),
    ...broadcasts,
  ];
}

/** What passed the numbered checks may go on; every other kind of frame ends here. */
function lastRules({ rest }: PortRules): readonly KernelRule[] {
  return [{ body: [isIp, accept] }, { body: [rest === undefined ? drop : goTo(ruleChain(rest))] }];
}

/** A numbered check of one port, over the sets: the same conditions for one address as for many. */
function portRules(
  rule: ListRule,
  port: GroundPort,
  direction: 'in' | 'out',
  borders: BorderPorts,
): readonly KernelRule[] {
  const end = direction === 'in' ? 'iifname' : 'oifname';
  const target: Statement = rule.verdict === 'accept' ? accept : goTo(ruleChain(rule));
  const comment = ruleComment(rule.id);
  const { check } = rule;
  const ipRule = (...matches: readonly Match[]): KernelRule => ({
    body: rule.verdict === 'accept' ? acceptIp(...matches) : [isIp, ...matches, target],
    comment,
  });
  const notOn = (side: 'far' | 'near', address: 'ip saddr' | 'ip daddr'): readonly Match[] =>
    isBorder(port) ? borders.notOn(side, address, port) : [notLookup('own', end, address)];
  switch (check.kind) {
    case 'destination-not':
      return [ipRule(...notOn(direction === 'out' ? 'far' : 'near', 'ip daddr'))];
    case 'source-is':
      return [ipRule(lookup('own', end, 'ip saddr'))];
    case 'source-not':
      return [
        ...(direction === 'in' ? [{ body: [isArp, target], comment }] : []),
        port.own?.mac === undefined
          ? ipRule(...notOn(direction === 'in' ? 'far' : 'near', 'ip saddr'))
          : ipRule(notLookup('own_mac', end, 'ether saddr', 'ip saddr')),
      ];
    case 'datagrams':
      // those that stand behind the address checks may go on with everything else that passed them
      return check.whole === undefined ? [ipRule(...plainDatagrams(check))] : [];
    case 'everything':
      return [{ body: [target], comment }];
    case 'new-flows':
    case 'known-flow':
      return [];
    default:
      return unreachable(check);
  }
}
