// A frame and what is in it, as far as the firewall looks. decode and encode are exact inverses on what they accept.
import type { Arp } from './arp.ts';
import type { Ethernet } from './ethernet.ts';
import type { Icmp } from './icmp.ts';
import type { Ip4 } from './ip4.ts';
import type { Tcp } from './tcp.ts';
import type { Udp } from './udp.ts';

export type Transport =
  | ({ readonly kind: 'icmp' } & Icmp)
  | ({ readonly kind: 'tcp' } & Tcp)
  | ({ readonly kind: 'udp' } & Udp)
  /** A protocol without a decoder, a later fragment, or a header that is cut short: the bytes as they are. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array };

export type Payload =
  | ({ readonly kind: 'arp' } & Arp)
  | { readonly kind: 'ip4'; readonly ip: Ip4; readonly transport: Transport }
  /** Any other ethertype, tags included, and malformed ARP or IPv4. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array };

export type Packet = { readonly ether: Ethernet; readonly payload: Payload };
