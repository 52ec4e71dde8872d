// What the kernel tells everybody who listens to nf_tables: who changed which tables.
import { decodeAttributes, decodeText, forEachMessage } from './message.ts';
import { type Family, families, messageKind, subsystem } from './nf-tables.ts';

/** NFTA_GEN_PROC_PID */
const processId = 2;

export type Notice =
  /** Something in it, or it as a whole; a family that nft has no name for is ''. */
  | { readonly kind: 'change'; readonly family: Family | ''; readonly table: string }
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
      if ((type & 0xff) === messageKind.newGeneration) {
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
  const pid = decodeAttributes(attributes).get(processId);
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
const familyNames: ReadonlyMap<number, Family> = new Map(
  Object.entries(families).map(([name, number]) => [number, name as Family]),
);
