// Performs a scenario in a world and says what each step caused.
import { printMac } from '../model/mac.ts';
import { unreachable } from '../model/unreachable.ts';
import { echoRequest, tcpSegment, udpDatagram } from '../packet/build.ts';
import { patience, type Step, type StepResult } from './scenario.ts';
import { emitRaw, routeTo, sendFrom, synOptions } from './stack.ts';
import { neighbourKey, type World } from './world.ts';

export function performAll(world: World, steps: readonly Step[]): readonly StepResult[] {
  return steps.map((step) => perform(world, step));
}

export function perform(world: World, step: Step): StepResult {
  const before = world.events.length;
  const outcome = run(world, step);
  const events = world.events.slice(before);
  return {
    outcome,
    lines: events.flatMap((event) => (event.kind === 'log' ? [event.text] : [])),
    arrivals: events.flatMap((event) =>
      event.kind === 'received' && event.forHere
        ? [{ node: event.node, ifname: event.ifname, frame: event.frame }]
        : [],
    ),
  };
}

function run(world: World, step: Step): string {
  switch (step.kind) {
    case 'ping':
      return ping(world, step);
    case 'connect':
      return connect(world, step);
    case 'datagram':
      return datagram(world, step);
    case 'inject':
      for (const packet of step.frames) {
        emitRaw(world, world.iface(step.node, step.ifname), packet);
        world.runUntil(world.now + 10_000);
      }
      return 'done';
    case 'neighbour': {
      const iface = world.iface(step.node, step.ifname);
      const mac = iface.node.neighbours.get(neighbourKey(iface, step.ip))?.mac;
      return mac === undefined ? 'none' : printMac(mac);
    }
    case 'listen':
      world.node(step.node).listening.add(step.port);
      return 'done';
    case 'forget':
      for (const { neighbours } of world.nodes.values()) neighbours.clear();
      return 'done';
    case 'wait':
      world.runUntil(world.now + step.us);
      return 'done';
    default:
      return unreachable(step);
  }
}

const noEther = { source: 0, destination: 0 };

function ping(world: World, { node: name, to, ident, sequence }: Extract<Step, { kind: 'ping' }>): string {
  const node = world.node(name);
  const source = routeTo(node, to)?.source;
  if (source === undefined) return 'silent';
  let outcome = 'silent';
  const key = `echo ${ident * 65_536 + sequence}`;
  node.expecting.set(key, () => {
    outcome = 'answered';
  });
  sendFrom(world, node, echoRequest({ ether: noEther, source, destination: to, id: ident, sequence }));
  world.runUntil(world.now + patience);
  node.expecting.delete(key);
  return outcome;
}

/** `refused` when an ICMP error about the datagram comes back. */
function datagram(world: World, { node: name, to, sport, dport }: Extract<Step, { kind: 'datagram' }>): string {
  const node = world.node(name);
  const source = routeTo(node, to)?.source;
  if (source === undefined) return 'silent';
  let outcome = 'silent';
  node.expecting.set('error', () => {
    outcome = 'refused';
  });
  sendFrom(
    world,
    node,
    udpDatagram({ ether: noEther, source, destination: to, sport, dport, data: new Uint8Array(4) }),
  );
  world.runUntil(world.now + patience);
  node.expecting.delete('error');
  return outcome;
}

function connect(world: World, { node: name, to, sport, dport }: Extract<Step, { kind: 'connect' }>): string {
  const node = world.node(name);
  const source = routeTo(node, to)?.source;
  if (source === undefined) return 'silent';
  let outcome = 'silent';
  const ends = { ether: noEther, source, destination: to, sport, dport };
  node.expecting.set(`tcp ${sport}`, ({ payload }) => {
    if (payload.kind !== 'ip4' || payload.transport.kind !== 'tcp' || outcome !== 'silent') return;
    const { flags, sequence } = payload.transport;
    outcome = flags.includes('rst') ? 'refused' : 'connected';
    const numbers = { sequence: 1, acknowledgement: sequence + 1 };
    if (outcome === 'connected') sendFrom(world, node, tcpSegment({ ...ends, ...numbers, flags: ['ack'] }));
  });
  sendFrom(world, node, tcpSegment({ ...ends, flags: ['syn'], options: synOptions }));
  world.runUntil(world.now + patience);
  node.expecting.delete(`tcp ${sport}`);
  return outcome;
}
