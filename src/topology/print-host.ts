// Host -> host.yaml, as a person would write it: one port, interface or route a line. parseHost reads it back to the same
// host. The library quotes whatever YAML would take for something else than text.
import { Document, isMap, Scalar, type YAMLMap } from 'yaml';
import {
  addressSources,
  type Bridge,
  type GuestCard,
  type Host,
  type HostGuest,
  type HostInterface,
  type Port,
  type Route,
} from '../model/host.ts';
import { type Prefix, printIp } from '../model/ip.ts';
import { printMac } from '../model/mac.ts';

export function printHost(host: Host): string {
  const document = new Document(plainHost(host), {
    version: '1.2',
    compat: 'yaml-1.1', // quotes also what older readers take for a number, as a MAC of digits only
    aliasDuplicateObjects: false,
  });
  for (const key of ['interfaces', 'routes']) eachInOneLine(document.get(key));
  const bridges = document.get('bridges');
  if (isMap(bridges)) for (const { value } of bridges.items) eachInOneLine((value as YAMLMap).get('ports'));
  const guests = document.get('guests');
  if (isMap(guests)) for (const { value } of guests.items) eachInOneLine((value as YAMLMap).get('cards'));
  return document.toString({ lineWidth: 0, flowCollectionPadding: true });
}

function eachInOneLine(collection: unknown): void {
  const items = (collection as { readonly items?: readonly unknown[] } | undefined)?.items ?? [];
  for (const item of items) {
    const value = isPair(item) ? item.value : item;
    if (isMap(value)) value.flow = true;
  }
}

function isPair(item: unknown): item is { readonly value: unknown } {
  return typeof item === 'object' && item !== null && 'key' in item && 'value' in item;
}

/** Sections that would be empty are left out. */
function plainHost({ name, bridges, interfaces, routes, sysctls, guests }: Host): object {
  return new Map<string, unknown>([
    ['host', name],
    ['bridges', named(bridges, plainBridge)],
    ...(interfaces.length === 0 ? [] : [['interfaces', named(interfaces, plainInterface)] as const]),
    ...(routes.length === 0 ? [] : [['routes', routes.map(plainRoute)] as const]),
    ...(guests.length === 0 ? [] : [['guests', named(guests, plainGuest)] as const]),
    ...(Object.keys(sysctls).length === 0 ? [] : [['sysctls', plainSysctls(sysctls)] as const]),
  ]);
}

/** A map and not an object: JavaScript would move names that look like numbers to the front. */
function named<T extends { readonly name: string }>(things: readonly T[], plain: (thing: T) => object): object {
  return new Map(things.map((thing) => [thing.name, plain(thing)]));
}

function plainBridge({ stp, managed, ports }: Bridge): object {
  return { ...(stp ? { stp } : {}), ...(managed ? { managed } : {}), ports: named(ports, plainPort) };
}

function plainPort({ guest, mac, peer, uplink }: Port): object {
  return {
    ...(guest === undefined ? {} : { guest }),
    ...(mac === undefined ? {} : { mac: printMac(mac) }),
    ...(peer === undefined ? {} : { peer }),
    ...(uplink ? { uplink } : {}),
  };
}

function plainInterface({ mac, peer, addresses }: HostInterface): object {
  return {
    ...(mac === undefined ? {} : { mac: printMac(mac) }),
    ...(peer === undefined ? {} : { peer }),
    ...(addresses.length === 0 ? {} : { addresses: addresses.map(printWithLength) }),
  };
}

function printWithLength(prefix: Prefix): string {
  return `${printIp(prefix)}/${prefix.length}`;
}

function plainRoute({ to, via, dev }: Route): object {
  const everywhere = to.family === 4 && to.length === 0 && to.bits === 0n;
  return {
    to: everywhere ? 'default' : printWithLength(to),
    ...(via === undefined ? {} : { via: printIp(via) }),
    ...(dev === undefined ? {} : { dev }),
  };
}

function plainGuest({ running, cards }: HostGuest): object {
  return { running, ...(cards.length === 0 ? {} : { cards: cards.map(plainCard) }) };
}

function plainCard({ mac, bridge, addresses }: GuestCard): object {
  const reported = addressSources.filter((source) => addresses[source].length > 0);
  return {
    mac: printMac(mac),
    ...(bridge === undefined ? {} : { bridge }),
    ...Object.fromEntries(reported.map((source) => [source, addresses[source].map(printIp)])),
  };
}

/** Numbers without quotes, if YAML gives them back as they are. */
function plainSysctls(sysctls: Host['sysctls']): object {
  return new Map(Object.entries(sysctls).map(([name, value]) => [name, numberOr(value)]));
}

function numberOr(value: string): Scalar {
  return new Scalar(/^(?:0|[1-9]\d{0,14})$/.test(value) ? Number(value) : value);
}
