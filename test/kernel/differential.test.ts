// The simulator agrees with the kernel: seeded random hosts, rules of both back ends, and frames; see differential.ts.
// BRIDGEKEEPER_SEEDS sets how many seeds, BRIDGEKEEPER_SEED replays one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Harness, type SeedReport } from './differential.ts';

const single = process.env.BRIDGEKEEPER_SEED;
const first = single === undefined ? Number(process.env.BRIDGEKEEPER_FIRST_SEED ?? 1) : Number(single);
const count = single === undefined ? Number(process.env.BRIDGEKEEPER_SEEDS ?? 100) : 1;
const harnesses = 2;
/** A world that is replayed is looked at after every frame. */
const together = single === undefined ? 8 : 1;

const skip = process.getuid?.() === 0 ? false : 'network namespaces need root';

test(`simulator and kernel agree on ${count} random worlds`, { skip }, async (t) => {
  const seeds = Array.from({ length: count }, (_, index) => first + index);
  const totals = new Map<string, number>();
  const failures: string[] = [];
  const work = async (): Promise<void> => {
    const harness = await Harness.open(together);
    try {
      for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
        const report = await harness.run(seed);
        for (const [key, times] of report.counts) totals.set(key, (totals.get(key) ?? 0) + times);
        if (report.mismatches.length > 0) failures.push(failureText(report));
      }
    } finally {
      await harness.close();
    }
  };
  await Promise.all(Array.from({ length: Math.min(harnesses, count) }, work));
  t.diagnostic(`kernel runs: ${count}`);
  assert.equal(failures.join('\n\n'), '');
  if (count >= 100) notVacuous(totals);
});

function failureText({ seed, rules, mismatches }: SeedReport): string {
  const places = mismatches.map(
    ({ first, last, what, simulated, seen }) =>
      `action ${first === last ? '' : `${first + 1} to `}${last + 1}, ${what}\n  simulated:\n    ${simulated.join('\n    ')}\n  seen:\n    ${seen.join('\n    ')}`,
  );
  return [`seed ${seed} (${rules}); replay with: npm run test:kernel -- --seed ${seed}`, ...places].join('\n');
}

/** Every kind of thing that the worlds are made for has happened, on both sides of every decision. */
const expected = [
  'rules: compiled iptables',
  'rules: compiled iptables, name tree',
  'rules: compiled nft, ARP bound',
  'rules: compiled nft, ARP unchecked',
  'rules: random iptables',
  'rules: random nft',
  ...['ping', 'udp', 'tcp', 'lie', 'broadcast', 'dhcp', 'arp', 'icmp', 'unknown', 'host-ping'].map(
    (kind) => `action: ${kind}`,
  ),
  ...['bridge prerouting', 'bridge forward', 'bridge output', 'ip forward', 'ip input', 'ip output'].flatMap((hook) => [
    `${hook}: accept`,
    `${hook}: drop`,
  ]),
  ...['log', 'received', 'lost'].map((kind) => `event: ${kind}`),
  ...[
    'field',
    'lookup',
    'physdev',
    'physdev-is',
    'ct-state',
    'tcp-flags',
    'limit',
    'log',
    'counter',
    'verdict',
    'vmap',
  ].map((kind) => `expression: ${kind}`),
];

function notVacuous(totals: ReadonlyMap<string, number>): void {
  const rare = expected.filter((key) => (totals.get(key) ?? 0) < 5);
  assert.deepEqual(rare, [], 'these hardly ever happened');
}
