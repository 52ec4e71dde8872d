// Two guests on one bridge of a live host, each in a namespace of its own, and connections between them that go on.
import assert from 'node:assert/strict';
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
import { freshNamespace, mustRun, type Namespace } from '../support/namespace.ts';
import { hostWith, LiveHost } from './live-host.ts';
import { type Talk, Talker } from './talker.ts';

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

export class TalkingGuests {
  readonly host: LiveHost;
  readonly #guests: Readonly<Record<GuestName, Namespace>>;
  #talkers: Readonly<Partial<Record<GuestName, Talker>>> = {};
  #committed: number | undefined;

  private constructor(host: LiveHost, guests: Readonly<Record<GuestName, Namespace>>) {
    this.host = host;
    this.#guests = guests;
  }

  /** @param ports on which both answer; without any nobody talks */
  static async build(ports: readonly number[] = []): Promise<TalkingGuests> {
    const [host, web, db] = await Promise.all([LiveHost.build([]), freshNamespace(), freshNamespace()]);
    const rig = new TalkingGuests(host, { web, db });
    try {
      await Promise.all([rig.plugIn('web'), rig.plugIn('db')]);
      if (ports.length > 0) await rig.#startTalkers(ports);
      return rig;
    } catch (cause) {
      await rig.close();
      throw cause;
    }
  }

  async #startTalkers(ports: readonly number[]): Promise<void> {
    const { web, db } = this.#guests;
    this.#talkers = { web: await Talker.start(web, ports), db: await Talker.start(db, ports) };
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

  /** Comes back when the first answer was heard. */
  begin(from: GuestName, proto: 'tcp' | 'udp' | 'ftp', port: number): Promise<Talk> {
    const talker = this.#talkers[from];
    assert.ok(talker, 'it talks');
    return talker.ask(proto, guestIp(from === 'web' ? 'db' : 'web'), port);
  }

  /** As if nobody had ever talked; the rules stay. */
  async fresh(): Promise<void> {
    for (const talker of Object.values(this.#talkers)) await talker.fresh();
    await mustRun(this.host.namespace, 'conntrack', ['-F']);
  }

  /** Milliseconds since 1970 at which the last transaction was loaded. */
  get committed(): number {
    assert.ok(this.#committed, 'a transaction was loaded');
    return this.#committed;
  }

  get site(): Site {
    const { site } = this.host;
    return {
      ...site,
      access: noting(site.access, (at) => {
        this.#committed = at;
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
    await Promise.all(Object.values(this.#talkers).map((talker) => talker.end()));
    await Promise.all([this.host.close(), ...Object.values(this.#guests).map((guest) => guest.close())]);
  }
}

/** Tells when a program that loads a transaction has ended. */
function noting(access: Access, committed: (at: number) => void): Access {
  return {
    ...access,
    start: (program, args, ...rest) => {
      const child = access.start(program, args, ...rest);
      const loads = program === 'iptables-restore' || args.some((arg) => arg.endsWith('.nft'));
      if (loads) child.on('close', () => committed(Date.now()));
      return child;
    },
  };
}
