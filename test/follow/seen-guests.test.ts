// Asking libvirt about some of its domains says what asking about all of them says, whatever they are called and whatever
// becomes of them.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { freshLibvirt, needsLibvirt } from '../support/libvirt.ts';
import { mustRun } from '../support/namespace.ts';

suite('domains that were read before', { skip: needsLibvirt }, () => {
  test('random changes of real domains with hostile names', async (t) => {
    const host = await freshLibvirt();
    t.after(() => host.close());
    await mustRun(host, 'ip', ['link', 'add', 'br0', 'up', 'type', 'bridge']);
    const program = join(import.meta.dirname, 'domains-in-namespace.ts');
    const { stdout } = await mustRun(host, 'timeout', [
      '540',
      process.execPath,
      program,
      process.env.SEED ?? '1',
      '60',
    ]);
    t.diagnostic(stdout);
    const { some, all, most, done, kinds } = JSON.parse(stdout);
    const missing = kinds.filter((kind: string) => !(kind in done));
    assert.deepEqual(missing, [], 'everything happened');
    assert.ok(some > 10 && all > 2, `${some} times some were asked, ${all} times all`);
    // one took the place of another, and the tap of a third one
    assert.ok(most <= 3, `${most} were asked at once`);
  });
});
