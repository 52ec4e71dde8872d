// Rules and the first packet of a connection -> whether it comes through. What is not known of the packet, or of a rule, is
// followed both ways; the answer says in which way it hangs on that.
import { type Ip, prefixContains } from '../model/ip.ts';
import { unreachable } from '../model/unreachable.ts';
import type { Condition, PortRange, Target } from './condition.ts';
import type { Chain, Rule, Rules } from './rules.ts';

/** A TCP connection to this machine. What is `undefined` may be anything. */
export type Knock = {
  readonly saddr?: Ip;
  readonly daddr?: Ip;
  readonly iif?: string;
  readonly dport: number;
};

export type Passage =
  | { readonly kind: 'passes' }
  /** When there are not too many of them. */
  | { readonly kind: 'limited'; readonly by: string }
  /** From some senders, or by some interfaces. */
  | { readonly kind: 'partly'; readonly by: string }
  /** A rule that we do not understand may stop it. */
  | { readonly kind: 'unsure'; readonly by: string }
  | { readonly kind: 'blocked'; readonly by: string };

/** What an answer hangs on; the bits add up. */
const doubts = { rate: 1, sender: 2, unknown: 4 } as const;

type Answer = { readonly holds: boolean } | { readonly doubt: number };

/** Doubts under which the packet is somewhere: each sum of them once, so that rules never multiply the ways. */
type Ways = ReadonlySet<number>;

/** Where packets come by on their way in, in this order. */
const way = ['raw', 'mangle', 'nat']
  .map((table) => `${table}:PREROUTING`)
  .concat(['mangle', 'filter', 'security'].map((table) => `${table}:INPUT`));

const deepest = 40;
const mostSteps = 200_000;

export function passageOf(rules: Rules, knock: Knock): Passage {
  const journey = new Journey(rules, knock);
  let ways: Ways = new Set([0]);
  for (const name of way) {
    const chain = rules.get(name);
    if (chain !== undefined) ways = journey.throughBase(name, chain, ways);
  }
  return verdict(ways, journey.blocks);
}

function verdict(accepted: Ways, blocks: ReadonlyMap<number, string>): Passage {
  const sums = [...blocks.keys()];
  const by = [...blocks.values()][0] ?? '';
  if (sums.length === 0) return { kind: 'passes' };
  // an ordinary packet, of which nothing is in doubt
  const certain = blocks.get(0);
  if (certain !== undefined) return { kind: 'blocked', by: certain };
  if (accepted.size === 0) return { kind: 'blocked', by };
  const byDoubt = (doubt: number): string | undefined => blocks.get(sums.find((sum) => (sum & doubt) !== 0) ?? -1);
  const unknown = byDoubt(doubts.unknown);
  if (unknown !== undefined) return { kind: 'unsure', by: unknown };
  const sender = byDoubt(doubts.sender);
  return sender === undefined ? { kind: 'limited', by } : { kind: 'partly', by: sender };
}

/** `on` goes on with the next rule, `leaves` comes out of the chain. */
type Followed = { readonly on: Ways; readonly leaves: Ways };

/** They lead a connection elsewhere, or out of connection tracking: what the rules behind them do then is not known here. */
const riddles = new Set(['NOTRACK', 'CT', 'SYNPROXY', 'TPROXY', 'DNAT', 'REDIRECT', 'NETMAP']);

const verdicts = new Set(['ACCEPT', 'DROP', 'REJECT', 'TARPIT', 'QUEUE', 'NFQUEUE', 'RETURN']);

class Journey {
  /** What stopped it, by the doubts under which it did. */
  readonly blocks = new Map<number, string>();
  readonly #rules: Rules;
  readonly #knock: Knock;
  #accepted = new Set<number>();
  #table = '';
  #steps = 0;

  constructor(rules: Rules, knock: Knock) {
    this.#rules = rules;
    this.#knock = knock;
  }

  /** The ways on which it leaves a base chain accepted. */
  throughBase(name: string, { policy, rules }: Chain, ways: Ways): Ways {
    this.#accepted = new Set();
    this.#table = name.slice(0, name.indexOf(':'));
    const fallen = this.#through(rules, ways, 0);
    for (const sum of fallen) {
      if (policy === 'DROP') this.#block(sum, `the policy of ${name.replace('filter:', '').replace(':', ' ')}: DROP`);
      else this.#accepted.add(sum);
    }
    return this.#accepted;
  }

  #block(sum: number, by: string): void {
    if (!this.blocks.has(sum)) this.blocks.set(sum, by);
  }

  /** The ways on which it comes out at the end of a chain. */
  #through(rules: readonly Rule[], ways: Ways, depth: number): Ways {
    let live = new Set(ways);
    const left = new Set<number>();
    for (const rule of rules) {
      if (live.size === 0) break;
      this.#steps++;
      if (!this.#decides(rule)) continue;
      const fork = forkOf(rule.conditions, this.#knock);
      if (fork === undefined) continue;
      const { on, leaves } = this.#follow(rule, withDoubt(live, fork.taken), depth);
      for (const sum of leaves) left.add(sum);
      live = new Set([...on, ...fork.passed.flatMap((doubt) => [...withDoubt(live, doubt)])]);
    }
    return new Set([...left, ...live]);
  }

  #follow({ target, text }: Rule, taken: Ways, depth: number): Followed {
    const none: Ways = new Set();
    if (target === undefined) return { on: taken, leaves: none };
    switch (target.name) {
      case 'ACCEPT':
        for (const sum of taken) this.#accepted.add(sum);
        return { on: none, leaves: none };
      case 'DROP':
      case 'REJECT':
      case 'TARPIT':
      case 'QUEUE':
      case 'NFQUEUE':
        for (const sum of taken) this.#block(sum, text);
        return { on: none, leaves: none };
      case 'RETURN':
        return { on: none, leaves: taken };
      case 'NOTRACK':
      case 'CT':
      case 'SYNPROXY':
      case 'TPROXY':
      case 'DNAT':
      case 'REDIRECT':
      case 'NETMAP':
        for (const sum of taken) this.#block(sum | doubts.unknown, text);
        return { on: taken, leaves: none };
      default:
        return this.#jump(target, text, taken, depth);
    }
  }

  /** Other targets log or mark the packet, and it goes on as it was. */
  #decides({ target }: Rule): boolean {
    if (target === undefined) return false;
    return verdicts.has(target.name) || riddles.has(target.name) || this.#chain(target.name) !== undefined;
  }

  #chain(name: string): Chain | undefined {
    return this.#rules.get(`${this.#table}:${name}`);
  }

  #jump(target: Target, text: string, taken: Ways, depth: number): Followed {
    const none: Ways = new Set();
    const chain = this.#chain(target.name);
    if (chain === undefined) return { on: taken, leaves: none };
    if (depth >= deepest || this.#steps > mostSteps) {
      for (const sum of taken) this.#block(sum | doubts.unknown, text);
      return { on: none, leaves: none };
    }
    const out = this.#through(chain.rules, taken, depth + 1);
    return target.goto ? { on: none, leaves: out } : { on: out, leaves: none };
  }
}

/** The doubts under which a rule is taken, and those under which it is passed by: none when it surely holds. */
type Fork = { readonly taken: number; readonly passed: readonly number[] };

/**
 * `undefined`: it does not hold. A rate is no doubt for an ordinary packet: what is too much for it is another way. So a
 * rule that stops the excess is harmless, and one that lets in the excess only, or stops the measure, stops the packet.
 */
function forkOf(conditions: readonly Condition[], knock: Knock): Fork | undefined {
  const answers = conditions.map((condition) => answerOf(condition, knock));
  if (answers.some((answer) => 'holds' in answer && !answer.holds)) return undefined;
  const doubt = answers.reduce((sum, answer) => ('doubt' in answer ? sum | answer.doubt : sum), 0);
  const rates = conditions.filter((condition) => condition.kind === 'rate');
  if (rates.some((rate) => rate.holdsFor === 'excess')) return { taken: doubt | doubts.rate, passed: [0] };
  return { taken: doubt, passed: [...(doubt === 0 ? [] : [doubt]), ...(rates.length === 0 ? [] : [doubts.rate])] };
}

function withDoubt(ways: Ways, doubt: number): Ways {
  return new Set([...ways].map((sum) => sum | doubt));
}

function answerOf(condition: Condition, knock: Knock): Answer {
  switch (condition.kind) {
    case 'iif':
      return turned(iifAnswer(condition.name, knock.iif), condition.negated);
    case 'oif':
    case 'other-header':
      return { holds: condition.negated };
    case 'protocol':
      return turned({ holds: condition.tcp }, condition.negated);
    case 'address':
      return turned(addressAnswer(condition, knock[condition.side]), condition.negated);
    case 'port':
      return turned(portAnswer(condition, knock.dport), condition.negated);
    case 'state':
      return turned({ holds: condition.states.includes('NEW') }, condition.negated);
    case 'flags':
      return turned({ holds: condition.syn }, condition.negated);
    case 'target-type':
      return turned({ holds: condition.types.includes('LOCAL') }, condition.negated);
    // see forkOf
    case 'rate':
      return { holds: true };
    case 'unknown':
      return { doubt: doubts.unknown };
    default:
      return unreachable(condition);
  }
}

function turned(answer: Answer, negated: boolean): Answer {
  return negated && 'holds' in answer ? { holds: !answer.holds } : answer;
}

/** Who comes from elsewhere does not come by the loopback. */
function iifAnswer(name: string, iif: string | undefined): Answer {
  if (iif === undefined) return name === 'lo' ? { holds: false } : { doubt: doubts.sender };
  return { holds: name.endsWith('+') ? iif.startsWith(name.slice(0, -1)) : iif === name };
}

function addressAnswer({ prefixes }: Extract<Condition, { kind: 'address' }>, ip: Ip | undefined): Answer {
  if (prefixes.some(({ length }) => length === 0)) return { holds: true };
  return ip === undefined ? { doubt: doubts.sender } : { holds: prefixes.some((prefix) => prefixContains(prefix, ip)) };
}

/** Clients take their own port from this range. */
const clientPorts: PortRange = { first: 1_024, last: 65_535 };

function portAnswer({ side, ranges }: Extract<Condition, { kind: 'port' }>, dport: number): Answer {
  const hits = ranges.some(({ first, last }) => first <= dport && dport <= last);
  if (side === 'dport' || (side === 'either' && hits)) return { holds: hits };
  if (ranges.some(({ first, last }) => first <= clientPorts.first && last >= clientPorts.last)) return { holds: true };
  const meets = ranges.some(({ first, last }) => first <= clientPorts.last && last >= clientPorts.first);
  return meets ? { doubt: doubts.sender } : { holds: false };
}
