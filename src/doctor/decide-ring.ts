// The kernel's ring by its two doors: syslog(2), which dmesg asks, and /dev/kmsg, which journald reads.
import { unreachable } from '../model/unreachable.ts';
import type { Facts, RingFacts } from './facts.ts';
import { isContainer, type MachineKind } from './machine-kind.ts';
import { type Sightings, sightingsAt } from './sightings.ts';
import type { Cause, State, Verdict } from './verdict.ts';

export function decideRing(facts: Facts, kind: MachineKind, probe: Sightings | undefined): Verdict {
  const { ring, network } = facts;
  const verdict = (state: State, cause: Cause | undefined, evidence: string): Verdict => ({
    path: 'ring',
    state,
    ...(cause !== undefined && { cause }),
    evidence,
  });
  if (ring.dmesg === 'absent') return verdict('unknown', 'dmesg-missing', 'no program dmesg');
  if (ring.dmesg !== 'readable') return refusal(facts, verdict);
  const seen = sightingsAt(probe, 'dmesg');
  if (seen === 0) return verdict('broken', 'not-arrived', 'dmesg answers, and does not show the probe');
  const text = seen === undefined ? 'dmesg answers' : 'dmesg shows the probe';
  const foreign = isContainer(kind) || network.isFirst === false ? foreignInterfaces(facts) : [];
  if (foreign.length > 0)
    return verdict('works', 'shared-ring', `${text}; lines of ${listed(foreign)}, which are not here`);
  return verdict('works', undefined, text);
}

type MakeVerdict = (state: State, cause: Cause | undefined, evidence: string) => Verdict;

/** Who is not root asks without the capability anyway: that says nothing about the machine. */
function refusal({ ring, uid }: Facts, verdict: MakeVerdict): Verdict {
  const { restricted, mayAsk, ownUsers, dmesgSaid } = ring;
  const capability = !mayAsk ? 'is missing' : ownUsers ? "is this user namespace's only" : 'is there';
  const why = `kernel.dmesg_restrict=${restricted ? 1 : 0}, CAP_SYSLOG ${capability}`;
  const evidence = `${dmesgSaid}; ${why}`;
  return uid === 0 ? verdict('broken', 'dmesg-refused', evidence) : verdict('unknown', 'dmesg-refused', evidence);
}

/** Interfaces in firewall lines that this network namespace does not have. */
function foreignInterfaces({ ring, network }: Facts): readonly string[] {
  const known = new Set(network.interfaces);
  const named = ring.records.flatMap(({ text }) => {
    const [, from = '', to = ''] = /IN=(\S*) OUT=(\S*) /.exec(text) ?? [];
    return [from, to].filter((name) => name !== '' && !known.has(name));
  });
  return [...new Set(named)];
}

function listed(names: readonly string[]): string {
  return names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
}

export function decideKmsg(facts: Facts, kind: MachineKind, probe: Sightings | undefined): Verdict {
  const { ring } = facts;
  const cause = kmsgFault(ring);
  if (cause !== undefined)
    return { path: 'kmsg', state: faultState(facts, kind, cause), cause, evidence: kmsgText(ring) };
  if (ring.kmsg === 'odd') return { path: 'kmsg', state: 'unknown', evidence: ring.kmsgSaid };
  const seen = sightingsAt(probe, 'kmsg');
  if (seen === 0) {
    return {
      path: 'kmsg',
      state: 'broken',
      cause: 'not-arrived',
      evidence: 'it can be read, and does not show the probe',
    };
  }
  return { path: 'kmsg', state: 'works', evidence: seen === undefined ? 'it can be read' : 'it shows the probe' };
}

type KmsgFault = 'kmsg-absent' | 'kmsg-refused' | 'kmsg-unreadable';

function kmsgFault({ kmsg }: RingFacts): KmsgFault | undefined {
  switch (kmsg) {
    case 'absent':
      return 'kmsg-absent';
    case 'refused':
      return 'kmsg-refused';
    case 'invalid':
      return 'kmsg-unreadable';
    case 'readable':
    case 'odd':
      return undefined;
    default:
      return unreachable(kmsg);
  }
}

/** Containers have no device as a rule, and dmesg is another door; so is what our collector writes. */
function faultState({ ring, syslog, uid }: Facts, kind: MachineKind, cause: KmsgFault): State {
  if (cause === 'kmsg-refused' && uid !== 0) return 'unknown';
  const covered = ring.dmesg === 'readable' && syslog.collector;
  const usual = isContainer(kind) && cause !== 'kmsg-unreadable';
  return covered || usual ? 'absent' : 'broken';
}

function kmsgText({ kmsg, kmsgSaid }: RingFacts): string {
  if (kmsg === 'absent') return 'there is no /dev/kmsg';
  return kmsg === 'invalid' ? 'opening it works, reading 8192 bytes gives EINVAL' : kmsgSaid;
}
