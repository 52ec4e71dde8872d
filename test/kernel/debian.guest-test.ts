// The same claims on a kernel that people have: Debian's own, where bridges, VLANs and connection tracking are modules. The lab
// with its attacks, random worlds, rules written and read back, and frames with tags.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { DebianHost, needsDebianHost, packaged, payload } from '../support/debian-host.ts';

const folders = ['src', 'test', 'scripts', 'examples', 'schemas', 'package.json'];
const packages = ['commander', 'diff', 'yaml', 'zod', '@xmldom', 'fast-check', 'pure-rand'];

const seeds = 12;

/** On an emulated processor V8 now and then crashes, or ends by a check of its own: then nothing was found out. */
const testScript = (...only: readonly string[]) => `cd ${payload}/checkout
export PATH=${payload}/program/usr/local/lib/bridgekeeper/node_modules/node/bin:$PATH BRIDGEKEEPER_SEEDS=${seeds} CI=1
for attempt in 1 2 3; do
  node scripts/test.ts ${only.map((text) => `--only ${text}`).join(' ')} >/run/said 2>&1
  code=$?
  grep -Eq 'ended with SIG(TRAP|SEGV|ILL)' /run/said || break
done
cat /run/said
exit $code`;

suite("Debian's own kernel", { skip: needsDebianHost }, () => {
  let host: DebianHost;

  before(async () => {
    host = await DebianHost.boot([...folders, ...packages.map((name) => `node_modules/${name}`)]);
  });
  after(() => host?.close());

  test('the lab brings br_netfilter, and shows no bridge of the machine to anybody', async () => {
    assert.equal(await host.sh('lsmod | grep -c br_netfilter || true'), '0');
    const said = await host.sh(`${packaged} lab ${payload}/checkout/examples/two-bridge --backend both`, 900);
    assert.match(said, /^21 attacks tried, 21 stopped on this kernel; every log line was predicted$/m);
    assert.equal(await host.sh('sysctl -n net.bridge.bridge-nf-call-iptables'), '0');
  });

  test("tagged frames reach nobody, not even the host's VLAN device", async () => {
    assert.equal(await host.sh('modprobe 8021q; lsmod | grep -c ^8021q'), '1');
    assert.match(await host.sh(testScript('test/kernel/tagged-frames'), 600), /^1 passed, 0 failed, 0 skipped$/m);
  });

  test(`simulator and kernel agree on ${seeds} random worlds`, async () => {
    assert.match(await host.sh(testScript('test/kernel/differential'), 900), /^1 passed, 0 failed, 0 skipped$/m);
  });

  test('rules are read back as they were written', async () => {
    assert.match(await host.sh(testScript('nft/rows', 'iptables/rows'), 600), /^\d{3} passed, 0 failed, 0 skipped$/m);
  });
});
