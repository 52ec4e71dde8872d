import type { Ip } from '../model/ip.ts';

/** RFC 791. Length and checksum are worked out by the encoder. */
export type Ip4 = {
  readonly source: Ip;
  readonly destination: Ip;
  readonly protocol: number;
  readonly ttl: number;
  /** The whole second octet: DSCP and ECN. */
  readonly tos: number;
  readonly id: number;
  readonly dontFragment: boolean;
  readonly moreFragments: boolean;
  /** In units of 8 octets, as in the header. */
  readonly fragmentOffset: number;
  /** Options as they are, padded to a multiple of 4 octets. */
  readonly options: Uint8Array;
};
