// Filters for `conntrack -D`, where netlink is not at hand: each connection that shall end is in one of them, none of the
// others is, and where many end they are few.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { cutFilters } from '../../src/apply/cut-filters.ts';
import { parseTracked, type TrackedFlow } from '../../src/apply/tracked-flow.ts';
import { printIp } from '../../src/model/ip.ts';
import { type Asked, trackedLine } from './tracked-lines.ts';

function flowsOf(asked: readonly Asked[]): readonly TrackedFlow[] {
  return parseTracked(asked.map((one, index) => trackedLine(one, index)).join('\n'));
}

/** As conntrack(8) reads its options. */
function holds(words: readonly string[], { protocol, original, zone = 0 }: TrackedFlow): boolean {
  const own: Readonly<Record<string, number | string | undefined>> = {
    '-p': protocol,
    '-s': printIp(original.source),
    '-d': printIp(original.destination),
    '--sport': original.sport,
    '--dport': original.dport,
    '--icmp-type': original.type,
    '--icmp-code': original.code,
    '--icmp-id': original.id,
    '-w': zone,
  };
  return words.every((word, index) => index % 2 === 1 || String(own[word]) === words[index + 1]);
}

function assertExact(dying: readonly TrackedFlow[], others: readonly TrackedFlow[]): number {
  const filters = cutFilters(dying, others);
  for (const flow of dying)
    assert.ok(
      filters.some((words) => holds(words, flow)),
      JSON.stringify(filters),
    );
  for (const flow of others) assert.ok(!filters.some((words) => holds(words, flow)), JSON.stringify(filters));
  return filters.length;
}

const ip = fc.integer({ min: 1, max: 6 }).map((last) => `10.0.0.${last}`);

const asked: fc.Arbitrary<Asked> = fc.record({
  from: ip,
  to: ip,
  protocol: fc.constantFrom<Asked['protocol']>('tcp', 'udp', 'icmp', 99),
  sport: fc.integer({ min: 1_000, max: 1_005 }),
  dport: fc.integer({ min: 20, max: 23 }),
  zone: fc.constantFrom(0, 0, 0, 5),
});

/** One line for each connection: of two that are the same the kernel has one. */
const keyOf = (one: Asked): string => trackedLine(one, 0);
const connections = fc.oneof(
  fc.uniqueArray(asked, { maxLength: 20, selector: keyOf }),
  fc.uniqueArray(asked, { minLength: 120, maxLength: 200, selector: keyOf }),
);

suite('every one that shall end, and none besides', () => {
  test('random connections, random ends', () => {
    const seen = { few: 0, many: 0 };
    fc.assert(
      fc.property(connections, fc.func(fc.boolean()), (some, dies) => {
        const flows = flowsOf(some);
        const dying = flows.filter(({ entry }) => dies(entry));
        const count = assertExact(
          dying,
          flows.filter((flow) => !dying.includes(flow)),
        );
        assert.ok(count <= dying.length);
        seen[dying.length > 32 ? 'many' : 'few'] += 1;
      }),
      { numRuns: 200 },
    );
    assert.ok(seen.few > 10 && seen.many > 10, JSON.stringify(seen));
  });

  const clients = Array.from({ length: 200 }, (_, index) => `10.0.1.${index}`);
  const rows: readonly (readonly [what: string, filters: number, dying: readonly Asked[], others: readonly Asked[]])[] =
    [
      [
        'a service is withdrawn',
        1,
        clients.map((from) => ({ from, to: '10.0.0.1', protocol: 'tcp', dport: 80 })),
        clients.map((from) => ({ from, to: '10.0.0.1', protocol: 'tcp', dport: 443 })),
      ],
      [
        'a guest is gone, with all that it did and that was done to it',
        2,
        clients.flatMap((other): readonly Asked[] => [
          { from: other, to: '10.0.0.1', protocol: 'tcp', dport: 80 },
          { from: '10.0.0.1', to: other, protocol: 'udp', dport: 53 },
        ]),
        clients.map((from) => ({ from, to: '10.0.0.2', protocol: 'tcp', dport: 80 })),
      ],
      [
        'one client, many connections',
        1,
        clients.map((_, index) => ({
          from: '10.0.1.1',
          to: '10.0.0.1',
          protocol: 'tcp',
          sport: 2_000 + index,
          dport: 80,
        })),
        [{ from: '10.0.1.2', to: '10.0.0.1', protocol: 'tcp', dport: 80 }],
      ],
    ];
  for (const [what, filters, dying, others] of rows) {
    test(what, () => assert.equal(assertExact(flowsOf(dying), flowsOf(others)), filters));
  }
});
