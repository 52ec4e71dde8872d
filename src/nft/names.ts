// Names and quoted texts that may stand in an nft file. nft's strings know no escapes: what could end one is refused.
import assert from 'node:assert/strict';
import { isOneLine } from '../model/symbols.ts';

/** Words that nft's scanner takes for itself where a name may stand: those of 1.0.6 and some of later versions. */
const keywords = new Set(
  `accept add ah all and arp auto-merge bridge cgroup chain comment comp constant continue counter cpu create ct day
  dccp define delete describe destroy device devices dnat drop dst dup dynamic ecn element elements eq esp ether exists
  expires export exthdr fib flags flow flowtable flush frag fwd gc-interval ge geneve get goto gre gretap gt handle hbh
  hook hour ibriport ibrname icmp icmpv6 igmp iif iifgroup iifname iiftype import include index inet insert interval ip
  ip6 ipsec jhash jump last le limit list ll log lshift lt map mark masquerade meta meter mh missing monitor ne netdev
  nftrace nh not notrack numgen obriport obrname offload oif oifgroup oifname oiftype or osf pkttype policy position
  priority queue quota random redefine redirect reject rename replace reset return rshift rt rt0 rt2 rtclassid rule
  ruleset sctp secmark set size skgid skuid snat socket srh symhash synproxy table tcp th time timeout tproxy type
  typeof udp udplite undefine update vlan vmap vni vxlan xor xt`.split(/\s+/),
);

/** @throws AssertionError when the text cannot name a table, chain, set or map */
export function printName(text: string): string {
  assert(/^[A-Za-z_][A-Za-z0-9_.-]{0,127}$/.test(text), `not a name for nft: ${JSON.stringify(text)}`);
  assert(!keywords.has(text), `a word of nft's own cannot be a name: '${text}'`);
  return text;
}

/** nft_log.c: NF_LOG_PREFIXLEN is 128 with the NUL. A `$` would begin one of nft's variables. */
export function printPrefix(text: string): string {
  assert(/^[ !#%-~]{0,127}$/.test(text), `not a log prefix for nft: ${JSON.stringify(text)}`);
  return `"${text}"`;
}

/** libnftnl: NFTNL_UDATA_COMMENT_MAXLEN is 128 bytes. */
export function printComment(text: string): string {
  const fits = isOneLine(text) && !text.includes('"') && Buffer.byteLength(text) <= 128;
  assert(fits, `not a comment for nft: ${JSON.stringify(text)}`);
  return `"${text}"`;
}

/** One expression of a foreign ruleset, word for word; nothing that could begin another rule, block or string. */
export function printOpaque(text: string): string {
  assert(/^[A-Za-z0-9_.,:/*!=<>&|()@ -]+$/.test(text), `cannot be printed for nft: ${JSON.stringify(text)}`);
  return text;
}
