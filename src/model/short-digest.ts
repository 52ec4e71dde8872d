// A text -> sixteen hex digits that name it where a longer name has no room.

/** FNV-1a, 64 bits, over UTF-16 units. For names, not against people who look for collisions. */
export function shortDigest(text: string): string {
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (let index = 0; index < text.length; index++) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(text.charCodeAt(index))) * 0x100_0000_01b3n);
  }
  return hash.toString(16).padStart(16, '0');
}
