// Whether a packet in a line has all that it must have: what is missing in front of a word that was read is damage, and
// what is missing at the end was cut off.
import { needOf, needs, order, type Section, sections, words } from './grammar.ts';
import type { ScanState } from './scan-state.ts';

/** What the section must have and has not, though later words were read. */
export function settle(scan: ScanState): void {
  const { place, layer } = scan;
  const { section } = place;
  const full = scan.familyOf(layer) === 6 ? section.full6 : section.full4;
  if (place.got === full) return;
  for (let index = section.from; index < place.next; index++) {
    const slot = (order[index] as number) + layer.base;
    if (!isNeeded(scan, index) || scan.has(slot) || scan.isUnread(slot)) continue;
    scan.refuse(slot);
    scan.damaged = true;
  }
}

/** The end of the layer, `isClosed` by its bracket. `false` when it should have gone on. */
export function conclude(scan: ScanState, isClosed = false): boolean {
  const { place, layer } = scan;
  const opened = place.section === sections.extension;
  if (opened) scan.closeExtension();
  if (layer.ended) return true;
  settle(scan);
  const free = place.next > place.section.lastNeed || restIsFree(scan, isClosed);
  const whole = mayEnd(scan, place.section) && free && !opened;
  return pairIs(scan, words.seq, words.ack) && pairIs(scan, words.uid, words.gid) && whole;
}

/** Nothing that must come is still to come. */
function restIsFree(scan: ScanState, isClosed: boolean): boolean {
  const { place, layer } = scan;
  const stop = scan.lost ? scan.lostStop : place.stop;
  let free = true;
  for (let index = place.next; index < stop; index++) {
    const slot = (order[index] as number) + layer.base;
    if (!isNeeded(scan, index) || scan.has(slot) || scan.isUnread(slot)) continue;
    if (scan.lost || isClosed) scan.refuse(slot);
    free = false;
  }
  return free;
}

/** Whether a packet may end in this section. */
function mayEnd(scan: ScanState, section: Section): boolean {
  const { layer } = scan;
  // pve-firewall's logger leaves RES and often URGP out, and does not open the packet in an error
  if (section === layer.sections.tcp) return scan.isThere(words.urgp) || !scan.isThere(words.res);
  if (section === sections.line || section === sections.inner) return mayEndEarly(scan);
  if (section === sections.arp) return !scan.isThere(words.senderMac) || scan.isThere(words.targetIp);
  if (section.opensBlock && !scan.isThere(words.block) && !scan.isThere(words.incomplete)) scan.partial = true;
  return true;
}

/** Without PROTO: behind ESP and behind what IPv6 does not open; a later AH fragment of IPv4, which may have a mark. */
function mayEndEarly(scan: ScanState): boolean {
  const { layer } = scan;
  if (layer.family !== 6) return scan.isThere(words.frag);
  if (layer.base === 0) scan.partial = true;
  if (!scan.isThere(words.uid) && !scan.isThere(words.mark)) return true;
  scan.refuse(words.protocol);
  scan.damaged = true;
  return false;
}

/** Two words that come together or not at all. */
function pairIs(scan: ScanState, first: number, second: number): boolean {
  if (scan.isThere(first) === scan.isThere(second)) return true;
  const missing = scan.isThere(first) ? second : first;
  // at the end of a line the second may be what is cut off
  if (missing === first || scan.place.next >= scan.place.stop || !isAhead(scan, missing)) {
    scan.refuse(missing + scan.layer.base);
    scan.damaged = true;
  }
  return false;
}

function isAhead(scan: ScanState, word: number): boolean {
  const index = order.indexOf(word, scan.place.next);
  return index >= 0 && index === scan.place.next;
}

function isNeeded(scan: ScanState, index: number): boolean {
  const need = needOf[index];
  if (need === needs.always) return true;
  return need !== 0 && need === (scan.layer.family === 6 ? needs.ip6 : needs.ip4);
}
