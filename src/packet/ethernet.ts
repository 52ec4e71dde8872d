import type { Mac } from '../model/mac.ts';

export type Ethernet = {
  readonly destination: Mac;
  readonly source: Mac;
  /** The type of the outer header: 0x8100 on a tagged frame. Below 0x600 it is an 802.3 length. */
  readonly type: number;
};
