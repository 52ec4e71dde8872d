// Policy + Host -> the same policy with what it leaves to the host: the port of a card that is named by its MAC, and the
// addresses that the host knows where the policy says whom to believe. A guest that claims what belongs to somebody else
// loses all of its addresses, and so its port stays closed; whoever has them by the policy's own words is not touched.
import { type Checked, type Diagnostic, error, warning } from '../model/diagnostic.ts';
import { type AddressSource, allPorts, type GuestCard, type Host, type HostGuest, type Port } from '../model/host.ts';
import { type Ip, printIp } from '../model/ip.ts';
import { isSingle, listIps, noIps, singleIps, unionIps } from '../model/ip-set.ts';
import { type Mac, printMac } from '../model/mac.ts';
import type { Policy, PolicyGuest } from '../model/policy.ts';

/** Always has a value. */
export function settlePolicy(policy: Policy, host: Host): Checked<Policy> {
  const known = knownCards(host);
  const placed = policy.guests.map((guest) => withPort(guest, known));
  const claims = placed.map(({ guest }) => ({ guest, reported: reportedIps(guest, known) }));
  const owners = claims.some(({ reported }) => reported.length > 0) ? ownersOf(claims, policy, host) : new Map();
  const settled = claims.map((claim) => withAddresses(claim, owners));
  return {
    value: { ...policy, guests: settled.map(({ guest }) => guest) },
    diagnostics: [...placed, ...settled].flatMap(({ diagnostics }) => diagnostics),
  };
}

type Settled = { readonly guest: PolicyGuest; readonly diagnostics: readonly Diagnostic[] };

type Known = {
  readonly byName: ReadonlyMap<string, Port>;
  readonly byGuest: ReadonlyMap<string, readonly Port[]>;
  readonly byMac: ReadonlyMap<Mac | undefined, readonly Port[]>;
  readonly guests: ReadonlyMap<string, HostGuest>;
};

function knownCards(host: Host): Known {
  const ports = allPorts(host);
  return {
    byName: new Map(ports.map((port) => [port.name, port])),
    byGuest: Map.groupBy(ports, ({ guest }) => guest ?? ''),
    byMac: Map.groupBy(ports, ({ mac }) => mac),
    guests: new Map(host.guests.map((guest) => [guest.name, guest])),
  };
}

/** A card is found by its port, else by the guest's name, and where this does not lead to one port, by its MAC. */
function withPort(guest: PolicyGuest, known: Known): Settled {
  const named = known.byGuest.get(guest.name) ?? [];
  if (guest.port !== undefined || guest.mac === undefined || named.length === 1) return { guest, diagnostics: [] };
  const cards = named.length === 0 ? (known.byMac.get(guest.mac) ?? []) : named.filter(({ mac }) => mac === guest.mac);
  const [port, second] = cards;
  if (port === undefined) return { guest, diagnostics: [] };
  if (second === undefined) return { guest: { ...guest, port: port.name }, diagnostics: [] };
  const ports = cards.map(({ name }) => name).join(', ');
  const message = `several ports have the MAC ${printMac(guest.mac)} of guest '${guest.name}': ${ports}`;
  const hint = "say which one it is with 'port:', or give one of the cards another MAC";
  return { guest, diagnostics: [error('duplicate-mac', message, guest.span, { hint })] };
}

type Claim = { readonly guest: PolicyGuest; readonly reported: readonly Ip[] };

function reportedIps(guest: PolicyGuest, known: Known): readonly Ip[] {
  if (guest.addressesFrom.length === 0) return [];
  const card = cardOf(guest, known);
  return guest.addressesFrom.flatMap((source) => card?.addresses[source] ?? []);
}

/** Of a guest with several cards none, unless port or MAC say which. */
function cardOf(guest: PolicyGuest, known: Known): GuestCard | undefined {
  const port = guest.port === undefined ? known.byGuest.get(guest.name)?.[0] : known.byName.get(guest.port);
  const mac = guest.mac ?? (guest.port === undefined ? undefined : port?.mac);
  const owner = known.guests.get(port?.guest ?? guest.name);
  const cards = (owner?.cards ?? []).filter((card) => mac === undefined || card.mac === mac);
  return cards.length === 1 ? cards[0] : undefined;
}

/** Who has an address, or is said to have it: the host, guests, single machines outside. */
type Owners = ReadonlyMap<string, ReadonlySet<string>>;

function ownersOf(claims: readonly Claim[], { outside }: Policy, host: Host): Owners {
  const owners = new Map<string, Set<string>>();
  const add = (owner: string, ips: readonly Ip[]): void => {
    for (const ip of ips) owners.set(keyOf(ip), (owners.get(keyOf(ip)) ?? new Set()).add(owner));
  };
  for (const { addresses } of host.interfaces) add('host', addresses);
  for (const { name, addresses } of outside) add(name, listIps(addresses.filter(isSingle)));
  for (const { guest, reported } of claims) add(guest.name, [...listIps(guest.addresses), ...reported]);
  return owners;
}

function keyOf({ family, bits }: Ip): string {
  return `${family}:${bits}`;
}

function withAddresses({ guest, reported }: Claim, owners: Owners): Settled {
  if (guest.addressesFrom.length === 0) return { guest, diagnostics: [] };
  const foreign = reported.find((ip) => (owners.get(keyOf(ip))?.size ?? 0) > 1);
  if (foreign !== undefined) {
    const message = `guest '${guest.name}' is said to have ${printIp(foreign)}, which belongs to somebody else; its port stays closed`;
    const fault = error('duplicate-address', message, guest.span, { hint: sourcesHint(guest.addressesFrom) });
    return { guest: { ...guest, addresses: noIps }, diagnostics: [fault] };
  }
  const addresses = unionIps(guest.addresses, singleIps(reported));
  return { guest: { ...guest, addresses }, diagnostics: addresses.length === 0 ? [noAddress(guest)] : [] };
}

function noAddress({ name, addressesFrom, span }: PolicyGuest): Diagnostic {
  const message = `guest '${name}' has no address yet: its ${addressesFrom.join(', ')} gives none; its port stays closed`;
  return warning('no-address', message, span, { hint: sourcesHint(addressesFrom) });
}

function sourcesHint(sources: readonly AddressSource[]): string {
  if (!sources.includes('agent'))
    return "look at the guest's network and filterref in libvirt, or name the address with 'ip'";
  return "'agent' believes what the guest says; 'ip' names the address instead";
}
