// `nft -j list ruleset` -> Ruleset, the same tree that was printed once both are `canonical`. What others loaded and we
// do not understand stays as opaque expressions; whole objects that the tree has no place for are named in `skipped`.
import { type FieldType, fieldTypes } from '../model/field.ts';
import type {
  BasePolicy,
  Chain,
  Element,
  Expression,
  HookName,
  KernelRule,
  NamedSet,
  Ruleset,
  Table,
  TableFamily,
  VerdictMap,
} from '../model/ruleset.ts';
import { arrayOf, everyOf, type JsonObject, objectOf, onlyEntry, textOf } from './json.ts';
import { type Around, expressionsOf, verdictOf } from './json-expression.ts';
import { elementOf } from './json-values.ts';
import { onlyValue } from './layers.ts';

export type ListedRuleset = {
  readonly ruleset: Ruleset;
  /** Named counters, flow tables, data maps and the like: what they are called, not what they do. */
  readonly skipped: readonly string[];
};

/** Never throws, whatever the JSON is. */
export function parseNftJson(json: unknown): ListedRuleset {
  const objects = (arrayOf(objectOf(json)?.nftables) ?? []).flatMap((object) => {
    const [kind, value] = onlyEntry(object) ?? [];
    const fields = objectOf(value);
    return kind === undefined || fields === undefined || kind === 'metainfo' ? [] : [{ kind, fields }];
  });
  const skipped: string[] = [];
  const tables = objects
    .filter(({ kind }) => kind === 'table')
    .flatMap(({ fields }) => tableOf(fields, objects, skipped) ?? []);
  return { ruleset: { backend: 'nft', tables }, skipped };
}

type Listed = { readonly kind: string; readonly fields: JsonObject };

const families: readonly TableFamily[] = ['ip', 'ip6', 'inet', 'bridge', 'arp', 'netdev'];

function tableOf(table: JsonObject, objects: readonly Listed[], skipped: string[]): Table | undefined {
  const family = families.find((name) => name === table.family);
  const name = textOf(table.name);
  if (family === undefined || name === undefined) return undefined;
  const mine = objects.filter(({ fields }) => fields.family === family && fields.table === name);
  const read = <T>(wanted: string, reader: (fields: JsonObject) => T | undefined): readonly T[] =>
    mine
      .filter(({ kind }) => kind === wanted)
      .flatMap(({ fields }) => reader(fields) ?? skip(skipped, family, name, wanted, fields));
  for (const { kind, fields } of mine) if (!placed.has(kind)) skip(skipped, family, name, kind, fields);
  const sets = read('set', setOf);
  const maps = read('map', mapOf);
  const around = { family, sets: namesOf(sets), maps: namesOf(maps) };
  const rules = Map.groupBy(
    mine.filter(({ kind }) => kind === 'rule').map(({ fields }) => fields),
    ({ chain }) => chain,
  );
  return { family, name, sets, maps, chains: read('chain', (chain) => chainOf(chain, rules, around)) };
}

const placed = new Set(['set', 'map', 'chain', 'rule']);

function skip(skipped: string[], family: string, table: string, kind: string, { name }: JsonObject): readonly never[] {
  skipped.push(`${kind} ${family} ${table} ${textOf(name) ?? ''}`);
  return [];
}

function namesOf(things: readonly { readonly name: string }[]): ReadonlySet<string> {
  return new Set(things.map(({ name }) => name));
}

const setTypes: ReadonlySet<unknown> = new Set(Object.values(fieldTypes));

function typesOf(json: unknown): readonly FieldType[] | undefined {
  return everyOf(arrayOf(json) ?? [json], (type) => (setTypes.has(type) ? (type as FieldType) : undefined));
}

function isInterval(json: JsonObject): boolean {
  return arrayOf(json.flags)?.includes('interval') === true;
}

function setOf(json: JsonObject): NamedSet | undefined {
  const types = typesOf(json.type);
  const name = textOf(json.name);
  if (types === undefined || name === undefined) return undefined;
  const elements = everyOf<Element>(arrayOf(json.elem) ?? [], (element) => elementOf(element, types));
  return elements && { name, types, interval: isInterval(json), elements };
}

function mapOf(json: JsonObject): VerdictMap | undefined {
  const types = typesOf(json.type);
  const name = textOf(json.name);
  if (types === undefined || name === undefined || json.map !== 'verdict') return undefined;
  const elements = everyOf(arrayOf(json.elem) ?? [], (pair) => {
    const [left, right] = arrayOf(pair) ?? [];
    const key = elementOf(left, types);
    const verdict = verdictOf(...(onlyEntry(right) ?? ['', null]));
    return key && verdict && { key, verdict };
  });
  return elements && { name, types, interval: isInterval(json), elements };
}

const hooks: readonly HookName[] = ['prerouting', 'input', 'forward', 'output', 'postrouting', 'ingress'];
const chainTypes = ['filter', 'nat', 'route'] as const;
const policies: readonly BasePolicy[] = ['accept', 'drop'];

function chainOf(
  json: JsonObject,
  rules: ReadonlyMap<unknown, readonly JsonObject[]>,
  around: Around,
): Chain | undefined {
  const name = textOf(json.name);
  if (name === undefined) return undefined;
  const mine = (rules.get(name) ?? []).map((rule) => ruleOf(rule, around));
  if (json.hook === undefined) return { name, rules: mine };
  const hook = hooks.find((one) => one === json.hook);
  const type = chainTypes.find((one) => one === json.type);
  const policy = policies.find((one) => one === (json.policy ?? 'accept'));
  if (hook === undefined || type === undefined || policy === undefined || typeof json.prio !== 'number')
    return undefined;
  return { name, base: { type, hook, priority: json.prio, policy }, rules: mine };
}

function ruleOf(json: JsonObject, around: Around): KernelRule {
  const body = (arrayOf(json.expr) ?? []).flatMap((expression) => expressionsOf(expression, around));
  const comment = textOf(json.comment);
  const kept = withoutRepeats(body);
  return comment === undefined ? { body: kept } : { body: kept, comment };
}

/** `tcp sport 1 tcp dport 2` says the protocol twice; once is enough. */
function withoutRepeats(body: readonly Expression[]): readonly Expression[] {
  let protocol: bigint | undefined;
  return body.filter((expression) => {
    const said = onlyValue(expression, 'meta l4proto');
    if (said === undefined) return true;
    const isNew = said !== protocol;
    protocol = said;
    return isNew;
  });
}
