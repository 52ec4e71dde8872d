// What bench/apply.ts measures, as a process in a network namespace of its own:
//     apply STATE GUESTS BRIDGES      loads and confirms the rules of a synthetic host
//     rules STATE GUESTS BRIDGES      prints them
//     follow STATE GUESTS BRIDGES     lets guests of it stop and start, and prints what that cost as JSON
import { setTimeout as sleep } from 'node:timers/promises';
import { applyTarget } from '../src/apply/live/apply.ts';
import { Following } from '../src/apply/live/following.ts';
import { readNumbering } from '../src/apply/live/state.ts';
import { bootStep } from '../src/apply/loaded.ts';
import { type Target, targetOfText } from '../src/apply/target.ts';
import { local } from '../src/machine/access.ts';
import type { Host } from '../src/model/host.ts';
import { Relay } from '../src/netlink/relay.ts';
import { relayScript } from '../src/netlink/relay-script.ts';
import { parseHost } from '../src/topology/host-file.ts';
import { hostOf, textsOf } from './hosts.ts';
import { cpuMs } from './process-cost.ts';

const [what, state = '', guests = '', bridges = ''] = process.argv.slice(2);
const site = { access: local, state, command: 'bench' };
const rounds = 20;
/** For what is done when it is quiet. */
const quietMs = 1_500;

function target(): Target {
  const texts = textsOf(hostOf(Number(guests), Number(bridges)));
  const host = parseHost(texts.host, 'host.yaml').value;
  const written = { backend: 'nft', arp: 'bound', policyFile: 'policy.yaml', policyText: texts.policy } as const;
  const made = host && targetOfText(written, host, readNumbering(state)).value;
  if (made === undefined) throw new Error('the synthetic host does not compile');
  return made;
}

/** As the daemon has it: what changes single guests needs no `nft`. */
async function startRelay(): Promise<{ readonly relay: Relay; readonly stop: () => void }> {
  const child = local.start('perl', ['-e', relayScript]);
  const relay = new Relay({ ready: () => undefined, heard: () => undefined, lost: () => undefined });
  relay.attach({ write: (octets) => child.stdin.write(octets), kill: () => child.kill('SIGKILL') });
  child.stdout.on('data', (chunk: Buffer) => relay.hear(chunk));
  while (!(await relay.change([]))) await sleep(10);
  return { relay, stop: () => child.stdin.end() };
}

type Cost = { readonly ownMs: number; readonly childrenMs: number };

async function cost(action: () => Promise<unknown>): Promise<Cost> {
  const before = cpuMs(process.pid);
  const own = process.cpuUsage();
  await action();
  const { user, system } = process.cpuUsage(own);
  const after = cpuMs(process.pid);
  return { ownMs: (user + system) / 1000, childrenMs: after.all - after.own - (before.all - before.own) };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

async function follow(): Promise<void> {
  const { host } = hostOf(Number(guests), Number(bridges));
  const { relay, stop } = await startRelay();
  const following = new Following(site, undefined, (changes) => relay.change(changes));
  const whole = await cost(() => following.refresh(host));
  await sleep(quietMs);
  const stops: Cost[] = [];
  const starts: Cost[] = [];
  for (let round = 0; round < rounds; round++) {
    const name = `v${Math.floor((round * Number(guests)) / rounds) + 7}`;
    const less = withoutPort(host, name);
    stops.push(await cost(() => stepped(following, less)));
    starts.push(await cost(() => stepped(following, host)));
  }
  await following.settle();
  stop();
  await sleep(quietMs);
  const steps = [...stops, ...starts];
  console.log(
    JSON.stringify({
      wholeMs: whole.ownMs + whole.childrenMs,
      firstMs: stops[0]?.ownMs,
      stopMs: median(stops.map(({ ownMs }) => ownMs)),
      startMs: median(starts.map(({ ownMs }) => ownMs)),
      kernelMs: mean(steps.map((step) => step.childrenMs)),
      rssMib: process.memoryUsage().rss / 2 ** 20,
      peakMib: process.resourceUsage().maxRSS / 2 ** 10,
    }),
  );
}

/** A step that was none would be a figure of something else. */
async function stepped(following: Following, host: Host): Promise<void> {
  const followed = await following.refresh(host);
  if (followed?.changed !== true || followed.ground !== undefined) throw new Error('not followed by a step');
}

function withoutPort(host: Host, gone: string): Host {
  return {
    ...host,
    bridges: host.bridges.map((bridge) => ({ ...bridge, ports: bridge.ports.filter(({ name }) => name !== gone) })),
  };
}

if (what === 'apply') await applyTarget(site, target(), {});
else if (what === 'rules') process.stdout.write(bootStep(target().ruleset).text);
else await follow();
