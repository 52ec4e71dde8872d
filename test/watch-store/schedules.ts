// Random traffic and who sees it when: the kernel logs packets, several sources show them, each in its order and in its
// form, some late. The truth is known, since it was made here.
import { hashOf, textLength } from '../../src/watch/dedupe.ts';
import type { Sighting } from '../../src/watch/same-text.ts';
import type { Random } from '../kernel/random.ts';

export type Packet = {
  readonly host: string;
  readonly epoch: string;
  readonly text: string;
  readonly us: number;
  readonly wall: number;
  readonly sequence: number;
};

/** What a source tells of a packet. */
type Form = (packet: Packet, random: Random) => Omit<Sighting, 'witness' | 'host' | keyof Words>;

export const forms = {
  kmsg: ({ epoch, us, wall, sequence }) => ({ epoch, us, wall, sequence, trust: 3 }),
  journal: ({ epoch, us, wall }, random) => ({ epoch, us, wall: wall + random.between(0, 3), trust: 3 }),
  'kern.log': ({ us, wall }, random) => ({ us, wall: wall + random.between(0, 300), trust: 2 }),
  'kern.log, whole seconds': ({ us, wall }) => ({ us, wall: wall - (wall % 1000), wallSpan: 999, trust: 2 }),
  'ufw.log': ({ wall }) => ({ wall, trust: 1 }),
  'ufw.log, whole seconds': ({ wall }) => ({ wall: wall - (wall % 1000), wallSpan: 999, trust: 1 }),
  'dmesg without times': ({ epoch, us }) => ({ epoch, us, trust: 3 }),
} as const satisfies Readonly<Record<string, Form>>;

export type FormName = keyof typeof forms;

export const stampedForms: readonly FormName[] = [
  'kmsg',
  'journal',
  'kern.log',
  'kern.log, whole seconds',
  'dmesg without times',
];

const start = 1_700_000_000_000;

export type Traffic = {
  readonly packets: number;
  readonly texts: number;
  readonly hosts: number;
  readonly boots: number;
  /** Between two packets. */
  readonly mostMs: number;
  /** A flood: packets of the same microsecond. */
  readonly sameUs: number;
};

/** In the order of time. Later boots begin to count anew. */
export function packetsOf(
  random: Random,
  { packets, texts, hosts, boots, mostMs, sameUs }: Traffic,
): readonly Packet[] {
  const made: Packet[] = [];
  let sequence = 0;
  let wall = start + random.between(0, 10_000);
  for (let boot = 0; boot < boots; boot++) {
    // who does not know the boot could not tell equal stamps of two boots of one day apart
    let us = 5_000_000 + boot * 777_777_777;
    for (let count = 0; count < packets / boots; count++) {
      const ms = random.chance(sameUs) ? 0 : random.between(1, mostMs);
      wall += ms;
      us += ms === 0 ? 0 : ms * 1000 + random.between(1, 999);
      const text = `IN=eth0 OUT= ID=${random.between(1, texts)}`;
      made.push({
        host: hosts === 1 ? '' : `host${random.between(1, hosts)}`,
        epoch: `boot${boot}`,
        text,
        us,
        wall,
        sequence,
      });
      sequence++;
    }
    sequence = 0;
    wall += 60_000;
  }
  return made;
}

export type Source = { readonly form: FormName; readonly shown: readonly Packet[] };

type Words = Pick<Sighting, 'text' | 'length' | 'hash'>;

/** What a sighting has of a text, with the hash that the program uses. Sources show pieces of what they read. */
export function words(text: string): Words {
  const bytes = Buffer.from(`head ${text} `, 'latin1').subarray(5);
  const length = textLength(bytes);
  return { text: bytes, length, hash: hashOf(bytes, length) };
}

export function textOf({ text, length }: Pick<Sighting, 'text' | 'length'>): string {
  return Buffer.from(text).toString('latin1', 0, length);
}

/** All sources at once: each in its own order, but nobody knows which one comes first. `lag` is how uneven they are; all texts have this hash, if one is given. */
export function sightingsOf(
  random: Random,
  sources: readonly Source[],
  lag: number,
  hash?: number,
): readonly Sighting[] {
  const queues = sources.map(({ form, shown }, witness) => ({
    witness: witness + 1,
    rest: shown.map((packet): Sighting => {
      const { host, text } = packet;
      const seen = { witness: witness + 1, host, ...words(text), ...forms[form](packet, random) };
      return hash === undefined ? seen : { ...seen, hash };
    }),
  }));
  const merged: Sighting[] = [];
  for (;;) {
    const open = queues.filter(({ rest }) => rest.length > 0);
    if (open.length === 0) return merged;
    merged.push(...random.pick(open).rest.splice(0, random.between(1, lag)));
  }
}
