// The octets of a frame -> the words that an event must have when a log rule saw it: read from the headers by RFC 791,
// 826, 8200, 9293, 4443, ..., as far as net/netfilter/nf_log_syslog.c reads them. Knows nothing of the text of log lines.
import { printMac } from '../../src/model/mac.ts';
import { readMac, viewOf } from '../../src/packet/octets.ts';
import { ip6Fields } from './frame-fields-ip6.ts';
import { Upper } from './frame-fields-upper.ts';
import type { Reading } from './slow-reader.ts';

/** What the rule asks for besides the usual: TCP numbers, options, the Ethernet header decoded. */
export type LogFlags = { readonly seq: boolean; readonly options: boolean; readonly decoded: boolean };

/** What a log rule saw. The Internet layer cuts off what stands behind the packet, others see the frame as it is. */
export type Seen = {
  readonly iif?: string;
  readonly oif?: string;
  readonly physin?: string;
  readonly physout?: string;
  readonly layer: 'internet' | 'frame';
  readonly flags: LogFlags;
  readonly mark?: number;
  readonly uid?: number;
  /** Kernels without accurate ECN count its flag among the reserved bits. */
  readonly knowsAe: boolean;
};

export type FieldsOfFrame = Reading & { readonly partial: boolean };

type Words = Record<string, string>;

export function fieldsOfFrame(frame: Uint8Array, seen: Seen): FieldsOfFrame {
  const view = viewOf(frame);
  const tag = view.getUint16(12);
  const tagged = tag === 0x8100 || tag === 0x88a8;
  const type = view.getUint16(tagged ? 16 : 12);
  const body = frame.subarray(tagged ? 18 : 14);
  const mac = macWord(
    view,
    type,
    tagged && seen.flags.decoded ? `${tag.toString(16)}:${view.getUint16(14) & 0xfff}` : undefined,
  );
  const beginning = names(seen);
  if (type === 0x0806 || type === 0x8035) return arpFields(body, beginning, seen.flags.decoded ? { mac } : {});
  const own = seen.iif === undefined ? {} : { mac };
  if (type !== 0x0800 && type !== 0x86dd) return reading({ ...beginning, ...own }, {});
  const packet: Words = {};
  const inner: Words = {};
  const upper = new Upper(trimmed(body, type, seen), seen);
  const end = type === 0x0800 ? upper.ip4(0, packet, inner) : ip6Fields(upper, 0, packet, inner);
  const tail = end === 'stopped' ? {} : tailWords(seen);
  return { ...reading({ ...beginning, ...own, ...tail }, packet), inner, partial: end !== 'whole' };
}

function names({ iif = '', oif = '', physin, physout }: Seen): Words {
  return { iif, oif, ...(physin !== undefined && { physin }), ...(physout !== undefined && { physout }) };
}

function tailWords({ mark = 0, uid }: Seen): Words {
  const owner = uid === undefined ? {} : { uid: String(uid), gid: String(uid) };
  return { ...owner, ...(mark !== 0 && { mark: String(mark) }) };
}

function reading(frame: Words, packet: Words): FieldsOfFrame {
  return { frame, packet, arp: {}, inner: {}, partial: false };
}

/** In front of the packet a header of 14 octets: what was a VLAN tag is noted beside it. */
function macWord(view: DataView, type: number, vlan: string | undefined): string {
  const ends = `${printMac(readMac(view, 6))}>${printMac(readMac(view, 0))}`;
  return `${ends},${type.toString(16).padStart(4, '0')}${vlan === undefined ? '' : `,vlan:${vlan}`}`;
}

function trimmed(body: Uint8Array, type: number, { layer }: Seen): Uint8Array {
  if (layer === 'frame' || body.length < 20) return body;
  const view = viewOf(body);
  return body.subarray(0, type === 0x0800 ? view.getUint16(2) : 40 + view.getUint16(4));
}

function arpFields(body: Uint8Array, frame: Words, mac: Words): FieldsOfFrame {
  if (body.length < 8) return { ...reading(frame, { truncated: 'true' }), partial: true };
  const view = viewOf(body);
  const arp: Words = {
    hardware: String(view.getUint16(0)),
    protocol: String(view.getUint16(2)),
    operation: String(view.getUint16(6)),
  };
  const isUsual = arp.hardware === '1' && body[4] === 6 && body[5] === 4;
  const isCut = isUsual && body.length < 28;
  if (isCut) arp.incomplete = String(body.length - 8);
  if (isUsual && !isCut) {
    arp.senderMac = printMac(readMac(view, 8));
    arp.senderIp = body.subarray(14, 18).join('.');
    arp.targetMac = printMac(readMac(view, 18));
    arp.targetIp = body.subarray(24, 28).join('.');
  }
  return { ...reading({ ...frame, ...mac }, {}), arp, partial: isCut };
}
