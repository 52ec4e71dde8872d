// Would the administrator's SSH connection, and a new one from the same place, still pass? Asked of the rules before they
// are loaded, at every hook on the way, by the simulator's own evaluation.
import type { Host } from '../model/host.ts';
import { containsIp } from '../model/ip-set.ts';
import type { Mac } from '../model/mac.ts';
import type { CtState, TcpFlag } from '../model/match.ts';
import { type Ground, type ListRule, type RuleList, rulesOf } from '../model/rule-list.ts';
import { ruleComment } from '../model/rule-prefix.ts';
import type { HookName, Ruleset } from '../model/ruleset.ts';
import type { Decider, Decision } from '../model/trace.ts';
import { arpRequest, tcpSegment } from '../packet/build.ts';
import type { Packet } from '../packet/packet.ts';
import { Firewall } from '../simulate/evaluate.ts';
import type { View } from '../simulate/view.ts';
import { type BridgeHop, type SshSession, waysOf } from './ssh-way.ts';

export type Lockout = {
  readonly session: SshSession;
  readonly what: 'session' | 'new connection' | 'ARP';
  readonly direction: 'in' | 'out';
  /** What would drop it. */
  readonly by?: Decider;
  readonly rule?: ListRule;
};

/** Every way in which the rules would cut off one of the sessions; none when all of them may stay and come again. */
export function lockouts(
  sessions: readonly SshSession[],
  ruleset: Ruleset,
  list: RuleList,
  host: Host,
): readonly Lockout[] {
  const rules = new Map(rulesOf(list).map((rule) => [ruleComment(rule.id), rule]));
  return sessions.flatMap((session) =>
    waysOf(session, host, list.ground).flatMap((way) => lockoutsOf(session, way, ruleset, host, list, rules)),
  );
}

function lockoutsOf(
  session: SshSession,
  way: readonly BridgeHop[],
  ruleset: Ruleset,
  host: Host,
  list: RuleList,
  rules: ReadonlyMap<string, ListRule>,
): readonly Lockout[] {
  // there are no rules for IPv6 yet: managed ports drop it, and nobody else asks
  const unheard: readonly Lockout[] = [{ session, what: 'session', direction: 'in' }];
  // a frame with a tag is none that a managed port accepts
  if (list.ground.bridges.some(({ name }) => name === session.lower)) return unheard;
  if (session.client.family === 6) return way.length === 0 ? [] : unheard;
  return probesOf(session, host, list.ground).flatMap((probe) => {
    const { what, direction } = probe;
    const pass = direction === 'in' ? passIn : passOut;
    const { verdict, by } = pass(probe, way, session, ruleset);
    if (verdict === 'accept') return [];
    const rule = by?.comment === undefined ? undefined : rules.get(by.comment);
    return [{ session, what, direction, ...(by && { by }), ...(rule && { rule }) }];
  });
}

type Probe = Pick<Lockout, 'what' | 'direction'> & { readonly packet: Packet; readonly ctState: CtState };

const nobody = 0x02_00_00_00_00_01;

/** What the host has forgotten is what the policy says of the guest with that address. */
function macOf({ nextHop, nextHopMac }: SshSession, { bridges }: Ground): Mac {
  const owner = bridges.flatMap(({ ports }) => ports).find(({ own }) => own && containsIp(own.ips, nextHop));
  return nextHopMac ?? owner?.own?.mac ?? nobody;
}

function probesOf(session: SshSession, host: Host, ground: Ground): readonly Probe[] {
  const { client, server, clientPort, serverPort, nextHop, dev } = session;
  const nextHopMac = macOf(session, ground);
  const own = host.interfaces.find(({ name }) => name === dev)?.mac ?? nobody;
  const inward = { source: nextHopMac, destination: own };
  const outward = { source: own, destination: nextHopMac };
  const into = (flags: readonly TcpFlag[]) =>
    tcpSegment({ ether: inward, source: client, destination: server, sport: clientPort, dport: serverPort, flags });
  const out = (flags: readonly TcpFlag[]) =>
    tcpSegment({ ether: outward, source: server, destination: client, sport: serverPort, dport: clientPort, flags });
  const known: CtState = session.tracked ? 'established' : 'new';
  const live: readonly Probe[] = [
    { what: 'session', direction: 'in', packet: into(['ack']), ctState: known },
    { what: 'session', direction: 'out', packet: out(['ack']), ctState: known },
  ];
  return [
    ...(session.open ? live : []),
    { what: 'new connection', direction: 'in', packet: into(['syn']), ctState: 'new' },
    { what: 'new connection', direction: 'out', packet: out(['syn', 'ack']), ctState: 'established' },
    {
      what: 'ARP',
      direction: 'in',
      packet: arpRequest({ ether: inward, source: nextHop, destination: server }),
      ctState: 'new',
    },
    {
      what: 'ARP',
      direction: 'out',
      packet: arpRequest({ ether: outward, source: server, destination: nextHop }),
      ctState: 'new',
    },
  ];
}

type Visit = {
  readonly family: 'bridge' | 'ip';
  readonly hook: HookName;
  readonly ways: Omit<View, 'packet' | 'ctState' | 'mark'>;
};

function passIn(probe: Probe, way: readonly BridgeHop[], { dev }: SshSession, ruleset: Ruleset) {
  const last = way.at(-1);
  const heard = last === undefined || last.inner !== undefined ? {} : { bridgeInfo: { physin: last.outer } };
  return decide(probe, ruleset, [
    ...way.flatMap(({ bridge, outer, inner }) => crossing(bridge, outer, inner)),
    { family: 'ip', hook: 'input', ways: { iif: dev, ...heard } },
  ]);
}

function passOut(probe: Probe, way: readonly BridgeHop[], { dev }: SshSession, ruleset: Ruleset) {
  return decide(probe, ruleset, [
    { family: 'ip', hook: 'output', ways: { oif: dev } },
    ...way
      .toReversed()
      .flatMap(({ bridge, outer, inner }): readonly Visit[] =>
        inner === undefined
          ? [{ family: 'bridge', hook: 'output', ways: { oif: outer } }]
          : crossing(bridge, inner, outer),
      ),
  ]);
}

/** From port to port, or up to the bridge device. */
function crossing(bridge: string, from: string, to: string | undefined): readonly Visit[] {
  const first: Visit = { family: 'bridge', hook: 'prerouting', ways: { iif: from } };
  if (to === undefined) return [first, { family: 'bridge', hook: 'input', ways: { iif: from } }];
  const ports = { physin: from, physout: to };
  return [
    first,
    { family: 'bridge', hook: 'forward', ways: { iif: from, oif: to } },
    { family: 'ip', hook: 'forward', ways: { iif: bridge, oif: bridge, bridgeInfo: ports } },
  ];
}

/** ARP is no IP: no hook of that family sees it. */
function decide({ packet, ctState }: Probe, ruleset: Ruleset, visits: readonly Visit[]): Decision {
  const firewall = new Firewall(ruleset);
  const isArp = packet.payload.kind === 'arp';
  for (const { family, hook, ways } of visits) {
    if (isArp && family === 'ip') continue;
    const decision = firewall.decide(family, hook, { packet, ctState, mark: 0, ...ways }, 0, () => {});
    if (decision.verdict === 'drop') return decision;
  }
  return { verdict: 'accept' };
}
