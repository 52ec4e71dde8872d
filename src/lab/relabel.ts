// A lab's own MACs in place of the host's: two labs of the same host can run at once, and each finds its log lines.
import type { Host } from '../model/host.ts';
import type { Mac } from '../model/mac.ts';
import type { Policy } from '../model/policy.ts';

/** Every known MAC of host and policy is replaced, the same one by the same one; unknown ones stay unknown. */
export function relabel(policy: Policy, host: Host, next: () => Mac): { readonly policy: Policy; readonly host: Host } {
  const labels = new Map<Mac, Mac>();
  const label = (mac: Mac): Mac => {
    const known = labels.get(mac) ?? next();
    labels.set(mac, known);
    return known;
  };
  const relabelled = <T extends { readonly mac?: Mac }>(one: T): T =>
    one.mac === undefined ? one : { ...one, mac: label(one.mac) };
  return {
    policy: { ...policy, guests: policy.guests.map(relabelled) },
    host: {
      ...host,
      bridges: host.bridges.map((bridge) => ({ ...bridge, ports: bridge.ports.map(relabelled) })),
      interfaces: host.interfaces.map(relabelled),
    },
  };
}
