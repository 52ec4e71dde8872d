// The text of `nft list ruleset` -> the rules that log. The text may be shortened to the lines that matter, and is read
// line by line: what is not understood is passed over.
import { levelNames } from './journald-settings.ts';
import { type EarlyDrop, type Family, type LogRule, type RuleText, usualLevel } from './log-rules.ts';

type Place = {
  readonly family: Family;
  readonly table: string;
  readonly chain: string;
  /** Of a chain at the hook `output`. */
  readonly priority?: number;
};

/** `foreign` names tables as `ip filter` that belong to iptables: its own words on them are better. */
export function nftLogRules(text: string, foreign: ReadonlySet<string>): RuleText {
  const log: LogRule[] = [];
  const drops = new Map<string, EarlyDrop>();
  let place: Place = { family: 'ip', table: '', chain: '' };
  for (const line of text.split('\n').map((one) => one.trim())) {
    place = placeAfter(line, place);
    if (foreign.has(`${place.family} ${place.table}`)) continue;
    if (place.priority !== undefined && dropsHere(line)) {
      const name = `${place.family} ${place.table} ${place.chain}`;
      drops.set(name, { name, priority: place.priority });
    }
    const rule = logRule(line, place);
    if (rule !== undefined) log.push(rule);
  }
  return { log, drops: [...drops.values()] };
}

const families = ['ip', 'ip6', 'inet', 'bridge', 'arp', 'netdev'] as const;

function placeAfter(line: string, place: Place): Place {
  const [, familyName, table] = /^table (\w+) (\S+) \{/.exec(line) ?? [];
  const family = families.find((one) => one === familyName);
  if (family !== undefined && table !== undefined) return { family, table, chain: '' };
  const chain = /^chain (\S+) \{/.exec(line)?.[1];
  if (chain !== undefined) return { family: place.family, table: place.table, chain };
  const [, hook, priority = ''] = /^type \w+ hook (\w+)(?: devices? .*)? priority ([^;]+);/.exec(line) ?? [];
  return hook === 'output' ? { ...place, priority: priorityOf(priority) } : place;
}

/** Names of priorities as nft(8) has them for the families of IP. */
const priorityNames = new Map([
  ['raw', -300],
  ['mangle', -150],
  ['dstnat', -100],
  ['filter', 0],
  ['security', 50],
  ['srcnat', 100],
]);

function priorityOf(text: string): number {
  const [, name = '', sign, offset = '0'] = /^([a-z]+)(?: ([+-]) (\d+))?$/.exec(text.trim()) ?? [];
  const base = priorityNames.get(name);
  if (base === undefined) return Number(text) || 0;
  return sign === '-' ? base - Number(offset) : base + Number(offset);
}

function dropsHere(line: string): boolean {
  return /policy drop;/.test(line) || /(?:^|\s)(?:drop|reject)(?:\s|$)/.test(withoutTexts(line));
}

function logRule(line: string, { family, table, chain }: Place): LogRule | undefined {
  const words = withoutTexts(line);
  const at = words.search(/(?:^|\s)log(?:\s|$)/);
  if (at < 0 || chain === '') return undefined;
  const after = words.slice(at);
  const level = levelNames.findIndex((name) => name.startsWith(/\slevel (\w+)/.exec(after)?.[1] ?? 'none'));
  const group = /\sgroup (\d+)/.exec(after)?.[1];
  const limit = /\blimit rate (\S+)(?: burst (\d+))?/.exec(words.slice(0, at));
  return {
    backend: 'nft',
    family,
    table,
    chain,
    prefix: /\slog prefix "(.*?)"(?:\s|$)/.exec(` ${line}`)?.[1] ?? '',
    level: level < 0 ? usualLevel : level,
    ...(group !== undefined && { group: Number(group) }),
    ...(limit !== null && { limit: `${limit[1]}${limit[2] === undefined ? '' : ` burst ${limit[2]}`}` }),
  };
}

/** What stands in quotes is made of blanks, so that places stay. */
function withoutTexts(line: string): string {
  return line.replaceAll(/"[^"]*"/g, (text) => '"'.padEnd(text.length, ' '));
}
