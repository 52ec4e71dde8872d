// Where a line begins: is there a rule that logs, does the kernel write for it, and how much does a limit hide?
import type { Facts, Logger } from './facts.ts';
import type { Family, LogRule } from './log-rules.ts';
import { arrived, type Sightings } from './sightings.ts';
import type { Cause, State, Verdict } from './verdict.ts';

export function decideRules(facts: Facts, probe: Sightings | undefined): Verdict {
  const { network, rules } = facts;
  const writing = rules.log.filter(({ group }) => group === undefined);
  const deaf = familiesOf(writing, probe).filter(({ number }) => !isWriting(network.loggers.get(number)));
  if (deaf.length > 0 && network.loggers.size > 0) return verdict('broken', 'no-logger', loggerText(facts, deaf));
  const sent = probe === undefined ? undefined : ofProbe(facts, probe);
  if (sent?.state === 'broken') return sent;
  const sampled = hiding(writing);
  if (sampled !== undefined) return verdict('broken', 'sampled', sampled);
  if (dropsOthers(facts)) {
    const others = `${network.others} other network namespaces are in use`;
    return verdict('works', 'namespaces-not-logged', `${rulesText(rules.log)}; ${others}`);
  }
  if (rules.log.length === 0) return verdict('absent', 'no-log-rules', 'neither nft nor iptables has a rule that logs');
  const text = [rulesText(rules.log), sent?.evidence].filter((one) => one !== undefined).join('; ');
  if (sent?.state === 'unknown') return verdict('unknown', undefined, text);
  if (network.isFirst === false && probe === undefined && writing.length > 0) {
    return verdict(
      'unknown',
      undefined,
      `${text}; whether the kernel writes for this network namespace shows --probe only`,
    );
  }
  return remark(writing, text);
}

/** Of the host: what its containers log goes nowhere. */
function dropsOthers({ network }: Facts): boolean {
  return network.isFirst === true && network.allNamespaces === false && network.others > 0;
}

/** It works, and there is something that one should know. */
function remark(writing: readonly LogRule[], text: string): Verdict {
  const limited = writing.filter(({ limit }) => limit !== undefined);
  if (limited.length > 0)
    return verdict('works', 'sampled', `${text}; ${limited.length} with a limit (${limitsOf(limited)})`);
  return verdict('works', undefined, text);
}

function verdict(state: State, cause: Cause | undefined, evidence: string): Verdict {
  return { path: 'rules', state, ...(cause !== undefined && { cause }), evidence };
}

// The kernel's loggers.

type Numbered = { readonly family: Family; readonly number: number };

/** NFPROTO numbers (include/uapi/linux/netfilter.h); packets of `inet` are IPv4 or IPv6. */
const numbers: Readonly<Record<Family, readonly number[]>> = {
  ip: [2],
  ip6: [10],
  inet: [2, 10],
  bridge: [7],
  arp: [3],
  netdev: [5],
};

function familiesOf(rules: readonly LogRule[], probe: Sightings | undefined): readonly Numbered[] {
  const families = new Set(rules.map(({ family }) => family));
  if (families.size === 0 && probe !== undefined) families.add('ip');
  return [...families].flatMap((family) => numbers[family].map((number) => ({ family, number })));
}

/** nfnetlink_log as the logger of a family gives its packets to NFLOG's group 0. */
function isWriting(logger: Logger | undefined): boolean {
  return logger?.bound.startsWith('nf_log') ?? false;
}

function loggerText({ network }: Facts, deaf: readonly Numbered[]): string {
  const words = deaf.map(
    ({ family, number }) => `${family} (${number}): ${network.loggers.get(number)?.bound ?? 'none'}`,
  );
  return `/proc/net/netfilter/nf_log has for ${words.join(', ')}`;
}

// The probe.

function ofProbe(facts: Facts, probe: Sightings): { readonly state: State } & Verdict {
  const { network } = facts;
  if (probe.unsent !== undefined) return verdict('unknown', undefined, `no probe: ${probe.unsent}`);
  if (probe.counter === undefined) return verdict('unknown', undefined, "the probe's counter could not be read");
  if (probe.counter === 0 && network.loopbackUp === false) return verdict('broken', 'loopback-down', downText(probe));
  if (probe.counter === 0) return verdict('broken', 'packet-not-seen', dropText(facts, probe));
  if (arrived(probe)) return verdict('works', undefined, `the probe ${probe.nonce} was logged`);
  const canSee = probe.seen.has('dmesg') || probe.seen.has('kmsg');
  const counted = `the probe's rule counted ${probe.counter} packet`;
  if (probe.overrun) return verdict('unknown', undefined, `${counted}, and the ring went round before it was read`);
  if (!canSee) return verdict('unknown', undefined, `${counted}, and the ring cannot be read from here`);
  if (network.isFirst === false)
    return verdict('broken', 'namespace-not-logged', `${counted}, and no line was written`);
  return verdict('broken', 'not-arrived', `${counted}, and no ring has the line`);
}

function downText({ refusal }: Sightings): string {
  return `the interface lo is down, and the probe's rule counted no packet${quoted(refusal)}`;
}

function quoted(refusal: string | undefined): string {
  return refusal === undefined ? '' : ` ('${refusal.slice(refusal.lastIndexOf(':') + 1).trim()}')`;
}

function dropText({ rules }: Facts, { priority, refusal }: Sightings): string {
  const chains = rules.drops.filter((drop) => drop.priority <= priority).map(({ name }) => `'${name}'`);
  const where = chains.length > 0 ? `before it drops ${chains.join(' or ')}` : 'and no chain before it drops any';
  return `the probe's rule counted no packet${quoted(refusal)}; ${where}`;
}

// Limits.

function hiding(rules: readonly LogRule[]): string | undefined {
  const worst = rules
    .flatMap((rule) => (rule.sample === undefined ? [] : [{ rule, ...rule.sample }]))
    .filter(({ came, logged }) => came > logged)
    .sort((one, other) => other.came - other.logged - (one.came - one.logged))[0];
  if (worst === undefined) return undefined;
  const { rule, came, logged } = worst;
  return `of ${came} packets that came to '${rule.prefix.trim()}' in the chain ${rule.chain}, ${logged} were logged (limit ${rule.limit})`;
}

function limitsOf(rules: readonly LogRule[]): string {
  return [...new Set(rules.map(({ limit }) => limit))].join(', ');
}

function rulesText(rules: readonly LogRule[]): string {
  if (rules.length === 0) return 'no rule logs here';
  const backends = [...new Set(rules.map(({ backend }) => backend))].join(' and ');
  return `${rules.length} ${rules.length === 1 ? 'rule logs' : 'rules log'} (${backends})`;
}
