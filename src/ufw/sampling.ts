// LOG rules -> which of them leave lines out, and how many lines a scan leaves then. A limit is one bucket for all senders
// together (net/netfilter/xt_limit.c).
import type { Limit } from './condition.ts';
import type { Rules } from './rules.ts';

export type LogRule = { readonly chain: string; readonly prefix: string; readonly limit?: Limit };

/** Those that log by the kernel's log, or to a program (NFLOG). */
export function logRules(rules: Rules): readonly LogRule[] {
  return [...rules].flatMap(([name, chain]) =>
    chain.rules.flatMap(({ target, logPrefix = '', limit }) =>
      target?.name === 'LOG' || target?.name === 'NFLOG'
        ? [
            {
              chain: name.slice(name.indexOf(':') + 1),
              prefix: logPrefix.trim(),
              ...(limit !== undefined && { limit }),
            },
          ]
        : [],
    ),
  );
}

const ufwLimit: Limit = { text: '3/min', perSecond: 3 / 60, burst: 10 };

/** What ufw will load at a log level (0.36.2, backend_iptables.py); its start script alone knows none of them. */
export function rulesOfLevel(level: string): readonly LogRule[] {
  if (level === 'off') return [];
  const blocks = level === 'high' || level === 'full' ? {} : { limit: ufwLimit };
  const audits = level === 'full' ? {} : { limit: ufwLimit };
  return [
    { chain: 'ufw-after-logging-input', prefix: '[UFW BLOCK]', ...blocks },
    { chain: 'ufw-logging-allow', prefix: '[UFW ALLOW]', ...blocks },
    ...(level === 'low' ? [] : [{ chain: 'ufw-before-logging-input', prefix: '[UFW AUDIT]', ...audits }]),
    { chain: 'ufw-user-limit', prefix: '[UFW LIMIT BLOCK]', limit: { ...ufwLimit, text: '3/minute', burst: 5 } },
  ];
}

/** How many of `count` packets, `perSecond` of them each second, leave a line; the bucket is full when they begin. */
export function linesLeft({ perSecond: rate, burst }: Limit, count: number, perSecond: number): number {
  if (rate >= perSecond) return count;
  // what runs in while they come; the last packet ends it
  const refilled = Math.floor(((count - 1) / perSecond) * rate + 1e-9);
  return Math.min(count, burst + refilled);
}
