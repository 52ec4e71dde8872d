// ufw's rules as tuples, sessions and listeners -> closed or open, and the one command that is missing.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parseIp } from '../../src/model/ip.ts';
import { type BothRules, judge, missingCommands, waysIn } from '../../src/ufw/lockout.ts';
import type { Policy } from '../../src/ufw/settings.ts';
import type { Listener, Session } from '../../src/ufw/sockets.ts';
import { inputRules, tuplesOf } from '../../src/ufw/tuple.ts';
import { rulesAfterRewrite, rulesAtStart } from '../../src/ufw/would-load.ts';

const ip = (text: string) => {
  const found = parseIp(text);
  assert.ok(found, text);
  return found;
};

const session = (client: string, port = 22, server = '10.0.0.1'): Session => ({
  client: { ip: ip(client), port: 50_000 },
  server: { ip: ip(server), port },
  iif: 'eth0',
});

const listener = (address: string, port = 22): Listener => ({ server: { ip: ip(address), port }, program: 'sshd' });

/** Tuples of user.rules with the rules that ufw writes from them; `raw` lines are written in by hand. */
function userFile(family: 4 | 6, tuples: readonly string[]): string {
  const lines = tuples.flatMap((line) => {
    if (line.startsWith('-A')) return [line];
    const [tuple] = tuplesOf(`### tuple ### ${line}`);
    assert.ok(tuple, line);
    return [`### tuple ### ${line}`, ...inputRules(tuple, family)];
  });
  const name = family === 4 ? 'ufw' : 'ufw6';
  return [
    '*filter',
    ...lines,
    `-A ${name}-user-limit -j REJECT`,
    `-A ${name}-user-limit-accept -j ACCEPT`,
    'COMMIT',
  ].join('\n');
}

const before = (family: 4 | 6, more = ''): string => {
  const name = family === 4 ? 'ufw' : 'ufw6';
  return `*filter\n:${name}-before-input - [0:0]\n-A ${name}-before-input -i lo -j ACCEPT\n-A ${name}-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n${more}COMMIT`;
};

type Case = {
  readonly four?: readonly string[];
  readonly six?: readonly string[] | 'closed';
  readonly policy?: Policy;
  readonly before?: string;
};

function rulesFor({ four = [], six = [], policy = 'DROP', before: more = '' }: Case): BothRules {
  const of = (family: 4 | 6, tuples: readonly string[]) => {
    const files = { before: before(family, family === 4 ? more : ''), after: '', user: userFile(family, tuples) };
    return {
      now: rulesAtStart(files, policy, family),
      later: rulesAfterRewrite(files, policy, family),
      tuples: tuplesOf(files.user),
    };
  };
  return { 4: of(4, four), 6: six === 'closed' ? undefined : of(6, six) };
}

const all4 = 'tcp 22 0.0.0.0/0 any 0.0.0.0/0';
const all6 = 'tcp 22 ::/0 any ::/0';
const both = { four: [`allow ${all4} in`], six: [`allow ${all6} in`] };
const v4 = { sessions: [session('10.0.0.5')], listeners: [listener('0.0.0.0'), listener('::')] };
const v6 = { sessions: [session('fd00::5', 22, 'fd00::1')], listeners: [listener('0.0.0.0'), listener('::')] };
const only4 = { sessions: [session('10.0.0.5')], listeners: [listener('0.0.0.0')] };

type Row = readonly [name: string, rules: Case, ssh: typeof v4, findings: string, commands: readonly string[]];

const allow = (from: string, port = 22): string => `allow from ${from} to any port ${port} proto tcp`;

/** Findings in the order session, IPv4 listener, IPv6 listener. */
const rows: readonly Row[] = [
  ['no rules', {}, v4, 'blocked blocked blocked', [allow('any')]],
  ['allowed in both', both, v4, 'passes passes passes', []],
  ['allowed in both, client by IPv6', both, v6, 'passes passes passes', []],
  ['allowed by the policy', { policy: 'ACCEPT' }, v4, 'passes passes passes', []],
  ['rejected by the policy', { policy: 'REJECT' }, v4, 'blocked blocked blocked', [allow('any')]],
  ['only IPv4', { four: [`allow ${all4} in`] }, v4, 'passes passes blocked', [allow('::/0')]],
  ['only IPv6', { six: [`allow ${all6} in`] }, v4, 'blocked blocked passes', [allow('0.0.0.0/0')]],
  ['only IPv4, and sshd too', { four: [`allow ${all4} in`] }, only4, 'passes passes', []],
  ['limit', { four: [`limit ${all4} in`], six: [`limit ${all6} in`] }, v4, 'limited limited limited', []],
  ['any protocol', { ...both, four: ['allow any 22 0.0.0.0/0 any 0.0.0.0/0 in'] }, v4, 'passes passes passes', []],
  [
    'UDP only',
    { ...both, four: ['allow udp 22 0.0.0.0/0 any 0.0.0.0/0 in'] },
    only4,
    'blocked blocked',
    [allow('0.0.0.0/0')],
  ],
  [
    'a profile',
    { ...both, four: ['allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 OpenSSH - in'] },
    v4,
    'passes passes passes',
    [],
  ],
  ['with a log', { ...both, four: [`allow_log-all ${all4} in`] }, v4, 'passes passes passes', []],
  ['with a comment', { ...both, four: [`allow ${all4} in comment=737368`] }, v4, 'passes passes passes', []],
  [
    'old tuple of six words',
    { ...both, four: ['allow tcp 22 0.0.0.0/0 any 0.0.0.0/0'] },
    v4,
    'passes passes passes',
    [],
  ],
  [
    'a range of ports',
    { ...both, four: ['allow tcp 20:30 0.0.0.0/0 any 0.0.0.0/0 in'] },
    v4,
    'passes passes passes',
    [],
  ],
  ['a route rule', { ...both, four: [`route:allow ${all4} in`] }, only4, 'blocked blocked', [allow('0.0.0.0/0')]],
  ['what goes out', { ...both, four: [`allow ${all4} out`] }, only4, 'blocked blocked', [allow('0.0.0.0/0')]],
  [
    'the client’s network',
    { ...both, four: ['allow tcp 22 0.0.0.0/0 any 10.0.0.0/8 in'] },
    v4,
    'passes partly passes',
    [],
  ],
  [
    'another network',
    { ...both, four: ['allow tcp 22 0.0.0.0/0 any 172.16.0.0/12 in'] },
    v4,
    'blocked partly passes',
    [allow('10.0.0.5')],
  ],
  ['the client’s interface', { ...both, four: [`allow ${all4} in_eth0`] }, v4, 'passes partly passes', []],
  [
    'an interface, and it is not known by which one the client comes',
    { ...both, four: [`allow ${all4} in_eth0`] },
    { ...v4, sessions: v4.sessions.map(({ iif: _, ...rest }) => rest) },
    'partly partly passes',
    [allow('10.0.0.5')],
  ],
  ['another interface', { ...both, four: [`allow ${all4} in_eth1`] }, v4, 'blocked partly passes', [allow('10.0.0.5')]],
  [
    'denied before it is allowed',
    { ...both, four: ['deny any any 0.0.0.0/0 any 10.0.0.0/8 in', `allow ${all4} in`] },
    v4,
    'blocked partly passes',
    [`prepend ${allow('10.0.0.5')}`],
  ],
  [
    'denied for all before it is allowed',
    { ...both, four: ['deny any 22 0.0.0.0/0 any 0.0.0.0/0 in', `allow ${all4} in`] },
    only4,
    'blocked blocked',
    [`delete ${allow('0.0.0.0/0')}`, `prepend ${allow('0.0.0.0/0')}`],
  ],
  [
    'denied for others',
    { ...both, four: ['deny any any 0.0.0.0/0 any 172.16.0.0/12 in', `allow ${all4} in`] },
    v4,
    'passes partly passes',
    [],
  ],
  [
    'denied after it is allowed',
    { ...both, four: [`allow ${all4} in`, `deny ${all4} in`] },
    v4,
    'passes passes passes',
    [],
  ],
  [
    'dropped in before.rules',
    { ...both, before: '-A ufw-before-input -p tcp --dport 22 -j DROP\n' },
    only4,
    'blocked blocked',
    [],
  ],
  [
    'accepted in before.rules',
    { before: '-A ufw-before-input -p tcp --dport 22 -j ACCEPT\n' },
    only4,
    'passes passes',
    [],
  ],
  [
    'a set in before.rules',
    { ...both, before: '-A ufw-before-input -m set --match-set bad src -j DROP\n' },
    v4,
    'unsure unsure passes',
    [],
  ],
  [
    'a line written in by hand',
    { ...both, four: ['-A ufw-user-input -p tcp --dport 22 -j ACCEPT'] },
    only4,
    'forgotten forgotten',
    [allow('0.0.0.0/0')],
  ],
  ['IPV6=no', { ...both, six: 'closed' }, v4, 'passes passes ipv6-closed', []],
  ['IPV6=no, and the client comes by it', { ...both, six: 'closed' }, v6, 'ipv6-closed passes ipv6-closed', []],
  ['IPV6=no and no rules', { six: 'closed' }, v4, 'blocked blocked ipv6-closed', [allow('any')]],
  [
    'another port',
    both,
    { sessions: [session('10.0.0.5', 2222)], listeners: [listener('0.0.0.0', 2222)] },
    'blocked blocked',
    [allow('0.0.0.0/0', 2222)],
  ],
  [
    'two ports, one of them open',
    both,
    { sessions: [session('10.0.0.5')], listeners: [listener('0.0.0.0'), listener('0.0.0.0', 2222)] },
    'passes passes blocked',
    [allow('0.0.0.0/0', 2222)],
  ],
  [
    'a listener on :: alone takes both',
    {},
    { sessions: [], listeners: [listener('::')] },
    'blocked blocked',
    [allow('any')],
  ],
  ['from the machine itself', {}, { sessions: [session('10.0.0.1')], listeners: [] }, 'passes', []],
  ['nobody', {}, { sessions: [], listeners: [] }, '', []],
];

suite('who would be locked out', () => {
  for (const [name, rules, ssh, findings, commands] of rows) {
    test(name, () => {
      const loaded = rulesFor(rules);
      const judged = judge(waysIn(ssh), loaded);
      assert.equal(judged.map(({ finding }) => finding.kind).join(' '), findings);
      assert.deepEqual(
        missingCommands(judged, loaded).map((words) => words.join(' ')),
        commands,
      );
      const isClosed = judged.some(({ open }) => !open);
      assert.equal(isClosed, /^(?:ipv6|unsure|partly)|blocked|forgotten/.test(findings));
    });
  }
});

test('every finding occurred', () => {
  const kinds = new Set(rows.flatMap(([, , , findings]) => findings.split(' ')));
  for (const kind of ['passes', 'limited', 'partly', 'unsure', 'blocked', 'forgotten', 'ipv6-closed']) {
    assert.ok(kinds.has(kind), kind);
  }
});

const malformed = [
  '',
  'allow',
  'allow tcp x 0.0.0.0/0 any 0.0.0.0/0 in',
  'allow tcp 22 a b c d e f g h',
  'allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 sideways',
];

test('tuples that ufw passes over are passed over, and an unknown action denies', () => {
  assert.deepEqual(tuplesOf(malformed.map((line) => `### tuple ### ${line}`).join('\n')), []);
  assert.equal(tuplesOf('### tuple ### permit tcp 22 0.0.0.0/0 any 0.0.0.0/0 in')[0]?.action, 'deny');
  assert.deepEqual(tuplesOf('# ### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in'), []);
});
