// The fields of a packet and of its way that a condition can look at, in nftables' spelling (nft(8)).

/** The type of a field decides how its values are written and how they compare. */
export const fieldTypes = {
  iifname: 'ifname',
  oifname: 'ifname',
  'ether saddr': 'ether_addr',
  'ether daddr': 'ether_addr',
  'ether type': 'ether_type',
  'arp operation': 'arp_op',
  'arp saddr ether': 'ether_addr',
  'arp saddr ip': 'ipv4_addr',
  'arp daddr ether': 'ether_addr',
  'arp daddr ip': 'ipv4_addr',
  'ip saddr': 'ipv4_addr',
  'ip daddr': 'ipv4_addr',
  'ip6 saddr': 'ipv6_addr',
  'ip6 daddr': 'ipv6_addr',
  'meta l4proto': 'inet_proto',
  'th sport': 'inet_service',
  'th dport': 'inet_service',
  'icmp type': 'icmp_type',
  'icmp code': 'icmp_code',
  'meta mark': 'mark',
} as const;

export type Field = keyof typeof fieldTypes;

export type FieldType = (typeof fieldTypes)[Field];

/** A whole range of numbers (addresses, ports, types); one number is a range with equal ends. */
export type NumberRange = { readonly first: bigint; readonly last: bigint };

/** Interface names are text, where a trailing `*` stands for any ending; everything else is numbers. */
export type Value = string | NumberRange;

export function exactly(value: bigint | number): NumberRange {
  return { first: BigInt(value), last: BigInt(value) };
}

export function valueHolds(value: Value, actual: string | bigint): boolean {
  if (typeof value === 'string') {
    if (typeof actual !== 'string') return false;
    return value.endsWith('*') ? actual.startsWith(value.slice(0, -1)) : actual === value;
  }
  return typeof actual === 'bigint' && value.first <= actual && actual <= value.last;
}

/** A text that two values share exactly when they are equal: the key of a value in maps. */
export function valueKey(value: Value): string {
  if (typeof value === 'string') return value;
  return value.first === value.last ? `${value.first}` : `${value.first}-${value.last}`;
}
