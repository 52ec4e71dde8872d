// What libvirt defines: the XML of a domain and of a network -> what matters of it for bridges. Names are data, and
// whatever is not an address, a MAC or an interface name is left out here.
import type { Element } from '@xmldom/xmldom';
import type { Ip } from '../model/ip.ts';
import type { Mac } from '../model/mac.ts';
import { type Read, readAddress, readInterface, readMac, valuesOf, wrong } from '../yaml/words.ts';
import { attributeOf, elementsOf, parseXml } from './xml.ts';

export type DomainCard = {
  /** `bridge`, `network`, `ethernet`; others are on no bridge of the host. */
  readonly type: string;
  readonly mac: Mac;
  /** The device of the host; of a domain that runs. */
  readonly tap?: string;
  readonly bridge?: string;
  readonly network?: string;
  /** What its filterref allows; https://libvirt.org/formatnwfilter.html */
  readonly filter: readonly Ip[];
};

export type Domain = {
  /** As it was defined: anything. */
  readonly name: string;
  readonly uuid: string;
  readonly running: boolean;
  readonly cards: readonly DomainCard[];
};

export type Reservation = { readonly mac: Mac; readonly ip: Ip };

export type Network = {
  readonly name: string;
  readonly bridge?: string;
  readonly reservations: readonly Reservation[];
};

/** Of a domain that runs, the definition that it runs with; https://libvirt.org/formatdomain.html */
export function parseDomain(text: string): Read<Domain> {
  const parsed = parseXml(text);
  if ('fault' in parsed) return parsed;
  const root = parsed.value;
  const [name] = elementsOf(root, 'name');
  const [uuid] = elementsOf(root, 'uuid');
  if (root.nodeName !== 'domain' || name === undefined || uuid === undefined) {
    return wrong('bad-definition', 'it is not the definition of a domain');
  }
  const [devices] = elementsOf(root, 'devices');
  return {
    value: {
      name: name.textContent ?? '',
      uuid: uuid.textContent ?? '',
      running: attributeOf(root, 'id') !== undefined,
      cards: elementsOf(devices, 'interface').flatMap(cardOf),
    },
  };
}

function cardOf(element: Element): readonly DomainCard[] {
  const [source] = elementsOf(element, 'source');
  const macs = attributes(elementsOf(element, 'mac')[0], 'address', readMac);
  const [tap] = attributes(elementsOf(element, 'target')[0], 'dev', readInterface);
  const [bridge] = attributes(source, 'bridge', readInterface);
  const network = attributeOf(source, 'network');
  return macs.map((mac) => ({
    type: attributeOf(element, 'type') ?? '',
    mac,
    ...(tap === undefined ? {} : { tap }),
    ...(bridge === undefined ? {} : { bridge }),
    ...(network === undefined ? {} : { network }),
    filter: elementsOf(elementsOf(element, 'filterref')[0], 'parameter').filter(isAddress).flatMap(addressOf),
  }));
}

function isAddress(parameter: Element): boolean {
  return ['IP', 'IPV6'].includes(attributeOf(parameter, 'name') ?? '');
}

function addressOf(parameter: Element): readonly Ip[] {
  return attributes(parameter, 'value', readAddress);
}

/** https://libvirt.org/formatnetwork.html */
export function parseNetwork(text: string): Read<Network> {
  const parsed = parseXml(text);
  if ('fault' in parsed) return parsed;
  const root = parsed.value;
  const [name] = elementsOf(root, 'name');
  if (root.nodeName !== 'network' || name === undefined) {
    return wrong('bad-definition', 'it is not the definition of a network');
  }
  const [bridge] = attributes(elementsOf(root, 'bridge')[0], 'name', readInterface);
  const hosts = elementsOf(root, 'ip').flatMap((ip) =>
    elementsOf(ip, 'dhcp').flatMap((dhcp) => elementsOf(dhcp, 'host')),
  );
  return {
    value: {
      name: name.textContent ?? '',
      ...(bridge === undefined ? {} : { bridge }),
      reservations: hosts.flatMap(reservationOf),
    },
  };
}

function reservationOf(host: Element): readonly Reservation[] {
  const macs = attributes(host, 'mac', readMac);
  return macs.flatMap((mac) => attributes(host, 'ip', readAddress).map((ip) => ({ mac, ip })));
}

function attributes<T>(element: Element | undefined, name: string, read: (text: string) => Read<T>): readonly T[] {
  const value = attributeOf(element, name);
  return value === undefined ? [] : valuesOf(read(value));
}
