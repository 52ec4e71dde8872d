// The ports of a host by what a guest of a policy is known by. It is kept from one host to the next: to build it for
// thousands of ports takes longer than everything that a single one costs.
import { allPorts, type Host, type Port } from '../../model/host.ts';
import type { Mac } from '../../model/mac.ts';
import type { PolicyGuest } from '../../model/policy.ts';

export class PortIndex {
  readonly #byName = new Map<string, Port>();
  readonly #byGuest = new Map<string, readonly Port[]>();
  readonly #byMac = new Map<Mac, readonly Port[]>();

  constructor(host: Host) {
    for (const port of allPorts(host)) this.#add(port);
  }

  named(name: string): Port | undefined {
    return this.#byName.get(name);
  }

  ofGuest(name: string): readonly Port[] {
    return this.#byGuest.get(name) ?? [];
  }

  withMac(mac: Mac): readonly Port[] {
    return this.#byMac.get(mac) ?? [];
  }

  /** The ports that it could be behind. */
  of({ name, port, mac }: PolicyGuest): readonly Port[] {
    const named = port === undefined ? undefined : this.named(port);
    const ports = port === undefined ? this.ofGuest(name) : named === undefined ? [] : [named];
    return mac === undefined ? ports : [...ports, ...this.withMac(mac)];
  }

  replace(was: readonly Port[], now: readonly Port[]): void {
    for (const port of was) this.#remove(port);
    for (const port of now) this.#add(port);
  }

  #add(port: Port): void {
    this.#byName.set(port.name, port);
    if (port.guest !== undefined) this.#byGuest.set(port.guest, [...this.ofGuest(port.guest), port]);
    if (port.mac !== undefined) this.#byMac.set(port.mac, [...this.withMac(port.mac), port]);
  }

  #remove(port: Port): void {
    const others = (some: readonly Port[]): readonly Port[] => some.filter(({ name }) => name !== port.name);
    this.#byName.delete(port.name);
    if (port.guest !== undefined) this.#byGuest.set(port.guest, others(this.ofGuest(port.guest)));
    if (port.mac !== undefined) this.#byMac.set(port.mac, others(this.withMac(port.mac)));
  }
}

/** Ports of two moments: those of the one that is indexed, and the few that are others in the second. */
export class PortsOfBoth {
  readonly #before: PortIndex;
  readonly #now: readonly Port[];

  constructor(before: PortIndex, now: readonly Port[]) {
    this.#before = before;
    this.#now = now;
  }

  named(name: string): readonly Port[] {
    const was = this.#before.named(name);
    return [...(was === undefined ? [] : [was]), ...this.#now.filter((port) => port.name === name)];
  }

  ofGuest(name: string): readonly Port[] {
    return [...this.#before.ofGuest(name), ...this.#now.filter(({ guest }) => guest === name)];
  }

  withMac(mac: Mac): readonly Port[] {
    return [...this.#before.withMac(mac), ...this.#now.filter((port) => port.mac === mac)];
  }

  of(guest: PolicyGuest): readonly Port[] {
    const { name, port, mac } = guest;
    const isMeant = (one: Port): boolean =>
      (port === undefined ? one.guest === name : one.name === port) || (mac !== undefined && one.mac === mac);
    return [...this.#before.of(guest), ...this.#now.filter(isMeant)];
  }
}
