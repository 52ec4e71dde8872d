// Whether the ip tables see what a bridge forwards: br_netfilter's switch for all bridges, and the one of each.
import type { Access } from '../../machine/access.ts';
import { run } from '../../machine/run.ts';

export type BridgeCalls = {
  /** Without the module no switch does anything. */
  readonly module: boolean;
  /** Bridges whose packets the ip tables do not see. */
  readonly deaf: readonly string[];
};

type BridgeLink = {
  readonly ifname?: string;
  readonly linkinfo?: { readonly info_data?: { readonly nf_call_iptables?: number } };
};

export async function readBridgeCalls(access: Access): Promise<BridgeCalls> {
  const general = await run(access, 'cat', ['/proc/sys/net/bridge/bridge-nf-call-iptables']);
  const isOn = general.stdout.toString('utf8').trim() === '1';
  if (isOn) return { module: true, deaf: [] };
  const links = await bridgeLinks(access);
  const off = links.filter(({ linkinfo }) => general.code !== 0 || linkinfo?.info_data?.nf_call_iptables !== 1);
  return { module: general.code === 0, deaf: off.flatMap(({ ifname }) => ifname ?? []) };
}

async function bridgeLinks(access: Access): Promise<readonly BridgeLink[]> {
  const { code, stdout } = await run(access, 'ip', ['-j', '-d', 'link', 'show', 'type', 'bridge']);
  const text = stdout.toString('utf8').trim();
  return code === 0 && text !== '' ? JSON.parse(text) : [];
}
