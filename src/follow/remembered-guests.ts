// Who is behind a port, for the time in which libvirt does not say it: a device that is still the same one has the guest that it
// had. Without this a restart of libvirtd would close every guest's port.
import type { BridgePort } from '../apply/live/presence.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import { allPorts, type Host, type Port } from '../model/host.ts';
import { HostError } from '../model/host-error.ts';

export class RememberedGuests {
  #before: { readonly host: Host; readonly indices: ReadonlyMap<string, number> } | undefined;

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
    const indices = new Map(devices.map(({ name, index }) => [name, index]));
    const refused = diagnostics.find(({ code }) => code === 'libvirt-refused');
    const lost = this.#lost(host, indices);
    const isSaid = allPorts(host).some(({ guest }) => guest !== undefined);
    if (isSaid || (refused === undefined && lost.size === 0 && !this.#isUnheard(host, inhabited))) {
      this.#before = { host, indices };
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
  #lost(host: Host, indices: ReadonlyMap<string, number>): ReadonlyMap<string, Port> {
    const now = new Map(allPorts(host).map((port) => [port.name, port]));
    const before = this.#before === undefined ? [] : allPorts(this.#before.host);
    const lost = before.filter(({ name, guest }) => {
      const isSame = indices.has(name) && indices.get(name) === this.#before?.indices.get(name);
      return guest !== undefined && isSame && now.has(name) && now.get(name)?.guest === undefined;
    });
    return new Map(lost.map((port) => [port.name, port]));
  }
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
