// A frame's way through a bridge: net/bridge/br_input.c, br_forward.c, br_device.c, and net/bridge/br_netfilter_hooks.c
// in between. Learning comes after bridge PREROUTING and before FORWARD.
import { isGroupMac, type Mac } from '../model/mac.ts';
import { receiveOnStack } from './stack.ts';
import type { BridgeState, Iface, Node, Skb, World } from './world.ts';

/** net/bridge/br.c: entries that were not renewed for 300 s are gone. */
const ageing = 300_000_000;

/** 01:80:c2:00:00:0x is for the bridge itself and never forwarded (IEEE 802.1D, group_fwd_mask 0). */
const linkLocalFirst = 0x0180_c200_0000;

function receiveFrame(world: World, iface: Iface, skb: Skb): void {
  if (iface.master === undefined) {
    receiveOnStack(world, iface, skb);
    return;
  }
  const bridge = iface.node.bridges.get(iface.master);
  if (bridge === undefined) throw new Error(`'${iface.master}' is no bridge`);
  const { source, destination } = skb.packet.ether;
  if (isGroupMac(source)) world.lost(iface.node, skb, 'group-source');
  else if (destination >= linkLocalFirst && destination <= linkLocalFirst + 0xf)
    world.lost(iface.node, skb, 'link-local');
  else bridgePrerouting(world, bridge, iface, skb);
}

function bridgePrerouting(world: World, bridge: BridgeState, port: Iface, skb: Skb): void {
  const { node } = port;
  if (!world.decide(node, 'bridge', 'prerouting', skb, port)) return;
  const seen = ipPrerouting(world, bridge, port, skb);
  if (seen !== undefined) forwardOrDeliver(world, bridge, port, seen);
}

/** What br_netfilter does at bridge PREROUTING; frames that are not IPv4 go on as they are. */
function ipPrerouting(world: World, bridge: BridgeState, port: Iface, skb: Skb): Skb | undefined {
  const { node } = port;
  if (skb.packet.ether.type !== 0x0800 || !callsIptables(node)) return skb;
  if (skb.packet.payload.kind !== 'ip4') {
    world.lost(node, skb, 'malformed');
    return undefined;
  }
  const connection = node.conntrack.track(skb.packet, world.now);
  const seen: Skb = { ...skb, connection, bridgeInfo: { physin: port.name } };
  return world.decide(node, 'ip', 'prerouting', seen, bridge.device) ? seen : undefined;
}

function callsIptables(node: Node): boolean {
  return node.firewall !== undefined && node.sysctls['net.bridge.bridge-nf-call-iptables'] !== '0';
}

function forwardOrDeliver(world: World, bridge: BridgeState, port: Iface, skb: Skb): void {
  const { source, destination } = skb.packet.ether;
  if (!isLocal(bridge, source)) bridge.fdb.set(source, { port, learned: world.now });
  if (isGroupMac(destination)) {
    flood(world, bridge, port, skb);
    deliverLocally(world, bridge, port, skb);
  } else if (isLocal(bridge, destination)) {
    deliverLocally(world, bridge, port, skb);
  } else {
    const known = knownPort(world, bridge, destination);
    if (known === undefined) flood(world, bridge, port, skb);
    else if (known === port) world.lost(port.node, skb, 'same-port');
    else forward(world, bridge, port, known, skb);
  }
}

/** The bridge's own MAC and those of its ports lead to the host. */
function isLocal({ device, ports }: BridgeState, mac: Mac): boolean {
  return device.mac === mac || ports.some((port) => port.mac === mac);
}

function knownPort(world: World, { fdb }: BridgeState, mac: Mac): Iface | undefined {
  const entry = fdb.get(mac);
  if (entry === undefined || world.now - entry.learned > ageing) return undefined;
  return entry.port;
}

/** Last enslaved first: the kernel puts new ports at the head of its list. */
function flood(world: World, bridge: BridgeState, from: Iface, skb: Skb): void {
  for (const port of bridge.ports.toReversed()) if (port !== from) forward(world, bridge, from, port, skb);
}

function forward(world: World, bridge: BridgeState, from: Iface, out: Iface, skb: Skb): void {
  const { node } = out;
  const physin = skb.bridgeInfo?.physin;
  if (!world.decide(node, 'bridge', 'forward', skb, from, out)) return;
  if (physin === undefined || skb.packet.payload.kind !== 'ip4') {
    if (world.decide(node, 'bridge', 'postrouting', skb, undefined, out)) transmit(world, out, skb);
    return;
  }
  const seen: Skb = { ...skb, bridgeInfo: { physin, physout: out.name } };
  if (!world.decide(node, 'ip', 'forward', seen, bridge.device, bridge.device)) return;
  if (!world.decide(node, 'bridge', 'postrouting', seen, undefined, out)) return;
  if (!world.decide(node, 'ip', 'postrouting', seen, undefined, bridge.device)) return;
  if (seen.connection !== undefined) node.conntrack.confirm(seen.connection);
  transmit(world, out, skb);
}

/** br_pass_frame_up: to the host's own stack, which does not run PREROUTING a second time. */
function deliverLocally(world: World, bridge: BridgeState, port: Iface, skb: Skb): void {
  if (!world.decide(port.node, 'bridge', 'input', skb, port)) return;
  // br_nf_local_in: a frame to everybody is confirmed here, whatever INPUT will say of it
  if (isGroupMac(skb.packet.ether.destination) && skb.connection !== undefined)
    port.node.conntrack.confirm(skb.connection);
  receiveOnStack(world, bridge.device, skb, port.mac);
}

/** A frame of the host itself, or one that it routed, leaves by the bridge device (br_device.c, br_dev_xmit). */
export function sendByBridge(world: World, bridge: BridgeState, skb: Skb): void {
  for (const port of portsTowards(world, bridge, skb.packet.ether.destination)) {
    if (!world.decide(port.node, 'bridge', 'output', skb, undefined, port)) continue;
    if (world.decide(port.node, 'bridge', 'postrouting', skb, undefined, port)) transmit(world, port, skb);
  }
}

/** The entry of the bridge's own MAC leads to no port, those of its ports' MACs to the port. */
function portsTowards(world: World, bridge: BridgeState, destination: Mac): readonly Iface[] {
  if (isGroupMac(destination)) return bridge.ports.toReversed();
  if (destination === bridge.device.mac) return [];
  const known = bridge.ports.find(({ mac }) => mac === destination) ?? knownPort(world, bridge, destination);
  return known === undefined ? bridge.ports.toReversed() : [known];
}

/** Out of an interface that is no bridge: by its cable, if it has one. */
export function transmit(world: World, out: Iface, skb: Skb): void {
  if (out.peer === undefined) return;
  world.sent(out, skb);
  world.cross(out.peer, skb, (peer, arrived) => receiveFrame(world, peer, arrived));
}
