// What nf_tables is told and tells by netlink (Linux include/uapi/linux/netfilter/nfnetlink.h and nf_tables.h): elements of sets that are
// there, and who changed which tables. `nft` does much more, and asks for much more before it does it.
import {
  type Attribute,
  concatenated,
  decodeAttributes,
  decodeText,
  encodeAttributes,
  encodeMessage,
  encodeText,
  forEachMessage,
  isLittleEndian,
  messageFlag,
} from './message.ts';

/** NFPROTO_ in linux/netfilter.h, by nft's names. */
const families = { inet: 1, ip: 2, arp: 3, netdev: 5, bridge: 7, ip6: 10 } as const;

export type SetElements = {
  readonly what: 'add' | 'delete';
  readonly family: keyof typeof families;
  readonly table: string;
  readonly set: string;
  /** As the kernel compares them; parts of a concatenation each fill up whole words of four octets. */
  readonly keys: readonly Uint8Array[];
};

export type Batch = {
  /** One datagram. */
  readonly octets: Uint8Array;
  /** Each of them is answered, by an error or by 0 after the commit. */
  readonly sequences: ReadonlySet<number>;
};

const subsystem = 10;
const batchBegin = 0x10;
const batchEnd = 0x11;
/** NFT_MSG_ */
const kind = { newSetElements: 12, deleteSetElements: 14, newGeneration: 15 } as const;
const list = { table: 1, set: 2, elements: 3 } as const;
const generation = { processId: 2 } as const;
/** So many keys stay far below the 64 KiB of an attribute. */
const mostKeys = 1_000;

/** One transaction, in this order; all of it or nothing. Adding what is there does nothing, deleting what is not there is refused. */
export function encodeBatch(changes: readonly SetElements[], firstSequence: number): Batch {
  const sequences = new Set<number>();
  const messages = changes.flatMap(pieces).map((change) => {
    const sequence = firstSequence + 1 + sequences.size;
    sequences.add(sequence);
    return elementsMessage(change, sequence);
  });
  const end = firstSequence + 1 + sequences.size;
  const octets = [batchMessage(batchBegin, firstSequence), ...messages, batchMessage(batchEnd, end)];
  return { octets: concatenated(octets), sequences };
}

function pieces(change: SetElements): readonly SetElements[] {
  const { keys } = change;
  const count = Math.ceil(keys.length / mostKeys);
  return Array.from({ length: count }, (_, at) => ({
    ...change,
    keys: keys.slice(at * mostKeys, (at + 1) * mostKeys),
  }));
}

function elementsMessage({ what, family, table, set, keys }: SetElements, sequence: number): Uint8Array {
  const isNew = what === 'add';
  const body = encodeAttributes([
    { type: list.table, value: encodeText(table) },
    { type: list.set, value: encodeText(set) },
    { type: list.elements, value: keys.map(elementAttribute) },
  ]);
  return encodeMessage({
    type: (subsystem << 8) | (isNew ? kind.newSetElements : kind.deleteSetElements),
    flags: messageFlag.request | messageFlag.ack | (isNew ? messageFlag.create : 0),
    sequence,
    body: concatenated([familyHeader(families[family], 0), body]),
  });
}

/** NFTA_LIST_ELEM of NFTA_SET_ELEM_KEY of NFTA_DATA_VALUE: each is the first of its kind. */
function elementAttribute(key: Uint8Array): Attribute {
  return { type: 1, value: [{ type: 1, value: [{ type: 1, value: key }] }] };
}

function batchMessage(type: number, sequence: number): Uint8Array {
  return encodeMessage({ type, flags: messageFlag.request, sequence, body: familyHeader(0, subsystem) });
}

/** struct nfgenmsg: family, version 0, and a number in the order of the network. */
function familyHeader(family: number, resource: number): Uint8Array {
  return Uint8Array.of(family, 0, resource >> 8, resource & 0xff);
}

/** The type `ifname`: 16 octets, filled up with zeros. @throws RangeError for a name that no device can have */
export function interfaceNameKey(name: string): Uint8Array {
  if (name.length === 0 || name.length > 15) throw new RangeError(`'${name}' is no name of a device`);
  const key = new Uint8Array(16);
  key.set(encodeText(name));
  return key;
}

/** The type `iface_index`: a number of 32 bits. */
export function interfaceIndexKey(index: number): Uint8Array {
  const key = new Uint8Array(4);
  new DataView(key.buffer).setUint32(0, index, isLittleEndian);
  return key;
}

export type Notice =
  /** Something in it, or it as a whole; a family that nft has no name for is ''. */
  | { readonly kind: 'change'; readonly family: keyof typeof families | ''; readonly table: string }
  /** The transaction that changed what was named before is over. */
  | { readonly kind: 'end'; readonly pid?: number };

/** What the kernel tells everybody who listens to nf_tables. Of a transaction each table is told once, or a few times. */
export class Notices {
  /** Family, and the table's name as an attribute, of the change that was told last. */
  #last: Uint8Array = noText;

  /** @param datagram messages, one behind the other; those of others are passed over */
  heard(datagram: Uint8Array): readonly Notice[] {
    const notices: Notice[] = [];
    // a large transaction has hundreds of thousands of messages, and nearly all are about one table
    forEachMessage(datagram, (type, at, end) => {
      if (type >> 8 !== subsystem || at + 4 > end) return;
      if ((type & 0xff) === kind.newGeneration) {
        this.#last = noText;
        notices.push(endOf(datagram.subarray(at + 4, end)));
      } else if (!this.#isLast(datagram, at)) {
        const change = changeOf(datagram.subarray(at, end));
        this.#last = datagram.slice(at, Math.min(end, at + 8 + change.table.length + 1));
        notices.push(change);
      }
    });
    return notices;
  }

  #isLast(datagram: Uint8Array, at: number): boolean {
    const last = this.#last;
    // the second octet and the two behind it are version and resource: the same in all
    for (let step = 0; step < last.length; step++) if (datagram[at + step] !== last[step]) return false;
    return last.length > 0;
  }
}

function endOf(attributes: Uint8Array): Notice {
  const pid = decodeAttributes(attributes).get(generation.processId);
  // numbers in attributes are in the order of the network
  return pid?.length === 4
    ? { kind: 'end', pid: new DataView(pid.buffer, pid.byteOffset).getUint32(0) }
    : { kind: 'end' };
}

/** In messages of every kind the first attribute is the table's name. */
function changeOf(body: Uint8Array): Extract<Notice, { readonly kind: 'change' }> {
  const table = decodeText(decodeAttributes(body.subarray(4)).get(1) ?? noText);
  return { kind: 'change', family: familyNames.get(body[0] ?? 0) ?? '', table };
}

const noText = new Uint8Array(0);
const familyNames: ReadonlyMap<number, keyof typeof families> = new Map(
  Object.entries(families).map(([name, number]) => [number, name as keyof typeof families]),
);
