// What the kernel runs for a rule, one expression after the other, each as attributes (Linux include/uapi/linux/netfilter/nf_tables.h; names
// and numbers are those behind NFTA_EXPRESSION_).
import type { Verdict } from '../model/ruleset.ts';
import { type Attribute, encodeText, networkOrder } from './message.ts';

const parts = {
  immediate: { dreg: 1, data: 2 },
  bitwise: { sreg: 1, dreg: 2, len: 3, mask: 4, xor: 5 },
  cmp: { sreg: 1, op: 2, data: 3 },
  lookup: { set: 1, sreg: 2, flags: 5 },
  payload: { dreg: 1, base: 2, offset: 3, len: 4 },
  meta: { dreg: 1, key: 2 },
  ct: { dreg: 1, key: 2 },
  limit: { rate: 1, unit: 2, burst: 3, type: 4, flags: 5 },
  counter: { bytes: 1, packets: 2 },
  log: { prefix: 2, level: 5 },
} as const;

/** NFTA_LIST_ELEM, NFTA_EXPR_ */
const listed = 1;
const expr = { name: 1, data: 2 } as const;
/** NFTA_DATA_, NFTA_VERDICT_ */
const data = { value: 1, verdict: 2 } as const;
const verdictPart = { code: 1, chain: 2 } as const;
/** NFT_ and NF_ */
const verdictCode = { drop: 0, accept: 1, jump: -3, goto: -4, return: -5 } as const;
/** NFT_CMP_ */
const comparison = { equal: 0, unequal: 1, atMost: 3, atLeast: 5 } as const;
/** NFT_LOOKUP_F_INV */
const inverted = 1;
/** NFT_CT_STATE */
const ctStateKey = 0;
/** NFT_LIMIT_PKTS, and without NFT_LIMIT_F_INV: true while some are left. */
const packetLimit = { type: 0, flags: 0 } as const;

/** NFT_REG_1, which nft begins with. */
const firstRegister = 1;
const verdictRegister = 0;

/** Registers of 16 octets are counted from 1, those of four from 8; nft names the larger ones where it can. */
export function register(word: number): number {
  return word % 4 === 0 ? firstRegister + word / 4 : 8 + word;
}

type Parts<E extends keyof typeof parts> = { readonly [P in keyof (typeof parts)[E]]?: Attribute['value'] | number };

/** Numbers of 32 bits are in the order of the network. */
function expression<E extends keyof typeof parts>(name: E, values: Parts<E>): Attribute {
  const numbers: Readonly<Record<string, number>> = parts[name];
  const attributes = Object.entries<Attribute['value'] | number>(
    values as Record<string, Attribute['value'] | number>,
  ).map(([part, value]) => ({
    type: numbers[part] ?? 0,
    value: typeof value === 'number' ? networkOrder(value) : value,
  }));
  return {
    type: listed,
    value: [
      { type: expr.name, value: encodeText(name) },
      { type: expr.data, value: attributes },
    ],
  };
}

/** @param key NFT_META_ */
export function loadMeta(key: number, into = firstRegister): Attribute {
  return expression('meta', { key, dreg: into });
}

/** @param base NFT_PAYLOAD_: the header of the link, the network, the transport */
export function loadPayload(base: number, offset: number, octets: number, into = firstRegister): Attribute {
  return expression('payload', { dreg: into, base, offset, len: octets });
}

export function loadCtState(): Attribute {
  return expression('ct', { key: ctStateKey, dreg: firstRegister });
}

export function compare(how: keyof typeof comparison, octets: Uint8Array): Attribute {
  return expression('cmp', { sreg: firstRegister, op: comparison[how], data: dataOf(octets) });
}

export function underMask(mask: Uint8Array): Attribute {
  const xor = dataOf(new Uint8Array(mask.length));
  return expression('bitwise', { sreg: firstRegister, dreg: firstRegister, len: mask.length, mask: dataOf(mask), xor });
}

export function inSet(set: string, isNegated: boolean): Attribute {
  const flags = isNegated ? { flags: inverted } : {};
  return expression('lookup', { set: encodeText(set), sreg: firstRegister, ...flags });
}

/** @param unit seconds */
export function limit(packets: number, unit: number, burst: number): Attribute {
  return expression('limit', { rate: networkOrder(packets, 8), unit: networkOrder(unit, 8), burst, ...packetLimit });
}

/** Begins at nothing. */
export function counter(): Attribute {
  return expression('counter', { bytes: new Uint8Array(8), packets: new Uint8Array(8) });
}

export function log(prefix: string, level: number): Attribute {
  return expression('log', { ...(prefix !== '' && { prefix: encodeText(prefix) }), level });
}

/** @throws RangeError for a reject */
export function immediate(verdict: Verdict): Attribute {
  return expression('immediate', { dreg: verdictRegister, data: encodeVerdict(verdict) });
}

/** @throws RangeError for a reject, which is an expression of its own */
export function encodeVerdict(verdict: Verdict): readonly Attribute[] {
  if (verdict.kind === 'reject') throw new RangeError('reject is no verdict of the kernel');
  const chain = 'chain' in verdict ? [{ type: verdictPart.chain, value: encodeText(verdict.chain) }] : [];
  const code = { type: verdictPart.code, value: networkOrder(verdictCode[verdict.kind]) };
  return [{ type: data.verdict, value: [code, ...chain] }];
}

export function dataOf(octets: Uint8Array): readonly Attribute[] {
  return [{ type: data.value, value: octets }];
}
