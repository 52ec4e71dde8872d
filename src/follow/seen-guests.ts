// The domains of libvirt as they were read last: after an event only those are asked that it is about, that began or ended
// since, or whose cards are other devices than they were; all of them every so often, and whenever that may not be enough.
import { local } from '../machine/access.ts';
import type { AskedAgents } from '../topology/asked-agents.ts';
import type { IpLink } from '../topology/ip-json.ts';
import type { Domain } from '../topology/libvirt-xml.ts';
import { type KnownLibvirt, type Libvirt, readLibvirt, readLibvirtAgain } from '../topology/read-libvirt.ts';
import type { ChangedDomains } from './changed-domains.ts';

type Known = {
  readonly libvirt: KnownLibvirt;
  readonly agents: AskedAgents;
  /** Of each domain: the devices of its cards when it was asked. */
  readonly devices: ReadonlyMap<string, string>;
  /** Taps that no domain had when all were asked. */
  readonly strange: ReadonlySet<string>;
};

export class SeenGuests {
  readonly #changed: ChangedDomains;
  #known: Known | undefined;

  constructor(changed: ChangedDomains) {
    this.#changed = changed;
  }

  /** The next time all are asked. */
  forget(): void {
    this.#known = undefined;
  }

  /** @param links that were read before: what is said of them here is newer */
  async ask(links: readonly IpLink[], agents: AskedAgents): Promise<Libvirt> {
    const known = this.#known;
    this.#known = undefined;
    const names = [...(known?.libvirt.domains ?? [])].flatMap(([uuid, { domain }]) =>
      domain === undefined ? [] : [[domain.name, uuid] as const],
    );
    const changed = this.#changed.take(new Map(names));
    const numbers = new Map(links.map(({ ifname, ifindex }) => [ifname, ifindex]));
    if (known !== undefined && changed !== undefined && known.agents === agents) {
      const isChanged = (uuid: string, domain: Domain | undefined): boolean =>
        changed.has(uuid) || devicesOf(domain, numbers) !== known.devices.get(uuid);
      const some = await readLibvirtAgain(local, agents, known.libvirt, isChanged);
      if (some.kind !== 'facts') return some;
      if (strangeTaps(links, some.known).every((tap) => known.strange.has(tap))) {
        this.#known = { ...known, libvirt: some.known, devices: allDevices(some.known, numbers) };
        return some;
      }
    }
    const all = await readLibvirt(local, agents);
    if (all.kind !== 'facts') return all;
    const strange = new Set(strangeTaps(links, all.known));
    this.#known = { libvirt: all.known, agents, devices: allDevices(all.known, numbers), strange };
    return all;
  }
}

/** A name that is another device now may be another domain's. Of one that does not run names say nothing. */
function devicesOf(domain: Domain | undefined, numbers: ReadonlyMap<string, number>): string {
  const taps = domain?.running === true ? domain.cards.flatMap(({ tap }) => tap ?? []) : [];
  return taps.map((tap) => `${numbers.get(tap) ?? ''} ${tap}`).join(' ');
}

function allDevices({ domains }: KnownLibvirt, numbers: ReadonlyMap<string, number>): ReadonlyMap<string, string> {
  return new Map([...domains].map(([uuid, { domain }]) => [uuid, devicesOf(domain, numbers)]));
}

/** On a bridge, and no running domain's: one that is new may be of a domain of which nothing was heard. */
function strangeTaps(links: readonly IpLink[], { domains }: KnownLibvirt): readonly string[] {
  const running = [...domains.values()].flatMap(({ domain }) => (domain?.running === true ? [domain] : []));
  const known = new Set(running.flatMap(({ cards }) => cards.flatMap(({ tap }) => tap ?? [])));
  return links
    .filter(({ ifname, master, linkinfo }) => {
      return master !== undefined && linkinfo?.info_kind === 'tun' && !known.has(ifname);
    })
    .map(({ ifname, ifindex }) => `${ifindex} ${ifname}`);
}
