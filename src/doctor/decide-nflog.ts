// The other way out of the kernel: NFLOG by netlink to ulogd2, which needs no ring and no namespace's consent.
import type { Facts } from './facts.ts';
import type { Sightings } from './sightings.ts';
import type { Verdict } from './verdict.ts';

export function decideNflog({ rules, nflog }: Facts, probe: Sightings | undefined): Verdict {
  const groups = [...new Set(rules.log.flatMap(({ group }) => (group === undefined ? [] : [group])))];
  if (groups.length === 0) {
    return { path: 'nflog', state: 'absent', cause: 'no-nflog', evidence: 'no rule uses NFLOG (log group N)' };
  }
  const unheard = groups.filter((group) => !nflog.heard.includes(group));
  if (unheard.length > 0) {
    const who = nflog.ulogd ? `ulogd listens to ${nflog.heard.join(', ') || 'none'}` : 'no ulogd runs';
    return {
      path: 'nflog',
      state: 'broken',
      cause: 'nflog-unheard',
      evidence: `rules log to group ${unheard.join(', ')}; ${who}`,
    };
  }
  const files = nflog.config.files.filter(({ path }) => probe?.seen.has(path));
  const names = files.map(({ path }) => path).join(', ');
  const text = `a process listens to group ${groups.join(', ')}`;
  if (probe?.counter === undefined || probe.counter === 0 || files.length === 0) {
    return { path: 'nflog', state: 'works', evidence: text };
  }
  if (files.some(({ path }) => (probe.seen.get(path) ?? 0) > 0)) {
    return { path: 'nflog', state: 'works', evidence: `${names} has the probe` };
  }
  if (!files.every(({ sync }) => sync)) {
    return { path: 'nflog', state: 'unknown', evidence: `${text}; ulogd keeps lines in a buffer (no sync=1)` };
  }
  return { path: 'nflog', state: 'broken', cause: 'ulogd-silent', evidence: `${text}; ${names} lacks the probe` };
}
