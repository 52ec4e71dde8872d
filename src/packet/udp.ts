/** RFC 768. Length and checksum are worked out by the encoder. */
export type Udp = { readonly sport: number; readonly dport: number; readonly data: Uint8Array };
