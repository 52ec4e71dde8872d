// What prefixes say, firewall by firewall; and whose they are where it cannot be told from the line alone.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { LogAction } from '../../src/model/log-event.ts';
import { parseLogLine } from '../../src/watch/parse-line.ts';
import { PrefixTable } from '../../src/watch/prefixes.ts';
import { assertPrompt } from '../support/slowness.ts';

const rest = 'SRC=1.2.3.4 DST=5.6.7.8 LEN=40 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=2 ';

function event(line: string, table?: PrefixTable) {
  const found = parseLogLine(Buffer.from(`${line} ${rest}`, 'latin1'), table);
  assert.ok(found !== undefined);
  return found;
}

type Meaning = readonly [prefix: string, action: LogAction, rule?: number];

const meanings: Readonly<Record<string, readonly Meaning[]>> = {
  'own rules': [
    ['RULE 5 -- DENY ', 'deny', 5],
    ['RULE 32 -- ACCEPT ', 'accept', 32],
    ['RULE 47 -- REJECT ', 'reject', 47],
    ['RULE x -- DENY ', 'unknown'],
    ['RULE 5 -- DENYING ', 'unknown'],
    ['xRULE 5 -- DENY ', 'unknown'],
    ['RULE 12345678901 -- DENY ', 'unknown'],
  ],
  ufw: [
    ['[UFW BLOCK] ', 'deny'],
    ['[UFW LIMIT BLOCK] ', 'limit'],
    ['[UFW ALLOW] ', 'accept'],
    ['[UFW AUDIT] ', 'audit'],
    ['[UFW AUDIT INVALID] ', 'audit'],
    ['[UFW BLOCK]x', 'unknown'],
  ],
  firewalld: [
    ['FINAL_REJECT: ', 'reject'],
    ['FINAL_DROP: ', 'deny'],
    ['STATE_INVALID_DROP: ', 'deny'],
    ['rpfilter_DROP: ', 'deny'],
    ['filter_IN_public_REJECT: ', 'reject'],
    ['filter_FWD_public_DROP: ', 'deny'],
    ['IN_public_DROP: ', 'deny'],
    ['"filter_IN_public_REJECT: "', 'reject'],
    ['"filter_FWD_FedoraServer_REJECT: "', 'reject'],
    ['"STATE_INVALID_DROP: "', 'deny'],
  ],
  Proxmox: [
    [':101:6:tap101i0-IN: DROP: ', 'deny'],
    [':101:6:tap101i0-OUT: policy REJECT: ', 'reject'],
    ['101 1 tap101i0-IN 20/Jun/2022:13:12:46 +0200 REJECT: ', 'reject'],
    ['0 5 PVEFW-HOST-IN 20/Jun/2022:13:12:46 +0200 policy DROP: ', 'deny'],
    ['101 6 tap101i0-OUT 20/Jun/2022:13:12:46 +0200 ACCEPT: ', 'accept'],
    ['x 1 tap101i0-IN 20/Jun/2022:13:12:46 +0200 REJECT: ', 'unknown'],
  ],
  Shorewall: [
    ['Shorewall:net2fw:DROP:', 'deny'],
    ['Shorewall:FORWARD:REJECT:', 'reject'],
    ['Shorewall:fw2net:ACCEPT:', 'accept'],
    ['net-fw DROP ', 'deny'],
    ['net-loc REJECT ', 'reject'],
  ],
  SuSEfirewall2: [
    ['SFW2-INext-DROP-DEFLT ', 'deny'],
    ['SFW2-INext-REJECT ', 'reject'],
    ['SFW2-IN-ILL-TARGET ', 'deny'],
    ['SFW2-INext-ACC-TCP ', 'accept'],
  ],
  'iptables and nft, as administrators write them': [
    ['', 'unknown'],
    ['iptables denied: ', 'unknown'],
    ['nft drop ', 'unknown'],
    ['[wan-lan-default-D]', 'unknown'],
    ['a'.repeat(127), 'unknown'],
  ],
};

for (const [firewall, list] of Object.entries(meanings)) {
  describe(firewall, () => {
    for (const [prefix, action, rule] of list) {
      test(`'${prefix}' is ${action}`, () => {
        const { status, prefix: read, action: said, rule: number, iif, ambiguous } = event(`${prefix}IN=eth0 OUT=`);
        assert.deepEqual([status, read, said, number, iif, ambiguous], ['ok', prefix, action, rule, 'eth0', false]);
      });
    }
  });
}

test('a rule that is loaded says what its prefix means', () => {
  const table = new PrefixTable([{ prefix: 'web only: ', action: 'deny', rule: 12 }]);
  const { action, rule } = event('web only: IN=eth0 OUT=', table);
  assert.deepEqual([action, rule], ['deny', 12]);
  assert.equal(event('web only IN=eth0 OUT=', table).action, 'unknown');
  assert.equal(event('[UFW BLOCK] IN=eth0 OUT=', table).action, 'deny');
});

describe('a prefix that holds IN= of its own', () => {
  const lines: readonly [line: string, loaded: string, iif: string][] = [
    ['drop IN=IN=eth0 OUT=', 'drop IN=', 'eth0'],
    ['drop IN=IN=eth0 OUT=', 'drop ', 'IN=eth0'],
    ['IN=IN=IN=x OUT=', 'IN=IN=', 'x'],
    ['a IN=b OUT=c IN=eth0 OUT=', 'a IN=b OUT=c ', 'eth0'],
  ];
  for (const [line, loaded, iif] of lines) {
    test(`${line}: from the line alone it cannot be told`, () => assert.equal(event(line).ambiguous, true));

    test(`${line}: with '${loaded}' loaded it is ${iif}`, () => {
      const table = new PrefixTable([{ prefix: loaded, action: 'deny', rule: 3 }]);
      const { status, ambiguous, prefix, action, rule, iif: read } = event(line, table);
      assert.deepEqual([status, ambiguous, prefix, action, rule, read], ['ok', false, loaded, 'deny', 3, iif]);
    });
  }

  test('an address in it makes the line damaged, unless the rule is loaded', () => {
    const line = 'a IN=b OUT=c SRC=9.9.9.9 IN=eth0 OUT=';
    assert.deepEqual([event(line).status, event(line).damaged], ['damaged', ['prefix']]);
    const table = new PrefixTable([{ prefix: 'a IN=b OUT=c SRC=9.9.9.9 ', action: 'deny' }]);
    const known = event(line, table);
    assert.deepEqual([known.status, known.ambiguous, known.iif], ['ok', false, 'eth0']);
  });

  test('two loaded rules may have written it: it still cannot be told', () => {
    const table = new PrefixTable([
      { prefix: 'drop ', action: 'deny' },
      { prefix: 'drop IN=', action: 'accept' },
    ]);
    const { ambiguous, action } = event('drop IN=IN=eth0 OUT=', table);
    assert.deepEqual([ambiguous, action], [true, 'deny']);
  });
});

test('what stands in front of the longest prefix that the kernel keeps is no prefix', () => {
  const { status, damaged, action } = event(`${'x'.repeat(128)}IN=eth0 OUT=`);
  assert.deepEqual([status, damaged, action], ['damaged', ['prefix'], 'unknown']);
});

test('no prefix costs much to look up', () => {
  const table = new PrefixTable();
  const hostile = ['filter_', '_', ':', 'SFW2-DROP'].map((part) => part.repeat(127).slice(0, 126));
  const begin = performance.now();
  for (let round = 0; round < 100; round++) for (const text of hostile) table.meaning(`${text}${round % 10}`);
  assertPrompt(performance.now() - begin, 1_000);
});
