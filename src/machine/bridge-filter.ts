// br_netfilter, a module of its own in most kernels: without it no bridge shows its packets to the ip tables.
import type { Access } from './access.ts';
import { run } from './run.ts';

const switches = ['iptables', 'ip6tables', 'arptables'];

/**
 * Loaded by us, it is switched off in general: bridges that are not managed are not ours to show to anybody. It stays
 * loaded, since others may rely on it by the time that we are done.
 * @returns false where the kernel does not have it
 */
export async function loadBridgeFilter(access: Access): Promise<boolean> {
  if ((await run(access, 'modprobe', ['br_netfilter'])).code !== 0) return false;
  const off = switches.map((name) => `net.bridge.bridge-nf-call-${name}=0`);
  return (await run(access, 'sysctl', ['-q', '-w', ...off])).code === 0;
}
