// Rules of others: which of them keep two guests of a bridge from each other, and which do not concern them.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { obstacles } from '../../src/apply/obstacles.ts';
import { parseIptablesSave } from '../../src/iptables/parse.ts';
import type { Ruleset } from '../../src/model/ruleset.ts';
import { parseNft } from '../../src/nft/parse.ts';
import { listOf } from '../support/compiled.ts';

const { ground } = listOf({
  host: 'host: small\nbridges: { br0: { ports: { g1: {}, g2: {} } } }\n',
  policy: 'guests: { web: { ip: 10.0.0.11, port: g1 }, db: { ip: 10.0.0.12, port: g2 } }\ndhcp: none\n',
});

function iptables(...lines: readonly string[]): Ruleset {
  const { value, diagnostics } = parseIptablesSave(`*filter\n${lines.join('\n')}\nCOMMIT\n`, 'saved');
  assert.ok(value !== undefined && diagnostics.length === 0, JSON.stringify(diagnostics));
  return value;
}

function nft(family: string, hook: string, rules: string, policy = 'accept'): Ruleset {
  const chain = `chain c {\n\t\ttype filter hook ${hook} priority 0; policy ${policy};\n${rules}\t}`;
  const { value } = parseNft(`table ${family} other {\n\t${chain}\n}\n`, 'other.nft');
  assert.ok(value !== undefined);
  return value;
}

type Row = readonly [what: string, rules: Ruleset, drops: RegExp | undefined];

const rows: readonly Row[] = [
  ['nothing at all', iptables(':FORWARD ACCEPT [0:0]'), undefined],
  [
    'FORWARD DROP',
    iptables(':FORWARD DROP [0:0]'),
    /the policy of chain FORWARD in table ip filter.*-I FORWARD -i br0/,
  ],
  [
    'Docker, and its place for the rules of others',
    iptables(
      ':FORWARD DROP [0:0]',
      ':DOCKER-USER - [0:0]',
      '-A FORWARD -j DOCKER-USER',
      '-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      '-A DOCKER-USER -j RETURN',
    ),
    /the policy of chain FORWARD.*-I DOCKER-USER -i br0 -o br0 -j ACCEPT/,
  ],
  [
    'Docker, where guests are let pass',
    iptables(
      ':FORWARD DROP [0:0]',
      ':DOCKER-USER - [0:0]',
      '-A FORWARD -j DOCKER-USER',
      '-A DOCKER-USER -i br0 -o br0 -j ACCEPT',
    ),
    undefined,
  ],
  [
    'libvirt, which lets its own bridges pass',
    iptables(
      ':FORWARD ACCEPT [0:0]',
      ':LIBVIRT_FWI - [0:0]',
      '-A FORWARD -j LIBVIRT_FWI',
      '-A LIBVIRT_FWI -o virbr9 -j REJECT --reject-with icmp-port-unreachable',
    ),
    undefined,
  ],
  [
    'only what is known may pass',
    iptables(':FORWARD DROP [0:0]', '-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'),
    /the policy of chain FORWARD/,
  ],
  [
    'what nobody understands is taken for letting pass',
    iptables(':FORWARD DROP [0:0]', '-A FORWARD -m geoip --src-cc XX -j ACCEPT'),
    undefined,
  ],
  [
    'what nobody understands is not taken for dropping',
    iptables(':FORWARD ACCEPT [0:0]', '-A FORWARD -m geoip --src-cc XX -j DROP'),
    undefined,
  ],
  [
    'a rule of a port of ours',
    nft('bridge', 'prerouting', '\t\tiifname "g1" drop\n'),
    /rule 1 of chain c in table bridge other/,
  ],
  ['a rule of a port of others', nft('bridge', 'prerouting', '\t\tiifname "x1" drop\n'), undefined],
  [
    'a policy in the bridge family',
    nft('bridge', 'forward', '', 'drop'),
    /the policy of chain c in table bridge other/,
  ],
  [
    'inet tables see bridged packets too',
    nft('inet', 'forward', '', 'drop'),
    /the policy of chain c in table inet other/,
  ],
  ['what is for the host itself', nft('inet', 'input', '', 'drop'), undefined],
];

suite('rules of others between two guests', () => {
  for (const [what, rules, drops] of rows) {
    test(`${what}: ${drops === undefined ? 'nothing' : 'named'}`, () => {
      const found = obstacles([rules], ground, []);
      if (drops === undefined) assert.deepEqual(found, []);
      else {
        assert.equal(found.length, 1);
        assert.match(found[0]?.words ?? '', drops);
        assert.match(found[0]?.words ?? '', /^guests on br0 cannot connect: .*which is not ours, drops it/);
      }
    });
  }

  test('rules of the ip tables do not matter where these do not see the bridge', () => {
    assert.deepEqual(obstacles([iptables(':FORWARD DROP [0:0]')], ground, ['br0']), []);
  });
});
