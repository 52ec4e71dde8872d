// Sets of IP addresses of both families: sorted, disjoint, non-adjacent ranges. Exact under all operations.
import { type Family, type Ip, ipWidth, type Prefix, printIp, printPrefix } from './ip.ts';

export type IpRange = { readonly family: Family; readonly first: bigint; readonly last: bigint };

/** Invariant: ranges ascend by family and address, and no two of them touch. */
export type IpSet = readonly IpRange[];

export const noIps: IpSet = [];

export function everyIp(family: Family): IpSet {
  return [{ family, first: 0n, last: (1n << BigInt(ipWidth[family])) - 1n }];
}

export function ipSet(ranges: Iterable<IpRange>): IpSet {
  const merged: IpRange[] = [];
  for (const range of [...ranges].sort(byStart)) {
    const previous = merged.at(-1);
    if (previous !== undefined && previous.family === range.family && range.first <= previous.last + 1n) {
      if (range.last > previous.last) merged[merged.length - 1] = { ...previous, last: range.last };
    } else {
      merged.push(range);
    }
  }
  return merged;
}

export function singleIps(ips: Iterable<Ip>): IpSet {
  return ipSet(Array.from(ips, ({ family, bits }) => ({ family, first: bits, last: bits })));
}

export function prefixRange(prefix: Prefix): IpRange {
  const shift = BigInt(ipWidth[prefix.family] - prefix.length);
  const first = (prefix.bits >> shift) << shift;
  return { family: prefix.family, first, last: first + (1n << shift) - 1n };
}

function byStart(a: IpRange, b: IpRange): number {
  return a.family - b.family || (a.first < b.first ? -1 : Number(a.first > b.first));
}

export function unionIps(...sets: readonly IpSet[]): IpSet {
  return ipSet(sets.flat());
}

/** The addresses of `a` that are not in `b`. */
export function subtractIps(a: IpSet, b: IpSet): IpSet {
  const left: IpRange[] = [];
  let index = 0;
  for (const range of a) {
    let { first } = range;
    while (index < b.length && endsBefore(b[index], range)) index++;
    for (let at = index; at < b.length; at++) {
      const hole = b[at];
      if (hole === undefined || hole.family !== range.family || hole.first > range.last) break;
      if (hole.first > first) left.push({ family: range.family, first, last: hole.first - 1n });
      if (hole.last >= first) first = hole.last + 1n;
    }
    if (first <= range.last) left.push({ family: range.family, first, last: range.last });
  }
  return left;
}

function endsBefore(hole: IpRange | undefined, range: IpRange): boolean {
  return (
    hole !== undefined && (hole.family < range.family || (hole.family === range.family && hole.last < range.first))
  );
}

/** Costs as much as the smaller set and the overlap, not as the larger one. */
export function intersectIps(a: IpSet, b: IpSet): IpSet {
  if (a.length > b.length) return intersectIps(b, a);
  const both: IpRange[] = [];
  const [first] = a;
  for (let i = 0, j = first === undefined ? b.length : firstReaching(b, first); i < a.length && j < b.length; ) {
    const x = a[i] as IpRange;
    const y = b[j] as IpRange;
    const common = overlap(x, y);
    if (common !== undefined) both.push(common);
    if (endsFirst(x, y)) i++;
    else j++;
  }
  return both;
}

function overlap(x: IpRange, y: IpRange): IpRange | undefined {
  const first = x.first > y.first ? x.first : y.first;
  const last = x.last < y.last ? x.last : y.last;
  return x.family === y.family && first <= last ? { family: x.family, first, last } : undefined;
}

function endsFirst(x: IpRange, y: IpRange): boolean {
  return x.family === y.family ? x.last < y.last : x.family < y.family;
}

/** The index of the first range that does not end before `range` begins. */
function firstReaching(set: IpSet, range: IpRange): number {
  let low = 0;
  let high = set.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (endsBefore(set[middle], range)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Is every address of the one in the other? */
export function isWithin(inner: IpSet, outer: IpSet): boolean {
  return inner.every((range) => subtractIps([range], outer).length === 0);
}

export function containsIp(set: IpSet, ip: Ip): boolean {
  let low = 0;
  let high = set.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const range = set[middle] as IpRange;
    if (range.family < ip.family || (range.family === ip.family && range.last < ip.bits)) low = middle + 1;
    else if (range.family > ip.family || range.first > ip.bits) high = middle - 1;
    else return true;
  }
  return false;
}

export function ofFamily(set: IpSet, family: Family): IpSet {
  return set.filter((range) => range.family === family);
}

export function isSingle(range: IpRange): boolean {
  return range.first === range.last;
}

/** The set as single addresses; only for sets without ranges, as the addresses of a guest are. */
export function listIps(set: IpSet): readonly Ip[] {
  return set.flatMap((range) =>
    Array.from({ length: Number(range.last - range.first) + 1 }, (_, index) => ({
      family: range.family,
      bits: range.first + BigInt(index),
    })),
  );
}

/** The fewest prefixes that cover exactly this range. */
export function rangePrefixes(range: IpRange): readonly Prefix[] {
  const width = ipWidth[range.family];
  const prefixes: Prefix[] = [];
  for (let first = range.first; first <= range.last; ) {
    let size = 0;
    while (
      size < width &&
      first % (1n << BigInt(size + 1)) === 0n &&
      first + (1n << BigInt(size + 1)) - 1n <= range.last
    )
      size++;
    prefixes.push({ family: range.family, bits: first, length: width - size });
    first += 1n << BigInt(size);
  }
  return prefixes;
}

export function setPrefixes(set: IpSet): readonly Prefix[] {
  return set.flatMap(rangePrefixes);
}

/** `192.168.50.13`, `10.0.0.0/8` or `10.0.0.1-10.0.0.9`. */
export function printRange(range: IpRange): string {
  const [only, ...more] = rangePrefixes(range);
  if (only !== undefined && more.length === 0) return printPrefix(only);
  const { family, first, last } = range;
  return `${printIp({ family, bits: first })}-${printIp({ family, bits: last })}`;
}

export function printIpSet(set: IpSet): string {
  return set.map(printRange).join(',');
}
