// Host and its guests' cards -> who else is around on the bridges of the guests: the host, the networks behind uplinks, the
// administrator's SSH session; and the lines without which a first policy would cut the host off or lock somebody out.
import type { Bridge, Host, HostInterface } from '../model/host.ts';
import { type Ip, networkOf, printIp, printPrefix, sameIp } from '../model/ip.ts';
import type { Card } from './cards.ts';
import { yamlWord } from './yaml-word.ts';

export type Surroundings = {
  readonly outside: readonly string[];
  readonly allow: readonly string[];
  readonly suggestions: readonly string[];
  readonly dhcp?: readonly string[];
};

export type Ssh = { readonly client: Ip; readonly server: Ip };

export function surroundingsOf(host: Host, cards: readonly Card[], ssh?: Ssh): Surroundings {
  const bridges = guestBridges(host, cards);
  const names = new Set(cards.map(({ name }) => name));
  const attached = attachments(host, bridges);
  const segments = bridges
    .filter(({ ports }) => ports.some(({ uplink }) => uplink))
    .map((bridge) => uplinkOf(bridge, host, names));
  const session = ssh === undefined ? undefined : sessionLines(ssh, host, attached, cards);
  return {
    outside: [...segments.flatMap(({ outside }) => outside), ...(session?.outside ?? [])],
    allow: [
      ...(attached.length > 0 ? hostLines : []),
      ...segments.flatMap(({ allow }) => allow),
      ...(session?.allow ?? []),
    ],
    suggestions: suggestions(host, bridges),
    ...(bridges.length === 0 ? {} : { dhcp: dhcpLines(segments.length > 0, attached.length > 0) }),
  };
}

const hostLines = ['  - { from: host, to: guests }', '  - { from: guests, to: host, service: [dns, ping] }'];

/** Bridges with guests, and those that are cabled to them: rules are made for these. */
function guestBridges(host: Host, cards: readonly Card[]): readonly Bridge[] {
  const bridgeOf = new Map(host.bridges.flatMap(({ name, ports }) => ports.map((port) => [port.name, name])));
  const found = new Set(cards.flatMap(({ bridge }) => bridge ?? []));
  for (const name of found) {
    const ports = host.bridges.find((bridge) => bridge.name === name)?.ports ?? [];
    for (const { peer } of ports) {
      const next = bridgeOf.get(peer ?? '');
      if (next !== undefined) found.add(next);
    }
  }
  return host.bridges.filter(({ name }) => found.has(name));
}

/** The host's own interfaces on them: bridge devices, and ends of cables. */
function attachments(host: Host, bridges: readonly Bridge[]): readonly HostInterface[] {
  const names = new Set(bridges.flatMap(({ name, ports }) => [name, ...ports.flatMap(({ peer }) => peer ?? [])]));
  return host.interfaces.filter(({ name, addresses }) => names.has(name) && addresses.length > 0);
}

type Segment = { readonly outside: readonly string[]; readonly allow: readonly string[] };

function uplinkOf({ name }: Bridge, host: Host, names: ReadonlySet<string>): Segment {
  const networks = (host.interfaces.find((one) => one.name === name)?.addresses ?? []).filter(
    ({ family }) => family === 4,
  );
  const lan = freeWord(`lan-${name}`, names);
  const behind = `behind: ${yamlWord(name)}`;
  if (networks.length === 0) {
    const about = 'NOT FOUND OUT which network is behind the uplink: the host has no address in it';
    return { outside: [`  # ${lan}: { ip: NETWORK, ${behind} } # ${about}`], allow: [] };
  }
  const list = networks.map((one) => printPrefix(networkOf(one))).join(', ');
  const beyond = freeWord(`beyond-${name}`, names);
  const routed = host.routes.some(({ to, via, dev }) => to.length === 0 && via !== undefined && dev === name);
  return {
    outside: [
      `  ${lan}: { ip: [${list}], ${behind} } # the host's own network there`,
      ...(routed
        ? [`  ${beyond}: { ip: 1.0.0.0-223.255.255.255, ${behind} } # everybody else: the default route leads there`]
        : []),
    ],
    allow: [
      `  - { from: ${lan}, to: host, service: [ssh, ping] } # so that nobody locks himself out: name fewer`,
      `  - { from: host, to: ${routed ? beyond : lan} } # what this machine itself does outside`,
    ],
  };
}

/** Only a session that comes in by a bridge with guests can be cut off by these rules. */
function sessionLines(
  { client, server }: Ssh,
  host: Host,
  attached: readonly HostInterface[],
  cards: readonly Card[],
): Segment {
  const own = host.interfaces.find(({ addresses }) => addresses.some((one) => sameIp(one, server)));
  const guest = cards.find(({ ips }) => ips.some(({ ip }) => sameIp(ip, client)));
  const address = printIp(client);
  if (own === undefined || client.family !== 4) return { outside: [], allow: [] };
  if (!attached.includes(own)) {
    const note = `  # your SSH session from ${address} comes in by ${own.name}, which these rules do not touch`;
    return { outside: [], allow: [note] };
  }
  const admin = freeWord('ssh-admin', new Set(cards.map(({ name }) => name)));
  const who = guest === undefined ? admin : yamlWord(guest.name);
  const outside = [`  ${admin}: { ip: ${address}, behind: ${yamlWord(own.name)} } # your SSH session comes from there`];
  return {
    outside: guest === undefined ? outside : [],
    allow: [`  - { from: ${who}, to: host, service: ssh } # your SSH session`],
  };
}

/** No guest has it: machines and guests share their names. */
function freeWord(name: string, names: ReadonlySet<string>): string {
  return names.has(name) ? freeWord(`${name}-outside`, names) : yamlWord(name);
}

function suggestions(host: Host, bridges: readonly Bridge[]): readonly string[] {
  const names = new Set(bridges.flatMap(({ name, ports }) => [name, ...ports.flatMap(({ peer }) => peer ?? [])]));
  const way = host.routes.find(({ to, dev }) => to.length === 0 && dev !== undefined && !names.has(dev))?.dev;
  const world = `under outside  internet: { ip: 1.0.0.0-223.255.255.255, behind: ${yamlWord(way ?? '')} }, and then  - { from: guests, to: internet }`;
  return ['- { from: GUEST, to: GUEST, service: [http, https], log: true }', ...(way === undefined ? [] : [world])];
}

function dhcpLines(uplink: boolean, attached: boolean): readonly string[] {
  if (uplink)
    return ['dhcp: host # NOT FOUND OUT who answers DHCP: perhaps a machine outside, then name it there and here'];
  return [attached ? 'dhcp: host # who answers DHCP' : 'dhcp: none # the host has no address on these bridges'];
}
