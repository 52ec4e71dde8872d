// Changes of tables that are there -> one transaction of nf_tables as octets (Linux net/netfilter/nfnetlink.c, nfnetlink_rcv_batch).
import type { KernelRule, Verdict } from '../model/ruleset.ts';
import { unreachable } from '../model/unreachable.ts';
import { dataOf, encodeVerdict } from './expressions.ts';
import { type Attribute, concatenated, encodeAttributes, encodeMessage, encodeText, messageFlag } from './message.ts';
import { type Family, families, messageKind, subsystem } from './nf-tables.ts';
import { encodeRule } from './rules.ts';

export type Place = { readonly family: Family; readonly table: string };

/** Adding what is there does nothing, deleting what is not there is refused. */
export type SetElements = Place & {
  readonly what: 'add' | 'delete';
  readonly set: string;
  /** As the kernel compares them; parts of a concatenation each fill up whole words of four octets. */
  readonly keys: readonly Uint8Array[];
  /** Of a verdict map: one for each key that is added. */
  readonly verdicts?: readonly Verdict[];
};

export type ChainChange = Place & { readonly chain: string } & (
    | { readonly what: 'add chain' | 'delete chain' | 'flush chain' }
    | { readonly what: 'add rule'; readonly rule: KernelRule }
  );

export type TableChange = SetElements | ChainChange;

export type Batch = {
  /** One datagram. */
  readonly octets: Uint8Array;
  /** An error names any message from the first on; the last one is answered by 0 after the commit. */
  readonly first: number;
  readonly last: number;
  /** Whether there is nothing to do. */
  readonly isEmpty: boolean;
};

const batchBegin = 0x10;
const batchEnd = 0x11;
/** NFTA_SET_ELEM_LIST_, and NFTA_LIST_ELEM */
const list = { table: 1, set: 2, elements: 3, element: 1 } as const;
/** NFTA_SET_ELEM_ */
const element = { key: 1, data: 2 } as const;
/** NFTA_CHAIN_ */
const chain = { table: 1, name: 3 } as const;
/** NFTA_RULE_ */
const rule = { table: 1, chain: 2 } as const;
/** So many elements stay far below the 64 KiB of an attribute. */
const mostElements = 500;

type Body = {
  readonly kind: number;
  readonly flags: number;
  readonly family: Family;
  readonly attributes: readonly Attribute[];
};

/**
 * In this order; all of it or nothing.
 * @returns undefined when a rule has something that only nft can say
 */
export function encodeTransaction(changes: readonly TableChange[], first: number): Batch | undefined {
  const bodies = changes.flatMap(pieces).map(bodyOf);
  if (!bodies.every((body) => body !== undefined)) return undefined;
  const last = first + bodies.length;
  const messages = bodies.map(({ kind, flags, family, attributes }, at) =>
    encodeMessage({
      type: (subsystem << 8) | kind,
      // errors come without being asked for
      flags: messageFlag.request | flags | (first + 1 + at === last ? messageFlag.ack : 0),
      sequence: first + 1 + at,
      body: concatenated([familyHeader(families[family], 0), encodeAttributes(attributes)]),
    }),
  );
  const octets = [batchMessage(batchBegin, first), ...messages, batchMessage(batchEnd, last + 1)];
  return { octets: concatenated(octets), first, last, isEmpty: bodies.length === 0 };
}

function pieces(change: TableChange): readonly TableChange[] {
  if (!('keys' in change)) return [change];
  const { keys, verdicts, ...rest } = change;
  return Array.from({ length: Math.ceil(keys.length / mostElements) }, (_, at) => {
    const [from, to] = [at * mostElements, (at + 1) * mostElements];
    return { ...rest, keys: keys.slice(from, to), ...(verdicts && { verdicts: verdicts.slice(from, to) }) };
  });
}

function bodyOf(change: TableChange): Body | undefined {
  switch (change.what) {
    case 'add':
    case 'delete':
      return elementsBody(change);
    case 'add chain':
      return chainBody(messageKind.newChain, messageFlag.create, change);
    case 'delete chain':
      return chainBody(messageKind.deleteChain, 0, change);
    case 'flush chain':
      return rulesBody(messageKind.deleteRule, 0, change, []);
    case 'add rule': {
      const encoded = encodeRule(change.rule, change.family);
      return encoded && rulesBody(messageKind.newRule, messageFlag.create | messageFlag.append, change, encoded);
    }
    default:
      return unreachable(change);
  }
}

function elementsBody({ what, family, table, set, keys, verdicts }: SetElements): Body {
  const isNew = what === 'add';
  const elements = keys.map((key, at): Attribute => {
    const verdict = verdicts?.[at];
    return {
      type: list.element,
      value: [
        { type: element.key, value: dataOf(key) },
        ...(verdict === undefined ? [] : [{ type: element.data, value: encodeVerdict(verdict) }]),
      ],
    };
  });
  return {
    kind: isNew ? messageKind.newElements : messageKind.deleteElements,
    flags: isNew ? messageFlag.create : 0,
    family,
    attributes: [
      { type: list.table, value: encodeText(table) },
      { type: list.set, value: encodeText(set) },
      { type: list.elements, value: elements },
    ],
  };
}

function chainBody(kind: number, flags: number, { family, table, chain: name }: ChainChange): Body {
  const attributes = [
    { type: chain.table, value: encodeText(table) },
    { type: chain.name, value: encodeText(name) },
  ];
  return { kind, flags, family, attributes };
}

/** Of a rule that is there no more than its chain is named: then all of them are meant. */
function rulesBody(
  kind: number,
  flags: number,
  { family, table, chain: name }: ChainChange,
  more: readonly Attribute[],
): Body {
  const attributes = [
    { type: rule.table, value: encodeText(table) },
    { type: rule.chain, value: encodeText(name) },
    ...more,
  ];
  return { kind, flags, family, attributes };
}

function batchMessage(type: number, sequence: number): Uint8Array {
  return encodeMessage({ type, flags: messageFlag.request, sequence, body: familyHeader(0, subsystem) });
}

/** struct nfgenmsg: family, version 0, and a number in the order of the network. */
function familyHeader(family: number, resource: number): Uint8Array {
  return Uint8Array.of(family, 0, resource >> 8, resource & 0xff);
}
