// Two long lists that differ in a few places.

/** Both without what they begin and end with alike: of thousands few change at a time, and the others keep their places. */
export function middles<T>(ones: readonly T[], others: readonly T[]): readonly [readonly T[], readonly T[]] {
  const most = Math.min(ones.length, others.length);
  let first = 0;
  while (first < most && ones[first] === others[first]) first++;
  let last = 0;
  while (last < most - first && ones[ones.length - 1 - last] === others[others.length - 1 - last]) last++;
  return [ones.slice(first, ones.length - last), others.slice(first, others.length - last)];
}
