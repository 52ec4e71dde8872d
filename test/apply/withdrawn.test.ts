// The table and the few lines of awk of the way back, against the simulator: what only the withdrawn rules allow ends, on
// random connections.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { exactFilter } from '../../src/apply/cut-filters.ts';
import { FlowJudge } from '../../src/apply/flow-judge.ts';
import { parseTracked } from '../../src/apply/tracked-flow.ts';
import { cutProgram, withdrawnTable } from '../../src/apply/withdrawn.ts';
import { lowerNft } from '../../src/nft/lower.ts';
import { compiledFrom, factsOf, type Texts } from '../support/compiled.ts';
import { freshDirectory, root } from '../support/run-cli.ts';
import { type Asked, trackedLine } from './tracked-lines.ts';

function exampleOf(name: string): Texts {
  const text = (file: string) => readFileSync(join(root, 'examples', name, file), 'utf8');
  return { host: text('host.yaml'), policy: text('policy.yaml') };
}

/** An example's policy with other permissions. */
function withLines({ host, policy }: Texts, lines: readonly string[]) {
  const facts = factsOf({
    host,
    policy: `${policy.split('allow:')[0]}allow:\n${lines.map((line) => `  - ${line}\n`).join('')}`,
  });
  const { list } = compiledFrom(facts);
  return {
    ...facts,
    list,
    judge: new FlowJudge({ ruleset: lowerNft(list, { arp: 'bound' }), list, host: facts.host }),
  };
}

type Change = readonly [what: string, withdrawn: readonly string[], back: readonly string[]];

type Place = {
  readonly name: string;
  readonly ips: readonly string[];
  readonly changes: readonly Change[];
};

const always = ['{ from: host, to: any, via: br0 }', '{ from: admin, to: host, via: br0 }'];

const twoBridges: Place = {
  name: 'two-bridge',
  ips: [
    '192.168.50.12',
    '192.168.50.13',
    '192.168.50.14',
    '192.168.50.15',
    '192.168.50.1',
    '192.168.0.19',
    '192.168.0.37',
    '192.168.0.10',
  ],
  changes: [
    [
      'a wider one for a narrower one',
      ['{ from: guests, to: guests, service: any }', ...always],
      ['{ from: guests, to: guests, service: [ssh, ping] }', ...always],
    ],
    [
      'one guest less',
      ['{ from: guests, to: lamp, service: http }', ...always],
      ['{ from: [kali2, kali3], to: lamp, service: http }', ...always],
    ],
    [
      'the other way round',
      ['{ from: kali4, to: lamp, service: [http, dns] }', ...always],
      ['{ from: lamp, to: kali4, service: [http, dns] }', ...always],
    ],
    [
      "the host's own, by the ruled interface",
      always,
      ['{ from: host, to: lamp, via: br0, service: https }', '{ from: admin, to: host, via: br0, service: ssh }'],
    ],
    [
      'ranges of ports, kinds of ICMP',
      ['{ from: guests, to: any, service: ["tcp/20-90", ping] }', ...always],
      ['{ from: guests, to: any, service: ["tcp/21-79", "udp/53"] }', ...always],
    ],
  ],
};

const byCard = ['{ from: host, to: any, via: enp1s0 }', '{ from: admin, to: host, via: enp1s0, service: ssh }'];

/** The host has its address on the bridge, and routes. */
const oneBridge: Place = {
  name: 'one-bridge',
  ips: [
    '192.168.122.11',
    '192.168.122.12',
    '192.168.122.13',
    '192.168.122.1',
    '198.51.100.10',
    '198.51.100.77',
    '198.51.100.25',
    '203.0.113.5',
  ],
  changes: [
    [
      'from everywhere',
      ['{ from: any, to: web, service: any }', ...byCard],
      ['{ from: any, to: web, service: [ssh, ping] }', ...byCard],
    ],
    [
      'to the host',
      ['{ from: guests, to: host, service: any }', ...byCard],
      ['{ from: guests, to: host, service: [ssh, dns] }', ...byCard],
    ],
    [
      'from the host',
      ['{ from: host, to: guests, service: any }', ...byCard],
      ['{ from: host, to: web, service: [ssh, dns] }', ...byCard],
    ],
    [
      'to everywhere',
      ['{ from: mail, to: any, service: http }', ...byCard],
      ['{ from: mail, to: relay, service: http }', ...byCard],
    ],
    ["the host's own, by its card", byCard, ['{ from: host, to: relay, via: enp1s0 }']],
    [
      'all to all',
      ['{ from: any, to: any, service: any }', ...byCard],
      ['{ from: guests, to: guests, service: http }', ...byCard],
    ],
  ],
};

const services: readonly Omit<Asked, 'from' | 'to'>[] = [
  ...[22, 53, 80, 90, 443].flatMap((dport) => [
    { protocol: 'tcp', dport } as const,
    { protocol: 'udp', dport } as const,
  ]),
  { protocol: 'icmp' },
  { protocol: 'icmp', type: 13 },
  { protocol: 47 },
];

function cutOf(table: string, listing: readonly string[], directory: string): readonly string[] {
  writeFileSync(join(directory, 'withdrawn'), table);
  writeFileSync(join(directory, 'cut.awk'), cutProgram);
  const ran = spawnSync('awk', ['-f', 'cut.awk', 'withdrawn', '-'], {
    cwd: directory,
    input: `${listing.join('\n')}\n`,
  });
  assert.equal(ran.status, 0, ran.stderr.toString('utf8'));
  return ran.stdout
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '');
}

function rowsOf({ name, ips, changes }: Place) {
  return changes.map(([what, withdrawn, back]) => ({ name, what, withdrawn, back, ips }));
}

suite('what the timer would cut', () => {
  for (const { name, what, withdrawn, back, ips } of [twoBridges, oneBridge].flatMap(rowsOf)) {
    test(`${name}: ${what}`, (t) => {
      const [from, to] = [withLines(exampleOf(name), withdrawn), withLines(exampleOf(name), back)];
      const pairs = ips.flatMap((a) => ips.filter((b) => b !== a).map((b) => [a, b] as const));
      const lines = pairs.flatMap(([a, b]) =>
        services.map((one, index) => trackedLine({ from: a, to: b, ...one, sport: 40_000 + index }, 1)),
      );
      const cut = cutOf(withdrawnTable(from, to.list), lines, freshDirectory(t));
      const flows = parseTracked(lines.join('\n'));
      const wanted = flows.filter((flow) => from.judge.allows(flow) && !to.judge.allows(flow));
      const said = cut.map((line) => line.replace(/^-D /, ''));
      assert.deepEqual(said.sort(), wanted.map((flow) => exactFilter(flow).join(' ')).sort());
      assert.ok(cut.length > 0 && cut.length < lines.length, String(cut.length));
    });
  }

  test('nothing is withdrawn: no table', () => {
    const texts = exampleOf('two-bridge');
    const same = withLines(texts, always);
    assert.equal(withdrawnTable(same, same.list), '');
    assert.equal(
      withdrawnTable(same, withLines(texts, ['{ from: guests, to: lamp, service: http }', ...always]).list),
      '',
    );
  });

  test('a translated destination is the one in the end; zones are kept', (t) => {
    const [from, to] = [
      withLines(exampleOf('two-bridge'), ['{ from: kali4, to: lamp, service: http }']),
      withLines(exampleOf('two-bridge'), ['{ from: kali4, to: lamp, service: ping }']),
    ];
    const asked: Asked = {
      from: '192.168.50.14',
      to: '192.168.50.1',
      protocol: 'tcp',
      dport: 8080,
      really: ['192.168.0.37', 80],
      zone: 4,
    };
    assert.deepEqual(cutOf(withdrawnTable(from, to.list), [trackedLine(asked, 1)], freshDirectory(t)), [
      '-D -p 6 -s 192.168.50.14 -d 192.168.50.1 --sport 40000 --dport 8080 -w 4',
    ]);
  });
});
