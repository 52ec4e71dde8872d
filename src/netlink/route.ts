// Devices and their addresses as the kernel says them (rtnetlink(7); Linux include/uapi/linux/if_link.h, if_bridge.h, if_tun.h,
// if_addr.h): taps and bridges only. Whatever else there is about a device is not known here, and gives no value.
import {
  decodeAttributes,
  decodeText,
  encodeAttributes,
  encodeMessage,
  encodeText,
  hostOrder,
  isLittleEndian,
  messageFlag,
} from './message.ts';

export type KernelLink = {
  readonly index: number;
  readonly name: string;
  /** As `ip` prints it. */
  readonly mac: string;
  readonly isUp: boolean;
  readonly what: KernelTap | KernelBridge;
};

type KernelTap = { readonly kind: 'tap'; readonly port?: KernelPort };

export type KernelPort = {
  /** The bridge's number. */
  readonly bridge: number;
  readonly hairpin: boolean;
  readonly learning: boolean;
  readonly isolated: boolean;
};

type KernelBridge = {
  readonly kind: 'bridge';
  readonly stpState: number;
  /** Where the kernel can do that. */
  readonly vlanFiltering?: number;
};

/** A link-local address, of IPv6. */
export type KernelAddress = { readonly index: number; readonly local: string };

/** RTM_NEWLINK, RTM_NEWADDR: what answers are. */
export const linkType = 16;
export const addressType = 20;
/** RTM_GETLINK, RTM_GETADDR */
const linkQuestionType = 18;
const addressQuestionType = 22;

/** struct ifinfomsg: family, type, index, flags, change. */
const linkHeader = 16;
/** struct ifaddrmsg: family, prefixlen, flags, scope, index. */
const addressHeader = 8;

const ethernet = 1;
const upFlag = 1;
const inet6 = 10;
const linkScope = 253;
const tapType = 2;
const macLength = 6;
/** RTEXT_FILTER_SKIP_STATS: counters are half of what is said. */
const withoutCounters = 8;

const attribute = { mac: 1, name: 3, link: 5, master: 10, info: 18, extensions: 29, namespace: 37 } as const;
const infoAttribute = { kind: 1, data: 2, slaveKind: 4, slaveData: 5 } as const;
const tunAttribute = { type: 3 } as const;
const bridgeAttribute = { stpState: 5, vlanFiltering: 7 } as const;
const portAttribute = { hairpin: 4, learning: 8, isolated: 33 } as const;
const addressAttribute = { address: 1, local: 2 } as const;

type Attributes = ReadonlyMap<number, Uint8Array>;

const none = new Uint8Array(0);

export function encodeLinkQuestion(name: string, sequence: number): Uint8Array {
  const asked = encodeAttributes([
    { type: attribute.name, value: encodeText(name) },
    { type: attribute.extensions, value: hostOrder(withoutCounters) },
  ]);
  const body = new Uint8Array(linkHeader + asked.length);
  body.set(asked, linkHeader);
  return encodeMessage({ type: linkQuestionType, flags: messageFlag.request, sequence, body });
}

/** Of all families, as `ip` asks. */
export function encodeAddressQuestion(index: number, sequence: number): Uint8Array {
  const body = new Uint8Array(addressHeader);
  body.set(hostOrder(index), 4);
  const flags = messageFlag.request | messageFlag.dump;
  return encodeMessage({ type: addressQuestionType, flags, sequence, body });
}

/** Undefined for anything but an Ethernet tap, on no bridge or as a port of one, and a bridge. */
export function decodeLink(body: Uint8Array): KernelLink | undefined {
  if (body.length < linkHeader) return undefined;
  const header = new DataView(body.buffer, body.byteOffset, linkHeader);
  const said = decodeAttributes(body.subarray(linkHeader));
  const mac = said.get(attribute.mac);
  const name = decodeText(said.get(attribute.name) ?? none);
  const what = whatOf(said);
  if (header.getUint16(2, isLittleEndian) !== ethernet || mac?.length !== macLength) return undefined;
  if (name === '' || what === undefined || said.has(attribute.link) || said.has(attribute.namespace)) return undefined;
  return {
    index: header.getInt32(4, isLittleEndian),
    name,
    mac: [...mac].map((octet) => octet.toString(16).padStart(2, '0')).join(':'),
    isUp: (header.getUint32(8, isLittleEndian) & upFlag) !== 0,
    what,
  };
}

function whatOf(said: Attributes): KernelLink['what'] | undefined {
  const info = decodeAttributes(said.get(attribute.info) ?? none);
  const kind = decodeText(info.get(infoAttribute.kind) ?? none);
  const data = decodeAttributes(info.get(infoAttribute.data) ?? none);
  const isAlone = !said.has(attribute.master) && !info.has(infoAttribute.slaveKind);
  if (kind === 'bridge') return isAlone ? bridgeOf(data) : undefined;
  if (kind !== 'tun' || octetOf(data, tunAttribute.type) !== tapType) return undefined;
  if (isAlone) return { kind: 'tap' };
  const port = portOf(said, info);
  return port === undefined ? undefined : { kind: 'tap', port };
}

function bridgeOf(data: Attributes): KernelBridge | undefined {
  const stpState = numberOf(data, bridgeAttribute.stpState);
  const vlanFiltering = octetOf(data, bridgeAttribute.vlanFiltering);
  if (stpState === undefined) return undefined;
  return { kind: 'bridge', stpState, ...(vlanFiltering === undefined ? {} : { vlanFiltering }) };
}

function portOf(said: Attributes, info: Attributes): KernelPort | undefined {
  const settings = decodeAttributes(info.get(infoAttribute.slaveData) ?? none);
  const bridge = numberOf(said, attribute.master);
  const hairpin = octetOf(settings, portAttribute.hairpin);
  const learning = octetOf(settings, portAttribute.learning);
  const isolated = octetOf(settings, portAttribute.isolated);
  if (decodeText(info.get(infoAttribute.slaveKind) ?? none) !== 'bridge' || bridge === undefined) return undefined;
  if (hairpin === undefined || learning === undefined || isolated === undefined) return undefined;
  return { bridge, hairpin: hairpin !== 0, learning: learning !== 0, isolated: isolated !== 0 };
}

/** Undefined for anything but fe80::/64, which the kernel gives to most devices by itself. */
export function decodeAddress(body: Uint8Array): KernelAddress | undefined {
  if (body.length < addressHeader) return undefined;
  const [family, length, , scope] = body;
  const said = decodeAttributes(body.subarray(addressHeader));
  const address = said.get(addressAttribute.address);
  // with both of them it is the address of the other end
  if (family !== inet6 || length !== 64 || scope !== linkScope || said.has(addressAttribute.local)) return undefined;
  if (address?.length !== 16) return undefined;
  const groups = Array.from({ length: 8 }, (_, at) => ((address[2 * at] ?? 0) << 8) | (address[2 * at + 1] ?? 0));
  if (groups[0] !== 0xfe80 || groups.slice(1, 4).some((group) => group !== 0)) return undefined;
  return { index: new DataView(body.buffer, body.byteOffset).getUint32(4, isLittleEndian), local: linkLocal(groups) };
}

/** As inet_ntop(3): no other zeros are more than those that it begins with. */
function linkLocal(groups: readonly number[]): string {
  const first = groups.findIndex((group, at) => at > 0 && group !== 0);
  const shown = first < 0 ? [] : groups.slice(first);
  return `fe80::${shown.map((group) => group.toString(16)).join(':')}`;
}

function octetOf(attributes: Attributes, type: number): number | undefined {
  const octets = attributes.get(type);
  return octets?.length === 1 ? octets[0] : undefined;
}

function numberOf(attributes: Attributes, type: number): number | undefined {
  const octets = attributes.get(type);
  return octets?.length === 4 ? new DataView(octets.buffer, octets.byteOffset).getUint32(0, isLittleEndian) : undefined;
}
