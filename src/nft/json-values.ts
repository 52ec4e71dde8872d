// Values and fields as `nft -j` writes them -> those of the model.
import { exactly, type Field, type FieldType, fieldTypes, type NumberRange, type Value } from '../model/field.ts';
import type { TableFamily } from '../model/ruleset.ts';
import { ipProtocols, isInterfacePattern } from '../model/symbols.ts';
import { arrayOf, everyOf, objectOf, onlyEntry, textOf } from './json.ts';
import { lastOf, parseNumber, prefixBounds, rangeBetween } from './values.ts';

/** A number, a name, `{"prefix": ...}`, `{"range": [...]}`, or an element with a time-out around one of these. */
export function jsonValue(json: unknown, type: FieldType): Value | undefined {
  const [key, inner] = onlyEntry(json) ?? [];
  if (key === 'elem') return jsonValue(objectOf(inner)?.val, type);
  if (type === 'ifname') return interfaceOf(json);
  if (key === 'prefix') {
    const { addr, len } = objectOf(inner) ?? {};
    return prefixBounds(type, scalarOf(addr) ?? '', scalarOf(len) ?? '');
  }
  if (key === 'range') {
    const [from, to] = arrayOf(inner) ?? [];
    return rangeBetween(type, scalarOf(from) ?? '', scalarOf(to) ?? '');
  }
  const number = parseNumber(type, scalarOf(json) ?? '');
  return number === undefined ? undefined : exactly(number);
}

function interfaceOf(json: unknown): string | undefined {
  const text = textOf(json);
  return text !== undefined && isInterfacePattern(text) ? text : undefined;
}

function scalarOf(json: unknown): string | undefined {
  return typeof json === 'number' ? `${json}` : textOf(json);
}

/** A key of a set: one value, or `{"concat": [...]}` with one for each type. */
export function elementOf(json: unknown, types: readonly FieldType[]): readonly Value[] | undefined {
  const [key, inner] = onlyEntry(json) ?? [];
  if (key === 'elem') return elementOf(objectOf(inner)?.val, types);
  const parts = key === 'concat' ? (arrayOf(inner) ?? []) : [json];
  if (parts.length !== types.length) return undefined;
  const values = types.map((type, index) => jsonValue(parts[index], type));
  return values.every((value) => value !== undefined) ? values : undefined;
}

/** `<`, `<=`, `>` and `>=` as ranges; iptables-nft writes `dport <= 10` for `--dport 0:10`. */
export function comparedRange(op: string, json: unknown, type: FieldType): NumberRange | undefined {
  const value = jsonValue(json, type);
  if (type === 'ifname' || value === undefined || typeof value === 'string') return undefined;
  const bounds: Readonly<Record<string, NumberRange>> = {
    '<': { first: 0n, last: value.first - 1n },
    '<=': { first: 0n, last: value.last },
    '>': { first: value.last + 1n, last: lastOf(type) },
    '>=': { first: value.first, last: lastOf(type) },
  };
  const range = bounds[op];
  return range !== undefined && range.first <= range.last ? range : undefined;
}

/** What a match reads, and the protocol that its spelling says: `tcp dport` is `th dport` of protocol 6. */
export type Left = { readonly fields: readonly Field[]; readonly protocol?: bigint };

/** In `table ip` the protocol field is what `meta l4proto` reads; elsewhere it also asks for IPv4. */
export function leftOf(json: unknown, family: TableFamily): Left | undefined {
  const [key, inner] = onlyEntry(json) ?? [];
  switch (key) {
    case 'meta':
      return fieldLeft(metaField(textOf(objectOf(inner)?.key)));
    case 'payload':
      return payloadLeft(textOf(objectOf(inner)?.protocol), textOf(objectOf(inner)?.field), family);
    case 'concat':
      return concatLeft(arrayOf(inner) ?? [], family);
    default:
      return undefined;
  }
}

function concatLeft(parts: readonly unknown[], family: TableFamily): Left | undefined {
  const lefts = everyOf(parts, (part) => leftOf(part, family));
  if (lefts === undefined) return undefined;
  const protocol = lefts.find((left) => left.protocol !== undefined)?.protocol;
  const fields = lefts.flatMap((left) => left.fields);
  return protocol === undefined ? { fields } : { fields, protocol };
}

function fieldLeft(field: Field | undefined): Left | undefined {
  return field === undefined ? undefined : { fields: [field] };
}

function metaField(key: string | undefined): Field | undefined {
  switch (key) {
    case 'iifname':
    case 'oifname':
      return key;
    case 'l4proto':
    case 'mark':
      return `meta ${key}`;
    default:
      return undefined;
  }
}

const protocolsWithPorts = new Set(['tcp', 'udp', 'udplite', 'sctp', 'dccp']);

function payloadLeft(protocol: string | undefined, name: string | undefined, family: TableFamily): Left | undefined {
  if (protocol === undefined || name === undefined) return undefined;
  if (protocol === 'ip' && name === 'protocol' && family === 'ip') return { fields: ['meta l4proto'] };
  if (protocolsWithPorts.has(protocol) && (name === 'sport' || name === 'dport')) {
    return { fields: [`th ${name}`], protocol: BigInt(ipProtocols.get(protocol) ?? 0) };
  }
  const field = `${protocol} ${name}`;
  return isField(field) ? { fields: [field] } : undefined;
}

function isField(text: string): text is Field {
  return Object.hasOwn(fieldTypes, text);
}
