// The DENY checks: what an attacker between two others would receive or send on. They depend on addresses and ports
// of bridges alone and hold in every connection state.
import type { Span } from '../model/diagnostic.ts';
import { printIpSet, unionIps } from '../model/ip-set.ts';
import type { Check, GroundPort, Place } from '../model/rule-list.ts';
import type { Attachment, SegmentGround } from './behind.ts';
import type { Draft, Input, Section } from './draft.ts';
import type { BoundGuest } from './ground.ts';

export function denySections(input: Input): readonly Section[] {
  const border = input.segments.flatMap(borderPorts);
  return [
    {
      id: 'guest-ports',
      text: 'Guest ports: only the guest behind a port receives and sends there',
      rules: guestRules(input),
    },
    {
      id: 'border-out',
      text: 'Border ports, out: what leaves for another bridge, the host or outside',
      rules: border.flatMap((port) => portOut(port, input)),
    },
    {
      id: 'border-in',
      text: 'Border ports, in: what comes from there',
      rules: border.flatMap((port) => portIn(port, input)),
    },
    { id: 'host', text: "The host's own interfaces towards guests", rules: hostRules(input) },
  ];
}

function guestRules(input: Input): readonly Draft[] {
  const guests = input.segments.flatMap(({ guests: some }) => some);
  const closed = input.segments
    .flatMap(({ bridges }) => bridges.flatMap(({ ports }) => ports))
    .filter(({ kind }) => kind === 'closed');
  return [
    ...guests.map((guest) => guestRule(guest, 'out', 'destination', { kind: 'destination-not', ips: guest.ips })),
    ...guests.map((guest) => guestRule(guest, 'out', 'source', { kind: 'source-is', ips: guest.ips })),
    ...guests.map((guest) => {
      const own = guest.mac === undefined ? { ips: guest.ips } : { ips: guest.ips, mac: guest.mac };
      return guestRule(guest, 'in', 'source', { kind: 'source-not', own });
    }),
    ...closed.flatMap((port) => [closedRule(port, 'out', input), closedRule(port, 'in', input)]),
  ];
}

function guestRule(guest: BoundGuest, direction: 'in' | 'out', end: string, check: Check): Draft {
  const is = check.kind === 'source-is' ? 'is' : 'is not';
  const { bridge, name: port } = guest.port;
  return deny(
    `guest/${guest.name}/${direction}/${end}`,
    { kind: 'port', bridge, port, direction },
    check,
    `${end} ${is} ${guest.name} ${printIpSet(guest.ips)}`,
    guest.span,
  );
}

function closedRule(port: GroundPort, direction: 'in' | 'out', input: Input): Draft {
  const place: Place = { kind: 'port', bridge: port.bridge, port: port.name, direction };
  return deny(
    `port/${port.name}/closed/${direction}`,
    place,
    { kind: 'everything' },
    'nobody knows what is behind this port',
    portSpan(port.name, input),
  );
}

function borderPorts({ bridges }: SegmentGround): readonly GroundPort[] {
  return bridges.flatMap(({ ports }) => ports).filter(({ kind }) => kind !== 'guest' && kind !== 'closed');
}

function portOut(port: GroundPort, input: Input): readonly Draft[] {
  return [borderRule(port, 'out', 'source', input), borderRule(port, 'out', 'destination', input)];
}

/** At a link the side that is farther from the host is asked first, as in the published list. */
function portIn(port: GroundPort, input: Input): readonly Draft[] {
  const source = borderRule(port, 'in', 'source', input);
  const destination = borderRule(port, 'in', 'destination', input);
  return port.kind === 'link' && leadsToHost(port, input) ? [destination, source] : [source, destination];
}

function leadsToHost(port: GroundPort, { segments }: Input): boolean {
  const attachments = segments.flatMap((segment) => segment.attachments);
  return attachments.some(({ ips }) =>
    ips.some(({ first }) => port.behind.some((range) => range.first <= first && first <= range.last)),
  );
}

function borderRule(port: GroundPort, direction: 'in' | 'out', end: 'source' | 'destination', input: Input): Draft {
  const far = (direction === 'in') === (end === 'source');
  const ips = far ? port.behind : port.near;
  const check: Check = end === 'source' ? { kind: 'source-not', own: { ips } } : { kind: 'destination-not', ips };
  return deny(
    `port/${port.name}/${direction}/${end}`,
    { kind: 'port', bridge: port.bridge, port: port.name, direction },
    check,
    `${end} is not ${far ? 'behind' : 'on this side of'} ${port.name}`,
    portSpan(port.name, input),
  );
}

function portSpan(name: string, { host, policy }: Input): Span {
  const port = host.bridges.flatMap(({ ports }) => ports).find((one) => one.name === name);
  return port?.span ?? { file: policy.file, line: 1, column: 1 };
}

function hostRules(input: Input): readonly Draft[] {
  return input.segments.flatMap((segment) =>
    segment.attachments.flatMap((attachment) =>
      attachment.port === undefined ? deviceRules(attachment, input) : vethRules(attachment, input),
    ),
  );
}

type HostEnd = { readonly direction: 'in' | 'out'; readonly end: 'source' | 'destination'; readonly text: string };

function hostRule({ ifname }: Attachment, { direction, end, text }: HostEnd, check: Check, input: Input): Draft {
  const own = input.host.interfaces.find(({ name }) => name === ifname);
  const origin = own?.span ?? { file: input.policy.file, line: 1, column: 1 };
  return deny(`host/${ifname}/${direction}/${end}`, { kind: 'host', ifname, direction }, check, text, origin);
}

/** The port at the other end of the cable has its own checks; these are the published list's. */
function vethRules(attachment: Attachment, input: Input): readonly Draft[] {
  const { behind, near } = attachment;
  const passing = unionIps(input.hostIps, behind);
  return [
    hostRule(
      attachment,
      { direction: 'out', end: 'destination', text: "from the host's own addresses: destination is not a guest" },
      { kind: 'destination-not', ips: near, source: input.hostIps },
      input,
    ),
    hostRule(
      attachment,
      { direction: 'in', end: 'source', text: 'to the host or through it: source is not a guest' },
      { kind: 'source-not', own: { ips: near }, destination: passing },
      input,
    ),
  ];
}

/**
 * A bridge device has no port in front of it: what a border port asks in both directions is asked here, but for the
 * source of what comes in, which the frame's own port has proved.
 */
function deviceRules(attachment: Attachment, input: Input): readonly Draft[] {
  const { ifname, behind, near } = attachment;
  return [
    hostRule(
      attachment,
      { direction: 'out', end: 'source', text: `source is neither the host on ${ifname} nor beyond it` },
      { kind: 'source-not', own: { ips: behind } },
      input,
    ),
    hostRule(
      attachment,
      { direction: 'out', end: 'destination', text: `destination is not on ${ifname}` },
      { kind: 'destination-not', ips: near },
      input,
    ),
    hostRule(
      attachment,
      { direction: 'in', end: 'destination', text: `destination is neither the host on ${ifname} nor beyond it` },
      { kind: 'destination-not', ips: behind },
      input,
    ),
  ];
}

function deny(id: string, place: Place, check: Check, text: string, origin: Span): Draft {
  return { kind: 'rule', id, numbered: true, place, check, verdict: 'deny', log: true, text, origin };
}
