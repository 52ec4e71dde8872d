// MAC addresses as numbers: 48 bits fit exactly.

export type Mac = number;

export const broadcastMac: Mac = 0xffff_ffff_ffff;

const pattern = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i;

/** Six two-digit groups with colons, as `ip link` prints them; anything else is `undefined`. */
export function parseMac(text: string): Mac | undefined {
  return pattern.test(text) ? Number.parseInt(text.replaceAll(':', ''), 16) : undefined;
}

export function printMac(mac: Mac): string {
  return mac
    .toString(16)
    .padStart(12, '0')
    .replace(/..(?!$)/g, '$&:');
}

/** The group bit: set for multicast and broadcast (IEEE 802, first octet, lowest bit). */
export function isGroupMac(mac: Mac): boolean {
  return Math.floor(mac / 2 ** 40) % 2 === 1;
}
