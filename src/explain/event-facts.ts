// A LogEvent as seen from the site: its doors, its two ends, its segment. What all questions to it begin with.
import { type LogEvent, type LogMac, portIn, portOut } from '../model/log-event.ts';
import { isGroupMac, type Mac } from '../model/mac.ts';
import type { Endpoint, Party, Sender } from './explanation.ts';
import type { SeenMacs } from './seen-macs.ts';
import type { Place, Site } from './site.ts';
import type { Witnesses } from './witnesses.ts';

export type EventFacts = {
  readonly event: LogEvent;
  readonly site: Site;
  readonly from: Place;
  readonly to: Place;
  /** Of the bridge that the frame was on. */
  readonly segment: number | undefined;
  readonly mac: LogMac | undefined;
  readonly source: Endpoint | undefined;
  readonly destination: Endpoint | undefined;
  readonly ownerOf: (mac: Mac) => Party | undefined;
  /** Of earlier lines. */
  readonly witnesses: Witnesses | undefined;
};

export function eventFacts(
  event: LogEvent,
  site: Site,
  seen: SeenMacs | undefined,
  witnesses: Witnesses | undefined,
): EventFacts {
  const { mac, packet } = event;
  const from = site.place(portIn(event));
  const to = site.place(portOut(event));
  const { src, dst } = packet ?? {};
  return {
    event,
    site,
    from,
    to,
    segment: from.segment ?? to.segment,
    mac: mac ?? undefined,
    source: src === undefined || src === null ? undefined : site.endpoint(src),
    destination: dst === undefined || dst === null ? undefined : site.endpoint(dst),
    ownerOf: (one) => (seen === undefined ? site.ownerOf(one) : seen.ownerOf(one)),
    witnesses,
  };
}

/** Lines of which nothing is evidence against anybody. */
export function isEvidence({ status, ambiguous }: LogEvent): boolean {
  return !ambiguous && status !== 'damaged' && status !== 'cut';
}

export function senderOf({ from, mac, ownerOf }: EventFacts): Sender {
  const { role, party } = from.door;
  switch (role) {
    case 'itself':
      return { kind: 'party', party: { kind: 'host', ifname: '' } };
    case 'guest':
    case 'host':
      return party === undefined ? { kind: 'unknown' } : { kind: 'party', party };
    case 'link':
    case 'uplink':
    case 'closed':
    case 'interface':
    case 'foreign':
      return { kind: 'behind', mac: mac?.source, byMac: mac === undefined ? undefined : ownerOf(mac.source) };
    default:
      return { kind: 'unknown' };
  }
}

/** The destination MAC where it names one machine. */
export function singleDestination({ mac }: EventFacts): Mac | undefined {
  return mac === undefined || isGroupMac(mac.destination) ? undefined : mac.destination;
}
