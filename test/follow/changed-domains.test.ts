// What `virsh event` prints, and which domains it lets ask. Names are hostile: whoever could be meant otherwise than by exactly
// his name means that all are asked.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { ChangedDomains } from '../../src/follow/changed-domains.ts';

const names = [
  'web',
  "it's",
  "web': Started Booted",
  'x"; touch pwned; #',
  'kø',
  "'q'",
  'q',
  'a: b',
  ' web ',
  'no\tend',
];

const known = new Map(names.map((name) => [name, `uuid of ${name}`]));

/** As libvirt prints it, octet by octet. */
const event = (kind: string, name: string, rest: string): string =>
  Buffer.from(`event '${kind}' for domain '${name}': ${rest}\n`, 'utf8').toString('latin1');

type Row = readonly [what: string, text: string, changed: readonly string[] | 'any', isReason?: false];

const connected = "state: 'connected' reason: 'channel event'";

const rows: readonly Row[] = [
  ...['web', "it's", "web': Started Booted", 'x"; touch pwned; #', 'kø', 'a: b', ' web ', 'no\tend'].map(
    (name): Row => [`${JSON.stringify(name)} starts`, event('lifecycle', name, 'Started Booted'), [name]],
  ),
  ['one ends', event('lifecycle', 'web', 'Shutdown Finished after guest request'), ['web']],
  ['one goes on', event('lifecycle', 'web', 'Resumed Post-copy'), ['web']],
  ['a card comes', event('device-added', 'web', 'net0'), ['web']],
  ['a card goes', event('device-removed', 'web', 'ua-my_card-1'), ['web']],
  ['an agent comes', event('agent-lifecycle', 'web', connected), ['web']],
  [
    'two of them',
    event('lifecycle', 'web', 'Stopped Destroyed') + event('device-added', "it's", 'net1'),
    ['web', "it's"],
  ],
  ['an older virsh, without quotes', "event 'lifecycle' for domain web: Started Booted\n", ['web']],
  ['which of two names has the quotes nobody can know', event('lifecycle', 'q', 'Started Booted'), 'any'],
  ['a domain that nobody knows yet', event('lifecycle', 'new', 'Defined Added'), 'any'],
  ['one that looks like another', event('lifecycle', "it's': Started Booted", 'Defined Added'), 'any'],
  ['one that looks like another with its agent', event('device-added', `web': ${connected}`, 'net0'), 'any'],
  ['an ending that is none of ours', event('lifecycle', 'web', "Started 'Booted'"), 'any'],
  ['a line that is cut', "event 'lifecycle' for domain 'web': Star\nted Booted\n", 'any'],
  ['half a line', "event 'lifecycle' for domain 'web': Started Boo", [], false],
  ['what does not concern cards', event('rtc-change', 'web', '3600'), [], false],
  ['and has a name like one that does', event('rtc-change', "x' event 'lifecycle' for domain 'web", '3600'), [], false],
  ['something else', 'error: Disconnected from qemu:///system due to end of file\n', 'any'],
  ['after which more is heard', `event loop interrupted\n${event('lifecycle', 'web', 'Started Booted')}`, 'any'],
];

suite('domains that changed', () => {
  for (const [what, text, wanted, isReason] of rows) {
    test(`${what}: ${wanted === 'any' ? 'any' : wanted.length}`, () => {
      for (const size of [text.length, 3]) {
        const domains = new ChangedDomains();
        assert.equal(domains.take(known), undefined, 'at first it may be any');
        let heard = false;
        for (let at = 0; at < text.length; at += size) heard = domains.heard(text.slice(at, at + size)) || heard;
        assert.equal(heard, isReason ?? true);
        const changed = domains.take(known);
        assert.deepEqual(
          changed === undefined ? 'any' : [...changed],
          {
            any: 'any',
            some: wanted === 'any' ? [] : wanted.map((name) => known.get(name)),
          }[wanted === 'any' ? 'any' : 'some'],
        );
        assert.equal(domains.take(known)?.size, 0, 'each is told once');
      }
    });
  }

  test('nobody takes them, or a line has no end: it may be any', () => {
    for (const text of [
      Array.from({ length: 2_000 }, (_, index) => event('lifecycle', `n${index}`, 'Started Booted')).join(''),
      'x'.repeat(100_000),
    ]) {
      const domains = new ChangedDomains();
      domains.take(known);
      domains.heard(text);
      assert.equal(domains.take(known), undefined);
    }
  });
});
