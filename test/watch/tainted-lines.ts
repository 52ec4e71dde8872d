// Lines whose parts have values that occur nowhere else: what is found in a wrong part came from where it must not. Numbers
// of the packet itself have digits from 1 to 4, those of the packet in the error from 6 to 9.
import type { Ip } from '../../src/model/ip.ts';
import { parseIp } from '../../src/model/ip.ts';
import type { LogEvent } from '../../src/model/log-event.ts';

export type Taint = { readonly numbers: ReadonlySet<number>; readonly addresses: ReadonlySet<bigint> };

const taintOf = (numbers: readonly number[], addresses: readonly string[]): Taint => ({
  numbers: new Set(numbers),
  addresses: new Set(addresses.map((text) => (parseIp(text) as Ip).bits)),
});

/** Of the nested packet. The MTU is left out: sender and place of both are the same. */
export const innerTaint = taintOf(
  [6666, 6667, 7777, 7778, 8888, 8889, 9997, 0x9999, 66_777, 888_777_666, 999_888_777],
  ['99.88.77.66', '99.88.77.67', '99.88.77.68', 'fd99::99', 'fd99::98'],
);

/** Of the prefix and of the names. */
export const nameTaint = taintOf([55_555, 55_566, 0x5_5555], ['55.65.75.85', '55.65.75.86']);

const prefixes = [
  'p: ',
  'SRC=55.65.75.85 DST=55.65.75.86 LEN=55555 ID=55566 PROTO=TCP SPT=55555 DPT=55566 ',
  'MARK=0x55555 UID=55555 [SRC=55.65.75.85 ] ',
  'x IN=SRC=55.65.75.85 DST=55.65.75.86 ',
];
/** A header of its own, with fields behind it. */
const prefixesWithHeader = ['IN=a OUT=b SRC=55.65.75.85 DST=55.65.75.86 LEN=55555 ', 'IN=a OUT=b MARK=0x55555 '];

const names = [
  'eth0',
  '',
  'SRC=55.65.75.85',
  'DPT=55555]x',
  'ID=55566',
  'LEN=55555',
  'MARK=0x55555',
  'PROTO=TCP',
  '[DST=55.65.75.86',
];

const outer4 = 'SRC=10.1.1.1 DST=10.2.2.2 LEN=1234 TOS=0x00 PREC=0x00 TTL=44 ID=4321 ';
const outer6 = 'SRC=fd01::1 DST=fd02::2 LEN=1234 TC=0 HOPLIMIT=44 FLOWLBL=4321 ';
const inner4 = 'SRC=99.88.77.66 DST=99.88.77.67 LEN=6666 TOS=0x00 PREC=0x00 TTL=99 ID=7777 DF ';
const inner6 = 'SRC=fd99::99 DST=fd99::98 LEN=6666 TC=99 HOPLIMIT=99 FLOWLBL=66777 ';
const carried = [
  'PROTO=TCP SPT=8888 DPT=8889 SEQ=888777666 ACK=999888777 WINDOW=9997 RES=0x00 ACK FIN URGP=7778 OPT (0101) ',
  'PROTO=UDP SPT=8888 DPT=8889 LEN=6667 ',
  'PROTO=AH SPI=0x9999 ',
  'OPT (94040000) PROTO=TCP INCOMPLETE [9997 bytes] ',
];
const carried4 = [
  ...carried,
  'PROTO=ICMP TYPE=8 CODE=0 ID=8888 SEQ=8889 ',
  'PROTO=ICMP TYPE=5 CODE=1 GATEWAY=99.88.77.68 ',
  'PROTO=ICMP TYPE=3 CODE=4 MTU=9997 ',
];
const carried6 = [
  ...carried,
  'OPT ( FRAG:8888 ID:00009999 ) PROTO=UDP ',
  'OPT ( AH SPI=0x9999 ) PROTO=UDP SPT=8888 DPT=8889 LEN=6667 ',
];
const errors4 = [
  'TYPE=3 CODE=3 ',
  'TYPE=3 CODE=4 ',
  'TYPE=5 CODE=1 GATEWAY=10.3.3.3 ',
  'TYPE=11 CODE=0 ',
  'TYPE=4 CODE=0 ',
];
const errors6 = ['TYPE=1 CODE=4 ', 'TYPE=2 CODE=0 ', 'TYPE=3 CODE=0 ', 'TYPE=4 CODE=0 POINTER=00000028 '];

/** `ownHeader`: the prefix looks like the beginning of a line. */
export type TaintedLine = {
  readonly line: Buffer;
  readonly prefix: string;
  readonly header: string;
  readonly ownHeader: boolean;
};

function lines(): readonly TaintedLine[] {
  const bodies = [
    ...errors4.flatMap((error) =>
      carried4.map((rest) => `${outer4}PROTO=ICMP ${error}[${inner4}${rest}] ${tailOf(error)}`),
    ),
    ...errors6.flatMap((error) =>
      carried6.map(
        (rest) =>
          `${outer6}PROTO=ICMPv6 ${error}[${inner6}${rest}] ${error.startsWith('TYPE=2') ? 'MTU=1400 ' : ''}MARK=0x1234 `,
      ),
    ),
  ];
  const heads = [
    ...prefixes.flatMap((prefix) =>
      names.map((name) => ({ prefix, header: `IN=${name} OUT=${name} `, ownHeader: false })),
    ),
    ...prefixesWithHeader.map((prefix) => ({ prefix, header: 'IN=eth0 OUT= ', ownHeader: true })),
  ];
  return heads.flatMap(({ prefix, header, ownHeader }) =>
    bodies.map((body) => ({
      line: Buffer.from(`${prefix}${header}MAC= ${body}`, 'latin1'),
      prefix,
      header,
      ownHeader,
    })),
  );
}

function tailOf(error: string): string {
  return error.includes('CODE=4') ? 'MTU=1400 MARK=0x1234 ' : 'UID=1234 GID=1234 MARK=0x1234 ';
}

export const taintedLines: readonly TaintedLine[] = lines();

/** What of a taint is found outside of the nested packet. */
export function outerTaint({ packet, arp, tunnel, uid, gid, mark }: LogEvent, taint: Taint): readonly string[] {
  const fields = { ...packet, ...arp, tunnelFrom: tunnel?.from, tunnelTo: tunnel?.to, uid, gid, mark };
  // an error of the type of the nested one has a MTU from the same place
  return Object.entries(fields).flatMap(([field, value]) => {
    if (field === 'mtu') return [];
    if (typeof value === 'number') return taint.numbers.has(value) ? [`${field}=${value}`] : [];
    const bits = value !== null && typeof value === 'object' && 'bits' in value ? value.bits : undefined;
    return bits !== undefined && taint.addresses.has(bits) ? [`${field}=${bits}`] : [];
  });
}
