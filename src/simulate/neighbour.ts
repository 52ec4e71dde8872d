// ARP and the neighbour cache: net/ipv4/arp.c and net/core/neighbour.c. This is what an attacker poisons, so the rules
// for believing an answer are the kernel's: an existing entry only, and not within a second of its last change.
import { type Ip, prefixContains, sameIp } from '../model/ip.ts';
import type { Mac } from '../model/mac.ts';
import type { Arp } from '../packet/arp.ts';
import { arpReply, arpRequest } from '../packet/build.ts';
import { emit } from './stack.ts';
import { type Iface, isOwn, type Neighbour, neighbourKey, type World } from './world.ts';

/** net.ipv4.neigh.*.locktime and retrans_time_ms, in microseconds; mcast_solicit. */
const lockTime = 1_000_000;
const retransmit = 1_000_000;
const solicitations = 3;

/** Calls `send` with the neighbour's MAC, now or after asking for it; `failed` after three questions without answer. */
export function resolve(
  world: World,
  iface: Iface,
  ip: Ip,
  source: Ip,
  send: (mac: Mac) => void,
  failed: () => void,
): void {
  const known = iface.node.neighbours.get(neighbourKey(iface, ip));
  if (known?.mac !== undefined) {
    send(known.mac);
    return;
  }
  const waiting = (): void => {
    const { mac } = iface.node.neighbours.get(neighbourKey(iface, ip)) ?? {};
    if (mac === undefined) failed();
    else send(mac);
  };
  if (known !== undefined) {
    known.waiting.push(waiting);
    return;
  }
  const entry: Neighbour = { updated: world.now, tries: 0, waiting: [waiting] };
  iface.node.neighbours.set(neighbourKey(iface, ip), entry);
  solicit(world, iface, ip, source, entry);
}

function solicit(world: World, iface: Iface, ip: Ip, source: Ip, entry: Neighbour): void {
  if (entry.mac !== undefined) return;
  if (entry.tries === solicitations) {
    iface.node.neighbours.delete(neighbourKey(iface, ip));
    for (const waiting of entry.waiting.splice(0)) waiting();
    return;
  }
  entry.tries++;
  const from = senderAddress(iface, ip, source);
  if (from !== undefined) {
    emit(world, iface, world.skb(arpRequest({ ether: { source: iface.mac }, source: from, destination: ip })));
  }
  world.later(retransmit, () => solicit(world, iface, ip, source, entry));
}

/** arp_solicit: with arp_announce=2 an address of the interface, else the packet's own source if it is ours. */
function senderAddress(iface: Iface, target: Ip, source: Ip): Ip | undefined {
  const best = iface.addresses.find((address) => prefixContains(address, target)) ?? iface.addresses[0];
  return iface.node.sysctls['net.ipv4.conf.all.arp_announce'] === '2' || !isOwn(iface.node, source) ? best : source;
}

export function receiveArp(world: World, iface: Iface, arp: Arp): void {
  if (arp.operation === 1 && answers(iface, arp)) {
    note(world, iface, arp, true);
    const reply = arpReply({
      ether: { source: iface.mac, destination: arp.senderMac },
      source: arp.targetIp,
      destination: arp.senderIp,
    });
    emit(world, iface, world.skb(reply));
    return;
  }
  note(world, iface, arp, false);
}

/** arp_ignore: 0 answers for any own address, 1 only for those of the interface that was asked. */
function answers(iface: Iface, { targetIp, senderIp }: Arp): boolean {
  if (isOwn(iface.node, senderIp)) return false;
  if (iface.node.sysctls['net.ipv4.conf.all.arp_ignore'] === '0') return isOwn(iface.node, targetIp);
  return iface.node.sysctls['net.ipv4.conf.all.arp_ignore'] === undefined
    ? isOwn(iface.node, targetIp)
    : iface.addresses.some((address) => sameIp(address, targetIp));
}

/** A question for us makes an entry; everything else changes one that is there, unless it is locked. */
function note(world: World, iface: Iface, { senderIp, senderMac, targetIp }: Arp, create: boolean): void {
  if (senderIp.bits === 0n) return;
  const key = neighbourKey(iface, senderIp);
  const entry = iface.node.neighbours.get(key);
  if (entry === undefined) {
    if (create) iface.node.neighbours.set(key, { mac: senderMac, updated: world.now, tries: 0, waiting: [] });
    return;
  }
  if (entry.mac === senderMac || entry.permanent === true) return;
  const gratuitous = sameIp(senderIp, targetIp);
  if (entry.mac !== undefined && !create && world.now - entry.updated <= lockTime && !gratuitous) return;
  entry.mac = senderMac;
  entry.updated = world.now;
  for (const waiting of entry.waiting.splice(0)) waiting();
}
