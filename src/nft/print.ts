// Ruleset -> text for `nft -f FILE`: one transaction that makes its tables afresh. Every name, prefix and comment is
// checked on the way, so that no text from outside can end a string, a line or a block.
import assert from 'node:assert/strict';
import { canonicalValues } from '../model/canonical-match.ts';
import type { FieldType } from '../model/field.ts';
import type {
  Chain,
  Element,
  KernelRule,
  NamedSet,
  Ruleset,
  Table,
  TableFamily,
  VerdictMap,
} from '../model/ruleset.ts';
import { printComment, printName } from './names.ts';
import { printBody, printVerdict } from './print-expression.ts';
import { printValue } from './values.ts';

/** @throws AssertionError on what nft cannot say or must not be given: a bug of ours, never a user's mistake */
export function printNft(ruleset: Ruleset): string {
  return ruleset.tables.map(printTable).join('\n');
}

/** `add` makes the `delete` safe when there is no such table yet; the kernel sees only the new one appear. */
function printTable(table: Table): string {
  const name = `${table.family} ${printName(table.name)}`;
  const blocks = [
    ...table.sets.map((set) => printSet(set)),
    ...table.maps.map((map) => printMap(map)),
    ...table.chains.map((chain) => printChain(chain, table.family)),
  ];
  return `add table ${name}\ndelete table ${name}\ntable ${name} {\n${blocks.join('\n')}}\n`;
}

export function printSet({ name, types, interval, elements }: NamedSet): string {
  const [type, ...more] = types;
  // nft refuses overlapping ranges of a set, so they are joined; in concatenations that is the lowerer's part
  const kept = interval && more.length === 0 ? canonicalValues(elements.map(only)).map((value) => [value]) : elements;
  assert(type !== undefined, `set ${name} has no type`);
  return printBlock(`set ${printName(name)}`, [
    `type ${types.join(' . ')}`,
    ...(interval ? ['flags interval'] : []),
    ...printElements(kept.map((element) => printElement(element, types, interval))),
  ]);
}

function only(element: Element): Element[number] {
  const [value, ...more] = element;
  assert(value !== undefined && more.length === 0, 'an element with more values than its set has types');
  return value;
}

export function printMap({ name, types, interval, elements }: VerdictMap): string {
  assert(types.length > 0, `map ${name} has no type`);
  const printed = elements.map(({ key, verdict }) => {
    assert(verdict.kind !== 'reject', `map ${name}: nft has no reject in a map`);
    return `${printElement(key, types, interval)} : ${printVerdict(verdict)}`;
  });
  return printBlock(`map ${printName(name)}`, [
    `type ${types.join(' . ')} : verdict`,
    ...(interval ? ['flags interval'] : []),
    ...printElements(printed),
  ]);
}

export function printElement(element: Element, types: readonly FieldType[], interval: boolean): string {
  assert(element.length === types.length, `an element with ${element.length} values for ${types.length} types`);
  const isSpan = element.some((value) =>
    typeof value === 'string' ? value.endsWith('*') : value.first !== value.last,
  );
  assert(interval || !isSpan, 'ranges and name prefixes need an interval set');
  return types.map((type, index) => printValue(type, element[index] ?? '')).join(' . ');
}

const elementIndent = '\t\t\t     ';

function printElements(elements: readonly string[]): readonly string[] {
  return elements.length === 0 ? [] : [`elements = { ${elementLines(elements).join(`,\n${elementIndent}`)} }`];
}

/** As many elements in a line as fit, so that a set of thousands stays readable. */
export function elementLines(elements: readonly string[]): readonly string[] {
  const lines: string[] = [];
  for (const element of elements) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + element.length < 90) lines[lines.length - 1] = `${last}, ${element}`;
    else lines.push(element);
  }
  return lines;
}

/** A chain that is there already is printed without its `base`: its hook stays as it is. */
export function printChain({ name, base, rules }: Chain, family: TableFamily): string {
  assert(base === undefined || family !== 'netdev', `chain ${name}: a netdev hook needs a device`);
  const head =
    base === undefined
      ? []
      : [`type ${base.type} hook ${base.hook} priority ${printPriority(base.priority)}; policy ${base.policy};`];
  return printBlock(`chain ${printName(name)}`, [...head, ...rules.map((rule) => printRule(rule, family))]);
}

function printPriority(priority: number): string {
  assert(Number.isInteger(priority) && Math.abs(priority) < 2 ** 31, `not a priority: ${priority}`);
  return `${priority}`;
}

function printRule({ body, comment }: KernelRule, family: TableFamily): string {
  const words = printBody(body, family);
  return comment === undefined ? words : `${words} comment ${printComment(comment)}`;
}

function printBlock(head: string, lines: readonly string[]): string {
  return `\t${head} {\n${lines.map((line) => `\t\t${line}\n`).join('')}\t}\n`;
}
