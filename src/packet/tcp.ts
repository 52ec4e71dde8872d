import type { TcpFlag } from '../model/match.ts';

/** RFC 9293. Header length and checksum are worked out by the encoder. */
export type Tcp = {
  readonly sport: number;
  readonly dport: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly flags: readonly TcpFlag[];
  readonly window: number;
  readonly urgent: number;
  /** Options as they are, padded to a multiple of 4 octets. */
  readonly options: Uint8Array;
  readonly data: Uint8Array;
};
