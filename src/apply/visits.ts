// The hooks of a host that a packet visits on its way over a bridge.
import type { HookName } from '../model/ruleset.ts';
import type { View } from '../simulate/view.ts';

export type Visit = {
  readonly family: 'bridge' | 'ip';
  readonly hook: HookName;
  readonly ways: Omit<View, 'packet' | 'ctState' | 'mark'>;
};

/** From port to port, or up to the bridge device. */
export function crossing(bridge: string, from: string, to: string | undefined): readonly Visit[] {
  const first: Visit = { family: 'bridge', hook: 'prerouting', ways: { iif: from } };
  if (to === undefined) return [first, { family: 'bridge', hook: 'input', ways: { iif: from } }];
  const ports = { physin: from, physout: to };
  return [
    first,
    { family: 'bridge', hook: 'forward', ways: { iif: from, oif: to } },
    { family: 'ip', hook: 'forward', ways: { iif: bridge, oif: bridge, bridgeInfo: ports } },
  ];
}
