// Rules of others: which of them keep somebody from what the policy allows him, and which do not concern that.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { obstacles } from '../../src/apply/obstacles.ts';
import { type Wanted, wantedConnections, wantedKind, wantedWith } from '../../src/apply/wanted.ts';
import { parseIptablesSave } from '../../src/iptables/parse.ts';
import type { Ruleset } from '../../src/model/ruleset.ts';
import { parseNft } from '../../src/nft/parse.ts';
import { listOf } from '../support/compiled.ts';

const host = 'host: small\nbridges: { br0: { ports: { g1: {}, g2: {}, eth0: { uplink: true } } } }\n';

const macs = { web: '52:54:00:00:00:11', db: '52:54:00:00:00:12' };

function wantedBy(allow: readonly string[], how: 'with MACs' | 'without MACs' = 'with MACs'): readonly Wanted[] {
  const guest = (name: keyof typeof macs, rest: string): string =>
    `  ${name}: { ${rest}${how === 'with MACs' ? `, mac: "${macs[name]}"` : ''} }`;
  const lines = allow.map((line) => `  - { ${line} }`);
  const policy = [
    'guests:',
    guest('web', 'ip: 10.0.0.11, port: g1'),
    guest('db', 'ip: 10.0.0.12, port: g2'),
    'outside: { admin: { ip: 10.0.9.9, behind: br0 } }',
    ...(lines.length === 0 ? [] : ['allow:', ...lines]),
    'dhcp: none\n',
  ];
  return wantedConnections(listOf({ host, policy: policy.join('\n') }));
}

const https = wantedBy(['from: web, to: db, service: https']);

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
  [
    'only its answer is dropped',
    nft('bridge', 'forward', '\t\tiifname "g2" oifname "g1" drop\n'),
    /rule 1 of chain c in table bridge other, which is not ours, drops the reply$/,
  ],
  [
    'another port of the guest',
    iptables(':FORWARD ACCEPT [0:0]', '-A FORWARD -p tcp -m tcp --dport 22 -j DROP'),
    undefined,
  ],
  [
    'this port of the guest, refused',
    iptables(':FORWARD ACCEPT [0:0]', '-A FORWARD -d 10.0.0.12/32 -p tcp -m tcp --dport 443 -j REJECT'),
    /rule 1 of chain FORWARD.*drops it/,
  ],
  [
    'whom nobody wanted',
    iptables(
      ':FORWARD ACCEPT [0:0]',
      '-A FORWARD -s 10.0.0.12/32 -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP',
    ),
    undefined,
  ],
  [
    'a limit that many packets exhaust',
    iptables(':FORWARD DROP [0:0]', '-A FORWARD -m limit --limit 1/minute --limit-burst 1 -j ACCEPT'),
    undefined,
  ],
  [
    'a chain that nobody knows whether it is asked, and that lets pass',
    iptables(':FORWARD DROP [0:0]', ':X - [0:0]', '-A FORWARD -m geoip --src-cc XX -j X', '-A X -p tcp -j ACCEPT'),
    undefined,
  ],
  [
    'a chain that nobody knows whether it is asked, and that lets other things pass',
    iptables(
      ':FORWARD DROP [0:0]',
      ':X - [0:0]',
      '-A FORWARD -m geoip --src-cc XX -j X',
      '-A X -p udp -j ACCEPT',
      '-A X -s 10.0.0.11/32 -j RETURN',
      '-A X -j ACCEPT',
    ),
    /the policy of chain FORWARD/,
  ],
  [
    'a chain that nobody knows whether it is asked, and that drops',
    iptables(':FORWARD ACCEPT [0:0]', ':X - [0:0]', '-A FORWARD -m geoip --src-cc XX -j X', '-A X -j DROP'),
    undefined,
  ],
  [
    'what lets pass stands behind a return that nobody understands',
    iptables(
      ':FORWARD DROP [0:0]',
      ':X - [0:0]',
      '-A FORWARD -j X',
      '-A X -m geoip --src-cc XX -j RETURN',
      '-A X -j ACCEPT',
    ),
    undefined,
  ],
  ['a program decides', iptables(':FORWARD DROP [0:0]', '-A FORWARD -j NFQUEUE --queue-num 1'), undefined],
  [
    'a program reads along',
    iptables(':FORWARD DROP [0:0]', '-A FORWARD -j NFLOG --nflog-group 1'),
    /the policy of chain FORWARD/,
  ],
];

suite('rules of others in the way of one connection that is allowed', () => {
  for (const [what, rules, drops] of rows) {
    test(`${what}: ${drops === undefined ? 'nothing' : 'named'}`, () => {
      const found = obstacles([rules], https, []);
      if (drops === undefined) assert.deepEqual(found, []);
      else {
        assert.equal(found.length, 1);
        assert.match(found[0]?.words ?? '', drops);
        const words =
          /^'web' cannot connect to 'db' \(https\) on br0, which the policy allows: .*which is not ours, drops/;
        assert.match(found[0]?.words ?? '', words);
      }
    });
  }

  test('rules of the ip tables do not matter where these do not see the bridge', () => {
    assert.deepEqual(obstacles([iptables(':FORWARD DROP [0:0]')], https, ['br0']), []);
  });
});

type Kind = readonly [what: string, allow: readonly string[], rules: Ruleset, words: readonly RegExp[]];

const drop = iptables(':FORWARD DROP [0:0]');

const kinds: readonly Kind[] = [
  ['nothing is allowed', [], drop, []],
  ['one direction', ['from: db, to: web, service: ssh'], drop, [/^'db' cannot connect to 'web' \(ssh\) on br0/]],
  [
    'one rule in the way of all is one finding',
    ['from: web, to: db, service: ssh', 'from: guests, to: any, service: ping', 'from: admin, to: guests'],
    drop,
    [/^'web' cannot connect to 'db' \(ssh\)/],
  ],
  [
    'each rule with what it drops',
    ['from: web, to: db, service: ssh', 'from: db, to: admin, service: dns'],
    iptables(
      ':FORWARD ACCEPT [0:0]',
      '-A FORWARD -p udp -m physdev --physdev-out eth0 --physdev-is-bridged -j DROP',
      '-A FORWARD -p tcp -m tcp --dport 22 -j DROP',
    ),
    [/^'web' cannot connect to 'db' \(ssh\).*rule 2 of/, /^'db' cannot connect to 10\.0\.9\.9 \(dns\).*rule 1 of/],
  ],
  [
    'who comes from outside',
    ['from: admin, to: web, service: https'],
    nft('bridge', 'forward', '\t\tiifname "eth0" ct state established accept\n\t\tiifname "eth0" drop\n'),
    [/^10\.0\.9\.9 cannot connect to 'web' \(https\) on br0.*rule 2 of chain c.*drops it$/],
  ],
  [
    'a rule about addresses of no use does not concern who may speak with anybody',
    ['from: web, to: any, service: https'],
    iptables(':FORWARD ACCEPT [0:0]', '-A FORWARD -d 0.0.0.0/8 -j DROP', '-A FORWARD -d 192.0.2.0/24 -j DROP'),
    [],
  ],
  [
    'a ping and its answer',
    ['from: web, to: db, service: ping'],
    iptables(':FORWARD ACCEPT [0:0]', '-A FORWARD -p icmp -m icmp --icmp-type 0 -j DROP'),
    [/^'web' cannot connect to 'db' \(ping\).*drops the reply/],
  ],
];

suite('what is tried is what the policy allows', () => {
  for (const [what, allow, rules, words] of kinds) {
    test(what, () => {
      const found = obstacles([rules], wantedBy(allow), []);
      assert.equal(found.length, words.length, JSON.stringify(found));
      for (const [index, one] of words.entries()) assert.match(found[index]?.words ?? '', one);
    });
  }

  test('a rule about MACs says nothing of guests whose MACs nobody knows', () => {
    const allow = ['from: web, to: db, service: ssh'];
    for (const [rules, isNamed] of [
      [nft('bridge', 'forward', `\t\tether saddr != ${macs.web} drop\n`), false],
      [nft('bridge', 'forward', `\t\tether saddr ${macs.web} accept\n`, 'drop'), false],
      [nft('bridge', 'forward', '\t\tether saddr 52:54:00:00:00:99 accept\n', 'drop'), true],
    ] as const) {
      // the reply has the other MAC
      const there = wantedBy(allow);
      const asked = obstacles([rules], there, []).filter(({ words }) => !words.includes('drops the reply'));
      assert.equal(asked.length > 0, isNamed);
      assert.deepEqual(obstacles([rules], wantedBy(allow, 'without MACs'), []), []);
    }
  });

  test('few of each kind on a bridge, whatever the number of guests; others take the place of those that go', () => {
    const names = Array.from({ length: 300 }, (_, index) => `g${index}`);
    const list = listOf({
      host: `host: large\nbridges: { br0: { ports: { ${names.map((name) => `${name}: {}`).join(', ')} } } }\n`,
      policy: [
        'guests:',
        ...names.map((name, index) => `  n${index}: { ip: 10.0.${index >> 8}.${index & 255}, port: ${name} }`),
        'allow:',
        '  - { from: guests, to: guests, service: [ssh, https, ping] }',
        'dhcp: none\n',
      ].join('\n'),
    });
    const wanted = wantedConnections(list);
    const counts = [...Map.groupBy(wanted, wantedKind).values()].map((ones) => ones.length);
    assert.deepEqual(counts, [2, 2], 'TCP and ICMP');
    for (const ones of Map.groupBy(wanted, wantedKind).values()) {
      assert.equal(new Set(ones.flatMap(({ from, to }) => [from.port, to.port])).size, 4, 'no guest twice');
    }
    const [first] = wanted;
    assert.ok(first !== undefined);
    const left = wantedWith(wanted, new Set([first.from.port]), []);
    assert.ok(
      left.length > 0 && left.every(({ from, to }) => from.port !== first.from.port && to.port !== first.from.port),
    );
    assert.deepEqual(wantedWith(left, new Set(), wanted).length, wanted.length);
  });
});
