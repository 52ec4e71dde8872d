/** RFC 792: type, code, and the four octets whose meaning depends on the type. */
export type Icmp = {
  readonly type: number;
  readonly code: number;
  /** Octets 4 to 7: identifier and sequence of an echo, gateway of a redirect, MTU of 'fragmentation needed'. */
  readonly rest: number;
  /** What follows: echo data, or the packet that caused the error. */
  readonly data: Uint8Array;
};
