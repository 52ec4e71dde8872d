// A host of containers: network namespaces with names, each behind a port of one bridge, in a mount namespace of its own. A
// container's port can go and come as another container's within one batch of commands, while frames wait to be sent.
import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseIp } from '../../src/model/ip.ts';
import { broadcastMac, type Mac, parseMac } from '../../src/model/mac.ts';
import { arpReply, udpDatagram } from '../../src/packet/build.ts';
import { encodePacket, type Packet } from '../../src/packet/packet.ts';
import { ended, nextWords } from '../support/child.ts';
import type { Ran } from '../support/namespace.ts';
import { python } from '../support/python.ts';
import { program } from '../support/run-cli.ts';

export type Container = 'web' | 'db' | 'sink';

const macs: Readonly<Record<Container, string>> = {
  web: '52:54:00:00:00:11',
  db: '52:54:00:00:00:12',
  sink: '52:54:00:00:00:13',
};
const ips: Readonly<Record<Container, string>> = { web: '10.0.0.11', db: '10.0.0.12', sink: '10.0.0.13' };

const policyText = `guests:
  web: { ip: ${ips.web}, mac: "${macs.web}" }
  db: { ip: ${ips.db}, mac: "${macs.db}" }
  sink: { ip: ${ips.sink}, mac: "${macs.sink}" }
allow:
  - { from: web, to: sink, service: udp/5001 }
  - { from: db, to: sink, service: udp/5002 }
dhcp: none
`;

const script = `set -e
mount -t tmpfs tmpfs /run
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
ip link set lo up
ip link add br0 up type bridge stp_state 0 forward_delay 0 mcast_snooping 0
for name in web db sink; do ip netns add $name; done
echo ready
cat
`;

/** Per second, of each kind. */
const pace = 1_000;

/** What arrived: of each kind the ranges of numbers. */
export type Arrived = { readonly sent: number; readonly kinds: readonly (readonly (readonly [number, number])[])[] };

export class ContainerRig {
  readonly directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-follow-'));
  readonly #holder = spawn('unshare', ['-n', '-m', '-p', '-f', '--kill-child', 'sh', '-c', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  #pid = 0;

  static async build(): Promise<ContainerRig> {
    const rig = new ContainerRig();
    assert.match(await nextWords(rig.#holder), /^ready/);
    rig.#pid = Number(readFileSync(`/proc/${rig.#holder.pid}/task/${rig.#holder.pid}/children`, 'utf8').trim());
    writeFileSync(join(rig.directory, 'policy.yaml'), policyText);
    return rig;
  }

  argv(argv: readonly string[]): readonly string[] {
    return ['nsenter', '-n', '-m', '-t', String(this.#pid), '--', ...argv];
  }

  /** The program on this host. */
  program(...args: readonly string[]): readonly string[] {
    const policy = join(this.directory, 'policy.yaml');
    return this.argv([
      process.execPath,
      program,
      ...args,
      ...(args[0] === 'status' ? [] : ['--policy', policy]),
      '--state',
      join(this.directory, 'state'),
    ]);
  }

  run(argv: readonly string[], input = ''): Promise<Ran> {
    const [file = '', ...args] = argv;
    return new Promise((resolve) => {
      const child = execFile(file, args, (failure, stdout, stderr) => {
        resolve({ code: failure === null ? 0 : Number(failure.code ?? 127), stdout, stderr });
      });
      // a program that does not read its input may close it first
      child.stdin?.on('error', () => {});
      child.stdin?.end(input);
    });
  }

  async mustRun(argv: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(argv, input);
    assert.equal(code, 0, `${argv.join(' ')}\n${stderr}`);
    return stdout;
  }

  /** One batch: nobody has time between its lines. */
  async ip(...lines: readonly string[]): Promise<void> {
    await this.mustRun(this.argv(['ip', '-batch', '-']), lines.join('\n'));
  }

  /** A port of this name with that container behind it; inside its card is always eth0, with whatever MAC it likes. */
  plugLines(port: string, container: Container, mac: string = macs[container]): readonly string[] {
    return [
      `link add ${port} type veth peer name eth0 address ${mac} netns ${container}`,
      `link set ${port} master br0 up`,
      `netns exec ${container} ip link set eth0 up`,
    ];
  }

  /**
   * Frames that `who` sends from the moment on at which its card is there: kind 0 its own, kind 1 in the name of `victim`,
   * kind 2 with its own MAC and the victim's address, kind 3 of a service that it may not use.
   */
  async whileSending(who: 'web' | 'db', victim: 'web' | 'db', action: () => Promise<void>): Promise<Arrived> {
    const own = { web: 5001, db: 5002 };
    const frames = [
      datagram(who, who, own[who]),
      datagram(victim, victim, own[victim]),
      datagram(who, victim, own[victim]),
      datagram(who, who, own[victim]),
    ];
    const receiver = join(import.meta.dirname, '..', 'apply', 'stream.py');
    const hello = hex(
      arpReply({
        ether: { source: macOf('sink'), destination: broadcastMac },
        source: ipOf('sink'),
        destination: ipOf('sink'),
      }),
    );
    const listening = await this.#started('sink', [receiver, 'receive', 'eth0', hello]);
    const sending = await this.#started(who, [join(import.meta.dirname, 'burst.py'), 'eth0', String(pace), ...frames]);
    let sent = 0;
    try {
      await action();
    } finally {
      sent = Number((await sending()).sent);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const arrived = await listening();
    assert.equal(arrived.dropped, 0, 'the receiver was too slow to tell anything');
    return { sent, kinds: frames.map((_, kind) => (arrived[kind] ?? []) as Arrived['kinds'][number]) };
  }

  async #started(container: Container, args: readonly string[]): Promise<() => Promise<Record<string, unknown>>> {
    const [file = '', ...rest] = this.argv(['ip', 'netns', 'exec', container, python, ...args]);
    const child: ChildProcessWithoutNullStreams = spawn(file, rest);
    let said = '';
    child.stderr.on('data', (chunk) => {
      said += chunk;
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, 'ready', said);
    return async () => {
      child.stdin.end();
      const { value } = await lines.next();
      assert.ok(value !== undefined, said);
      return JSON.parse(value);
    };
  }

  async close(): Promise<void> {
    const gone = ended(this.#holder);
    this.#holder.stdin.end();
    await gone;
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function macOf(container: Container): Mac {
  return parseMac(macs[container]) ?? assert.fail();
}

function ipOf(container: Container) {
  return parseIp(ips[container]) ?? assert.fail();
}

function hex(packet: Packet): string {
  return Buffer.from(encodePacket(packet)).toString('hex');
}

/** Room for the number, and no checksum over it: 0 is none (RFC 768). */
function datagram(mac: Container, ip: Container, dport: number): string {
  const ether = { source: macOf(mac), destination: macOf('sink') };
  const bytes = encodePacket(
    udpDatagram({
      ether,
      source: ipOf(ip),
      destination: ipOf('sink'),
      sport: 4000,
      dport,
      data: new Uint8Array(32),
    }),
  );
  bytes.fill(0, checksumAt, checksumAt + 2);
  return Buffer.from(bytes).toString('hex');
}

/** Ethernet, IPv4 without options, and the last field of UDP. */
const checksumAt = 14 + 20 + 6;
