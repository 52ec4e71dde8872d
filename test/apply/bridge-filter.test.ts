// Without br_netfilter the ip tables see nothing of what bridges forward: rules that need it are not called loaded.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { applyTarget } from '../../src/apply/live/apply.ts';
import type { Access } from '../../src/machine/access.ts';
import { mustRun, needsRoot } from '../support/namespace.ts';
import { LiveHost } from './live-host.ts';

/** A machine whose module comes with modprobe, or not at all. */
function withoutModule(access: Access, comes: boolean): { readonly access: Access; readonly asked: string[] } {
  const asked: string[] = [];
  let loaded = false;
  const start: Access['start'] = (program, args, input) => {
    if (program === 'modprobe') {
      asked.push(args.join(' '));
      loaded = comes;
      return access.start(comes ? 'true' : 'false', [], input);
    }
    const isSwitch = program === 'cat' && args[0]?.startsWith('/proc/sys/net/bridge/') === true;
    return isSwitch && !loaded ? access.start('false', [], input) : access.start(program, args, input);
  };
  return { access: { ...access, start }, asked };
}

suite('br_netfilter is not loaded', { skip: needsRoot }, () => {
  test('it comes with modprobe: only the managed bridge is shown to the ip tables', async (t) => {
    const host = await LiveHost.build();
    t.after(() => host.close());
    await mustRun(host.namespace, 'ip', ['link', 'add', 'other0', 'type', 'bridge']);
    const { access, asked } = withoutModule(host.site.access, true);
    await applyTarget({ ...host.site, access }, host.target('ssh'), {});
    assert.deepEqual(asked, ['br_netfilter']);
    const { stdout } = await mustRun(host.namespace, 'ip', ['-j', '-d', 'link', 'show', 'type', 'bridge']);
    const calls = JSON.parse(stdout).map((link: { ifname: string; linkinfo: { info_data: object } }) => [
      link.ifname,
      (link.linkinfo.info_data as { nf_call_iptables: number }).nf_call_iptables,
    ]);
    assert.deepEqual(calls, [
      ['br0', 1],
      ['other0', 0],
    ]);
    const { stdout: general } = await mustRun(host.namespace, 'sysctl', ['-n', 'net.bridge.bridge-nf-call-iptables']);
    assert.equal(general.trim(), '0');
    assert.equal((await host.run(['status', '--host', host.file('host.yaml', hostText)])).code, 0);
  });

  test('the kernel does not have it: refused, and nothing is changed', async (t) => {
    const host = await LiveHost.build();
    t.after(() => host.close());
    const { access } = withoutModule(host.site.access, false);
    await assert.rejects(applyTarget({ ...host.site, access }, host.target('ssh'), {}), { code: 'no-br-netfilter' });
    assert.equal((await mustRun(host.namespace, 'nft', ['list', 'tables'])).stdout, '');
  });
});

const hostText = 'host: small\nbridges: { br0: { ports: { g1: {}, g2: {} } } }\n';
