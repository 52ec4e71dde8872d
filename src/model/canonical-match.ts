// One form for the many ways to write the same condition: what both back ends' `canonical` have in common.
import { fieldTypes, type NumberRange, type Value, valueKey } from './field.ts';
import type { Match } from './match.ts';
import type { Expression } from './ruleset.ts';
import { ctStates, shortInterfacePattern, tcpFlags } from './symbols.ts';
import { unreachable } from './unreachable.ts';

/** A condition, not something that the rule does. */
export function isMatch(expression: Expression): expression is Match {
  switch (expression.kind) {
    case 'field':
    case 'lookup':
    case 'physdev':
    case 'physdev-is':
    case 'ct-state':
    case 'tcp-flags':
    case 'limit':
    case 'opaque':
      return true;
    case 'log':
    case 'counter':
    case 'verdict':
    case 'vmap':
    case 'opaque-statement':
      return false;
    default:
      return unreachable(expression);
  }
}

/** True of a packet or not, whatever was asked before: such matches may change places with each other. */
export function isPure(match: Match): boolean {
  return match.kind !== 'limit' && match.kind !== 'opaque';
}

/** Values in order, overlapping and adjacent ranges joined, names left out that a prefix among them covers. */
export function canonicalValues(values: readonly Value[]): readonly Value[] {
  const ranges = values.filter((value) => typeof value !== 'string').toSorted(byFirst);
  const names = [...new Set(values.filter((value) => typeof value === 'string').map(shortInterfacePattern))];
  const prefixes = names.filter((name) => name.endsWith('*'));
  const kept = names.filter((name) => !prefixes.some((prefix) => prefix !== name && isUnder(prefix, name)));
  return [...kept.toSorted(), ...joined(ranges)];
}

function isUnder(prefix: string, name: string): boolean {
  return name.startsWith(prefix.slice(0, -1));
}

function byFirst(a: NumberRange, b: NumberRange): number {
  return a.first < b.first ? -1 : Number(a.first > b.first);
}

function joined(sorted: readonly NumberRange[]): readonly NumberRange[] {
  const merged: NumberRange[] = [];
  // a range may carry more than its ends, as those of an IpSet do
  for (const { first, last } of sorted) {
    const previous = merged.at(-1);
    if (previous === undefined || first > previous.last + 1n) merged.push({ first, last });
    else if (last > previous.last) merged[merged.length - 1] = { first: previous.first, last };
  }
  return merged;
}

/** Lists inside of a match in the order of their bits or numbers, each member once. */
export function canonicalMatch(match: Match): Match {
  switch (match.kind) {
    case 'field':
      return { ...match, values: canonicalValues(match.values) };
    case 'ct-state':
      return { ...match, states: ctStates.filter((state) => match.states.includes(state)) };
    case 'tcp-flags':
      return {
        ...match,
        mask: tcpFlags.filter((flag) => match.mask.includes(flag)),
        flags: tcpFlags.filter((flag) => match.flags.includes(flag)),
      };
    case 'physdev':
      return { ...match, name: shortInterfacePattern(match.name) };
    case 'lookup':
    case 'physdev-is':
    case 'limit':
    case 'opaque':
      return match;
    default:
      return unreachable(match);
  }
}

/** A fixed order for matches that may change places; equal ones once. */
export function sortedMatches(matches: readonly Match[]): readonly Match[] {
  const keyed = new Map(matches.map((match) => [matchKey(match), match]));
  return [...keyed].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, match]) => match);
}

const fieldOrder = Object.keys(fieldTypes);

function matchKey(match: Match): string {
  switch (match.kind) {
    case 'field': {
      const place = String(fieldOrder.indexOf(match.field)).padStart(2, '0');
      return `0 ${place} ${match.negated} ${match.values.map(valueKey).join(' ')}`;
    }
    case 'lookup':
      return `1 ${match.fields.join(' . ')} ${match.negated} ${match.set}`;
    case 'physdev':
      return `2 ${match.end} ${match.negated} ${match.name}`;
    case 'physdev-is':
      return `3 ${match.what} ${match.negated}`;
    case 'ct-state':
      return `4 ${match.negated} ${match.states.join()}`;
    case 'tcp-flags':
      return `5 ${match.negated} ${match.mask.join()} ${match.flags.join()}`;
    case 'limit':
      return `6 ${match.packets}/${match.per} ${match.burst}`;
    case 'opaque':
      return `7 ${match.text}`;
    default:
      return unreachable(match);
  }
}
