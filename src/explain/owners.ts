// Whose an address or a MAC is, asked for every line of a log: single addresses by a table, networks one after another.
import type { BoundGuest } from '../compile/ground.ts';
import type { Host } from '../model/host.ts';
import type { Ip } from '../model/ip.ts';
import { containsIp, type IpRange, type IpSet, listIps, singleIps } from '../model/ip-set.ts';
import type { Mac } from '../model/mac.ts';
import type { Policy } from '../model/policy.ts';
import type { Party } from './explanation.ts';

/** A range of more addresses is a network and is not listed. */
const mostListed = 256n;

export class AddressOwners {
  readonly #single = new Map<string, Party>();
  readonly #networks: { readonly range: IpRange; readonly party: Party }[] = [];

  /** Who comes first has the address. */
  add(ips: IpSet, party: Party): void {
    for (const range of ips) {
      if (range.last - range.first >= mostListed) this.#networks.push({ range, party });
      else for (const ip of listIps([range])) this.#addSingle(keyOf(ip), party);
    }
  }

  #addSingle(key: string, party: Party): void {
    if (!this.#single.has(key)) this.#single.set(key, party);
  }

  find(ip: Ip): Party | undefined {
    return this.#single.get(keyOf(ip)) ?? this.#networks.find(({ range }) => containsIp([range], ip))?.party;
  }
}

function keyOf({ family, bits }: Ip): string {
  return `${family}:${bits}`;
}

export function addressOwners(policy: Policy, host: Host, guests: readonly BoundGuest[]): AddressOwners {
  const owners = new AddressOwners();
  for (const guest of guests) owners.add(guest.ips, partyOf(guest));
  for (const { name, addresses } of host.interfaces) owners.add(singleIps(addresses), { kind: 'host', ifname: name });
  for (const { name, addresses } of policy.outside) owners.add(addresses, { kind: 'outside', name });
  return owners;
}

function partyOf({ name, port }: BoundGuest): Party {
  return { kind: 'guest', name, bridge: port.bridge, port: port.name };
}

/** Cards that the facts know. One that two have is nobody's. */
export class MacOwners {
  readonly #owners = new Map<Mac, Party | undefined>();

  add(mac: Mac | undefined, party: Party): void {
    if (mac === undefined) return;
    const known = this.#owners.get(mac);
    // a bridge device takes the MAC of one of the host's other interfaces: the same machine twice is no doubt
    if (known?.kind === 'host' && party.kind === 'host') return;
    this.#owners.set(mac, this.#owners.has(mac) ? undefined : party);
  }

  find(mac: Mac): Party | undefined {
    return this.#owners.get(mac);
  }

  has(mac: Mac): boolean {
    return this.#owners.has(mac);
  }
}

export function macOwners(host: Host, guests: readonly BoundGuest[]): MacOwners {
  const owners = new MacOwners();
  for (const guest of guests) owners.add(guest.mac, partyOf(guest));
  for (const { name, mac } of host.interfaces) owners.add(mac, { kind: 'host', ifname: name });
  return owners;
}
