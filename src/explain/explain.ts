// One line of the firewall log, with host, policy and rule list at hand -> what happened, as facts. Nothing is concluded
// from the packet inside of an ICMP error, and nobody is accused by a line that is damaged, cut or ambiguous.
import type { LogAction, LogEvent } from '../model/log-event.ts';
import { unreachable } from '../model/unreachable.ts';
import { arpFaults } from './arp-faults.ts';
import { destinationFaults } from './destination-faults.ts';
import { type EventFacts, eventFacts, isEvidence, senderOf } from './event-facts.ts';
import type { Explanation, Finding, Outcome, Party } from './explanation.ts';
import { ruleFindings } from './rule-findings.ts';
import type { SeenMacs } from './seen-macs.ts';
import type { Site } from './site.ts';
import { sourceFaults } from './source-faults.ts';
import type { Witnesses } from './witnesses.ts';

export type ExplainOptions = {
  /** MACs that earlier lines showed. */
  readonly seen?: SeenMacs;
  /** What they say of attackers. */
  readonly witnesses?: Witnesses;
  /** The machine that the line itself names. */
  readonly saidHost?: string | undefined;
};

export function explainEvent(
  event: LogEvent,
  site: Site,
  { seen, witnesses, saidHost }: ExplainOptions = {},
): Explanation {
  const facts = eventFacts(event, site, seen, witnesses);
  const faults = isEvidence(event) ? faultsOf(facts) : [];
  const findings = [
    ...reading(event),
    ...otherHost(saidHost, site),
    decision(facts),
    ...whatItSays(facts),
    ...rules(facts),
    ...unknownDoors(facts),
    ...faults,
    ...remarks(facts, faults),
  ];
  const culprit = culpritOf(faults);
  const suspect = culprit === undefined ? suspectOf(faults) : undefined;
  return { outcome: outcomeOf(event.action), findings, culprit, suspect };
}

function faultsOf(facts: EventFacts): readonly Finding[] {
  return [...sourceFaults(facts), ...destinationFaults(facts), ...arpFaults(facts)];
}

function outcomeOf(action: LogAction): Outcome {
  switch (action) {
    case 'deny':
    case 'reject':
    case 'limit':
      return 'stopped';
    case 'accept':
      return 'passed';
    case 'audit':
    case 'unknown':
      return 'noted';
    default:
      return unreachable(action);
  }
}

function reading({ status, damaged, ambiguous }: LogEvent): readonly Finding[] {
  return [
    ...(status === 'damaged' || status === 'cut'
      ? [{ kind: 'unreadable', why: status, fields: damaged } as const]
      : []),
    ...(status === 'partial' ? [{ kind: 'partial' } as const] : []),
    ...(ambiguous ? [{ kind: 'ambiguous' } as const] : []),
  ];
}

function otherHost(said: string | undefined, { hostName }: Site): readonly Finding[] {
  return said === undefined || said === hostName ? [] : [{ kind: 'other-host', said, known: hostName }];
}

function decision({ event, from, to }: EventFacts): Finding {
  const { action, rule, prefix } = event;
  const { door } = to;
  return {
    kind: 'decision',
    outcome: outcomeOf(action),
    action,
    rule,
    prefix: prefix.trim(),
    from: from.door,
    to: door,
  };
}

function whatItSays(facts: EventFacts): readonly Finding[] {
  const { event, source, destination } = facts;
  const from = facts.from.door;
  const sender = isEvidence(event) ? senderOf(facts) : undefined;
  if (event.packet !== undefined) {
    const { family, protocol, sport, dport, icmpType, icmpCode, flags, frag } = event.packet;
    const packet = { family, protocol, sport, dport, icmpType, icmpCode, flags, frag };
    return [{ kind: 'packet', from, sender, source, destination, packet }];
  }
  if (event.arp === undefined) return [{ kind: 'no-ip', type: facts.mac?.type }];
  const { operation, senderIp, senderMac, targetIp } = event.arp;
  const endpoint = (ip: typeof senderIp) => (ip === undefined || ip === null ? undefined : facts.site.endpoint(ip));
  return [
    {
      kind: 'arp',
      from,
      sender,
      operation: operation ?? undefined,
      source: endpoint(senderIp),
      senderMac: senderMac ?? undefined,
      destination: endpoint(targetIp),
    },
  ];
}

function unknownDoors({ from, to }: EventFacts): readonly Finding[] {
  const names = new Set([from.door, to.door].filter(({ role }) => role === 'unknown').map(({ name }) => name));
  return names.size === 0 ? [] : [{ kind: 'unknown-doors', names: [...names] }];
}

/** Where nothing in the line is known here, the rule is one of another host too. */
function rules({ event, site, from, to }: EventFacts): readonly Finding[] {
  const named = [from.door, to.door].filter(({ role }) => role !== 'itself');
  return named.length > 0 && named.every(({ role }) => role === 'unknown') ? [] : ruleFindings(event, site);
}

/** Between two ports a frame has MACs; what the host itself sends has none yet. */
function remarks({ event, from, to, mac }: EventFacts, faults: readonly Finding[]): readonly Finding[] {
  const isBridged = from.ground !== undefined && to.ground !== undefined;
  const isBlind =
    mac === undefined && isEvidence(event) && isBridged && event.action !== 'accept' && faults.length === 0;
  return [
    ...(isBlind ? [{ kind: 'no-mac' } as const] : []),
    ...(event.inner === undefined ? [] : [{ kind: 'nested' } as const]),
  ];
}

/** The first whom a finding names for certain. */
function culpritOf(faults: readonly Finding[]): Party | undefined {
  for (const fault of faults) {
    const party = accused(fault);
    if (party !== undefined) return party;
  }
  return undefined;
}

function suspectOf(faults: readonly Finding[]): Party | undefined {
  for (const fault of faults) if (fault.kind === 'redirected') return namedBy(fault);
  return undefined;
}

function namedBy({ certain, attacker }: Extract<Finding, { readonly kind: 'redirected' }>): Party | undefined {
  return certain && attacker.kind === 'party' ? attacker.party : undefined;
}

function accused(finding: Finding): Party | undefined {
  switch (finding.kind) {
    case 'redirected':
      return finding.evidence === 'mac' ? undefined : namedBy(finding);
    case 'relayed':
      return finding.attacker;
    case 'forged-source':
    case 'forged-mac':
    case 'forged-arp':
    case 'arp-mismatch':
      return finding.by;
    case 'unreadable':
    case 'ambiguous':
    case 'partial':
    case 'other-host':
    case 'decision':
    case 'packet':
    case 'arp':
    case 'no-ip':
    case 'rule':
    case 'rule-gone':
    case 'rule-differs':
    case 'foreign-rule':
    case 'unknown-doors':
    case 'no-address-yet':
    case 'flooded':
    case 'no-mac':
    case 'nested':
      return undefined;
    default:
      return unreachable(finding);
  }
}
