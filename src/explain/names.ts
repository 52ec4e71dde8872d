// Parties, addresses, doors and packets in words. Names of interfaces may hold anything: whoever prints escapes.
import { printIp } from '../model/ip.ts';
import { unreachable } from '../model/unreachable.ts';
import type { Door, Endpoint, PacketKind, Party, Suspect } from './explanation.ts';

export function partyName(party: Party): string {
  return party.kind === 'host' ? 'the host' : party.name;
}

/** With where that is. */
export function partyPlace(party: Party): string {
  switch (party.kind) {
    case 'guest':
      return `${party.name}, at port ${party.port} of ${party.bridge}`;
    case 'host':
      return party.ifname === '' ? 'the host itself' : `the host itself, by its ${party.ifname}`;
    case 'outside':
      return party.name;
    default:
      return unreachable(party);
  }
}

export function suspectName(suspect: Suspect): string {
  return suspect.kind === 'party' ? partyPlace(suspect.party) : `somebody behind ${suspect.door.name}`;
}

/** `192.168.50.13 (kali3)`. */
export function endpointName(endpoint: Endpoint | undefined): string {
  if (endpoint === undefined) return 'an address that cannot be read';
  const { ip, party } = endpoint;
  return party === undefined ? printIp(ip) : `${printIp(ip)} (${partyName(party)})`;
}

/** As a victim: its name, else its address. */
export function victimName({ ip, party }: Endpoint): string {
  return party === undefined ? printIp(ip) : partyName(party);
}

export function doorName({ name, role, party, beyond }: Door): string {
  switch (role) {
    case 'itself':
      return 'the host itself';
    case 'guest':
      return party === undefined ? `port ${name}` : `port ${name} of ${partyName(party)}`;
    case 'host':
      return `port ${name} from the host`;
    case 'uplink':
      return `uplink ${name}`;
    case 'link':
      return beyond === undefined ? `port ${name}` : `port ${name} from bridge ${beyond}`;
    case 'closed':
      return `port ${name}, which is closed, for nobody knows what is behind it`;
    case 'foreign':
      return `port ${name}`;
    case 'interface':
      return `the host's ${name}`;
    case 'unknown':
      return `'${name}'`;
    default:
      return unreachable(role);
  }
}

const protocols: Readonly<Record<number, string>> = {
  1: 'ICMP',
  2: 'IGMP',
  6: 'TCP',
  17: 'UDP',
  47: 'GRE',
  50: 'ESP',
  51: 'AH',
  58: 'ICMPv6',
  89: 'OSPF',
  132: 'SCTP',
};

const icmpTypes: Readonly<Record<string, string>> = {
  '1/0': 'ICMP echo reply',
  '1/3': 'ICMP destination unreachable',
  '1/5': 'ICMP redirect',
  '1/8': 'ping',
  '1/11': 'ICMP time exceeded',
  '58/128': 'ping',
  '58/129': 'ICMPv6 echo reply',
  '58/133': 'router solicitation',
  '58/134': 'router advertisement',
  '58/135': 'neighbour solicitation',
  '58/136': 'neighbour advertisement',
};

/** `TCP SYN to 192.168.50.14 (kali4) port 22`. */
export function packetTo(packet: PacketKind, destination: Endpoint | undefined): string {
  const { protocol, dport, flags } = packet;
  const to = endpointName(destination);
  if (dport === undefined || dport === null) return `${kindName(packet)} to ${to}`;
  const set = flags === undefined || flags.length === 0 ? '' : ` ${flags.join(' ').toUpperCase()}`;
  return `${protocolName(protocol ?? 0)}${set} to ${to} port ${dport}`;
}

function kindName({ family, protocol, icmpType, icmpCode, frag }: PacketKind): string {
  if (protocol === undefined || protocol === null) return family === 6 ? 'IPv6 packet' : 'IP packet';
  const name = protocolName(protocol);
  if (frag !== undefined && frag !== null && frag > 0) return `later fragment (${name})`;
  if (icmpType === undefined || icmpType === null) return name;
  return icmpTypes[`${protocol}/${icmpType}`] ?? `${name} type ${icmpType} code ${icmpCode ?? '?'}`;
}

function protocolName(protocol: number): string {
  return protocols[protocol] ?? `packet of protocol ${protocol}`;
}
