// The operations on sets of addresses against the slow obvious version: sets of single addresses of a small universe.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Family, type Ip, ipWidth, parseIp, parsePrefix, printPrefix } from '../../src/model/ip.ts';
import {
  containsIp,
  everyIp,
  type IpRange,
  type IpSet,
  intersectIps,
  ipSet,
  isSingle,
  listIps,
  ofFamily,
  prefixRange,
  printIpSet,
  rangePrefixes,
  setPrefixes,
  singleIps,
  subtractIps,
  unionIps,
} from '../../src/model/ip-set.ts';

/** Both ends of both families, where carries and family borders are. */
const universe: readonly Ip[] = ([4, 6] as const).flatMap((family) => {
  const last = (1n << BigInt(ipWidth[family])) - 1n;
  const near = Array.from({ length: 12 }, (_, index) => BigInt(index));
  return [...near, ...near.map((bits) => last - 11n + bits)].map((bits) => ({ family, bits }));
});

const places = universe.map((_, index) => index);

const randomRange: fc.Arbitrary<IpRange> = fc
  .tuple(fc.constantFrom(...places), fc.nat({ max: 23 }))
  .map(([at, length]) => {
    const first = universe[at] as Ip;
    const later = universe.slice(at, at + length + 1).filter(({ family }) => family === first.family);
    return { family: first.family, first: first.bits, last: later.at(-1)?.bits ?? first.bits };
  });

const randomRanges = fc.array(randomRange, { maxLength: 6 });

/** Which addresses of the universe are in the ranges; a range from one end to the other holds those in between. */
function slow(ranges: readonly IpRange[]): ReadonlySet<number> {
  const inside = ({ family, bits }: Ip) =>
    ranges.some((range) => range.family === family && range.first <= bits && bits <= range.last);
  return only((at) => inside(universe[at] as Ip));
}

function fast(set: IpSet): ReadonlySet<number> {
  return only((at) => containsIp(set, universe[at] as Ip));
}

function only(wanted: (at: number) => boolean): ReadonlySet<number> {
  return new Set(places.filter(wanted));
}

function assertWellFormed(set: IpSet): void {
  for (const [index, range] of set.entries()) {
    assert.ok(range.first <= range.last, 'a range ends before it begins');
    const before = set[index - 1];
    const apart =
      before === undefined ||
      before.family < range.family ||
      (before.family === range.family && before.last + 1n < range.first);
    assert.ok(apart, `ranges out of order or touching: ${printIpSet(set)}`);
  }
}

test('sets of addresses do what sets do', () => {
  let both = 0;
  let left = 0;
  fc.assert(
    fc.property(randomRanges, randomRanges, (some, others) => {
      const [a, b] = [ipSet(some), ipSet(others)];
      const [slowA, slowB] = [slow(some), slow(others)];
      const operations: readonly (readonly [name: string, got: IpSet, want: ReadonlySet<number>])[] = [
        ['ipSet', a, slowA],
        ['union', unionIps(a, b), only((at) => slowA.has(at) || slowB.has(at))],
        ['subtract', subtractIps(a, b), only((at) => slowA.has(at) && !slowB.has(at))],
        ['intersect', intersectIps(a, b), only((at) => slowA.has(at) && slowB.has(at))],
        ['family 4', ofFamily(a, 4), only((at) => slowA.has(at) && universe[at]?.family === 4)],
        ['family 6', ofFamily(a, 6), only((at) => slowA.has(at) && universe[at]?.family === 6)],
      ];
      for (const [name, got, want] of operations) {
        assert.deepEqual(fast(got), want, `${name} of ${printIpSet(a)} and ${printIpSet(b)}`);
        assertWellFormed(got);
      }
      both += Number(intersectIps(a, b).length > 0);
      left += Number(subtractIps(a, b).length > 0);
    }),
    { numRuns: 500 },
  );
  assert.ok(both > 50 && left > 50, `${both} intersections, ${left} differences`);
});

test('equal sets are equal data, in whatever order and pieces they were made', () => {
  fc.assert(
    fc.property(randomRanges, fc.infiniteStream(fc.nat()), (some, order) => {
      const set = ipSet(some);
      const shuffled = some
        .map((range) => [order.next().value, range] as const)
        .toSorted(([x], [y]) => Number(x) - Number(y));
      assert.deepEqual(unionIps(...shuffled.map(([, range]) => ipSet([range]))), set);
      assert.deepEqual(subtractIps(unionIps(set, everyIp(4)), subtractIps(everyIp(4), set)), set);
    }),
  );
});

test('a range is exactly its prefixes, and no fewer would do', () => {
  const small = fc.tuple(fc.nat({ max: 255 }), fc.nat({ max: 255 }));
  fc.assert(
    fc.property(small, ([x, y]) => {
      const [first, last] = [Math.min(x, y), Math.max(x, y)].map(BigInt) as [bigint, bigint];
      const prefixes = rangePrefixes({ family: 4, first, last });
      assert.deepEqual(ipSet(prefixes.map(prefixRange)), [{ family: 4, first, last }]);
      const ends = prefixes.map(prefixRange);
      for (const [index, range] of ends.entries()) {
        const next = ends[index + 1];
        if (next === undefined) continue;
        assert.equal(range.last + 1n, next.first, 'prefixes in order, without gaps');
        const size = range.last - range.first + 1n;
        const mergeable = size === next.last - next.first + 1n && range.first % (2n * size) === 0n;
        assert.ok(!mergeable, `${printPrefix(prefixes[index] ?? noPrefix)} and the next are one`);
      }
    }),
  );
});

const noPrefix = { family: 4, bits: 0n, length: 0 } as const;

const printed: readonly (readonly [text: string, ips: readonly string[]])[] = [
  ['', []],
  ['192.168.50.13', ['192.168.50.13']],
  ['192.168.50.12/30', ['192.168.50.12-192.168.50.15']],
  ['192.168.50.13-192.168.50.15', ['192.168.50.15', '192.168.50.13', '192.168.50.14']],
  ['192.168.50.1,192.168.50.12', ['192.168.50.12', '192.168.50.1']],
  ['0.0.0.0/0', ['0.0.0.0/0']],
  ['10.0.0.0/8,fe80::/10', ['fe80::/10', '10.0.0.0/8']],
];

test('sets as a person reads them', () => {
  for (const [text, ips] of printed) assert.equal(printIpSet(setOf(ips)), text);
});

function setOf(texts: readonly string[]): IpSet {
  return ipSet(
    texts.map((text) => {
      const prefix = parsePrefix(text);
      if (prefix !== undefined) return prefixRange(prefix);
      const [first, last] = text.split('-').map(parseIp);
      assert.ok(first && last, text);
      return { family: first.family, first: first.bits, last: last.bits };
    }),
  );
}

test('everything of a family is one prefix, and one address is single', () => {
  for (const family of [4, 6] satisfies readonly Family[]) {
    assert.deepEqual(setPrefixes(everyIp(family)), [{ family, bits: 0n, length: 0 }]);
  }
  const [one] = singleIps([{ family: 4, bits: 7n }]);
  const [two] = singleIps([
    { family: 4, bits: 7n },
    { family: 4, bits: 8n },
  ]);
  assert.deepEqual(
    [one, two].map((range) => range && isSingle(range)),
    [true, false],
  );
});

test('a set without ranges lists its addresses', () => {
  const ips: readonly Ip[] = [
    { family: 4, bits: 0xffff_ffffn },
    { family: 6, bits: 0n },
    { family: 6, bits: 1n },
  ];
  assert.deepEqual(listIps(singleIps(ips)), ips);
});
