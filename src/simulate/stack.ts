// The IP stack of one namespace: receiving, routing, forwarding, answering; net/ipv4/{ip_input,route,ip_forward,icmp}.c
// as far as a ping, a datagram or the beginning of a TCP connection goes.
import { type Ip, type Prefix, prefixContains, sameIp } from '../model/ip.ts';
import { isGroupMac, type Mac } from '../model/mac.ts';
import { echoReply, tcpSegment } from '../packet/build.ts';
import { encodePacket, type Packet } from '../packet/packet.ts';
import { sendByBridge, transmit } from './bridge.ts';
import { type Connection, Conntrack } from './conntrack.ts';
import { receiveArp, resolve } from './neighbour.ts';
import { type Iface, isOwn, type Node, type Skb, type World } from './world.ts';

/** A frame has arrived at an interface that is no bridge port, or at a bridge device by a port with this MAC. */
export function receiveOnStack(world: World, iface: Iface, skb: Skb, portMac?: Mac): void {
  const { destination } = skb.packet.ether;
  const forHere = destination === iface.mac || destination === portMac || isGroupMac(destination);
  world.received(iface, skb, forHere);
  if (!forHere) world.lost(iface.node, skb, 'other-host');
  else if (skb.packet.payload.kind === 'arp') receiveArp(world, iface, skb.packet.payload);
  else if (skb.packet.payload.kind === 'ip4') receiveIp(world, iface, skb);
}

function receiveIp(world: World, iface: Iface, skb: Skb): void {
  const { node } = iface;
  const seen = skb.connection === undefined ? tracked(world, node, skb) : skb;
  // ip_sabotage_in: what came over a bridge has been at PREROUTING already
  if (skb.bridgeInfo === undefined && !world.decide(node, 'ip', 'prerouting', seen, iface)) return;
  routeIn(world, iface, seen);
}

/** ip_route_input_slow: impossible senders first, own addresses as sender only when there is a way at all. */
function routeIn(world: World, iface: Iface, skb: Skb): void {
  const { node } = iface;
  const { source, destination } = headers(skb.packet);
  const local = isOwn(node, destination) || isBroadcast(node, destination);
  if (isImpossible(source, destination)) world.lost(node, skb, 'martian-source');
  else if (!local && isGroupMac(skb.packet.ether.destination)) world.lost(node, skb, 'no-forwarding');
  else if (!local && node.sysctls['net.ipv4.ip_forward'] !== '1') world.lost(node, skb, 'no-forwarding');
  else if (!local && routeTo(node, destination) === undefined) unreachable(world, node, skb);
  else if (isOwn(node, source) && iface.name !== loopback) world.lost(node, skb, 'martian-source');
  else if (local) deliver(world, iface, skb);
  else forwardIp(world, iface, skb);
}

function unreachable(world: World, node: Node, skb: Skb): void {
  world.lost(node, skb, 'no-route');
  if (takeToken(node.routeErrors, headers(skb.packet).source, world.now))
    sendError(world, node, skb, { type: 3, code: 0 });
}

/** ip_error() in net/ipv4/route.c: a sender hears of five packets without a way at once, then of one a second. */
function takeToken(buckets: Node['routeErrors'], { bits }: Ip, now: number): boolean {
  const { tokens, at } = buckets.get(bits) ?? { tokens: errorBurst, at: now };
  const filled = Math.min(errorBurst, tokens + (now - at) / 1_000_000);
  buckets.set(bits, { tokens: filled >= 1 ? filled - 1 : filled, at: now });
  return filled >= 1;
}

const errorBurst = 5;

function tracked(world: World, node: Node, skb: Skb): Skb {
  return node.firewall === undefined ? skb : { ...skb, connection: node.conntrack.track(skb.packet, world.now) };
}

function headers({ payload }: Packet): { readonly source: Ip; readonly destination: Ip; readonly ttl: number } {
  if (payload.kind !== 'ip4') throw new Error('not an IPv4 packet');
  return payload.ip;
}

/** Addresses that nobody can send from; 0.0.0.0 is somebody without an address, who speaks to everybody. */
function isImpossible(source: Ip, destination: Ip): boolean {
  const first = source.bits >> 24n;
  return first >= 224n || first === 127n || (first === 0n && destination.bits !== 0xffff_ffffn);
}

/** 255.255.255.255, and the broadcast address of every network that the node is in. */
function isBroadcast(node: Node, ip: Ip): boolean {
  if (ip.bits === 0xffff_ffffn) return true;
  return [...node.ifaces.values()].some(({ addresses }) =>
    addresses.some((address) => sameIp(broadcastOf(address), ip)),
  );
}

function broadcastOf(prefix: Prefix): Ip {
  const hosts = (1n << BigInt(32 - prefix.length)) - 1n;
  return { family: 4, bits: prefix.length > 30 ? -1n : prefix.bits | hosts };
}

function deliver(world: World, iface: Iface, skb: Skb): void {
  const { node } = iface;
  if (!world.decide(node, 'ip', 'input', skb, iface)) return;
  if (skb.connection !== undefined) node.conntrack.confirm(skb.connection);
  answer(world, iface, skb);
}

function forwardIp(world: World, iface: Iface, skb: Skb): void {
  const { node } = iface;
  const { destination, ttl } = headers(skb.packet);
  const way = routeTo(node, destination);
  if (way === undefined) return;
  if (ttl <= 1) {
    world.lost(node, skb, 'ttl-exceeded');
    sendError(world, node, skb, { type: 11, code: 0 });
    return;
  }
  const routed: Skb = { ...skb, packet: withTtl(skb.packet, ttl - 1) };
  if (world.decide(node, 'ip', 'forward', routed, iface, way.iface)) leave(world, way, routed, iface);
}

function withTtl(packet: Packet, ttl: number): Packet {
  if (packet.payload.kind !== 'ip4') return packet;
  return { ...packet, payload: { ...packet.payload, ip: { ...packet.payload.ip, ttl } } };
}

type Way = { readonly iface: Iface; readonly nextHop: Ip; readonly source: Ip | undefined };

/** The longest prefix wins, connected networks among them. */
export function routeTo(node: Node, destination: Ip): Way | undefined {
  const connected = [...node.ifaces.values()].flatMap((iface) =>
    iface.addresses.map((address) => ({ iface, to: address, nextHop: destination, source: address })),
  );
  const routes = node.routes.flatMap(({ to, via, dev }) => {
    const iface = node.ifaces.get(dev);
    const next = via ?? destination;
    return iface === undefined ? [] : [{ iface, to, nextHop: next, source: sourceOn(iface, next) }];
  });
  const [best] = [...connected, ...routes]
    .filter(({ to }) => prefixContains(to, destination))
    .sort((a, b) => b.to.length - a.to.length);
  return best;
}

function sourceOn(iface: Iface, nextHop: Ip): Ip | undefined {
  return iface.addresses.find((address) => prefixContains(address, nextHop)) ?? iface.addresses[0];
}

/** POSTROUTING, the neighbour's MAC, and out. */
function leave(world: World, { iface, nextHop }: Way, skb: Skb, from?: Iface): void {
  const { node } = iface;
  if (!world.decide(node, 'ip', 'postrouting', skb, from, iface)) return;
  if (skb.connection !== undefined) node.conntrack.confirm(skb.connection);
  const source = headers(skb.packet).source;
  const failed = (): void => {
    world.lost(node, skb, 'no-neighbour');
    if (from !== undefined) sendError(world, node, skb, { type: 3, code: 1 });
  };
  resolve(world, iface, nextHop, source, (mac) => sendTo(world, iface, mac, skb), failed);
}

function sendTo(world: World, iface: Iface, mac: Mac, skb: Skb): void {
  const ether = { ...skb.packet.ether, source: iface.mac, destination: mac };
  emit(world, iface, { ...skb, packet: { ...skb.packet, ether } });
}

/** Out of any interface: through the bridge if it is one. */
export function emit(world: World, iface: Iface, skb: Skb): void {
  const bridge = iface.isBridge ? iface.node.bridges.get(iface.name) : undefined;
  if (bridge === undefined) transmit(world, iface, skb);
  else sendByBridge(world, bridge, skb);
}

/** A packet of the node itself; its Ethernet header is written when the neighbour is known. */
export function sendFrom(world: World, node: Node, packet: Packet, connection?: Connection): void {
  const bare = world.skb(packet);
  const skb = connection === undefined ? tracked(world, node, bare) : { ...bare, connection };
  const { destination } = headers(packet);
  if (isOwn(node, destination)) {
    sendToSelf(world, node, skb);
    return;
  }
  const way = routeTo(node, destination);
  if (way === undefined) world.lost(node, skb, 'no-route');
  else if (world.decide(node, 'ip', 'output', skb, undefined, way.iface)) leave(world, way, skb);
}

const loopback = 'lo';

/** By the loopback device, whose frames have no addresses; the connection stays with the packet. */
function sendToSelf(world: World, node: Node, skb: Skb): void {
  const lo: Iface = { node, name: loopback, mac: 0, addresses: [], isBridge: false };
  if (!world.decide(node, 'ip', 'output', skb, undefined, lo)) return;
  if (!world.decide(node, 'ip', 'postrouting', skb, undefined, lo)) return;
  if (skb.connection !== undefined) node.conntrack.confirm(skb.connection);
  world.later(1, () => receiveIp(world, lo, skb));
}

const noEther = { source: 0, destination: 0 };

function answer(world: World, iface: Iface, skb: Skb): void {
  const { node } = iface;
  const { packet } = skb;
  const { payload } = packet;
  if (payload.kind !== 'ip4') return;
  const { ip, transport } = payload;
  const back = { ether: noEther, source: ip.destination, destination: ip.source };
  const unicast = isOwn(node, ip.destination);
  switch (transport.kind) {
    case 'icmp': {
      if (transport.type === 8) {
        // icmp_echo_ignore_broadcasts is on by default
        if (!unicast) return;
        const echo = {
          id: Math.floor(transport.rest / 65_536),
          sequence: transport.rest % 65_536,
          data: transport.data,
        };
        sendFrom(world, node, echoReply({ ...back, ...echo, ip: { tos: ip.tos } }));
      }
      if (transport.type === 3) node.expecting.get('error')?.(packet);
      if (transport.type === 0) node.expecting.get(`echo ${transport.rest}`)?.(packet);
      return;
    }
    case 'tcp':
      if (unicast) answerTcp(world, node, packet);
      return;
    case 'udp':
      if (unicast && !node.expecting.has(`udp ${transport.dport}`)) sendError(world, node, skb, { type: 3, code: 3 });
      return;
    case 'bytes':
      if (unicast) sendError(world, node, skb, { type: 3, code: 2 });
      return;
  }
}

/** What Linux puts into a SYN: MSS, SACK permitted, time stamps, window scale; 20 octets. */
export const synOptions = Uint8Array.of(2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7);

/** SYN to a listening port is answered, one to a closed port is reset; a waiting socket gets the rest. */
function answerTcp(world: World, node: Node, packet: Packet): void {
  const { payload } = packet;
  if (payload.kind !== 'ip4' || payload.transport.kind !== 'tcp') return;
  const { ip, transport } = payload;
  const waiting = node.expecting.get(`tcp ${transport.dport}`);
  if (waiting !== undefined) {
    waiting(packet);
    return;
  }
  const { flags, sequence, acknowledgement, sport, dport } = transport;
  const back = { ether: noEther, source: ip.destination, destination: ip.source, sport: dport, dport: sport };
  const isSyn = flags.includes('syn') && !flags.includes('ack');
  if (node.listening.has(dport)) {
    if (isSyn)
      sendFrom(
        world,
        node,
        tcpSegment({ ...back, flags: ['syn', 'ack'], sequence: 1, acknowledgement: sequence + 1, options: synOptions }),
      );
    return;
  }
  if (flags.includes('rst')) return;
  const reset = flags.includes('ack')
    ? { flags: ['rst'] as const, sequence: acknowledgement }
    : { flags: ['rst', 'ack'] as const, sequence: 0, acknowledgement: sequence + 1 };
  sendFrom(world, node, tcpSegment({ ...back, ...reset, window: 0 }));
}

/** net/ipv4/icmp.c, icmp_send: never about an error, a broadcast or a later fragment. */
function sendError(world: World, node: Node, cause: Skb, { type, code }: { type: number; code: number }): void {
  const about = cause.packet;
  if (about.payload.kind !== 'ip4') return;
  const { ip, transport } = about.payload;
  const isError = transport.kind === 'icmp' && [3, 4, 5, 11, 12].includes(transport.type);
  if (isError || isGroupMac(about.ether.destination) || ip.fragmentOffset > 0) return;
  const way = routeTo(node, ip.source);
  const source = isOwn(node, ip.destination) ? ip.destination : way?.source;
  if (source === undefined) return;
  const data = encodePacket(about).subarray(14, 14 + 548);
  const error: Packet = {
    ether: { ...noEther, type: 0x0800 },
    payload: {
      kind: 'ip4',
      // the precedence bits, and internetwork control for errors (RFC 1812 section 4.3.2.5)
      ip: {
        ...ip,
        options: new Uint8Array(),
        source,
        destination: ip.source,
        protocol: 1,
        ttl: 64,
        tos: (ip.tos & 0x1e) | 0xc0,
        id: 0,
        dontFragment: false,
      },
      transport: { kind: 'icmp', type, code, rest: 0, data },
    },
  };
  sendFrom(world, node, error, Conntrack.errorAbout(cause));
}

/** A frame by a raw socket: past the stack and its rules, but through the bridge if the interface is one. */
export function emitRaw(world: World, iface: Iface, packet: Packet): void {
  emit(world, iface, world.skb(packet));
}
