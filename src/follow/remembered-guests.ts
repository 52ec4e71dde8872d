// Who is behind a port, for the time in which libvirt does not say it: a device that is still the same one has the guest that it
// had. Without this a restart of libvirtd would close every guest's port.
import type { BridgePort } from '../apply/live/presence.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import { allPorts, type Host, type Port } from '../model/host.ts';
import { HostError } from '../model/host-error.ts';

export class RememberedGuests {
  #before: { readonly host: Host; readonly devices: readonly BridgePort[]; readonly hasGuests: boolean } | undefined;

  /**
   * The host with the guests that are known to be there.
   * @param inhabited ports that had a guest when the loaded rules were made
   * @throws HostError 'libvirt-refused' when nobody can say it: the rules stay as they are then
   */
  complete(
    host: Host,
    devices: readonly BridgePort[],
    diagnostics: readonly Diagnostic[],
    inhabited: ReadonlySet<string>,
  ): Host {
    const refused = diagnostics.find(({ code }) => code === 'libvirt-refused');
    const lost = this.#lost(host, devices);
    const isSaid = host.bridges.some(({ ports }) => ports.some(({ guest }) => guest !== undefined));
    if (isSaid || (refused === undefined && lost.size === 0 && !this.#isUnheard(host, inhabited))) {
      this.#before = { host, devices, hasGuests: isSaid };
      return host;
    }
    if (this.#before === undefined) {
      throw new HostError(
        'libvirt-refused',
        `${refused?.message ?? 'libvirt does not answer'}; the rules stay as they are`,
      );
    }
    return withGuests(host, lost, this.#before.host);
  }

  /** Just started, and nobody names a guest where there were some: somebody who could is not there yet. */
  #isUnheard(host: Host, inhabited: ReadonlySet<string>): boolean {
    return this.#before === undefined && allPorts(host).some(({ name }) => inhabited.has(name));
  }

  /** Ports whose guest was known, which are the same devices still, and which nobody names now. */
  #lost(host: Host, devices: readonly BridgePort[]): ReadonlyMap<string, Port> {
    if (this.#before?.hasGuests !== true) return new Map();
    const nameless = new Set(allPorts(host).flatMap(({ name, guest }) => (guest === undefined ? [name] : [])));
    if (nameless.size === 0) return new Map();
    const indices = indicesOf(devices);
    const before = indicesOf(this.#before.devices);
    const lost = allPorts(this.#before.host).filter(({ name, guest }) => {
      const isSame = indices.has(name) && indices.get(name) === before.get(name);
      return guest !== undefined && isSame && nameless.has(name);
    });
    return new Map(lost.map((port) => [port.name, port]));
  }
}

function indicesOf(devices: readonly BridgePort[]): ReadonlyMap<string, number> {
  return new Map(devices.map(({ name, index }) => [name, index]));
}

function withGuests(host: Host, lost: ReadonlyMap<string, Port>, before: Host): Host {
  const bridges = host.bridges.map((bridge) => ({
    ...bridge,
    ports: bridge.ports.map((port) => {
      const { guest, mac } = lost.get(port.name) ?? {};
      return guest === undefined ? port : { ...port, guest, ...(mac === undefined ? {} : { mac }) };
    }),
  }));
  return { ...host, bridges, guests: host.guests.length === 0 ? before.guests : host.guests };
}
