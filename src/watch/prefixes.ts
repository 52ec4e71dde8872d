// What the prefix of a log line says: the words of every firewall that is known here, as data, and the number of an own
// rule. What is not in the table has the action `unknown`, and nobody is banned for it.
import type { LogAction } from '../model/log-event.ts';

/**
 * `*` stands for any run of characters without a blank, `#` for a word that is a number; `RULE #` is the number of the
 * rule. Blanks at the end are free.
 */
export type PrefixEntry = { readonly text: string; readonly action: LogAction };

/** The whole text of a prefix, as it stands in a rule that is loaded. */
export type LoadedPrefix = { readonly prefix: string; readonly action: LogAction; readonly rule?: number };

/** Guest, level, chain, date, time zone. */
const proxmoxLeader = '# # * */*/*:*:*:* *';

function proxmox(verdict: string, action: LogAction): readonly PrefixEntry[] {
  const texts = [verdict, `policy ${verdict}`];
  return texts.flatMap((text) =>
    [text, `:*:*:*: ${text}`, `${proxmoxLeader} ${text}`].map((each) => ({ text: each, action })),
  );
}

const knownPrefixes: readonly PrefixEntry[] = [
  // our own rules, and those of fwbuilder
  { text: 'RULE # -- DENY', action: 'deny' },
  { text: 'RULE # -- ACCEPT', action: 'accept' },
  { text: 'RULE # -- REJECT', action: 'reject' },
  // ufw; LIMIT alone is logged before the limit decides
  { text: '[UFW BLOCK]', action: 'deny' },
  { text: '[UFW LIMIT BLOCK]', action: 'limit' },
  { text: '[UFW ALLOW]', action: 'accept' },
  { text: '[UFW LIMIT]', action: 'audit' },
  { text: '[UFW AUDIT]', action: 'audit' },
  { text: '[UFW AUDIT INVALID]', action: 'audit' },
  // firewalld (LogDenied)
  { text: 'FINAL_REJECT:', action: 'reject' },
  { text: 'FINAL_DROP:', action: 'deny' },
  { text: 'STATE_INVALID_DROP:', action: 'deny' },
  { text: 'rpfilter_DROP:', action: 'deny' },
  { text: 'filter_*_REJECT:', action: 'reject' },
  { text: 'filter_*_DROP:', action: 'deny' },
  { text: 'IN_*_REJECT:', action: 'reject' },
  { text: 'IN_*_DROP:', action: 'deny' },
  { text: 'FWD*_REJECT:', action: 'reject' },
  { text: 'FWD*_DROP:', action: 'deny' },
  // its nftables back end logs the quotes too
  { text: '"FINAL_REJECT: "', action: 'reject' },
  { text: '"FINAL_DROP: "', action: 'deny' },
  { text: '"STATE_INVALID_DROP: "', action: 'deny' },
  { text: '"rpfilter_DROP: "', action: 'deny' },
  { text: '"filter_*_REJECT: "', action: 'reject' },
  { text: '"filter_*_DROP: "', action: 'deny' },
  { text: '"IN_*_REJECT: "', action: 'reject' },
  { text: '"IN_*_DROP: "', action: 'deny' },
  { text: '"FWD*_REJECT: "', action: 'reject' },
  { text: '"FWD*_DROP: "', action: 'deny' },
  // Proxmox VE: what the rule has, the end of what its logger writes, and all that it writes in front of IN=
  ...proxmox('DROP:', 'deny'),
  ...proxmox('REJECT:', 'reject'),
  ...proxmox('ACCEPT:', 'accept'),
  // Shorewall's LOGFORMAT, old and new
  { text: 'Shorewall:*:DROP:', action: 'deny' },
  { text: 'Shorewall:*:REJECT:', action: 'reject' },
  { text: 'Shorewall:*:ACCEPT:', action: 'accept' },
  { text: '*-* DROP', action: 'deny' },
  { text: '*-* REJECT', action: 'reject' },
  { text: '*-* ACCEPT', action: 'accept' },
  // SuSEfirewall2
  { text: 'SFW2-*DROP*', action: 'deny' },
  { text: 'SFW2-*REJECT*', action: 'reject' },
  { text: 'SFW2-*-ILL-*', action: 'deny' },
  { text: 'SFW2-*-ACC-*', action: 'accept' },
];

export type Meaning = { readonly action: LogAction; readonly rule: number | undefined };

const nothing: Meaning = { action: 'unknown', rule: undefined };

/** The kernel keeps no more of a prefix. */
const mostPrefix = 127;

/** Prefixes of loaded rules are few; texts that others write into a log can be many. */
const mostRemembered = 4096;

export class PrefixTable {
  readonly #loaded: ReadonlyMap<string, Meaning>;
  readonly #known: readonly { readonly words: readonly string[]; readonly action: LogAction }[];
  readonly #remembered = new Map<string, Meaning>();
  #last = '';
  #lastMeaning = nothing;

  constructor(loaded: readonly LoadedPrefix[] = [], known: readonly PrefixEntry[] = knownPrefixes) {
    this.#loaded = new Map(loaded.map(({ prefix, action, rule }) => [prefix, { action, rule }]));
    this.#known = known.map(({ text, action }) => ({ words: text.split(' '), action }));
  }

  /** A prefix of a loaded rule, letter by letter. */
  isLoaded(prefix: string): boolean {
    return this.#loaded.has(prefix);
  }

  meaning(prefix: string): Meaning {
    if (prefix === this.#last) return this.#lastMeaning;
    this.#last = prefix;
    this.#lastMeaning = this.#rememberedMeaning(prefix);
    return this.#lastMeaning;
  }

  #rememberedMeaning(prefix: string): Meaning {
    const remembered = this.#remembered.get(prefix);
    if (remembered !== undefined) return remembered;
    const meaning = this.#loaded.get(prefix) ?? this.#meaningOf(prefix);
    if (this.#remembered.size >= mostRemembered) this.#remembered.clear();
    this.#remembered.set(prefix, meaning);
    return meaning;
  }

  #meaningOf(prefix: string): Meaning {
    if (prefix.length > mostPrefix) return nothing;
    const words = prefix.trimEnd().split(' ');
    const entry = this.#known.find((known) => fits(known.words, words));
    if (entry === undefined) return nothing;
    return { action: entry.action, rule: entry.words[0] === 'RULE' ? Number(words[1]) : undefined };
  }
}

function fits(pattern: readonly string[], words: readonly string[]): boolean {
  return pattern.length === words.length && pattern.every((each, index) => fitsWord(each, words[index] as string));
}

/** Steps back to the last `*` only, so that no prefix costs much. */
function fitsWord(pattern: string, word: string): boolean {
  if (pattern === '#') return /^\d{1,9}$/.test(word);
  let [at, inWord, star, starAt] = [0, 0, -1, 0];
  while (inWord < word.length) {
    if (pattern[at] === '*') {
      star = at++;
      starAt = inWord;
    } else if (at < pattern.length && pattern[at] === word[inWord]) {
      at++;
      inWord++;
    } else if (star >= 0) {
      at = star + 1;
      inWord = ++starAt;
    } else {
      return false;
    }
  }
  while (pattern[at] === '*') at++;
  return at === pattern.length;
}

export const builtInPrefixes = new PrefixTable();
