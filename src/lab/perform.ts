// Performs a scenario on the real kernel: the twin of simulate/perform.ts.
import { setTimeout as sleep } from 'node:timers/promises';
import { sameIp } from '../model/ip.ts';
import { printMac } from '../model/mac.ts';
import type { Scene } from '../model/scene.ts';
import { unreachable } from '../model/unreachable.ts';
import { encodePacket } from '../packet/packet.ts';
import { type Arrival, patience, type Step, type StepResult } from '../simulate/scenario.ts';
import type { Agent } from './agent.ts';
import type { KernelLog, Marker } from './kernel-log.ts';
import type { Lab } from './namespaces.ts';
import { identsPerSlot, portsPerSlot, type Slot } from './registry.ts';

export type Stage = {
  readonly lab: Lab;
  readonly scene: Scene;
  readonly log: KernelLog;
  readonly slot: Slot;
  readonly signal: AbortSignal;
};

const frameGapMs = 10;

/** What is awaited may come late on a busy machine; what is not awaited must not come within the usual patience. */
const longPatienceMs = 3_000;
const pollMs = 20;

/**
 * Performs the steps in turn. What the simulator expects decides only how long to wait for it: a busy machine is slow,
 * and that is no difference. @throws KernelLogOverrun when lines were lost
 */
export async function performAll(
  stage: Stage,
  steps: readonly Step[],
  expected: readonly StepResult[],
): Promise<readonly StepResult[]> {
  const results: StepResult[] = [];
  let mark = await stage.log.mark();
  for (const [index, step] of steps.entries()) {
    stage.signal.throwIfAborted();
    const prediction = expected[index];
    if (prediction === undefined) throw new Error(`step ${index} has no prediction`);
    const { after, ...result } = await perform(stage, step, prediction, mark);
    results.push(result);
    mark = after;
  }
  return results;
}

/** What comes later than expected belongs to the next step: no line falls between two marks. */
async function perform(
  stage: Stage,
  step: Step,
  expected: StepResult,
  before: Marker,
): Promise<StepResult & { readonly after: Marker }> {
  const timeoutMs = expected.outcome === 'silent' ? patience / 1000 : longPatienceMs;
  const outcome = await run(stage, step, expected, timeoutMs);
  const { lines, after } = await linesSince(stage, before, expected.lines.length);
  return { outcome, lines, after, arrivals: hasTraffic(step) ? await arrivals(stage) : [] };
}

type Lines = { readonly lines: readonly string[]; readonly after: Marker };

/** Our lines since the mark; as many as are expected, or those that there are after a while. */
async function linesSince({ log, slot }: Stage, before: Marker, expected: number): Promise<Lines> {
  const deadline = Date.now() + longPatienceMs;
  for (;;) {
    const after = await log.mark();
    const lines = log.linesBetween(before, after).flatMap(({ text }) => (isOurs(text, slot) ? [text] : []));
    if (lines.length >= expected || Date.now() > deadline) {
      log.forget(after);
      return { lines, after };
    }
    await sleep(pollMs);
  }
}

function hasTraffic({ kind }: Step): boolean {
  return kind === 'ping' || kind === 'connect' || kind === 'inject';
}

/** By a MAC of this lab; a line of the host's own packet has none, so its identifier or source port must be ours. */
export function isOurs(line: string, { firstMac, firstIdent, firstPort }: Slot): boolean {
  const hasMacs = line.includes('MAC=') && !line.includes('MAC=00:00:00:00:00:00:00:00:00:00:00:00:');
  if (hasMacs || line.includes('MACSRC=')) return line.includes(printMac(firstMac).slice(0, 9));
  const within = (pattern: RegExp, first: number, count: number): boolean =>
    [...line.matchAll(pattern)].some(([, text]) => Number(text) >= first && Number(text) < first + count);
  // a quoted packet has ports or an identifier too; what IP calls ID is something else
  return (
    within(/ CODE=\d+ ID=(\d+) SEQ=/g, firstIdent, identsPerSlot) || within(/ [SD]PT=(\d+)/g, firstPort, portsPerSlot)
  );
}

async function run({ lab, scene }: Stage, step: Step, expected: StepResult, timeoutMs: number): Promise<string> {
  switch (step.kind) {
    case 'ping': {
      const echo = { address: step.to, ident: step.ident, sequence: step.sequence };
      const { answered } = await lab.node(step.node).ping(echo, { timeoutMs });
      return answered ? 'answered' : 'silent';
    }
    case 'connect': {
      const connection = { address: step.to, port: step.dport, sport: step.sport };
      const result = await lab.node(step.node).tcpConnect(connection, { timeoutMs });
      return result === 'timeout' || result === 'unreachable' ? 'silent' : result;
    }
    case 'datagram':
      return datagram(lab.node(step.node), step, timeoutMs);
    case 'inject': {
      const frames = step.frames.map((packet) => ({ ifname: step.ifname, bytes: encodePacket(packet) }));
      await lab.node(step.node).send(frames, frameGapMs);
      await sleep(frameGapMs);
      return 'done';
    }
    case 'neighbour':
      return neighbour(lab.node(step.node), step, expected.outcome);
    case 'listen':
      await lab.node(step.node).tcpServe(step.port);
      return 'done';
    case 'forget':
      await Promise.all(scene.nodes.map(({ name }) => lab.node(name).output(['ip', 'neigh', 'flush', 'all'])));
      return 'done';
    case 'wait':
      await sleep(step.us / 1000);
      return 'done';
    default:
      return unreachable(step);
  }
}

/** The cache says what is expected, or what it says after a while. */
async function neighbour(
  agent: Agent,
  { ifname: wanted, ip }: Extract<Step, { kind: 'neighbour' }>,
  expected: string,
): Promise<string> {
  const deadline = Date.now() + patience / 1000;
  for (;;) {
    const entry = (await agent.neighbours()).find(({ ifname, address }) => ifname === wanted && sameIp(address, ip));
    const says = entry?.mac === undefined || entry.states.includes('FAILED') ? 'none' : printMac(entry.mac);
    if (says === expected || Date.now() > deadline) return says;
    await sleep(pollMs);
  }
}

async function datagram(
  agent: Agent,
  { to, sport, dport }: Extract<Step, { kind: 'datagram' }>,
  timeoutMs: number,
): Promise<string> {
  return agent.udpSend({ address: to, port: dport, sport }, { timeoutMs });
}

/** What the opened cards received; frames for others are left out, as the simulator does. */
async function arrivals({ lab, scene }: Stage): Promise<readonly Arrival[]> {
  const captured = await Promise.all(
    scene.nodes.map(async ({ name, interfaces }) => {
      const { frames } = await lab.node(name).captured();
      return frames
        .filter(({ ifname, bytes }) => isForMe(bytes, interfaces.find((one) => one.name === ifname)?.mac))
        .map(({ ifname, bytes }) => ({ node: name, ifname, frame: bytes }));
    }),
  );
  return captured.flat();
}

function isForMe(frame: Uint8Array, mac: number | undefined): boolean {
  const destination = frame.subarray(0, 6).reduce((bits, octet) => bits * 256 + octet, 0);
  return destination === mac || (frame[0] ?? 0) % 2 === 1;
}
