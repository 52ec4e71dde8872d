// A packet as a hook sees it: the packet, its interfaces, its bridge information, its connection.
import type { Field } from '../model/field.ts';
import type { CtState } from '../model/match.ts';
import { unreachable } from '../model/unreachable.ts';
import type { Packet } from '../packet/packet.ts';

/** Kept with a packet while it crosses a bridge (struct nf_bridge_info). */
export type BridgeInfo = { readonly physin?: string; readonly physout?: string };

export type View = {
  readonly packet: Packet;
  readonly iif?: string;
  readonly oif?: string;
  readonly bridgeInfo?: BridgeInfo;
  readonly ctState: CtState;
  readonly mark: number;
};

/** The value of a field, or undefined when the packet has none: such a condition fails, negated or not. */
export function fieldValue(field: Field, view: View): string | bigint | undefined {
  const { ether, payload } = view.packet;
  switch (field) {
    case 'iifname':
      return view.iif ?? '';
    case 'oifname':
      return view.oif ?? '';
    case 'meta mark':
      return BigInt(view.mark);
    // the loopback device is no Ethernet (xt_mac.c; nft asks `meta iiftype` first)
    case 'ether saddr':
      return view.iif === 'lo' ? undefined : BigInt(ether.source);
    case 'ether daddr':
      return view.iif === 'lo' ? undefined : BigInt(ether.destination);
    case 'ether type':
      return view.iif === 'lo' ? undefined : BigInt(ether.type);
    case 'arp operation':
      return payload.kind === 'arp' ? BigInt(payload.operation) : undefined;
    case 'arp saddr ether':
      return payload.kind === 'arp' ? BigInt(payload.senderMac) : undefined;
    case 'arp saddr ip':
      return payload.kind === 'arp' ? payload.senderIp.bits : undefined;
    case 'arp daddr ether':
      return payload.kind === 'arp' ? BigInt(payload.targetMac) : undefined;
    case 'arp daddr ip':
      return payload.kind === 'arp' ? payload.targetIp.bits : undefined;
    case 'ip saddr':
      return payload.kind === 'ip4' ? payload.ip.source.bits : undefined;
    case 'ip daddr':
      return payload.kind === 'ip4' ? payload.ip.destination.bits : undefined;
    case 'ip6 saddr':
    case 'ip6 daddr':
      return undefined;
    case 'meta l4proto':
      return payload.kind === 'ip4' ? BigInt(payload.ip.protocol) : undefined;
    case 'th sport':
    case 'th dport':
    case 'icmp type':
    case 'icmp code':
      return transportValue(field, view.packet);
    default:
      return unreachable(field);
  }
}

function transportValue(
  field: 'th sport' | 'th dport' | 'icmp type' | 'icmp code',
  packet: Packet,
): bigint | undefined {
  if (packet.payload.kind !== 'ip4') return undefined;
  const { transport } = packet.payload;
  switch (transport.kind) {
    case 'tcp':
    case 'udp':
      if (field === 'th sport') return BigInt(transport.sport);
      return field === 'th dport' ? BigInt(transport.dport) : undefined;
    case 'icmp':
      if (field === 'icmp type') return BigInt(transport.type);
      return field === 'icmp code' ? BigInt(transport.code) : undefined;
    case 'bytes':
      return undefined;
    default:
      return unreachable(transport);
  }
}
