// Guest ports in the bridge table. All of them are asked the same, so that rules for all stand in the base chains, and what is a
// guest's own are elements and two small chains: what is denied as it comes in, and as it goes out. A frame comes to them
// only if the look-ups in front of them did not accept it; what may pass is no longer asked there.
import { exactly } from '../model/field.ts';
import { printIpSet } from '../model/ip-set.ts';
import { field, lookup } from '../model/match.ts';
import type { GroundPort, ListRule } from '../model/rule-list.ts';
import type { Chain, KernelRule, NamedSet, VerdictMap } from '../model/ruleset.ts';
import { acceptIp, etherTypes, isIp, plainDatagrams, portChain } from './parts.ts';
import { denial, floodedCopies } from './port-chains.ts';

type Datagrams = Extract<ListRule['check'], { kind: 'datagrams' }>;

/** The rules of a port that has no others than every guest has. */
type GuestPort = {
  readonly port: GroundPort;
  readonly source: ListRule;
  readonly outDestination: ListRule;
  readonly outSource: ListRule;
  /** How its guest asks for a lease before it has an address. */
  readonly asks?: Datagrams;
};

export type GuestPorts = {
  readonly has: (port: GroundPort) => boolean;
  readonly sets: readonly NamedSet[];
  readonly maps: readonly VerdictMap[];
  readonly chains: readonly Chain[];
  /** Behind the look-ups that accept. */
  readonly into: readonly KernelRule[];
  readonly out: readonly KernelRule[];
};

/** @param atPort the list's rules at a port, in its order */
export function guestPorts(
  ports: readonly GroundPort[],
  atPort: (direction: 'in' | 'out', port: GroundPort) => readonly ListRule[],
): GuestPorts {
  const alike = ports.flatMap((port) => guestPort(port, atPort('in', port), atPort('out', port)) ?? []);
  const names = new Set(alike.map(({ port }) => port.name));
  const asks = alike.find((one) => one.asks !== undefined)?.asks;
  return {
    has: ({ name }) => names.has(name),
    sets: asks === undefined ? [] : askSets(alike),
    maps: [guestMap('in_guests', alike, 'in'), guestMap('out_guests', alike, 'out')],
    chains: [...alike.map(inChain), ...alike.map(outChain)],
    into: [
      ...(asks === undefined ? [] : askRules(asks)),
      { body: [field('ether type', exactly(etherTypes.ip), exactly(etherTypes.arp)), inGuests] },
    ],
    out: [{ body: [isIp, { kind: 'vmap', fields: ['oifname'], map: 'out_guests' }] }],
  };
}

const inGuests = { kind: 'vmap', fields: ['iifname'], map: 'in_guests' } as const;

/** Undefined for a port with an exception of its own, as the one of a DHCP server. */
function guestPort(port: GroundPort, into: readonly ListRule[], out: readonly ListRule[]): GuestPort | undefined {
  if (port.kind !== 'guest') return undefined;
  const denies = into.findIndex(({ check }) => check.kind === 'source-not');
  const source = into[denies];
  const [outDestination, outSource, more] = out;
  const [early, another] = into.slice(0, Math.max(denies, 0));
  if (source === undefined || more !== undefined || another !== undefined) return undefined;
  if (outDestination?.check.kind !== 'destination-not' || outSource?.check.kind !== 'source-is') return undefined;
  if (early === undefined) return { port, source, outDestination, outSource };
  const { check } = early;
  if (check.kind !== 'datagrams' || !isFromNobody(check) || check.mac !== port.own?.mac) return undefined;
  return { port, source, outDestination, outSource, asks: check };
}

function isFromNobody({ source }: Datagrams): boolean {
  return printIpSet(source) === '0.0.0.0';
}

/** Who may ask for a lease: with its MAC, or, where nobody knows that, by its port. */
function askSets(ports: readonly GuestPort[]): readonly NamedSet[] {
  const asking = ports.filter(({ asks }) => asks !== undefined);
  const set = (name: string, types: NamedSet['types'], elements: NamedSet['elements']): NamedSet => ({
    name,
    types,
    interval: false,
    elements,
  });
  return [
    set(
      'asks',
      ['ifname', 'ether_addr'],
      asking.flatMap(({ port }) => (port.own?.mac === undefined ? [] : [[port.name, exactly(port.own.mac)]])),
    ),
    set(
      'asks_free',
      ['ifname'],
      asking.flatMap(({ port }) => (port.own?.mac === undefined ? [[port.name]] : [])),
    ),
  ];
}

function askRules(asks: Datagrams): readonly KernelRule[] {
  const { mac: _bySet, ...datagrams } = asks;
  return [lookup('asks', 'iifname', 'ether saddr'), lookup('asks_free', 'iifname')].map((match) => ({
    body: acceptIp(...plainDatagrams(datagrams), match),
    comment: 'dhcp',
  }));
}

function guestMap(name: string, ports: readonly GuestPort[], direction: 'in' | 'out'): VerdictMap {
  const elements = ports.map(({ port }) => ({
    key: [port.name],
    verdict: { kind: 'goto', chain: portChain(direction, port) } as const,
  }));
  return { name, types: ['ifname'], interval: false, elements };
}

/** Whatever of IPv4 and ARP comes here has another sender than the guest. */
function inChain({ port, source }: GuestPort): Chain {
  return { name: portChain('in', port), rules: denial(source) };
}

/**
 * Of IPv4 what comes here says that it is from the guest, or is not for it. The kernel walks through all chains of all guests
 * whenever one gets new ones, so that each condition less in them counts.
 */
function outChain({ port, outDestination, outSource }: GuestPort): Chain {
  return {
    name: portChain('out', port),
    rules: [
      ...floodedCopies(outDestination, port),
      ...denial(outSource, lookup('own', 'oifname', 'ip daddr')),
      ...denial(outDestination),
    ],
  };
}
