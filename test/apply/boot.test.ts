// What the boot loads, and that a damaged disk closes ports instead of leaving them open.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { mustRun, needsRoot } from '../support/namespace.ts';
import { root } from '../support/run-cli.ts';
import { LiveHost } from './live-host.ts';

const boot = (host: LiveHost) => host.namespace.run(join(root, 'bin', 'bridgekeeper-boot'), [host.state]);

/** The ways in which a disk may be found, and whether the rules come in all the same. */
const rows: readonly (readonly [what: string, damage: (state: string, rules: string) => void, code: 0 | 1])[] = [
  ['nothing', () => undefined, 0],
  ['the rules are empty', (_state, rules) => writeFileSync(rules, ''), 1],
  ['half of the rules', (_state, rules) => writeFileSync(rules, readFileSync(rules, 'utf8').slice(0, 700)), 1],
  ['the rules are gone', (_state, rules) => rmSync(rules), 1],
  ['the generation is gone', (state) => rmSync(join(state, 'generations', '000002'), { recursive: true }), 1],
  ['a confirmation of nothing', (state) => confirmation(state, ''), 0],
  ['a confirmation of what is not there', (state) => confirmation(state, '000009\n'), 0],
];

function confirmation(state: string, generation: string): void {
  mkdirSync(join(state, 'pending'), { recursive: true });
  writeFileSync(join(state, 'pending', 'confirmed'), '');
  writeFileSync(join(state, 'pending', 'generation'), generation);
}

suite('the boot', { skip: needsRoot }, () => {
  for (const [what, damage, code] of rows) {
    test(`damage: ${what}`, async (t) => {
      const host = await LiveHost.build();
      t.after(() => host.close());
      await host.applyHere('ssh');
      await host.applyHere('http');
      const loaded = await host.digest();
      damage(host.state, join(host.state, 'generations', '000002', 'rules.nft'));
      await host.reboot();
      const ran = await boot(host);
      assert.equal(ran.code, code, ran.stderr);
      const { stdout } = await mustRun(host.namespace, 'nft', ['list', 'ruleset']);
      if (code === 0) assert.equal(await host.digest(), loaded);
      else assert.match(stdout, /iifname "g1" counter packets 0 bytes 0 drop comment "closed"/);
    });
  }

  for (const backend of ['nft', 'iptables'] as const) {
    test(`${backend}: once more beside rules that are loaded: they are left alone; without them, they are there again`, async (t) => {
      const host = await LiveHost.build();
      t.after(() => host.close());
      await host.applyHere('ssh', undefined, backend);
      const loaded = await host.digest();
      assert.equal((await boot(host)).code, 0);
      assert.equal(await host.digest(), loaded);
      if (backend === 'nft') await mustRun(host.namespace, 'nft', ['flush', 'ruleset']);
      else await mustRun(host.namespace, 'iptables-restore', [], '*filter\nCOMMIT\n');
      assert.notEqual(await host.digest(), loaded);
      assert.equal((await boot(host)).code, 0);
      assert.equal(await host.digest(), loaded);
      assert.deepEqual(await host.drift(), []);
    });
  }
});
