// The ACCEPT rules: every permission at every hop of its way. A guest port has a number for each line of the policy, a
// border port or an interface of the host has one number for all that enters or leaves there.
import { type Diagnostic, error } from '../model/diagnostic.ts';
import { type IpSet, intersectIps, isWithin, subtractIps } from '../model/ip-set.ts';
import type { Permission } from '../model/policy.ts';
import type { Flow, GroundPort, Place } from '../model/rule-list.ts';
import type { Attachment, SegmentGround } from './behind.ts';
import type { Draft, Input, Section } from './draft.ts';
import type { BoundGuest } from './ground.ts';
import { sideIps } from './sides.ts';

export type Allowed = {
  readonly sections: readonly Section[];
  readonly ruled: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
};

export function allowSections(input: Input): Allowed {
  const segments = input.segments.map((segment) => ({ segment, lines: segmentLines(segment, input) }));
  const bridges = segments.flatMap(({ segment, lines }) =>
    segment.bridges.map(({ name, ports }) => ({
      id: `allow/bridge/${name}`,
      text: `Allowed on ${name}, where it enters the bridge`,
      rules: [...guestAccepts(name, segment, lines), ...borderAccepts(ports, lines)],
    })),
  );
  const hosts = segments.flatMap(({ segment, lines }) =>
    segment.attachments.map((attachment) => ({
      id: `allow/host/${attachment.ifname}`,
      text: `Allowed at the host's ${attachment.ifname}`,
      rules: attachmentAccepts(attachment, lines),
    })),
  );
  const ruled = viaAccepts(input);
  return { sections: [...bridges, ...hosts, ...ruled.sections], ruled: ruled.names, diagnostics: ruled.diagnostics };
}

function guestAccepts(bridge: string, segment: SegmentGround, lines: readonly Line[]): readonly Draft[] {
  return segment.guests
    .filter(({ port }) => port.bridge === bridge)
    .flatMap((guest) =>
      lines.flatMap(({ line, from, to }) => {
        // the whole other side, the guest itself included: one set for all guests, or 10,000 guests need 10,000 sets
        const flows = isWithin(to, guest.ips) ? [] : flowsBetween(line, intersectIps(guest.ips, from), to);
        return flows.length === 0 ? [] : [guestAccept(guest, line, flows)];
      }),
    );
}

function guestAccept(guest: BoundGuest, line: Permission, flows: readonly Flow[]): Draft {
  const { bridge, name: port } = guest.port;
  const place: Place = { kind: 'port', bridge, port, direction: 'in' };
  return allow(`guest/${guest.name}/allow/${line.id}`, place, [{ line, flows }], `${guest.name}: ${describe(line)}`);
}

function borderAccepts(ports: readonly GroundPort[], lines: readonly Line[]): readonly Draft[] {
  return ports
    .filter(({ kind }) => kind !== 'guest' && kind !== 'closed')
    .flatMap(({ bridge, name: port, behind, near }) =>
      shared(`port/${port}/allow`, { kind: 'port', bridge, port, direction: 'in' }, behind, near, lines),
    );
}

function attachmentAccepts(attachment: Attachment, lines: readonly Line[]): readonly Draft[] {
  const { ifname, behind, near, port } = attachment;
  const into = (): readonly Draft[] =>
    shared(`host/${ifname}/allow/in`, { kind: 'host', ifname, direction: 'in' }, near, behind, lines);
  const out = shared(`host/${ifname}/allow/out`, { kind: 'host', ifname, direction: 'out' }, behind, near, lines);
  // what comes in by a bridge device was accepted at its port already, in the same visit
  return port === undefined ? out : [...into(), ...out];
}

type LineFlows = { readonly line: Permission; readonly flows: readonly Flow[] };

/** One rule for all lines whose connections cross this place from one side to the other. */
function shared(id: string, place: Place, near: IpSet, far: IpSet, lines: readonly Line[]): readonly Draft[] {
  const crossing = lines
    .map(({ line, from, to }) => ({ line, flows: flowsBetween(line, intersectIps(from, near), intersectIps(to, far)) }))
    .filter(({ flows }) => flows.length > 0);
  if (crossing.length === 0) return [];
  return [allow(id, place, crossing, crossing.map(({ line }) => describe(line)).join('; '))];
}

/** A line of the policy with its two sides, as they are called in one segment. */
type Line = { readonly line: Permission; readonly from: IpSet; readonly to: IpSet };

function segmentLines({ hostIps }: SegmentGround, { policy, names }: Input): readonly Line[] {
  return policy.allow
    .filter(({ via }) => via === undefined)
    .map((line) => ({
      line,
      from: sideIps(names.side(line.from), hostIps),
      to: sideIps(names.side(line.to), hostIps),
    }));
}

function flowsBetween({ services }: Permission, source: IpSet, destination: IpSet): readonly Flow[] {
  if (source.length === 0 || destination.length === 0) return [];
  return services.map((service) => ({ source, destination, service }));
}

function allow(id: string, place: Place, lines: readonly LineFlows[], text: string): Draft {
  const [first] = lines;
  if (first === undefined) throw new Error(`rule ${id} allows nothing`);
  return {
    kind: 'rule',
    id,
    numbered: true,
    place,
    check: { kind: 'new-flows', flows: lines.flatMap(({ flows }) => flows) },
    verdict: 'accept',
    log: lines.some(({ line }) => line.log),
    text,
    origin: first.line.span,
  };
}

function describe({ from, to, services }: Permission): string {
  const names = (refs: Permission['from']) => refs.map(({ name }) => name).join(', ');
  return `${names(from)} -> ${names(to)} ${services.map(({ name }) => name).join(', ')}`;
}

/** Lines with `via` rule the host's own traffic at one interface; naming it puts the interface under our rules. */
function viaAccepts(input: Input): {
  sections: readonly Section[];
  names: readonly string[];
  diagnostics: readonly Diagnostic[];
} {
  const diagnostics: Diagnostic[] = [];
  const places = new Map<string, Map<string, LineFlows[]>>();
  for (const line of input.policy.allow) {
    if (line.via === undefined) continue;
    const fault = viaFault(line, input);
    if (fault !== undefined) {
      diagnostics.push(fault);
      continue;
    }
    const directions = places.get(line.via.name) ?? new Map<string, LineFlows[]>();
    places.set(line.via.name, directions);
    for (const { direction, ...flows } of viaFlows(line, input)) {
      directions.set(direction, [...(directions.get(direction) ?? []), flows]);
    }
  }
  const sections = [...places].map(([ifname, directions]) => ({
    id: `allow/via/${ifname}`,
    text: `The host's own connections by ${ifname}`,
    rules: [...directions].map(([direction, lines]) =>
      allow(
        `host/${ifname}/allow/${direction}`,
        { kind: 'host', ifname, direction: direction === 'in' ? 'in' : 'out' },
        lines,
        lines.map(({ line }) => describe(line)).join('; '),
      ),
    ),
  }));
  return { sections, names: [...places.keys()], diagnostics };
}

function viaFault(line: Permission, { host, names, segments }: Input): Diagnostic | undefined {
  if (line.via === undefined) return undefined;
  const { name, span } = line.via;
  if (!host.interfaces.some((own) => own.name === name)) {
    const hint = `the host's interfaces are: ${host.interfaces.map((own) => own.name).join(', ')}`;
    return error('unknown-interface', `the host has no interface '${name}'`, span, { hint });
  }
  if (segments.some(({ attachments }) => attachments.some(({ ifname }) => ifname === name))) {
    const hint = "leave `via` out: the host's way to its guests follows from the topology";
    return error('no-way', `'${name}' leads to guests`, span, { hint });
  }
  if (names.side(line.from).host || names.side(line.to).host) return undefined;
  return error('no-way', "`via` is for the host's own connections: one side must be `host`", span);
}

function viaFlows(
  line: Permission,
  { names, hostIps }: Input,
): readonly (LineFlows & { readonly direction: 'in' | 'out' })[] {
  const from = names.side(line.from);
  const to = names.side(line.to);
  const flows = (source: IpSet, destination: IpSet): readonly Flow[] =>
    line.services.map((service) => ({ source, destination, service }));
  const out = from.host ? flows(hostIps, sideIps(to, hostIps)) : [];
  const into = to.host ? flows(subtractIps(sideIps(from, hostIps), hostIps), hostIps) : [];
  return [
    ...(out.length === 0 ? [] : [{ line, flows: out, direction: 'out' as const }]),
    ...(into.length === 0 || (from.host && !from.any && into.every(({ source }) => source.length === 0))
      ? []
      : [{ line, flows: into, direction: 'in' as const }]),
  ];
}
