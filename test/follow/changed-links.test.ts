// What `ip monitor` prints, and whom it lets ask: in the kernel, as much as asking all of them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { ChangedLinks } from '../../src/follow/changed-links.ts';
import { needsRoot } from '../support/namespace.ts';

const rows: readonly (readonly [what: string, text: string, changed: string])[] = [
  [
    'a tap on a bridge',
    '7: vnet0: <BROADCAST,UP> mtu 1500 master br0 state UP\n    link/ether 02:00:00:00:00:01\n',
    '7 vnet0',
  ],
  ['one end of a cable', '8: va@vb: <BROADCAST> mtu 1500 state DOWN\n', '8 va'],
  ['a device that is gone', 'Deleted 7: vnet0: <BROADCAST> mtu 1500 state DOWN\n', '7 vnet0'],
  [
    'an address',
    '2: br0    inet 10.0.0.1/24 scope global br0\n       valid_lft forever preferred_lft forever\n',
    '2 br0',
  ],
  ['two of them', '2: br0: <UP> mtu 1500\n7: vnet0: <UP> mtu 1500\n', '2 br0, 7 vnet0'],
  ['half a line', '7: vnet0: <UP> mtu', ''],
  ['a name that no rule can have', '7: a"b: <UP> mtu 1500\n', 'any'],
  ['events that were lost', 'netlink receive error No buffer space available (105)\n', 'any'],
  [
    'after which more is heard',
    'netlink receive error No buffer space available (105)\n7: vnet0: <UP> mtu 1500\n',
    'any',
  ],
  ['something else', 'Dump terminated\n', 'any'],
];

/** BRIDGEKEEPER_FULL=1 for more of them. */
const isFull = process.env.BRIDGEKEEPER_FULL === '1';
const rounds = isFull ? { ip: 300, netlink: 200 } : { ip: 100, netlink: 100 };

suite('devices that changed', () => {
  for (const [what, text, wanted] of rows) {
    test(`${what}: ${wanted === '' ? 'none' : wanted}`, () => {
      for (const size of [text.length, 3]) {
        const links = new ChangedLinks();
        assert.equal(links.take(), undefined, 'at first it may be any');
        for (let at = 0; at < text.length; at += size) links.heard(text.slice(at, at + size));
        const changed = links.take();
        const indices = [...(changed?.indices ?? [])];
        const found = [...(changed?.names ?? [])].map((name, at) => `${indices[at]} ${name}`).join(', ');
        assert.equal(changed === undefined ? 'any' : found, wanted);
        assert.equal(links.take()?.names.size, 0, 'each is told once');
      }
    });
  }

  test('nobody takes them: it may be any', () => {
    const links = new ChangedLinks();
    links.take();
    for (let index = 0; index < 2_000; index++) links.heard(`${index}: t${index}: <UP> mtu 1500\n`);
    assert.equal(links.take(), undefined);
  });

  for (const way of ['ip', 'netlink'] as const) {
    test(`random changes in a namespace: to ask about these says what asking all of them says, by ${way}`, {
      skip: needsRoot,
    }, (t) => {
      const program = join(import.meta.dirname, 'changes-in-namespace.ts');
      const argv = ['-n', process.execPath, program, process.env.SEED ?? '1', String(rounds[way]), way];
      const printed = execFileSync('unshare', argv, { encoding: 'utf8', timeout: 900_000 });
      const { some, all, quick, taps, done, kinds } = JSON.parse(printed);
      t.diagnostic(JSON.stringify({ some, all, quick, taps }));
      const missing = kinds.filter((kind: string) => !(kind in done));
      assert.deepEqual(missing, [], 'everything happened');
      const most = rounds[way];
      assert.ok(some > most / 4 && all > most / 10, `${some} times some were asked, ${all} times all`);
      if (way === 'netlink') assert.ok(quick > most / 8 && taps > most / 10, `${quick} times without ip, ${taps} taps`);
      else assert.equal(quick, 0);
    });
  }
});
