// A host read from ip and bridge, and what libvirt says -> the host with its guests: which is behind which port, with
// which MAC, and who gives which addresses for it. What the kernel shows counts; libvirt only gives it names.
import { type Checked, type Diagnostic, error, warning } from '../model/diagnostic.ts';
import { allPorts, type GuestCard, type Host, type HostGuest, type Port } from '../model/host.ts';
import { type Mac, printMac } from '../model/mac.ts';
import { quoted } from '../yaml/quoted.ts';
import { readName } from '../yaml/words.ts';
import type { AgentAddress } from './agent-table.ts';
import type { Domain, DomainCard, Network, Reservation } from './libvirt-xml.ts';
import { hostSpan } from './live.ts';

export type LibvirtFacts = {
  readonly domains: readonly Domain[];
  readonly networks: readonly Network[];
  /** By the domain's UUID; of those that were asked. */
  readonly agents: ReadonlyMap<string, readonly AgentAddress[]>;
};

/** `tapMacs` are the MACs of the host's devices, as the kernel shows them. Always has a value. */
export function withGuests(host: Host, facts: LibvirtFacts, tapMacs: ReadonlyMap<string, Mac>): Checked<Host> {
  const ports = new Map(allPorts(host).map((port) => [port.name, port]));
  const plugged = facts.domains.flatMap((domain) => pluggedCards(domain, ports));
  const own = plugged.filter((one) => isItsTap(one, tapMacs));
  const byPort = Map.groupBy(own, ({ port }) => port.name);
  const reserved = Map.groupBy(facts.networks.flatMap(reservedThere), ({ mac }) => mac);
  const named = facts.domains.filter(({ name }) => 'value' in readName(name));
  return {
    value: {
      ...host,
      bridges: host.bridges.map((bridge) => ({
        ...bridge,
        ports: bridge.ports.map((port) => withGuest(port, byPort.get(port.name) ?? [])),
      })),
      guests: named.map((domain) => guestOf(domain, reserved, facts, ports)),
    },
    diagnostics: [
      ...facts.domains.flatMap((domain) => nameFault(domain, plugged)),
      ...plugged.filter((one) => !isItsTap(one, tapMacs)).map(otherTap),
      ...[...byPort.values()].flatMap(sharedTap),
      ...sharedMacs(own),
    ],
  };
}

type Plugged = { readonly domain: Domain; readonly card: DomainCard; readonly port: Port };

function pluggedCards(domain: Domain, ports: ReadonlyMap<string, Port>): readonly Plugged[] {
  if (!domain.running) return [];
  return domain.cards.flatMap((card) => {
    const port = ports.get(card.tap ?? '');
    return port === undefined ? [] : [{ domain, card, port }];
  });
}

/**
 * libvirt gives a tap that it makes the card's MAC with another first octet (virNetDevTapCreateInBridgePort in
 * src/util/virnetdevtap.c); with `ethernet` somebody else may have made it.
 */
function isItsTap({ card, port }: Plugged, tapMacs: ReadonlyMap<string, Mac>): boolean {
  const tap = tapMacs.get(port.name);
  return card.type === 'ethernet' || tap === undefined || tap % 2 ** 40 === card.mac % 2 ** 40;
}

/** A port that two claim has nobody behind it: it stays closed. */
function withGuest(port: Port, [claim, second]: readonly Plugged[]): Port {
  if (claim === undefined || second !== undefined) return port;
  const { domain, card } = claim;
  return { ...port, mac: card.mac, ...('value' in readName(domain.name) ? { guest: domain.name } : {}) };
}

type Reserved = Reservation & { readonly network: Network };

function reservedThere(network: Network): readonly Reserved[] {
  return network.reservations.map((one) => ({ ...one, network }));
}

function guestOf(
  domain: Domain,
  reserved: ReadonlyMap<Mac, readonly Reserved[]>,
  facts: LibvirtFacts,
  ports: ReadonlyMap<string, Port>,
): HostGuest {
  const { name, running } = domain;
  const cards = domain.cards.filter(({ type }) => bridgedTypes.includes(type));
  return {
    name,
    running,
    cards: cards.map((card) => guestCard(card, reserved.get(card.mac) ?? [], domain, facts, ports)),
    span: hostSpan,
  };
}

const bridgedTypes = ['bridge', 'network', 'ethernet'];

function guestCard(
  card: DomainCard,
  reserved: readonly Reserved[],
  { uuid, running }: Domain,
  { networks, agents }: LibvirtFacts,
  ports: ReadonlyMap<string, Port>,
): GuestCard {
  const network = networks.find(({ name }) => name === card.network);
  const port = running ? ports.get(card.tap ?? '') : undefined;
  const bridge = port?.bridge ?? card.bridge ?? network?.bridge;
  const isHere = (one: Network): boolean => one === network || (one.bridge !== undefined && one.bridge === bridge);
  return {
    mac: card.mac,
    ...(bridge === undefined ? {} : { bridge }),
    addresses: {
      reservation: reserved.filter((one) => isHere(one.network)).map(({ ip }) => ip),
      filter: card.filter,
      agent: (agents.get(uuid) ?? []).filter(({ mac }) => mac === card.mac).map(({ ip }) => ip),
    },
  };
}

function nameFault(domain: Domain, plugged: readonly Plugged[]): readonly Diagnostic[] {
  if ('value' in readName(domain.name)) return [];
  const own = plugged.find((one) => one.domain === domain);
  if (own === undefined) return [];
  const message = `the domain ${quoted(domain.name)} behind port '${own.port.name}' has a name that no guest of a policy can have`;
  const hint = `give it a name in the policy, with 'mac: ${printMac(own.card.mac)}'; until then its port stays closed`;
  return [warning('bad-name', message, hostSpan, { hint })];
}

function otherTap({ domain, card, port }: Plugged): Diagnostic {
  const message = `port '${port.name}' is not the one that libvirt made for ${quoted(domain.name)} with MAC ${printMac(card.mac)}`;
  const hint = 'somebody gave its name or its MAC to another device; the port stays closed';
  return warning('mac-conflict', message, hostSpan, { hint });
}

function sharedTap(claims: readonly Plugged[]): readonly Diagnostic[] {
  const [first, second] = claims;
  if (first === undefined || second === undefined) return [];
  const owners = claims.map(({ domain }) => quoted(domain.name)).join(' and ');
  const message = `port '${first.port.name}' is claimed by ${owners}; it stays closed`;
  return [error('port-conflict', message, hostSpan)];
}

function sharedMacs(plugged: readonly Plugged[]): readonly Diagnostic[] {
  const groups = [...Map.groupBy(plugged, ({ card }) => card.mac).values()].filter(({ length }) => length > 1);
  return groups.map((group) => {
    const ports = group.map(({ port }) => `'${port.name}'`).join(', ');
    const message = `the cards behind ${ports} have the same MAC`;
    return warning('duplicate-mac', message, hostSpan, { hint: 'cloned guests need new MACs' });
  });
}
