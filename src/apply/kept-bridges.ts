// A bridge stays managed when its last guest is gone and the policy still has a guest that is nowhere: otherwise whoever comes
// to it next would pass unseen until somebody looks.
import { allPorts, type Bridge, type Host } from '../model/host.ts';
import type { Policy } from '../model/policy.ts';

/** Bridges without a guest, as long as a guest of the policy has no port. */
export function emptiedBridges(policy: Policy, host: Host): readonly string[] {
  const ports = allPorts(host);
  const names = new Set(ports.map(({ name }) => name));
  const running = new Set(ports.map(({ guest }) => guest));
  const isHere = (name: string, port: string | undefined): boolean =>
    port === undefined ? running.has(name) : names.has(port);
  if (policy.guests.every(({ name, port }) => isHere(name, port))) return [];
  const claimed = new Set([...policy.guests.flatMap(({ port }) => port ?? []), ...policy.namelessPorts]);
  const isEmptied = (bridge: Bridge): boolean =>
    bridge.ports.every(({ name, guest }) => guest === undefined && !claimed.has(name));
  return host.bridges.filter(isEmptied).map(({ name }) => name);
}

export function keepManaged(host: Host, names: ReadonlySet<string>): Host {
  const isMeant = ({ name, managed }: Bridge): boolean => managed !== true && names.has(name);
  if (!host.bridges.some(isMeant)) return host;
  const bridges = host.bridges.map((bridge) => (isMeant(bridge) ? { ...bridge, managed: true as const } : bridge));
  return { ...host, bridges };
}

export function managedByName(host: Host | undefined): ReadonlySet<string> {
  return new Set(host?.bridges.filter(({ managed }) => managed).map(({ name }) => name));
}
