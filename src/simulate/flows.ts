// Every pair of machines that the policy speaks of, and what it wants of them: read from the policy's lines alone, not
// from the compiled rules, so that a mistake of the compiler shows.
import { bindGuests, segmentPorts } from '../compile/ground.ts';
import { knownNames, type Side } from '../compile/sides.ts';
import type { Host } from '../model/host.ts';
import { type Ip, prefixContains } from '../model/ip.ts';
import { containsIp } from '../model/ip-set.ts';
import type { Permission, Policy, Service } from '../model/policy.ts';
import type { Scene, SceneNode } from '../model/scene.ts';
import type { Step } from './scenario.ts';
import { hostNode } from './scene.ts';

type End = { readonly node: string; readonly kind: SceneNode['kind']; readonly ip: Ip };

export type Probe = { readonly protocol: 'ping' } | { readonly protocol: 'tcp'; readonly dport: number };

export type PolicyFlow = { readonly from: End; readonly to: End; readonly probe: Probe; readonly allowed: boolean };

/** Beyond these a lab would try pairs for minutes; the simulator and the prover know no such bound. */
const mostEnds = 10;

/** Pings between all pairs, and the policy's TCP services towards everybody whom some line opens them to. */
export function policyFlows(policy: Policy, host: Host, scene: Scene): readonly PolicyFlow[] {
  const guests = bindGuests(policy, host).value?.guests ?? [];
  const names = knownNames(policy, host, guests);
  const { segments = [] } = bindGuests(policy, host).value ?? {};
  const inside = (behind: string): boolean =>
    segments.some(
      (segment) => segment.bridges.includes(behind) || segmentPorts(segment, host).some(({ name }) => name === behind),
    );
  const managed = new Set(policy.outside.filter(({ behind }) => inside(behind)).map(({ name }) => name));
  const lines = policy.allow.map((line) => ({ line, from: names.side(line.from), to: names.side(line.to) }));
  const nodes = scene.nodes.filter(
    ({ kind, interfaces }) => kind !== 'segment' && (kind === 'host' || interfaces[0]?.addresses[0] !== undefined),
  );
  const some = nodes.slice(0, mostEnds);
  const dports = new Set(
    policy.allow.flatMap(({ services }) => services.flatMap((one) => (one.kind === 'tcp' ? [one.dport.first] : []))),
  );
  const probes: readonly Probe[] = [
    { protocol: 'ping' },
    ...[...dports].map((dport): Probe => ({ protocol: 'tcp', dport })),
  ];
  return some.flatMap((a) =>
    some.flatMap((b) => {
      const ends = a === b ? undefined : meeting(a, b, scene);
      if (ends === undefined) return [];
      return probes
        .map((probe) => ({
          ...ends,
          probe,
          allowed: lines.some((line) => permits(line, ends, probe, { host, policy, managed })),
        }))
        .filter(
          ({ probe, to }) =>
            probe.protocol === 'ping' || lines.some(({ line, to: side }) => serves(line, probe) && isOn(side, to)),
        );
    }),
  );
}

/** Two machines outside meet without us. The host is known by the address that it has towards the other. */
function meeting(a: SceneNode, b: SceneNode, scene: Scene): { readonly from: End; readonly to: End } | undefined {
  if (a.kind === 'outside' && b.kind === 'outside') return undefined;
  const from = endOf(a, b, scene);
  const to = endOf(b, a, scene);
  return from === undefined || to === undefined ? undefined : { from, to };
}

function endOf(node: SceneNode, other: SceneNode, scene: Scene): End | undefined {
  const own = node.interfaces.flatMap(({ addresses }) => addresses);
  const peer = other.interfaces[0]?.addresses[0];
  const near = own.find((address) => peer !== undefined && prefixContains(address, peer));
  const ip = node.kind === 'host' ? (near ?? towards(scene, peer)) : own[0];
  return ip === undefined ? undefined : { node: node.name, kind: node.kind, ip: { family: ip.family, bits: ip.bits } };
}

/** The host's first address on the interface by which it reaches somebody far away. */
function towards(scene: Scene, peer: Ip | undefined): Ip | undefined {
  const [host] = scene.nodes;
  const route = host?.routes.find(({ to }) => peer !== undefined && prefixContains(to, peer));
  return host?.interfaces.find(({ name }) => name === route?.dev)?.addresses[0];
}

/** `managed`: outside machines that are behind an uplink of a bridge with guests. */
type Facts = { readonly host: Host; readonly policy: Policy; readonly managed: ReadonlySet<string> };

type Line = { readonly line: Permission; readonly from: Side; readonly to: Side };

function permits(
  { line, from, to }: Line,
  ends: { readonly from: End; readonly to: End },
  probe: Probe,
  { host, policy, managed }: Facts,
): boolean {
  if (!isOn(from, ends.from) || !isOn(to, ends.to) || !serves(line, probe)) return false;
  const withGuest = [ends.from, ends.to].some(({ kind, node }) => kind === 'guest' || managed.has(node));
  if (line.via === undefined) return withGuest;
  if (withGuest) return false;
  const far = ends.from.kind === 'host' ? ends.to : ends.from;
  const behind = policy.outside.find(({ name }) => name === far.node)?.behind;
  const bridge = host.bridges.find(({ ports }) => ports.some(({ name }) => name === behind))?.name;
  return line.via.name === behind || line.via.name === bridge;
}

function isOn(side: Side, end: End): boolean {
  if (side.any) return true;
  if (end.node === hostNode) return side.host;
  return containsIp(side.guests, end.ip) || containsIp(side.outside, end.ip);
}

function serves({ services }: Permission, probe: Probe): boolean {
  return services.some((service) => serviceHolds(service, probe));
}

function serviceHolds(service: Service, probe: Probe): boolean {
  switch (service.kind) {
    case 'any':
      return true;
    case 'icmp':
      return probe.protocol === 'ping' && service.type === 8;
    case 'tcp':
      return probe.protocol === 'tcp' && service.dport.first <= probe.dport && probe.dport <= service.dport.last;
    case 'udp':
      return false;
    case 'protocol':
      return service.protocol === (probe.protocol === 'ping' ? 1 : 6);
  }
}

/** Listeners first, then each flow once; identifiers and source ports count up from the given ones. */
export function flowSteps(
  flows: readonly PolicyFlow[],
  first: { readonly ident: number; readonly sport: number },
): readonly Step[] {
  const listeners = new Map<string, Step>();
  for (const { to, probe } of flows) {
    if (probe.protocol === 'tcp')
      listeners.set(`${to.node} ${probe.dport}`, { kind: 'listen', node: to.node, port: probe.dport });
  }
  const probes = flows.map(({ from, to, probe }, index): Step => {
    const common = { node: from.node, to: to.ip };
    return probe.protocol === 'ping'
      ? { kind: 'ping', ...common, ident: first.ident + index, sequence: 1 }
      : { kind: 'connect', ...common, sport: first.sport + index, dport: probe.dport };
  });
  return [...listeners.values(), ...probes];
}

/** Did the probe get there and back? A refusal is an answer of the machine itself. */
export function passed(outcome: string): boolean {
  return outcome === 'answered' || outcome === 'connected' || outcome === 'refused';
}
