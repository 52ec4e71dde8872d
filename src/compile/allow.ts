// The ACCEPT rules: every permission at every hop of its way. A guest port has a number for each line of the policy, a
// border port or an interface of the host has one number for all that enters or leaves there.
import { type Diagnostic, error } from '../model/diagnostic.ts';
import { type IpSet, intersectIps, isWithin, subtractIps } from '../model/ip-set.ts';
import type { NameRef, Permission } from '../model/policy.ts';
import type { Flow, GroundPort, NamedIps, Place } from '../model/rule-list.ts';
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
        if (isWithin(to.ips, guest.ips)) return [];
        const own = intersectIps(guest.ips, from.ips);
        const flows = flowsBetween(line, own, to.ips, undefined, to);
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
      // by the address checks a packet is from behind the port and goes to its near side: the whole sides say the same
      shared(`port/${port}/allow`, { kind: 'port', bridge, port, direction: 'in' }, behind, near, lines, whole),
    );
}

function attachmentAccepts(attachment: Attachment, lines: readonly Line[]): readonly Draft[] {
  const { ifname, behind, near, port } = attachment;
  const into = (): readonly Draft[] =>
    shared(
      `host/${ifname}/allow/in`,
      { kind: 'host', ifname, direction: 'in' },
      near,
      behind,
      lines,
      (side, ips, end) => ({
        name: `${side.name} ${end} into ${ifname}`,
        ips,
      }),
    );
  const out = shared(
    `host/${ifname}/allow/out`,
    { kind: 'host', ifname, direction: 'out' },
    behind,
    near,
    lines,
    (side, ips, end) => ({ name: `${side.name} ${end} out of ${ifname}`, ips }),
  );
  // what comes in by a bridge device was accepted at its port already, in the same visit
  return port === undefined ? out : [...into(), ...out];
}

/** What a rule asks of a side, of which only `ips` can be meant at its place. */
type Asked = (side: NamedIps, ips: IpSet, end: 'source' | 'destination') => NamedIps;

const whole: Asked = (side) => side;

type LineFlows = { readonly line: Permission; readonly flows: readonly Flow[] };

/** One rule for all lines whose connections cross this place from one side to the other. */
function shared(
  id: string,
  place: Place,
  near: IpSet,
  far: IpSet,
  lines: readonly Line[],
  asked: Asked,
): readonly Draft[] {
  const crossing = lines
    .map(({ line, from, to }) => {
      const source = intersectIps(from.ips, near);
      const destination = intersectIps(to.ips, far);
      const flows = flowsBetween(
        line,
        source,
        destination,
        asked(from, source, 'source'),
        asked(to, destination, 'destination'),
      );
      return { line, flows };
    })
    .filter(({ flows }) => flows.length > 0);
  if (crossing.length === 0) return [];
  return [allow(id, place, crossing, crossing.map(({ line }) => describe(line)).join('; '))];
}

/** A line of the policy with its two sides, as they are called in one segment. */
type Line = { readonly line: Permission; readonly from: NamedIps; readonly to: NamedIps };

function segmentLines({ hostIps, bridges }: SegmentGround, { policy, names }: Input): readonly Line[] {
  const [first] = bridges;
  const sides = new Map<string, NamedIps>();
  // lines that name the same share the set
  const named = (refs: readonly NameRef[]): NamedIps => {
    const side = names.side(refs);
    const where = side.host ? ` at ${first?.name ?? ''}` : '';
    const name = `${refs
      .map((ref) => ref.name)
      .toSorted()
      .join(' ')}${where}`;
    const known = sides.get(name) ?? { name, ips: sideIps(side, hostIps) };
    sides.set(name, known);
    return known;
  };
  return policy.allow
    .filter(({ via }) => via === undefined)
    .map((line) => ({ line, from: named(line.from), to: named(line.to) }));
}

function flowsBetween(
  { services }: Permission,
  source: IpSet,
  destination: IpSet,
  from: NamedIps | undefined,
  to: NamedIps,
): readonly Flow[] {
  if (source.length === 0 || destination.length === 0) return [];
  return services.map((service) => ({ source, destination, service, ...(from === undefined ? {} : { from }), to }));
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
  const via = line.via?.name ?? '';
  const flows = (source: IpSet, destination: IpSet): readonly Flow[] =>
    line.services.map((service) => ({
      source,
      destination,
      service,
      from: { name: `from of ${line.id} by ${via}`, ips: source },
      to: { name: `to of ${line.id} by ${via}`, ips: destination },
    }));
  const out = from.host ? flows(hostIps, sideIps(to, hostIps)) : [];
  const into = to.host ? flows(subtractIps(sideIps(from, hostIps), hostIps), hostIps) : [];
  return [
    ...(out.length === 0 ? [] : [{ line, flows: out, direction: 'out' as const }]),
    ...(into.length === 0 || (from.host && !from.any && into.every(({ source }) => source.length === 0))
      ? []
      : [{ line, flows: into, direction: 'in' as const }]),
  ];
}
