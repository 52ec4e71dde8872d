// MAC addresses as numbers: 48 bits fit exactly.

export type Mac = number;

export const broadcastMac: Mac = 0xffff_ffff_ffff;

const pattern = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i;

/** Six two-digit groups with colons, as `ip link` prints them; anything else is `undefined`. */
export function parseMac(text: string): Mac | undefined {
  return pattern.test(text) ? Number.parseInt(text.replaceAll(':', ''), 16) : undefined;
}

const octets = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'));

export function printMac(mac: Mac): string {
  const high = Math.floor(mac / 2 ** 24);
  // the last 24 bits: as an operand of & a number is taken modulo 2^32
  return `${three(high)}:${three(mac & 0xff_ffff)}`;
}

function three(bits: number): string {
  return `${octets[bits >> 16]}:${octets[(bits >> 8) & 255]}:${octets[bits & 255]}`;
}

/** The group bit: set for multicast and broadcast (IEEE 802, first octet, lowest bit). */
export function isGroupMac(mac: Mac): boolean {
  return Math.floor(mac / 2 ** 40) % 2 === 1;
}
