// One expression of `nft -j` -> matches and statements of the model, or opaque ones: nothing is guessed or left out.
import { exactly, type FieldType, fieldTypes } from '../model/field.ts';
import { type CtState, field, type LimitMatch, type Match, type TcpFlag } from '../model/match.ts';
import type { Expression, TableFamily, Verdict } from '../model/ruleset.ts';
import { ctStates, logLevels, tcpFlags, warnLevel } from '../model/symbols.ts';
import { arrayOf, everyOf, type JsonObject, objectOf, onlyEntry, textOf } from './json.ts';
import { opaqueText } from './json-text.ts';
import { comparedRange, jsonValue, type Left, leftOf } from './json-values.ts';

/** The table around a rule: its family, and which of its named sets and maps were read. */
export type Around = {
  readonly family: TableFamily;
  readonly sets: ReadonlySet<string>;
  readonly maps: ReadonlySet<string>;
};

export function expressionsOf(json: unknown, around: Around): readonly Expression[] {
  const [key, inner] = onlyEntry(json) ?? [];
  switch (key) {
    case 'match':
      return matchOf(objectOf(inner) ?? {}, around) ?? [{ kind: 'opaque', text: opaqueText(json) }];
    case 'limit':
      return [limitOf(objectOf(inner) ?? {}) ?? { kind: 'opaque', text: opaqueText(json) }];
    case 'xt':
      return [{ kind: objectOf(inner)?.type === 'match' ? 'opaque' : 'opaque-statement', text: opaqueText(json) }];
    default:
      return statementOf(key, inner, around) ?? [{ kind: 'opaque-statement', text: opaqueText(json) }];
  }
}

function matchOf(json: JsonObject, around: Around): readonly Match[] | undefined {
  const op = textOf(json.op) ?? '';
  const ct = objectOf(objectOf(json.left)?.ct);
  if (ct !== undefined) return ct.key === 'state' ? one(ctStateOf(op, json.right)) : undefined;
  return portPairOf(op, json) ?? one(tcpFlagsOf(op, json)) ?? fieldMatchOf(op, json, around);
}

function one<T>(value: T | undefined): readonly T[] | undefined {
  return value === undefined ? undefined : [value];
}

/** nft joins `th sport 1 th dport 2` into one load and cannot tell the parts when the protocol is not one. */
function portPairOf(op: string, { left, right }: JsonObject): readonly Match[] | undefined {
  const payload = objectOf(objectOf(left)?.payload);
  const isPair = payload?.base === 'th' && payload.offset === 0 && payload.len === 32;
  if (!isPair || op !== '==' || typeof right !== 'number') return undefined;
  return [field('th sport', exactly(Math.floor(right / 65_536))), field('th dport', exactly(right % 65_536))];
}

function fieldMatchOf(op: string, json: JsonObject, around: Around): readonly Match[] | undefined {
  const left = leftOf(json.left, around.family);
  const match =
    left === undefined ? undefined : (lookupOf(op, left, json.right, around) ?? valuesOf(op, left, json.right));
  return match === undefined ? undefined : [...protocolMatch(left), match];
}

function protocolMatch(left: Left | undefined): readonly Match[] {
  return left?.protocol === undefined ? [] : [field('meta l4proto', exactly(left.protocol))];
}

function lookupOf(op: string, { fields }: Left, right: unknown, around: Around): Match | undefined {
  const set = textOf(right)?.startsWith('@') === true ? textOf(right)?.slice(1) : undefined;
  if (set === undefined || !around.sets.has(set) || !isEquality(op)) return undefined;
  return { kind: 'lookup', fields, negated: op === '!=', set };
}

function isEquality(op: string): boolean {
  return op === '==' || op === '!=';
}

function valuesOf(op: string, { fields }: Left, right: unknown): Match | undefined {
  const [only, ...more] = fields;
  if (only === undefined || more.length > 0) return undefined;
  const type: FieldType = fieldTypes[only];
  if (!isEquality(op)) {
    const range = comparedRange(op, right, type);
    return range === undefined ? undefined : field(only, range);
  }
  const members = arrayOf(objectOf(right)?.set) ?? [right];
  const values = everyOf(members, (member) => jsonValue(member, type));
  return values === undefined ? undefined : { kind: 'field', field: only, negated: op === '!=', values };
}

/**
 * A packet has exactly one state, so 'is one of the set' and 'has one of these bits' are the same. 'Equals several bits
 * at once' is none of these: no packet does.
 */
function ctStateOf(op: string, right: unknown): Match | undefined {
  const several = isEquality(op) ? objectOf(right)?.set : right;
  const members = arrayOf(several) ?? [right];
  const states = everyOf(members, (member) => ctStates.find((state): state is CtState => state === member));
  if (states === undefined || states.length === 0 || !['in', '==', '!=', '!'].includes(op)) return undefined;
  return { kind: 'ct-state', negated: op.startsWith('!'), states };
}

const allFlags: readonly TcpFlag[] = tcpFlags;

/** nft's four spellings: `flags & mask == bits`, `flags == bits` (mask of all), `flags ! bits` (none), `flags bits`. */
function tcpFlagsOf(op: string, { left, right }: JsonObject): Match | undefined {
  const [masked, maskJson] = arrayOf(objectOf(left)?.['&']) ?? [left];
  const payload = objectOf(objectOf(masked)?.payload);
  if (payload?.protocol !== 'tcp' || payload.field !== 'flags') return undefined;
  const flags = flagsOf(right);
  const mask = maskJson === undefined ? allFlags : flagsOf(maskJson);
  if (flags === undefined || mask === undefined) return undefined;
  if (isEquality(op)) return { kind: 'tcp-flags', negated: op === '!=', mask, flags };
  if (maskJson !== undefined || !['in', '!'].includes(op)) return undefined;
  return { kind: 'tcp-flags', negated: op === 'in', mask: flags, flags: [] };
}

function flagsOf(json: unknown): readonly TcpFlag[] | undefined {
  if (typeof json === 'number') return json < 256 ? tcpFlags.filter((_, bit) => (json >> bit) % 2 === 1) : undefined;
  const [key, parts] = onlyEntry(json) ?? [];
  const members = arrayOf(key === '|' ? parts : json) ?? [json];
  return everyOf(members, (name) => tcpFlags.find((flag): flag is TcpFlag => flag === name));
}

const limitUnits: readonly LimitMatch['per'][] = ['second', 'minute', 'hour', 'day'];

function limitOf(json: JsonObject): LimitMatch | undefined {
  const { rate, per, burst = 5, inv, rate_unit: unit = 'packets' } = json;
  const known = limitUnits.find((name) => name === per);
  if (known === undefined || inv === true || unit !== 'packets') return undefined;
  if (typeof rate !== 'number' || typeof burst !== 'number') return undefined;
  return { kind: 'limit', packets: rate, per: known, burst };
}

function statementOf(key: string | undefined, inner: unknown, around: Around): readonly Expression[] | undefined {
  switch (key) {
    case 'counter':
      return typeof inner === 'string' ? undefined : [{ kind: 'counter' }];
    case 'log':
      return one(logOf(objectOf(inner) ?? {}));
    case 'vmap':
      return vmapOf(objectOf(inner) ?? {}, around);
    default: {
      const verdict = verdictOf(key, inner);
      return verdict === undefined ? undefined : [{ kind: 'verdict', verdict }];
    }
  }
}

function logOf({ prefix = '', level = logLevels[warnLevel], ...others }: JsonObject): Expression | undefined {
  const number = (logLevels as readonly unknown[]).indexOf(level);
  if (Object.keys(others).length > 0 || number === -1 || typeof prefix !== 'string') return undefined;
  return { kind: 'log', prefix, level: number };
}

function vmapOf(json: JsonObject, around: Around): readonly Expression[] | undefined {
  const left = leftOf(json.key, around.family);
  const map = textOf(json.data)?.slice(1);
  if (left === undefined || map === undefined || !around.maps.has(map)) return undefined;
  return [...protocolMatch(left), { kind: 'vmap', fields: left.fields, map }];
}

export function verdictOf(key: string | undefined, inner: unknown): Verdict | undefined {
  switch (key) {
    case 'accept':
    case 'drop':
    case 'return':
      return { kind: key };
    case 'jump':
    case 'goto': {
      const chain = textOf(objectOf(inner)?.target);
      return chain === undefined ? undefined : { kind: key, chain };
    }
    case 'reject':
      return rejectOf(objectOf(inner) ?? {});
    default:
      return undefined;
  }
}

function rejectOf({ type, expr }: JsonObject): Verdict | undefined {
  if (type === undefined) return { kind: 'reject' };
  if (type === 'tcp reset') return { kind: 'reject', with: type };
  const known = typeof type === 'string' && /^icmp(?:v6|x)?$/.test(type) && typeof expr === 'string';
  return known ? { kind: 'reject', with: `${type} ${expr}` } : undefined;
}
