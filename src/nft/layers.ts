// What fields ask of the layers below them: nft calls it a dependency, and adds or hides the conditions for it.
import type { Field } from '../model/field.ts';
import type { Expression } from '../model/ruleset.ts';
import { unreachable } from '../model/unreachable.ts';

/** The ethertype without which a frame lacks the field (IEEE 802 Numbers). */
export function etherTypeOf(field: Field): bigint | undefined {
  const [layer] = field.split(' ');
  switch (layer) {
    case 'ip':
    case 'icmp':
      return 0x0800n;
    case 'arp':
      return 0x0806n;
    case 'ip6':
      return 0x86ddn;
    default:
      return undefined;
  }
}

/** The fields that an expression reads; `tcp flags` and `ct state` are none in the model. */
export function fieldsOf(expression: Expression): readonly Field[] {
  switch (expression.kind) {
    case 'field':
      return [expression.field];
    case 'lookup':
    case 'vmap':
      return expression.fields;
    case 'physdev':
    case 'physdev-is':
    case 'ct-state':
    case 'tcp-flags':
    case 'limit':
    case 'opaque':
    case 'log':
    case 'counter':
    case 'verdict':
    case 'opaque-statement':
      return [];
    default:
      return unreachable(expression);
  }
}

/** The protocol without which a packet lacks what the expression reads. */
export function protocolOf(expression: Expression): bigint | undefined {
  if (expression.kind === 'tcp-flags') return 6n;
  return fieldsOf(expression).some((field) => field.startsWith('icmp ')) ? 1n : undefined;
}

export function readsPorts(expression: Expression): boolean {
  return fieldsOf(expression).some((field) => field.startsWith('th '));
}

/** The one value that a field must have, if the expression says so: `ether type ip`, `meta l4proto tcp`. */
export function onlyValue(expression: Expression, field: Field): bigint | undefined {
  if (expression.kind !== 'field' || expression.field !== field || expression.negated) return undefined;
  const [value, ...more] = expression.values;
  if (value === undefined || more.length > 0 || typeof value === 'string') return undefined;
  return value.first === value.last ? value.first : undefined;
}
