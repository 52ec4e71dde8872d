// What is loaded is listed table by table, and somebody may delete one in between.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { readLoaded } from '../../src/apply/live/kernel.ts';
import type { Access } from '../../src/machine/access.ts';
import { needsRoot } from '../support/namespace.ts';
import { LiveHost } from './live-host.ts';

suite('our own tables are listed', { skip: needsRoot }, () => {
  const rows: readonly (readonly [what: string, script: string, left: readonly string[]])[] = [
    ['deleted', 'nft delete table bridge bk', ['ip']],
    ['deleted and made anew', 'nft "delete table bridge bk; add table bridge bk"; exit 1', ['bridge', 'ip']],
  ];
  for (const [what, script, left] of rows) {
    test(`one is ${what} after it was named`, async (t) => {
      const host = await LiveHost.build();
      t.after(() => host.close());
      await host.applyHere('ssh');
      const { access } = host.site;
      let isFirst = true;
      const late: Access = {
        ...access,
        start: (program, args) => {
          if (!isFirst || !args.join(' ').endsWith('list table bridge bk')) return access.start(program, args);
          isFirst = false;
          return access.start('sh', ['-c', `${script}; exec "$@"`, 'sh', program, ...args]);
        },
      };
      const { nft } = await readLoaded(late);
      assert.deepEqual(nft.tables.map(({ family }) => family).toSorted(), left);
    });
  }
});
