// Lines of iptables-save that we do not print ourselves: read as far as we understand them, else kept word for word.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIptablesSave } from '../../src/iptables/parse.ts';
import { printDiagnostic } from '../../src/model/diagnostic.ts';
import { exactly, type NumberRange } from '../../src/model/field.ts';
import { ctState, field, type Match, notField } from '../../src/model/match.ts';
import { accept, drop, type Expression, jump, type Statement } from '../../src/model/ruleset.ts';
import { ips } from '../support/rule-rows.ts';

const tcp = field('meta l4proto', exactly(6));
const icmp = field('meta l4proto', exactly(1));
const everyPort: NumberRange = { first: 0n, last: 0xffffn };

function opaque(text: string): Match {
  return { kind: 'opaque', text };
}

function statement(text: string): Statement {
  return { kind: 'opaque-statement', text };
}

const rows: readonly (readonly [line: string, want: readonly Expression[]])[] = [
  [
    '-m physdev  --physdev-in vk63 -m state --state NEW -j own',
    [{ kind: 'physdev', end: 'in', negated: false, name: 'vk63' }, ctState('new'), jump('own')],
  ],
  ['-m physdev ! --physdev-in vk+ -j DROP', [{ kind: 'physdev', end: 'in', negated: true, name: 'vk*' }, drop]],
  ['-p icmp -m icmp --icmp-type any -j ACCEPT', [icmp, accept]],
  ['-p icmp -m icmp ! --icmp-type 3/4', [icmp, opaque('-m icmp ! --icmp-type 3/4')]],
  ['-s 10.0.0.0/255.0.255.0 -j DROP', [opaque('-s 10.0.0.0/255.0.255.0'), drop]],
  ['! -s 10.0.0.0/8 -f', [notField('ip saddr', ips('10.0.0.0/8')), opaque('-f')]],
  ['-p gre', [field('meta l4proto', exactly(47))]],
  ['-p unheard-of', [opaque('-p unheard-of')]],
  ['-p all -j ACCEPT', [accept]],
  ['-p tcp -m tcp -j ACCEPT', [tcp, field('th dport', everyPort), accept]],
  ['-p tcp -m tcp --sport 1 --tcp-option 5', [tcp, opaque('-m tcp --sport 1 --tcp-option 5')]],
  ['-p tcp -m multiport --dports 80,443', [tcp, field('th dport', exactly(80), exactly(443))]],
  ['-p tcp -m multiport --ports 80', [tcp, opaque('-m multiport --ports 80')]],
  ['-m conntrack --ctstate NEW,DNAT', [opaque('-m conntrack --ctstate NEW,DNAT')]],
  ['-m mark --mark 0x1/0xff', [opaque('-m mark --mark 0x1/0xff')]],
  ['-m mark --mark 0x1/0xffffffff', [field('meta mark', exactly(1))]],
  ['-m set --match-set f2b src -j DROP', [opaque('-m set --match-set f2b src'), drop]],
  [
    '-m addrtype --dst-type LOCAL ! -d 127.0.0.0/8',
    [opaque('-m addrtype --dst-type LOCAL'), notField('ip daddr', ips('127.0.0.0/8'))],
  ],
  ['-m limit --limit 3/min', [{ kind: 'limit', packets: 3, per: 'minute', burst: 5 }]],
  ['-m comment --comment -m -m comment --comment "two words"', [opaque('-m comment --comment "two words"')]],
  ['-j LOG', [{ kind: 'log', prefix: '', level: 4 }]],
  ['-j LOG --log-prefix "a \\"b\\" " --log-level debug', [{ kind: 'log', prefix: 'a "b" ', level: 7 }]],
  ['-j LOG --log-ip-options', [statement('-j LOG --log-ip-options')]],
  [
    '-j REJECT --reject-with icmp-proto-unreachable',
    [{ kind: 'verdict', verdict: { kind: 'reject', with: 'icmp prot-unreachable' } }],
  ],
  ['-j REJECT --reject-with icmp6-no-route', [statement('-j REJECT --reject-with icmp6-no-route')]],
  ['-j MARK --set-xmark 0x1/0xff', [statement('-j MARK --set-xmark 0x1/0xff')]],
  ['-j unknown', [statement('-j unknown')]],
  ['-g own', [{ kind: 'verdict', verdict: { kind: 'goto', chain: 'own' } }]],
];

for (const [line, want] of rows) {
  test(`foreign: ${line}`, () => {
    const text = `# Generated\n*filter\n:FORWARD ACCEPT [5:6]\n:own - [0:0]\n[7:8] -A FORWARD ${line}\nCOMMIT\n`;
    const { value, diagnostics } = parseIptablesSave(text, 'x');
    assert.deepEqual(diagnostics, []);
    assert.deepEqual(value?.tables[0]?.chains[0]?.rules[0]?.body, want);
  });
}

const faulty = `-A FORWARD -j ACCEPT
*filter
:FORWARD MAYBE [0:0]
:own DROP [0:0]
:good - [0:0]
-A good -s
-A good what -j ACCEPT
-A good -m comment --comment "open
-A bad -j ACCEPT
-I good -j ACCEPT
-A good ! -j ACCEPT
-A good -j ACCEPT
*moon
-A good -j ACCEPT
`;

test('every faulty line is reported once, with its place', () => {
  const { value, diagnostics } = parseIptablesSave(faulty, 'x.save');
  assert.deepEqual(diagnostics.map(printDiagnostic), [
    "x.save:1:1: error[syntax]: expected '*' and the name of a table",
    'x.save:8:1: error[syntax]: a quote is not closed',
    'x.save:13:1: error[syntax]: table filter is not closed by COMMIT',
    'x.save:13:1: error[syntax]: iptables has no table "moon"',
    'x.save:15:1: error[syntax]: table moon is not closed by COMMIT',
    'x.save:3:1: error[syntax]: not the declaration of a chain: :FORWARD MAYBE [0:0]',
    'x.save:4:1: error[syntax]: not the declaration of a chain: :own DROP [0:0]',
    'x.save:6:11: error[syntax]: expected a value of -s at the end of the rule',
    'x.save:7:9: error[syntax]: expected an option, found "what"',
    'x.save:9:1: error[syntax]: chain "bad" is not declared',
    "x.save:10:1: error[syntax]: expected '-A' and a chain",
    'x.save:11:11: error[syntax]: expected an option, found "-j"',
  ]);
  assert.deepEqual(value?.tables[0]?.chains, [{ name: 'good', rules: [{ body: [accept] }] }]);
});
