// Loaded and wanted rules as a unified diff. What means the same is written the same, in the words of the wanted rules;
// sets, maps and chains stand in the order of their names.
import { AssertionError } from 'node:assert/strict';
import { createTwoFilesPatch } from 'diff';
import type { Loaded } from '../apply/loaded.ts';
import { canonical as canonicalIptables } from '../iptables/canonical.ts';
import { printIptablesSave } from '../iptables/print.ts';
import type { Chain, KernelRule, Ruleset, Table, TableFamily } from '../model/ruleset.ts';
import { stableText } from '../model/stable-text.ts';
import { canonical as canonicalNft } from '../nft/canonical.ts';
import { printChain, printMap, printSet } from '../nft/print.ts';

/** Empty when they are the same. */
export function rulesDiff(loaded: Loaded, wanted: Loaded): string {
  const words = rulesByMeaning(wanted.nft);
  const before = nftText(loaded.nft, words) + iptablesText(loaded.iptables);
  const after = nftText(wanted.nft, words) + iptablesText(wanted.iptables);
  if (before === after) return '';
  const patch = createTwoFilesPatch('kernel', 'policy', before, after, undefined, undefined, { context: 3 });
  return patch.slice(patch.indexOf('--- '));
}

function iptablesText(ruleset: Ruleset): string {
  return printIptablesSave(canonicalIptables(ruleset));
}

type Words = ReadonlyMap<string, KernelRule>;

/** The canonical form of each rule and the rule: only the latter can be printed. */
function rulesByMeaning(ruleset: Ruleset): Words {
  const raw = chainsOf(ruleset);
  const pairs = [...chainsOf(canonicalNft(ruleset))].flatMap(([key, { rules }]) =>
    rules.flatMap((rule, index): readonly (readonly [string, KernelRule])[] => {
      const printable = raw.get(key)?.rules[index];
      return printable === undefined ? [] : [[stableText(rule), printable]];
    }),
  );
  return new Map(pairs);
}

function chainsOf({ tables }: Ruleset): ReadonlyMap<string, Chain> {
  const named = ({ family, name, chains }: Table) =>
    chains.map((chain): [string, Chain] => [`${family} ${name} ${chain.name}`, chain]);
  return new Map(tables.flatMap(named));
}

function nftText(ruleset: Ruleset, words: Words): string {
  const raw = chainsOf(ruleset);
  return canonicalNft(ruleset)
    .tables.map((table) => tableText(table, raw, words))
    .join('');
}

function tableText(table: Table, raw: ReadonlyMap<string, Chain>, words: Words): string {
  const { family, name, sets, maps, chains } = table;
  const texts = chains.map((chain) => {
    const rules = chain.rules.map(
      (rule, index) => words.get(stableText(rule)) ?? raw.get(`${family} ${name} ${chain.name}`)?.rules[index] ?? rule,
    );
    return chainText({ ...chain, rules }, family);
  });
  return `table ${family} ${name} {\n${[...sets.map(printSet), ...maps.map(printMap), ...texts].join('\n')}}\n`;
}

/** Somebody else's rule may be one that we could not load: it is shown as it was read. */
function chainText(chain: Chain, family: TableFamily): string {
  try {
    return printChain(chain, family);
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error;
    const rules = chain.rules.map((rule) => `\t\t# ${stableText(rule)}\n`);
    return `\tchain ${chain.name} {\n${rules.join('')}\t}\n`;
  }
}
