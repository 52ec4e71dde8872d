// What `nft monitor` prints, and whose doing it was.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Generations } from '../../src/follow/generations.ts';

const everything = ['rules', 'presence', 'others'];

const rows: readonly (readonly [what: string, text: string, reasons: readonly string[]])[] = [
  [
    'a chain of ours goes',
    'delete chain bridge bk leave\n# new generation 4 by process 7 (nft)\n',
    ['rules', 'others'],
  ],
  ['by ourselves', 'delete chain bridge bk leave\n# new generation 4 by process 1 (nft)\n', []],
  [
    'the table of devices',
    'delete table bridge bk_present\n# new generation 4 by process 7 (nft)\n',
    ['presence', 'others'],
  ],
  ['a table of somebody else', 'add table ip other\n# new generation 5 by process 7 (docker)\n', ['others']],
  [
    "iptables' table",
    'add rule ip filter FORWARD counter drop\n# new generation 5 by process 7 (x)\n',
    ['rules', 'others'],
  ],
  [
    'a set that nft does not know',
    'W: Received event for an unknown set.\n# new generation 6 by process 7 (nft)\n',
    everything,
  ],
  ['nothing that nft could print', '# new generation 6 by process 7 (nft)\n', everything],
  ['events were lost', '# ERROR: We lost some netlink events!\n# new generation 9 by process 1 (nft)\n', everything],
  ['of nobody that is named', 'add table ip other\n# new generation 5\n', ['others']],
  ['a name that lies', 'add table ip other\n# new generation 5 by process 7 (x) by process 1 (nft))\n', ['others']],
  ['not yet complete', 'delete table bridge bk\n# new generation 4 by pro', []],
];

suite('nft monitor', () => {
  for (const [what, text, reasons] of rows) {
    test(`${what}: ${reasons.join(', ') || 'nothing'}`, () => {
      const generations = new Generations((pid) => pid === 1);
      assert.deepEqual(
        [...text].flatMap((character) => generations.printed(character)),
        reasons,
      );
    });
  }

  test('what an own change was about is not taken for the next one', () => {
    const generations = new Generations((pid) => pid === 1);
    generations.printed('delete table bridge bk\n# new generation 2 by process 1 (nft)\n');
    assert.deepEqual(generations.printed('add table ip x\n# new generation 3 by process 2 (nft)\n'), ['others']);
  });
});
