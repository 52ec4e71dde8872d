// How nf_tables counts, and the keys of its sets (Linux include/uapi/linux/netfilter/nfnetlink.h and nf_tables.h).
import { encodeText, hostOrder } from './message.ts';

/** NFPROTO_ in linux/netfilter.h, by nft's names. */
export const families = { inet: 1, ip: 2, arp: 3, netdev: 5, bridge: 7, ip6: 10 } as const;

export type Family = keyof typeof families;

/** NFNL_SUBSYS_NFTABLES */
export const subsystem = 10;

/** NFT_MSG_ */
export const messageKind = {
  newChain: 3,
  deleteChain: 5,
  newRule: 6,
  deleteRule: 8,
  newElements: 12,
  deleteElements: 14,
  newGeneration: 15,
} as const;

/** The type `ifname`: 16 octets, filled up with zeros. @throws RangeError for a name that no device can have */
export function interfaceNameKey(name: string): Uint8Array {
  if (name.length === 0 || name.length > 15) throw new RangeError(`'${name}' is no name of a device`);
  const key = new Uint8Array(16);
  key.set(encodeText(name));
  return key;
}

/** The type `iface_index`: a number of 32 bits. */
export function interfaceIndexKey(index: number): Uint8Array {
  return hostOrder(index);
}
