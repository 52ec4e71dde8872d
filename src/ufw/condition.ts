// The words of one iptables rule -> what it asks of the first packet of a TCP connection. What we do not understand is a
// condition too: it may hold or not.
import { type Family, type Prefix, parseIp, parsePrefix } from '../model/ip.ts';

export type PortRange = { readonly first: number; readonly last: number };

export type Condition =
  | { readonly kind: 'iif'; readonly name: string; readonly negated: boolean }
  /** A packet to this machine goes out nowhere. */
  | { readonly kind: 'oif'; readonly negated: boolean }
  /** Whether TCP is among the protocols. */
  | { readonly kind: 'protocol'; readonly tcp: boolean; readonly negated: boolean }
  | {
      readonly kind: 'address';
      readonly side: 'saddr' | 'daddr';
      readonly prefixes: readonly Prefix[];
      readonly negated: boolean;
    }
  | {
      readonly kind: 'port';
      readonly side: 'sport' | 'dport' | 'either';
      readonly ranges: readonly PortRange[];
      readonly negated: boolean;
    }
  | { readonly kind: 'state'; readonly states: readonly string[]; readonly negated: boolean }
  /** Whether a lone SYN has these flags. */
  | { readonly kind: 'flags'; readonly syn: boolean; readonly negated: boolean }
  | { readonly kind: 'target-type'; readonly types: readonly string[]; readonly negated: boolean }
  /** A header or protocol that the packet does not have. */
  | { readonly kind: 'other-header'; readonly negated: boolean }
  /** How often, how many: `excess` holds for what is too much and not for an ordinary packet, `measure` the other way. */
  | { readonly kind: 'rate'; readonly holdsFor: 'excess' | 'measure' }
  /** Of the sender, and not known here: its MAC, its country, its being in a set. */
  | { readonly kind: 'unknown'; readonly text: string };

export type Limit = { readonly text: string; readonly perSecond: number; readonly burst: number };

export type Target = { readonly name: string; readonly goto: boolean };

export type RuleBody = {
  readonly conditions: readonly Condition[];
  readonly target?: Target;
  readonly limit?: Limit;
  readonly logPrefix?: string;
};

/** Matches whose options count, and those that ask nothing by being named. */
const plainModules = new Set([
  'tcp',
  'udp',
  'multiport',
  'conntrack',
  'state',
  'addrtype',
  'comment',
  'icmp',
  'icmp6',
  'icmpv6',
  'mac',
  'recent',
  'hashlimit',
  'connlimit',
]);
/** They ask nothing: words of a match that was counted, or of a target whose verdict is what it is. */
const silentOptions =
  /^--(?:hashlimit-.*|connlimit-.*|set|comment|seconds|hitcount|name|rsource|rdest|mask|rttl|reap|rt-.*|icmp-type|icmpv6-type|reject-with|queue-.*|log-.*|set-.*|hl-.*)$/;

type Draft = {
  conditions: Condition[];
  target?: Target;
  limit?: Limit;
  logPrefix?: string;
  burst?: number;
  /** Of the match `recent`: what it asks, and from how many packets on. */
  recent?: { readonly option: string; readonly negated: boolean };
  hits?: number;
};

/** `words` are what follows `-A chain`. */
export function ruleBody(words: readonly string[], family: Family): RuleBody {
  const draft: Draft = { conditions: [] };
  let negated = false;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    if (word === '!') {
      negated = true;
      continue;
    }
    const option = longNames[word] ?? word;
    // iptables of long ago: `-s ! 10.0.0.0/8`
    const inner = words[at + 1] === '!' && option.startsWith('-');
    const from = inner ? at + 2 : at + 1;
    const count = argumentCount(option, words, from);
    addOption(draft, option, words.slice(from, from + count), negated || inner, family);
    at = from + count - 1;
    negated = false;
  }
  const { burst, limit, recent, hits, ...body } = draft;
  if (recent !== undefined) body.conditions.push(recentCondition(recent, hits));
  return { ...body, ...(limit !== undefined && { limit: burst === undefined ? limit : { ...limit, burst } }) };
}

const longNames: Readonly<Record<string, string>> = {
  '--in-interface': '-i',
  '--out-interface': '-o',
  '--protocol': '-p',
  '--proto': '-p',
  '--source': '-s',
  '--src': '-s',
  '--destination': '-d',
  '--dst': '-d',
  '--jump': '-j',
  '--goto': '-g',
  '--match': '-m',
  '--sport': '--source-port',
  '--dport': '--destination-port',
  '--sports': '--source-ports',
  '--dports': '--destination-ports',
};

/** Up to the next word that looks like an option; flags take two words. */
function argumentCount(option: string, words: readonly string[], from: number): number {
  if (option === '--log-prefix' || option === '--comment') return from < words.length ? 1 : 0;
  let count = 0;
  while (from + count < words.length && !/^(?:-|!$)/.test(words[from + count] ?? '')) count++;
  return count;
}

function addOption(draft: Draft, option: string, args: readonly string[], negated: boolean, family: Family): void {
  const value = args[0] ?? '';
  if (option === '-j' || option === '-g') draft.target = { name: value, goto: option === '-g' };
  else if (option === '--limit') draft.limit = limitOf(value);
  else if (option === '--limit-burst') draft.burst = Number(value) || 5;
  else if (option === '--hitcount') draft.hits = Number(value);
  else if (option === '--rcheck' || option === '--update' || option === '--remove') draft.recent = { option, negated };
  else if (option === '--log-prefix' || option === '--nflog-prefix') draft.logPrefix = value;
  else draft.conditions.push(...conditionsOf(option, args, negated, family));
}

function conditionsOf(option: string, args: readonly string[], negated: boolean, family: Family): readonly Condition[] {
  const value = args[0] ?? '';
  switch (option) {
    case '-i':
      return [{ kind: 'iif', name: value, negated }];
    case '-o':
      return [{ kind: 'oif', negated }];
    case '-p':
      return [{ kind: 'protocol', tcp: /^(?:tcp|6|all|0|any)$/i.test(value), negated }];
    case '-s':
    case '-d':
      return [addressCondition(option === '-s' ? 'saddr' : 'daddr', value, negated, family)];
    case '--source-port':
    case '--source-ports':
      return [portCondition('sport', value, negated)];
    case '--destination-port':
    case '--destination-ports':
      return [portCondition('dport', value, negated)];
    case '--ports':
      return [portCondition('either', value, negated)];
    case '--ctstate':
    case '--state':
      return [{ kind: 'state', states: value.toUpperCase().split(','), negated }];
    case '--syn':
      return [{ kind: 'flags', syn: true, negated }];
    case '--tcp-flags':
      return [{ kind: 'flags', syn: hasOnlySyn(value, args[1] ?? ''), negated }];
    case '--dst-type':
      return [{ kind: 'target-type', types: value.toUpperCase().split(','), negated }];
    case '-m':
      return moduleCondition(value);
    case '--hashlimit-above':
      return [{ kind: 'rate', holdsFor: negated ? 'measure' : 'excess' }];
    case '--hashlimit':
    case '--hashlimit-upto':
      return [{ kind: 'rate', holdsFor: negated ? 'excess' : 'measure' }];
    case '--connlimit-above':
      return [connections(option, value, !negated)];
    case '--connlimit-upto':
      return [connections(option, value, negated)];
    default:
      return silentOptions.test(option) ? [] : [{ kind: 'unknown', text: [option, ...args].join(' ') }];
  }
}

/** Two of them, the one that is there and the next one, have to be within the measure. */
function connections(option: string, value: string, isAbove: boolean): Condition {
  if (!(Number(value) >= 2)) return { kind: 'unknown', text: `${option} ${value}` };
  return { kind: 'rate', holdsFor: isAbove ? 'excess' : 'measure' };
}

/** Who was seen before at all, as by a knock or on a list, is not known here. */
function recentCondition({ option, negated }: NonNullable<Draft['recent']>, hits: number | undefined): Condition {
  const counts = option !== '--remove' && hits !== undefined && hits >= 2;
  return counts
    ? { kind: 'rate', holdsFor: negated ? 'measure' : 'excess' }
    : { kind: 'unknown', text: `-m recent ${option}` };
}

function moduleCondition(name: string): readonly Condition[] {
  if (name === 'limit') return [{ kind: 'rate', holdsFor: 'measure' }];
  if (plainModules.has(name)) return [];
  // the first packet of a connection has no such header
  if (name === 'rt' || name === 'frag' || name === 'ah' || name === 'esp')
    return [{ kind: 'other-header', negated: false }];
  return [{ kind: 'unknown', text: `-m ${name}` }];
}

function addressCondition(side: 'saddr' | 'daddr', value: string, negated: boolean, family: Family): Condition {
  const prefixes = value.split(',').map((word) => prefixOf(word));
  if (prefixes.some((prefix) => prefix?.family !== family)) {
    return { kind: 'unknown', text: `${side === 'saddr' ? '-s' : '-d'} ${value}` };
  }
  return { kind: 'address', side, prefixes: prefixes.filter((prefix) => prefix !== undefined), negated };
}

/** Also with a mask of four numbers. */
function prefixOf(word: string): Prefix | undefined {
  const [address = '', mask = ''] = word.split('/');
  if (!mask.includes('.')) return parsePrefix(word);
  const bits = parseIp(mask)?.bits.toString(2).padStart(32, '0');
  return bits === undefined || !/^1*0*$/.test(bits)
    ? undefined
    : parsePrefix(`${address}/${bits.replaceAll('0', '').length}`);
}

function portCondition(side: 'sport' | 'dport' | 'either', value: string, negated: boolean): Condition {
  const ranges = value.split(',').map(rangeOf);
  if (ranges.some((range) => range === undefined)) return { kind: 'unknown', text: `port ${value}` };
  return { kind: 'port', side, ranges: ranges.filter((range) => range !== undefined), negated };
}

/** `22`, `22:25`, `:1023`, `1024:`, and the service that matters here by its name. */
function rangeOf(text: string): PortRange | undefined {
  if (text === 'ssh') return { first: 22, last: 22 };
  const match = /^(\d{0,5})(:?)(\d{0,5})$/.exec(text);
  if (match === null || text === '' || text === ':') return undefined;
  const [, first = '', colon, last = ''] = match;
  return { first: Number(first || 0), last: colon === '' ? Number(first) : Number(last || 65_535) };
}

function hasOnlySyn(mask: string, wanted: string): boolean {
  const masked =
    mask.toUpperCase() === 'ALL'
      ? ['SYN']
      : mask
          .toUpperCase()
          .split(',')
          .filter((flag) => flag === 'SYN');
  return masked.join() === (wanted.toUpperCase() === 'NONE' ? '' : wanted.toUpperCase());
}

const seconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** iptables' own burst is 5. */
function limitOf(text: string): Limit {
  const match = /^(\d{1,9})\/([smhd])/.exec(text);
  const perSecond = match === null ? 3 / 3_600 : Number(match[1]) / (seconds[match[2] ?? 's'] ?? 1);
  return { text, perSecond, burst: 5 };
}
