// Host -> the network cards for which a policy should say something: each under a name that a policy can use, with the
// addresses that libvirt's administrator gave it. What guests say of themselves is not among them.
import { type AddressSource, allPorts, type GuestCard, type Host, type Port } from '../model/host.ts';
import { type Ip, sameIp } from '../model/ip.ts';
import { type Mac, printMac } from '../model/mac.ts';
import { readNewName } from '../policy/policy-schema.ts';

export type NamedIp = { readonly ip: Ip; readonly source: AddressSource };

export type Card = {
  readonly name: string;
  /** How the policy finds it, if not by its name. */
  readonly pin: { readonly mac: string } | { readonly port: string } | undefined;
  readonly mac?: Mac;
  readonly bridge?: string;
  /** Of a guest that runs. */
  readonly port?: string;
  readonly ips: readonly NamedIp[];
  /** Addresses that it was given too, but that somebody else has. */
  readonly taken: readonly Ip[];
};

/** Those with ports in the order of the ports, then those of guests that do not run. */
export function guestCards(host: Host): readonly Card[] {
  const found = [...portCards(host), ...idleCards(host)];
  const used = host.interfaces.flatMap(({ addresses }): readonly Ip[] => addresses);
  const names = new Set<string>();
  return found.map((card) => {
    const name = freshName(card.owner, names);
    const [taken, free] = divided(card.ips, used);
    used.push(...free.map(({ ip }) => ip));
    const { owner, alone, ips: _, ...rest } = card;
    return { ...rest, name, pin: alone && name === owner ? undefined : pinOf(card), ips: free, taken };
  });
}

type Found = Omit<Card, 'name' | 'pin' | 'taken'> & { readonly owner: string; readonly alone: boolean };

function portCards(host: Host): readonly Found[] {
  const ports = allPorts(host).filter(({ peer, uplink }) => peer === undefined && !uplink);
  const owned = Map.groupBy(ports, ({ guest }) => guest ?? '');
  return ports.flatMap((port) => {
    if (port.guest === undefined) return [];
    const alone = owned.get(port.guest)?.length === 1;
    const { name, bridge, mac } = port;
    const place = { port: name, bridge, ...(mac === undefined ? {} : { mac }) };
    return [{ owner: port.guest, alone, ...place, ips: givenIps(cardBehind(port, host)) }];
  });
}

function cardBehind(port: Port, host: Host): GuestCard | undefined {
  const guest = host.guests.find(({ name }) => name === port.guest);
  return guest?.cards.find(({ mac }) => mac === port.mac);
}

/** Of guests that do not run, on bridges of this host. */
function idleCards(host: Host): readonly Found[] {
  const bridges = new Set(host.bridges.map(({ name }) => name));
  return host.guests.flatMap(({ name: owner, running, cards }) => {
    const here = cards.filter(({ bridge }) => !running && bridge !== undefined && bridges.has(bridge));
    return here.map((card) => {
      const place = { mac: card.mac, ...(card.bridge === undefined ? {} : { bridge: card.bridge }) };
      return { owner, alone: here.length === 1, ...place, ips: givenIps(card) };
    });
  });
}

/** IPv4 only: there are no rules for others yet. */
function givenIps(card: GuestCard | undefined): readonly NamedIp[] {
  if (card === undefined) return [];
  const sources = ['reservation', 'filter'] as const;
  const all = sources.flatMap((source) => card.addresses[source].map((ip) => ({ ip, source })));
  const four = all.filter(({ ip }) => ip.family === 4);
  return four.filter(({ ip }, index) => four.findIndex((other) => sameIp(other.ip, ip)) === index);
}

function divided(ips: readonly NamedIp[], used: readonly Ip[]): readonly [readonly Ip[], readonly NamedIp[]] {
  const isUsed = ({ ip }: NamedIp): boolean => used.some((other) => sameIp(other, ip));
  return [ips.filter(isUsed).map(({ ip }) => ip), ips.filter((one) => !isUsed(one))];
}

/** The guest's name, or one like it: names are given once, and some have a meaning of their own. */
function freshName(owner: string, names: Set<string>): string {
  for (let number = 1; ; number++) {
    const name = number === 1 ? owner : `${owner.slice(0, 58)}-${number}`;
    if (names.has(name) || 'fault' in readNewName(name)) continue;
    names.add(name);
    return name;
  }
}

function pinOf({ mac, port }: Found): Card['pin'] {
  if (mac !== undefined) return { mac: printMac(mac) };
  return port === undefined ? undefined : { port };
}
