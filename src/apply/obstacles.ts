// Rules of others that decide over our guests' traffic: would a connection between two guests of a bridge come through
// them? Only what is sure is said: a rule that cannot be read is taken for one that lets pass.

import type { CtState, TcpFlag } from '../model/match.ts';
import type { Ground, GroundBridge, GroundPort } from '../model/rule-list.ts';
import type { Chain, HookName, KernelRule, Ruleset, Table } from '../model/ruleset.ts';
import type { Decider } from '../model/trace.ts';
import { tcpSegment } from '../packet/build.ts';
import type { Packet } from '../packet/packet.ts';
import { Firewall } from '../simulate/evaluate.ts';
import type { View } from '../simulate/view.ts';
import type { Drift } from './drift.ts';

/**
 * @param others rules that are not ours, each from one tool
 * @param deaf bridges whose packets the ip tables do not see
 */
export function obstacles(others: readonly Ruleset[], { bridges }: Ground, deaf: readonly string[]): readonly Drift[] {
  const readable = others.map(withoutDoubt);
  return bridges.flatMap((bridge) =>
    readable.flatMap((ruleset) => {
      const by = bridgeObstacle(ruleset, bridge, !deaf.includes(bridge.name));
      return by === undefined ? [] : [{ kind: 'obstacle', words: wordsOf(bridge.name, by, ruleset) } as const];
    }),
  );
}

function wordsOf(bridge: string, { family, table, chain, rule }: Decider, ruleset: Ruleset): string {
  const what = rule === undefined ? 'the policy' : `rule ${rule + 1}`;
  const words = `guests on ${bridge} cannot connect: ${what} of chain ${chain} in table ${family} ${table}, which is not ours, drops it`;
  if (ruleset.backend !== 'iptables') return words;
  const chains = ruleset.tables.flatMap((one) => one.chains.map(({ name }) => name));
  const place = chains.includes('DOCKER-USER') ? 'DOCKER-USER' : chain;
  return `${words}; \`iptables -I ${place} -i ${bridge} -o ${bridge} -j ACCEPT\` lets it pass`;
}

type Visit = { readonly family: 'bridge' | 'ip'; readonly hook: HookName; readonly ways: Partial<View> };

function bridgeObstacle(ruleset: Ruleset, bridge: GroundBridge, isShown: boolean): Decider | undefined {
  const [from, to] = bridge.ports.filter(({ kind }) => kind === 'guest');
  if (from === undefined) return undefined;
  const other = to ?? bridge.ports.find(({ name }) => name !== from.name) ?? from;
  const firewall = new Firewall(ruleset);
  for (const { packet, ctState } of probes(from, other)) {
    for (const { family, hook, ways } of visits(bridge.name, from.name, other.name, isShown)) {
      const by = droppedBy(firewall, family, hook, { packet, ctState, mark: 0, ...ways });
      if (by !== undefined) return by;
    }
  }
  return undefined;
}

function droppedBy(firewall: Firewall, family: 'bridge' | 'ip', hook: HookName, view: View): Decider | undefined {
  try {
    const { verdict, by } = firewall.decide(family, hook, view, 0, () => {});
    return verdict === 'drop' ? by : undefined;
  } catch {
    // a condition that the simulator does not know: nothing is sure
    return undefined;
  }
}

function probes(from: GroundPort, to: GroundPort): readonly { readonly packet: Packet; readonly ctState: CtState }[] {
  const [source, destination] = [addressOf(from, 0), addressOf(to, 1)];
  const ether = { source: from.own?.mac ?? 0x02_00_00_00_00_01, destination: to.own?.mac ?? 0x02_00_00_00_00_02 };
  const segment = (flags: readonly TcpFlag[]) =>
    tcpSegment({ ether, source, destination, sport: 50_000, dport: 443, flags });
  return [
    { packet: segment(['syn']), ctState: 'new' },
    { packet: segment(['ack']), ctState: 'established' },
  ];
}

/** Without an own address one of TEST-NET-1 (RFC 5737). */
function addressOf({ own }: GroundPort, index: number) {
  const bits = own?.ips.find(({ family }) => family === 4)?.first ?? 0xc0_00_02_01n + BigInt(index);
  return { family: 4, bits } as const;
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

function withoutDoubt(ruleset: Ruleset): Ruleset {
  return { ...ruleset, tables: ruleset.tables.map(readableTable) };
}

function readableTable(table: Table): Table {
  const chains = table.chains.filter(({ base }) => base === undefined || base.type === 'filter');
  return { ...table, chains: chains.map((chain): Chain => ({ ...chain, rules: chain.rules.flatMap(readableRule) })) };
}

/** What is opaque holds where the rule lets pass, and does not hold where it drops or leads elsewhere. */
function readableRule(rule: KernelRule): readonly KernelRule[] {
  const isOpaque = rule.body.some(({ kind }) => kind === 'opaque' || kind === 'opaque-statement');
  if (!isOpaque) return [rule];
  const lets = rule.body.some(
    (one) => one.kind === 'verdict' && (one.verdict.kind === 'accept' || one.verdict.kind === 'return'),
  );
  const body = rule.body.filter(({ kind }) => kind !== 'opaque' && kind !== 'opaque-statement');
  return lets ? [{ ...rule, body }] : [];
}
