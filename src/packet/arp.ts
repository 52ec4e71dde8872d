import type { Ip } from '../model/ip.ts';
import type { Mac } from '../model/mac.ts';

/** ARP for IPv4 over Ethernet (RFC 826); other hardware or protocol types stay bytes. */
export type Arp = {
  readonly operation: number;
  readonly senderMac: Mac;
  readonly senderIp: Ip;
  readonly targetMac: Mac;
  readonly targetIp: Ip;
};
