// A hop through the hooks of a ruleset, as the kernel runs them: bridge tables see ports, ip tables see the bridge and,
// in iptables, the ports beside it.
import type { CtState } from '../../src/model/match.ts';
import type { HookName } from '../../src/model/ruleset.ts';
import type { Decision } from '../../src/model/trace.ts';
import type { Packet, Transport } from '../../src/packet/packet.ts';
import type { Firewall } from '../../src/simulate/evaluate.ts';
import type { View } from '../../src/simulate/view.ts';
import type { PlainHop, PlainPacket } from './plain-meaning.ts';

export type HopDecisions = {
  /** Of bridge prerouting, and of bridge forward or bridge input. */
  readonly bridge: Decision;
  /** Of the hook of the ip family. */
  readonly ip: Decision;
};

type Ways = Omit<View, 'packet' | 'mark' | 'ctState'>;

const passed: Decision = { verdict: 'accept' };

export function decideHop(firewall: Firewall, hop: PlainHop, packet: PlainPacket, ctState: CtState): HopDecisions {
  const frame = frameOf(packet);
  const run = (family: 'bridge' | 'ip', hook: HookName, ways: Ways): Decision =>
    firewall.decide(family, hook, { packet: frame, mark: 0, ctState, ...ways }, 0, () => {});
  const first = (port: string) => run('bridge', 'prerouting', { iif: port });
  const up = (port: string | undefined): Decision => {
    if (port === undefined) return passed;
    const before = first(port);
    return before.verdict === 'drop' ? before : run('bridge', 'input', { iif: port });
  };
  const physin = (port: string | undefined) => (port === undefined ? {} : { bridgeInfo: { physin: port } });
  switch (hop.kind) {
    case 'bridged': {
      const before = first(hop.in);
      const ports = { physin: hop.in, physout: hop.out };
      return {
        bridge: before.verdict === 'drop' ? before : run('bridge', 'forward', { iif: hop.in, oif: hop.out }),
        ip: run('ip', 'forward', { iif: hop.bridge, oif: hop.bridge, bridgeInfo: ports }),
      };
    }
    case 'input':
      return { bridge: up(hop.port), ip: run('ip', 'input', { iif: hop.iif, ...physin(hop.port) }) };
    case 'routed':
      return {
        bridge: up(hop.port),
        ip: run('ip', 'forward', { iif: hop.iif, oif: hop.oif, ...physin(hop.port) }),
      };
    case 'output':
      return { bridge: passed, ip: run('ip', 'output', { oif: hop.oif }) };
  }
}

/** Bridge output: a frame of the host's own, or one that it routed, out of a port of a bridge. */
export function decideLeave(firewall: Firewall, port: string, packet: PlainPacket, ctState: CtState): Decision {
  const view = { packet: frameOf(packet), mark: 0, ctState, oif: port };
  return firewall.decide('bridge', 'output', view, 0, () => {});
}

const elsewhere = 0x02_00_00_00_00_99;

/** Bits of a frame that no rule asks for. */
const rest = {
  ttl: 64,
  tos: 0,
  id: 0,
  dontFragment: false,
  moreFragments: false,
  fragmentOffset: 0,
  options: new Uint8Array(),
};

function frameOf(packet: PlainPacket): Packet {
  const { mac, toMac = elsewhere, source, destination, protocol } = packet;
  const ip = { ...rest, source, destination, protocol };
  return {
    ether: { source: mac, destination: toMac, type: 0x0800 },
    payload: { kind: 'ip4', ip, transport: transportOf(packet) },
  };
}

function transportOf({ protocol, sport = 0, dport = 0, flags = [], type = 0, code = 0 }: PlainPacket): Transport {
  const data = new Uint8Array();
  switch (protocol) {
    case 1:
      return { kind: 'icmp', type, code, rest: 0, data };
    case 6:
      return {
        kind: 'tcp',
        ...{ sport, dport, flags, sequence: 0, acknowledgement: 0, window: 1, urgent: 0 },
        options: data,
        data,
      };
    case 17:
      return { kind: 'udp', sport, dport, data };
    default:
      return { kind: 'bytes', bytes: data };
  }
}
