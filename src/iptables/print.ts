// Ruleset -> text for `iptables-restore`, with or without `--noflush`, and a shell script that loads the same rules.
// Chains of our own are declared, and so emptied first; base chains keep their policy unless the tree has DROP.
import assert from 'node:assert/strict';
import type { Chain, KernelRule, Ruleset, Table } from '../model/ruleset.ts';
import { isOneLine } from '../model/symbols.ts';
import { baseChain, isTable } from './built-in.ts';
import { chainValue, ruleWords } from './print-rule.ts';
import { printSaved, printShell, value, type Word } from './words.ts';

/** @throws AssertionError on what iptables cannot say or must not be given: a bug of ours, never a user's mistake */
export function printIptablesSave(ruleset: Ruleset): string {
  return ruleset.tables.map(printTable).join('');
}

function printTable(table: Table): string {
  assertTable(table);
  const declared = table.chains.flatMap((chain) => {
    if (chain.base === undefined) return [`:${printSaved([chainValue(chain.name)])} - [0:0]`];
    return chain.base.policy === 'drop' ? [`:${chain.name} DROP [0:0]`] : [];
  });
  const rules = table.chains.flatMap((chain) => chain.rules.map((rule) => printSaved(appendWords(chain, rule))));
  return [`*${table.name}`, ...declared, ...rules, 'COMMIT', ''].join('\n');
}

function appendWords({ name }: Chain, rule: KernelRule): readonly Word[] {
  return ['-A', value(name), ...ruleWords(rule)];
}

function assertTable({ family, name, sets, maps, chains }: Table): void {
  assert(family === 'ip' && isTable(name), `iptables has no table ${family} ${name}`);
  assert(sets.length === 0 && maps.length === 0, 'iptables has neither sets nor maps');
  for (const chain of chains) {
    const { hook, priority, type } = chain.base ?? {};
    const built = baseChain(name, chain.name);
    const fits = hook === built?.hook && priority === built?.priority && type === built?.type;
    assert(fits, `chain ${chain.name} of table ${name} is none of iptables' base chains, or not at its place`);
  }
}

/** Readable first: a line for each rule, under the number and the id of the rule that it comes from. */
export function printIptablesScript(ruleset: Ruleset): string {
  return [
    '#!/bin/sh',
    '# The rules one by one, for reading; iptables-restore loads the same ones at once and without a gap.',
    'set -eu',
    ...ruleset.tables.flatMap((table) => ['', ...tableScript(table)]),
    '',
  ].join('\n');
}

function tableScript(table: Table): readonly string[] {
  assertTable(table);
  const call = (...words: readonly Word[]) => `iptables -w -t ${table.name} ${printShell(words)}`;
  const own = table.chains.filter(({ base }) => base === undefined);
  const bases = table.chains.filter(({ base }) => base !== undefined);
  const numbers = ruleNumbers(table);
  const closed = bases.filter(({ base }) => base?.policy === 'drop');
  return [
    `# Table ${table.name}`,
    ...own.map(({ name }) => call('-N', chainValue(name))),
    ...closed.map(({ name }) => call('-P', value(name), 'DROP')),
    ...[...own, ...bases].flatMap((chain) => [
      '',
      `# Chain ${chain.name}`,
      ...chain.rules.flatMap((rule, index) => [
        ...headingLines(rule, chain.rules[index - 1], numbers),
        call(...appendWords(chain, rule)),
      ]),
    ]),
  ];
}

/** Above the first of neighbouring rules of one id. */
function headingLines(
  { comment }: KernelRule,
  previous: KernelRule | undefined,
  numbers: ReadonlyMap<string, string>,
): readonly string[] {
  if (comment === undefined || comment === previous?.comment) return [];
  assert(isOneLine(comment), `not a comment for a script: ${JSON.stringify(comment)}`);
  const number = numbers.get(comment);
  return [number === undefined ? `# ${comment}` : `# Rule ${number}: ${comment}`];
}

/** The number of a rule stands in its log prefix, and only there. */
function ruleNumbers({ chains }: Table): ReadonlyMap<string, string> {
  const rules = chains.flatMap((chain) => chain.rules);
  return new Map(
    rules.flatMap(({ body, comment }) => {
      const log = body.find((expression) => expression.kind === 'log');
      const number = /^RULE (\d+) /.exec(log?.prefix ?? '')?.[1];
      return comment === undefined || number === undefined ? [] : [[comment, number] as const];
    }),
  );
}
