// MACs that the facts do not know, as veth ends have after every restart: learned from lines that leave no doubt whose
// they are. Facts come first, and a MAC that was seen at two places is nobody's.
import { type LogEvent, portIn } from '../model/log-event.ts';
import { isGroupMac, type Mac } from '../model/mac.ts';
import { type Party, sameParty } from './explanation.ts';
import type { Site } from './site.ts';

/** An attacker can send from as many MACs as there are. */
const mostSeen = 4096;

export class SeenMacs {
  readonly #site: Site;
  readonly #seen = new Map<Mac, Party | undefined>();

  constructor(site: Site) {
    this.#site = site;
  }

  /** Behind a port of the host is the host alone, and behind a guest's port this guest. */
  learn(event: LogEvent): void {
    const { mac, status, ambiguous } = event;
    if (mac === undefined || mac === null || ambiguous || status === 'damaged' || status === 'cut') return;
    const { party, role } = this.#site.place(portIn(event)).door;
    if (party === undefined || this.#site.knowsMac(mac.source) || isGroupMac(mac.source)) return;
    // frames do not come from where an interface of the host itself stands: they come to it
    if (role === 'interface' || this.#site.macOf(party) !== undefined) return;
    this.#add(mac.source, party);
  }

  #add(mac: Mac, party: Party): void {
    if (!this.#seen.has(mac)) {
      if (this.#seen.size < mostSeen) this.#seen.set(mac, party);
    } else if (!sameParty(this.#seen.get(mac), party)) {
      this.#seen.set(mac, undefined);
    }
  }

  ownerOf(mac: Mac): Party | undefined {
    return this.#site.knowsMac(mac) ? this.#site.ownerOf(mac) : this.#seen.get(mac);
  }
}
