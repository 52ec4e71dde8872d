// Rules of others that decide over our guests' traffic: would the connections that the policy allows come through them? Only
// what is sure is said: where a rule cannot be read, whatever lets pass is taken for what it does.

import type { Field } from '../model/field.ts';
import type { CtState } from '../model/match.ts';
import type { Service } from '../model/policy.ts';
import type { Chain, Expression, HookName, KernelRule, Ruleset, Table, Verdict } from '../model/ruleset.ts';
import { protocolNumbers } from '../model/service.ts';
import type { Decider } from '../model/trace.ts';
import { unreachable } from '../model/unreachable.ts';
import { echoReply, tcpSegment } from '../packet/build.ts';
import type { Packet } from '../packet/packet.ts';
import { Firewall } from '../simulate/evaluate.ts';
import type { View } from '../simulate/view.ts';
import type { Drift } from './drift.ts';
import { firstPacket, type Seen } from './first-packet.ts';
import { endWords, type Wanted, type WantedEnd, wantedKind } from './wanted.ts';

/**
 * @param others rules that are not ours, each from one tool
 * @param wanted connections that the policy allows, of which one of each kind is tried
 * @param deaf bridges whose packets the ip tables do not see
 */
export function obstacles(
  others: readonly Ruleset[],
  wanted: readonly Wanted[],
  deaf: readonly string[],
): readonly Drift[] {
  const tried = [...new Map(wanted.toReversed().map((one) => [wantedKind(one), one])).values()].reverse();
  return others.flatMap((ruleset) => {
    const asked = new Asked(ruleset);
    // one rule may drop connections of all kinds: the first of them is named
    const found = new Map<string, Drift>();
    for (const one of tried) {
      for (const way of ['there', 'back'] as const) {
        const by = asked.droppedBy(one, way, !deaf.includes(one.bridge));
        const words = by === undefined ? '' : wordsOf(one, way, by, ruleset);
        const place = by && `${one.bridge} ${by.family} ${by.table} ${by.chain} ${by.rule}`;
        if (place !== undefined && !found.has(place)) found.set(place, { kind: 'obstacle', words });
      }
    }
    return [...found.values()];
  });
}

type Way = 'there' | 'back';

function wordsOf(wanted: Wanted, way: Way, by: Decider, ruleset: Ruleset): string {
  const { bridge, from, to, service } = wanted;
  const { family, table, chain, rule } = by;
  const what = rule === undefined ? 'the policy' : `rule ${rule + 1}`;
  const whose = `${what} of chain ${chain} in table ${family} ${table}, which is not ours, drops`;
  const ends = `${endWords(from)} cannot connect to ${endWords(to)} (${service.name}) on ${bridge}`;
  const words = `${ends}, which the policy allows: ${whose} ${way === 'there' ? 'it' : 'the reply'}`;
  if (ruleset.backend !== 'iptables') return words;
  const chains = ruleset.tables.flatMap((one) => one.chains.map(({ name }) => name));
  const place = chains.includes('DOCKER-USER') ? 'DOCKER-USER' : chain;
  return `${words}; \`iptables -I ${place} -i ${bridge} -o ${bridge} -j ACCEPT\` lets it pass`;
}

type Visit = { readonly family: 'bridge' | 'ip'; readonly hook: HookName; readonly ways: Partial<View> };

/** Microseconds in which every limit is full again. */
const longMs = 86_400_000_000;

class Asked {
  readonly #whole: Firewall;
  /** For ends of whom nobody knows the MAC. */
  readonly #withoutMacs: Firewall;
  #now = 0;

  constructor(ruleset: Ruleset) {
    this.#whole = new Firewall(withoutDoubt(ruleset, isOpaque));
    this.#withoutMacs = new Firewall(withoutDoubt(ruleset, (one) => isOpaque(one) || asksMac(one)));
  }

  droppedBy(wanted: Wanted, way: Way, isShown: boolean): Decider | undefined {
    const { bridge, from, to, service } = wanted;
    const packet = way === 'there' ? beginning(service, from, to) : reply(service, to, from);
    if (packet === undefined) return undefined;
    const ctState: CtState = way === 'there' ? 'new' : 'established';
    const [iif, oif] = way === 'there' ? [from.port, to.port] : [to.port, from.port];
    const firewall = from.mac === undefined || to.mac === undefined ? this.#withoutMacs : this.#whole;
    for (const { family, hook, ways } of visits(bridge, iif, oif, isShown)) {
      this.#now += longMs;
      const by = droppedBy(firewall, family, hook, { packet, ctState, mark: 0, ...ways }, this.#now);
      if (by !== undefined) return by;
    }
    return undefined;
  }
}

function droppedBy(
  firewall: Firewall,
  family: 'bridge' | 'ip',
  hook: HookName,
  view: View,
  now: number,
): Decider | undefined {
  try {
    const { verdict, by } = firewall.decide(family, hook, view, now, () => {});
    return verdict === 'drop' ? by : undefined;
  } catch {
    // a condition that the simulator does not know: nothing is sure
    return undefined;
  }
}

const clientPort = 50_000;

function beginning(service: Service, from: WantedEnd, to: WantedEnd): Packet {
  const ends = { source: from.ip, destination: to.ip, sport: clientPort };
  return firstPacket({ ...ends, ...asked(service) }, etherOf(from, to));
}

/** What of the service is tried. */
function asked(service: Service): Pick<Seen, 'protocol' | 'dport' | 'type' | 'code' | 'id'> {
  switch (service.kind) {
    case 'any':
      return { protocol: protocolNumbers.tcp, dport: 443 };
    case 'tcp':
    case 'udp':
      return { protocol: protocolNumbers[service.kind], dport: service.dport.first };
    case 'icmp':
      return { protocol: protocolNumbers.icmp, type: service.type, code: service.code ?? 0, id: 1 };
    case 'protocol':
      return { protocol: service.protocol };
    default:
      return unreachable(service);
  }
}

const echo = 8;

/** Undefined for what nobody answers. */
function reply(service: Service, from: WantedEnd, to: WantedEnd): Packet | undefined {
  const { protocol, dport = 0, type } = asked(service);
  const ends = { source: from.ip, destination: to.ip };
  const ether = etherOf(from, to);
  if (protocol === protocolNumbers.tcp) {
    return tcpSegment({ ...ends, ether, sport: dport, dport: clientPort, flags: ['syn', 'ack'] });
  }
  if (protocol !== protocolNumbers.icmp) {
    return firstPacket({ ...ends, protocol, sport: dport, dport: clientPort }, ether);
  }
  return type === echo ? echoReply({ ...ends, ether, id: 1, sequence: 1 }) : undefined;
}

function etherOf(from: WantedEnd, to: WantedEnd) {
  return { source: from.mac ?? 0x02_00_00_00_00_01, destination: to.mac ?? 0x02_00_00_00_00_02 };
}

function visits(bridge: string, from: string, to: string, isShown: boolean): readonly Visit[] {
  const bridgeInfo = { physin: from, physout: to };
  return [
    { family: 'bridge', hook: 'prerouting', ways: { iif: from } },
    { family: 'bridge', hook: 'forward', ways: { iif: from, oif: to } },
    ...(isShown ? ([{ family: 'ip', hook: 'forward', ways: { iif: bridge, oif: bridge, bridgeInfo } }] as const) : []),
    { family: 'bridge', hook: 'postrouting', ways: { oif: to } },
  ];
}

type Doubt = (expression: Expression) => boolean;

const isOpaque: Doubt = ({ kind }) => kind === 'opaque' || kind === 'opaque-statement';

const macFields: ReadonlySet<Field> = new Set<Field>(['ether saddr', 'ether daddr']);

const asksMac: Doubt = (one) => {
  if (one.kind === 'field') return macFields.has(one.field);
  return (one.kind === 'lookup' || one.kind === 'vmap') && one.fields.some((field) => macFields.has(field));
};

function withoutDoubt(ruleset: Ruleset, isDoubtful: Doubt): Ruleset {
  return { ...ruleset, tables: ruleset.tables.map((table) => readableTable(table, isDoubtful)) };
}

/** Each chain also as what it can let pass, for who may or may not come to it. */
function readableTable(table: Table, isDoubtful: Doubt): Table {
  const chains = table.chains.filter(({ base }) => base === undefined || base.type === 'filter');
  return {
    ...table,
    chains: chains.flatMap(({ rules, ...chain }): readonly Chain[] => {
      const sure = { ...chain, rules: rules.flatMap((rule) => readableRule(rule, isDoubtful)) };
      if (chain.base !== undefined) return [sure];
      return [sure, { name: letting(chain.name), rules: rules.flatMap((rule) => lettingRule(rule, isDoubtful)) }];
    }),
  };
}

/** No name of a kernel's chain. */
function letting(chain: string): string {
  return `${chain} letting pass`;
}

function readableRule(rule: KernelRule, isDoubtful: Doubt): readonly KernelRule[] {
  return rule.body.some(isDoubtful) ? lettingRule(rule, isDoubtful) : [rule];
}

/** All that counts of a rule that may hold or not, or of one in a chain that may be asked or not: what it might let pass. */
function lettingRule({ body, ...rule }: KernelRule, isDoubtful: Doubt): readonly KernelRule[] {
  const sure = body.filter((one) => !isDoubtful(one) && one.kind !== 'verdict' && one.kind !== 'vmap');
  const ending = (verdict: Verdict): readonly KernelRule[] => [
    { ...rule, body: [...sure, { kind: 'verdict', verdict }] },
  ];
  const end = body.find((one) => one.kind === 'verdict' || one.kind === 'vmap');
  if (end === undefined) return body.some(isQueue) ? ending({ kind: 'accept' }) : [];
  if (end.kind === 'vmap') return ending({ kind: 'accept' });
  switch (end.verdict.kind) {
    case 'accept':
      return ending({ kind: 'accept' });
    case 'return':
      // what stands behind it might let pass, too
      return ending({ kind: body.some(isDoubtful) ? 'accept' : 'return' });
    case 'jump':
    case 'goto':
      return ending({ kind: 'jump', chain: letting(end.verdict.chain) });
    case 'drop':
    case 'reject':
      return [];
    default:
      return unreachable(end.verdict);
  }
}

/** A program decides there. */
function isQueue(one: Expression): boolean {
  return one.kind === 'opaque-statement' && /queue/i.test(one.text);
}
