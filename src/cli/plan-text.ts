// A plan for people: what changes in the policy's words, then in the kernel.
import type { Plan } from '../apply/plan.ts';
import type { RuleChange } from '../apply/rule-changes.ts';
import type { ListRule } from '../model/rule-list.ts';
import { type Style, styled, table } from './output.ts';
import { ruleCells } from './rule-table.ts';

/** @param cut what is said of connections that the change would end */
export function planText({ changes, kernel, steps }: Plan, cut: readonly string[]): string {
  const connections = section(
    'Connections',
    cut.map((line) => `  ${line}`),
  );
  if (steps.length === 0)
    return ['Nothing to change: what the policy wants of this host is loaded.', ...connections].join('\n').trimEnd();
  return [
    ...section('Rules', changes.rules.length === 0 ? [] : ruleLines(changes.rules)),
    ...section(
      'Ports',
      changes.ports.flatMap(({ port, words }) => words.map((word) => `  ${port} ${word}`)),
    ),
    ...section(
      'In the kernel',
      kernel.map((line) => `  ${line}`),
    ),
    ...connections,
    summary(changes.rules),
  ].join('\n');
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [styled('bold', title), ...lines, ''];
}

const marks: Readonly<Record<RuleChange['change'], readonly [mark: string, style: Style]>> = {
  added: ['+', 'green'],
  removed: ['-', 'red'],
  changed: ['~', 'yellow'],
};

function ruleLines(changes: readonly RuleChange[]): readonly string[] {
  const rows = changes.flatMap(({ change, rule, before }) => [
    ...(before === undefined ? [] : [row('~-', before)]),
    row(before === undefined ? marks[change][0] : '~+', rule),
  ]);
  const [header = '', ...lines] = table(['', 'RULE', 'PORT', 'DIRECTION', 'VERDICT', 'LOG', 'WHAT', 'FROM LINE'], rows);
  const styles = changes.flatMap(({ change, before }) => (before === undefined ? [change] : [change, change]));
  return [`  ${header}`, ...lines.map((line, index) => `  ${styled(marks[styles[index] ?? 'changed'][1], line)}`)];
}

function row(mark: string, rule: ListRule): readonly string[] {
  return [mark, ...ruleCells(rule)];
}

function summary(changes: readonly RuleChange[]): string {
  const count = (wanted: RuleChange['change']): number => changes.filter(({ change }) => change === wanted).length;
  return `${count('added')} rules to add, ${count('changed')} to change, ${count('removed')} to remove`;
}
