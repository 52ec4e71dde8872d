// Two guests on one bridge of a live host, each in a namespace of its own, and connections between them that go on.
import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { applyTarget } from '../../src/apply/live/apply.ts';
import { trackedFlows } from '../../src/apply/live/connections.ts';
import type { Site } from '../../src/apply/live/site.ts';
import { readNumbering } from '../../src/apply/live/state.ts';
import { type Target, targetOf } from '../../src/apply/target.ts';
import type { TrackedFlow } from '../../src/apply/tracked-flow.ts';
import type { Access } from '../../src/machine/access.ts';
import { printIp } from '../../src/model/ip.ts';
import type { Backend } from '../../src/model/ruleset.ts';
import { parsePolicy } from '../../src/policy/parse-policy.ts';
import { ended } from '../support/child.ts';
import { freshNamespace, mustRun, type Namespace } from '../support/namespace.ts';
import { hostWith, LiveHost } from './live-host.ts';

const cards = {
  web: { port: 'g1', ip: '10.0.0.11', mac: '52:54:00:00:00:11' },
  db: { port: 'g2', ip: '10.0.0.12', mac: '52:54:00:00:00:12' },
} as const;

export type GuestName = keyof typeof cards;

export function guestIp(name: GuestName): string {
  return cards[name].ip;
}

/** Lines under `allow:`, such as `web -> db tcp/22`. */
function talkPolicy(lines: readonly string[]): string {
  const allow = lines.map((line) => {
    const [from, , to, services = ''] = line.split(' ');
    return `  - { from: ${from}, to: ${to}, service: [${services}] }`;
  });
  const guests = Object.entries(cards).map(
    ([name, { port, ip, mac }]) => `  ${name}: { ip: ${ip}, port: ${port}, mac: "${mac}" }`,
  );
  return ['guests:', ...guests, 'allow:', ...allow, 'dhcp: none', ''].join('\n');
}

export type Said = { readonly sent: number; readonly echoed: number; readonly lost: number; readonly last: number };

/** One connection that says something every few milliseconds, and hears it again. */
export class Talk {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    this.#lines = createInterface(child.stdout);
  }

  static async begin(child: ChildProcessWithoutNullStreams): Promise<Talk> {
    const talk = new Talk(child);
    const [line] = await once(talk.#lines, 'line');
    assert.equal(line, 'ready');
    return talk;
  }

  async said(): Promise<Said> {
    const line = once(this.#lines, 'line');
    this.#child.stdin.write('\n');
    return JSON.parse((await line)[0]);
  }

  async end(): Promise<void> {
    const gone = ended(this.#child);
    this.#child.stdin.end();
    await gone;
  }
}

const script = join(import.meta.dirname, 'talk.py');

export class TalkingGuests {
  readonly host: LiveHost;
  readonly #guests: Readonly<Record<GuestName, Namespace>>;
  readonly #talks: Talk[] = [];
  /** Milliseconds since 1970 of the last transaction that was loaded. */
  committed = 0;

  private constructor(host: LiveHost, guests: Readonly<Record<GuestName, Namespace>>) {
    this.host = host;
    this.#guests = guests;
  }

  static async build(ports: readonly number[]): Promise<TalkingGuests> {
    const [host, web, db] = await Promise.all([LiveHost.build([]), freshNamespace(), freshNamespace()]);
    const rig = new TalkingGuests(host, { web, db });
    for (const name of ['web', 'db'] as const) await rig.plugIn(name);
    for (const name of ['web', 'db'] as const) await rig.#start(name, ['serve', ...ports.map(String)]);
    return rig;
  }

  /** The card is the guest's; the port appears on the bridge. */
  async plugIn(name: GuestName): Promise<void> {
    const { port, ip, mac } = cards[name];
    const guest = this.#guests[name];
    const atHost = [`link add ${port} type veth peer name eth0 netns ${guest.pid}`, `link set ${port} master br0 up`];
    await mustRun(this.host.namespace, 'ip', ['-batch', '-'], atHost.join('\n'));
    const own = [`link set eth0 address ${mac}`, `address add ${ip}/24 dev eth0`, 'link set eth0 up'];
    await mustRun(guest, 'ip', ['-batch', '-'], own.join('\n'));
  }

  async #start(name: GuestName, args: readonly string[]): Promise<Talk> {
    const argv = ['-n', '-t', String(this.#guests[name].pid), '--', 'python3', '-u', script, ...args];
    const talk = await Talk.begin(spawn('nsenter', argv, { stdio: ['pipe', 'pipe', 'pipe'] }));
    this.#talks.push(talk);
    return talk;
  }

  /** Comes back when the first answer was heard. */
  begin(from: GuestName, proto: 'tcp' | 'udp' | 'ftp', port: number): Promise<Talk> {
    const to = from === 'web' ? 'db' : 'web';
    return this.#start(from, ['ask', proto, guestIp(to), String(port)]);
  }

  get site(): Site {
    const { site } = this.host;
    return {
      ...site,
      access: noting(site.access, (at) => {
        this.committed = at;
      }),
    };
  }

  target(lines: readonly string[], backend: Backend = 'nft'): Target {
    const text = talkPolicy(lines);
    const policy = parsePolicy(text, 'policy.yaml').value;
    assert.ok(policy);
    const intent = { policy, policyText: text, host: hostWith(['g1', 'g2']), backend, arp: 'bound' } as const;
    const target = targetOf(intent, readNumbering(this.host.state)).value;
    assert.ok(target);
    return target;
  }

  apply(lines: readonly string[], backend: Backend = 'nft', confirmSeconds?: number) {
    const options = confirmSeconds === undefined ? {} : { confirmSeconds };
    return applyTarget(this.site, this.target(lines, backend), options);
  }

  async tracked(): Promise<readonly TrackedFlow[]> {
    const listed = await trackedFlows(this.host.site.access);
    assert.ok('value' in listed, 'conntrack lists');
    return listed.value;
  }

  /** Entries, from lines for `conntrack -R`. */
  async add(lines: readonly string[]): Promise<void> {
    const file = this.host.file('entries', `${lines.join('\n')}\n`);
    await mustRun(this.host.namespace, 'conntrack', ['-R', file]);
  }

  /** `tcp 22` of each connection, with the name of its entry. */
  async entries(): Promise<ReadonlyMap<string, string>> {
    const flows = await this.tracked();
    return new Map(
      flows.map(({ protocol, original: { source, dport }, entry }) => [
        `${printIp(source)} ${protocol === 6 ? 'tcp' : 'udp'} ${dport}`,
        entry,
      ]),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#talks.map((talk) => talk.end()));
    await Promise.all([this.host.close(), ...Object.values(this.#guests).map((guest) => guest.close())]);
  }
}

/** Tells when a program that loads a transaction has ended. */
function noting(access: Access, committed: (at: number) => void): Access {
  return {
    ...access,
    start: (program, args, ...rest) => {
      const child = access.start(program, args, ...rest);
      const loads = program === 'iptables-restore' || (program === 'nft' && args.some((arg) => arg.endsWith('.nft')));
      if (loads) child.on('close', () => committed(Date.now()));
      return child;
    },
  };
}
