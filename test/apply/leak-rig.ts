// A host with two linked bridges and many guest ports, and numbered frames from one guest to another while its rules are
// replaced: what may pass must all arrive, and of what may not nothing from the commit on.
import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { largePages } from '../../src/apply/live/nft.ts';
import { parseIp } from '../../src/model/ip.ts';
import { broadcastMac, printMac } from '../../src/model/mac.ts';
import type { Ruleset } from '../../src/model/ruleset.ts';
import { lowerNft } from '../../src/nft/lower.ts';
import { arpReply, udpDatagram } from '../../src/packet/build.ts';
import { encodePacket, type Packet } from '../../src/packet/packet.ts';
import { listOf, type Texts } from '../support/compiled.ts';
import { freshNamespace, mustRun, type Namespace } from '../support/namespace.ts';
import { python } from '../support/python.ts';

/** The ports of the two bridges: the guests' and one end each of the cable between them. */
export type Size = { readonly first: number; readonly second: number };

const macOf = (guest: number): number => 0x52_54_00_00_00_00 + guest;
const mac = (guest: number): string => printMac(macOf(guest));

/** Which addresses the other guests have: everything about them differs from world to world. */
export type World = 0 | 1;

const address = (guest: number, world: World): string =>
  `10.${world + 1}.${Math.floor(guest / 250)}.${(guest % 250) + 1}`;

const sender = 0;
/** On the other bridge. */
const receiver = ({ first }: Size): number => first - 1;

/** Sender and receiver keep their addresses, and so does what one may send to the other. */
function worldTexts(size: Size, world: World, moved: readonly number[] = []): Texts {
  const count = size.first + size.second - 2;
  const fixed = [sender, receiver(size)];
  const guests = Array.from({ length: count }, (_, guest) => {
    const other: World = moved.includes(guest) ? (world === 0 ? 1 : 0) : world;
    const ip = address(guest, fixed.includes(guest) ? 0 : other);
    return `  g${guest}: { ip: ${ip}, port: p${guest}, mac: "${mac(guest)}" }`;
  });
  const ports = (from: number, to: number): string =>
    Array.from({ length: to - from }, (_, index) => `      p${from + index}: {}`).join('\n');
  return {
    host: [
      'host: rig',
      'bridges:',
      `  br0:\n    ports:\n      l0: { peer: l1 }\n${ports(0, size.first - 1)}`,
      `  br1:\n    ports:\n      l1: { peer: l0 }\n${ports(size.first - 1, count)}`,
    ].join('\n'),
    policy: [
      `guests:\n${guests.join('\n')}`,
      'allow:',
      `  - { from: g${sender}, to: g${receiver(size)}, service: udp/5001 }`,
      '  - { from: guests, to: guests, service: ping }',
      // what every packet passes differs too
      world === 0 ? 'dhcp: none' : `dhcp: g1\nguest-ports: [zz*]`,
    ].join('\n'),
  };
}

export function worldRules(size: Size, world: World, moved: readonly number[] = []): Ruleset {
  return lowerNft(listOf(worldTexts(size, world, moved)), { arp: 'bound' });
}

export type Outcome = {
  readonly sent: number;
  /** Of the allowed frames. */
  readonly lost: number;
  /** Of the forbidden ones: all that arrived, and those that arrived after one that did not. */
  readonly passed: number;
  readonly leaked: number;
};

const script = join(import.meta.dirname, 'stream.py');
/** Frames of each kind in a second: several thousand at length, and by default what other tests beside it leave time for. */
export const pace = process.env.BRIDGEKEEPER_FULL === '1' ? 3_000 : 1_000;

export class LeakRig {
  readonly host: Namespace;
  readonly #size: Size;
  readonly #directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-leak-'));
  readonly #ends: readonly [Namespace, Namespace];

  private constructor(size: Size, host: Namespace, ends: readonly [Namespace, Namespace]) {
    this.#size = size;
    this.host = host;
    this.#ends = ends;
  }

  static async build(size: Size): Promise<LeakRig> {
    const [host, from, to] = await Promise.all([freshNamespace(), freshNamespace(), freshNamespace()]);
    const rig = new LeakRig(size, host, [from, to]);
    await mustRun(host, 'sysctl', ['-qw', 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1']);
    await mustRun(host, 'ip', ['-batch', '-'], rig.#links().join('\n'));
    for (const end of [from, to]) await mustRun(end, 'ip', ['link', 'set', 'eth0', 'up']);
    return rig;
  }

  #links(): readonly string[] {
    const { first, second } = this.#size;
    const count = first + second - 2;
    const bridge = (guest: number): string => (guest < first - 1 ? 'br0' : 'br1');
    const guestPort = (guest: number): readonly string[] => {
      const end = [sender, receiver(this.#size)].indexOf(guest);
      const pid = this.#ends[end === 1 ? 1 : 0].pid;
      const device =
        end === -1 ? `type veth peer name x${guest}` : `type veth peer name eth0 address ${mac(guest)} netns ${pid}`;
      return [`link add p${guest} ${device}`, `link set p${guest} master ${bridge(guest)} up`];
    };
    return [
      ...['br0', 'br1'].map((name) => `link add ${name} up type bridge stp_state 0 forward_delay 0 mcast_snooping 0`),
      'link add l0 type veth peer name l1',
      'link set l0 master br0 up',
      'link set l1 master br1 up',
      ...Array.from({ length: count }, (_, guest) => guestPort(guest)).flat(),
    ];
  }

  /** Frames flow while the action runs: allowed ones, a forbidden service, and a forged source. */
  async whileFlowing(action: () => Promise<void>): Promise<Outcome> {
    const [from, to] = this.#ends;
    const listening = await started(to, ['receive', 'eth0', hex(this.#hello())]);
    const sending = await started(from, ['send', 'eth0', String(pace), ...this.#frames().map(numberedHex)]);
    let sent: Record<string, unknown>;
    try {
      await passing(300);
      await action();
      await passing(300);
    } finally {
      sent = await sending.end();
      await passing(200);
    }
    return outcomeOf(Number(sent.sent), await listening.end());
  }

  #frames(): readonly Packet[] {
    const to = receiver(this.#size);
    const ether = { source: macOf(sender), destination: macOf(to) };
    const base = { ether, destination: ip(address(to, 0)), sport: 4000, data: new Uint8Array(32) };
    return [
      udpDatagram({ ...base, source: ip(address(sender, 0)), dport: 5001 }),
      udpDatagram({ ...base, source: ip(address(sender, 0)), dport: 5002 }),
      udpDatagram({ ...base, source: ip(address(1, 0)), dport: 5001 }),
    ];
  }

  #hello(): Packet {
    const to = receiver(this.#size);
    const own = ip(address(to, 0));
    return arpReply({ ether: { source: macOf(to), destination: broadcastMac }, source: own, destination: own });
  }

  /** One transaction each, in this order and so many times over, without a pause for anything else. */
  async load(times: number, ...texts: readonly string[]): Promise<void> {
    const files = texts.map((text, index) => {
      const file = join(this.#directory, `${index}.nft`);
      writeFileSync(file, text);
      return file;
    });
    const loads = 'left=$1; shift; while [ $((left -= 1)) -ge 0 ]; do for file; do nft -f "$file" || exit; done; done';
    await mustRun(this.host, 'env', [largePages, 'sh', '-c', loads, 'sh', String(times), ...files]);
  }

  async close(): Promise<void> {
    await Promise.all([this.host, ...this.#ends].map((namespace) => namespace.close()));
    rmSync(this.#directory, { recursive: true });
  }
}

function ip(text: string) {
  const parsed = parseIp(text);
  assert.ok(parsed);
  return parsed;
}

function hex(packet: Packet): string {
  return Buffer.from(encodePacket(packet)).toString('hex');
}

/** The number is written in later: a checksum of 0 is none (RFC 768), and connection tracking asks for a right one. */
function numberedHex(packet: Packet): string {
  const bytes = encodePacket(packet);
  bytes.fill(0, checksumAt, checksumAt + 2);
  return Buffer.from(bytes).toString('hex');
}

/** Ethernet, IPv4 without options, and the last field of UDP. */
const checksumAt = 14 + 20 + 6;

function passing(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

type Streaming = { readonly end: () => Promise<Record<string, unknown>> };

async function started({ pid }: Namespace, args: readonly string[]): Promise<Streaming> {
  const child: ChildProcessWithoutNullStreams = spawn('nsenter', [
    '-n',
    '-t',
    String(pid),
    '--',
    python,
    script,
    ...args,
  ]);
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ready = await lines.next();
  assert.equal(ready.value, 'ready', said);
  return {
    end: async () => {
      child.stdin.end();
      const { value } = await lines.next();
      await once(child, 'close');
      assert.ok(value !== undefined, said);
      return JSON.parse(value);
    },
  };
}

type Ranges = readonly (readonly [first: number, last: number])[];

function outcomeOf(sent: number, arrived: Record<string, unknown>): Outcome {
  assert.equal(arrived.dropped, 0, 'the receiver was too slow to tell anything');
  const of = (kind: number): Ranges => (arrived[kind] as Ranges | undefined) ?? [];
  const count = (ranges: Ranges): number => ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  const forbidden = [of(1), of(2)];
  return {
    sent,
    lost: sent - count(of(0)),
    passed: forbidden.reduce((sum, ranges) => sum + count(ranges), 0),
    // a first range from the beginning is what passed before there were rules
    leaked: forbidden.reduce(
      (sum, ranges) => sum + count(ranges.filter(([first], index) => index > 0 || first > 0)),
      0,
    ),
  };
}
