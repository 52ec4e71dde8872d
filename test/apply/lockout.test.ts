// The check for lock-outs: rows for what it says of rules and places, and a real connection of a real sshd's kind, where
// the kernel does what was said.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isLoaded } from '../../src/apply/live/pending.ts';
import { parseSockets, parseSshConnection } from '../../src/apply/live/sockets.ts';
import { lockouts } from '../../src/apply/lockout.ts';
import type { SshSession } from '../../src/apply/ssh-way.ts';
import { lowerIptables } from '../../src/iptables/lower.ts';
import { parseIp, printIp } from '../../src/model/ip.ts';
import { parseMac } from '../../src/model/mac.ts';
import { lowerNft } from '../../src/nft/lower.ts';
import { compiledFrom, exampleTexts, factsOf, type Texts } from '../support/compiled.ts';
import { mustRun, needsRoot } from '../support/namespace.ts';
import { python as pythonProgram } from '../support/python.ts';
import { topologies } from '../support/topologies.ts';
import { until } from '../support/until.ts';
import { LiveHost } from './live-host.ts';
import { timeIsOver } from './time-is-over.ts';

function ip(text: string) {
  const parsed = parseIp(text);
  assert.ok(parsed, text);
  return parsed;
}

type From = Partial<Pick<SshSession, 'tracked' | 'open' | 'ports' | 'lower'>> & {
  readonly client: string;
  readonly server: string;
  readonly dev: string;
  readonly router?: string;
  readonly mac?: string;
};

function session({ client, server, dev, router = client, mac, ...others }: From): SshSession {
  const nextHopMac = mac === undefined ? undefined : parseMac(mac);
  return {
    client: ip(client),
    clientPort: 50_000,
    server: ip(server),
    serverPort: 22,
    dev,
    nextHop: ip(router),
    ...(nextHopMac === undefined ? {} : { nextHopMac }),
    ports: {},
    open: true,
    tracked: true,
    ...others,
  };
}

const allowing = (texts: Texts, line: string): Texts => ({
  ...texts,
  policy: texts.policy.replace('allow:\n', `allow:\n  - ${line}\n`),
});

const office = topologies.uplink;
const officeSsh = allowing(office, '{ from: lan, to: host, service: ssh }');
const card = { eth: 'eno1' };
const two = exampleTexts();

/** What would be cut off: the session, a new connection, ARP. */
type Row = readonly [what: string, texts: Texts, from: From, lost: readonly string[]];

const rows: readonly Row[] = [
  ['by a card that is none of ours', office, { client: '172.16.0.9', server: '172.16.0.5', dev: 'enp2s0' }, []],
  [
    'by the bridge with guests, not allowed',
    office,
    { client: '10.0.0.77', server: '10.0.0.5', dev: 'br0', ports: { br0: card.eth } },
    ['new connection in'],
  ],
  [
    'by the bridge with guests, allowed',
    officeSsh,
    { client: '10.0.0.77', server: '10.0.0.5', dev: 'br0', ports: { br0: card.eth } },
    [],
  ],
  ['the same, the port forgotten', officeSsh, { client: '10.0.0.77', server: '10.0.0.5', dev: 'br0' }, []],
  [
    "the same, by a guest's port",
    officeSsh,
    { client: '10.0.0.77', server: '10.0.0.5', dev: 'br0', ports: { br0: 'tap1' } },
    ['ARP in', 'new connection in', 'session in', 'session out', 'new connection out'],
  ],
  [
    'the same, older than connection tracking',
    officeSsh,
    { client: '10.0.0.77', server: '10.0.0.5', dev: 'br0', ports: { br0: card.eth }, tracked: false },
    ['session in', 'session out'],
  ],
  [
    'from elsewhere over a router',
    officeSsh,
    { client: '203.0.113.5', server: '10.0.0.5', dev: 'br0', router: '10.0.0.254', ports: { br0: card.eth } },
    ['session in', 'session out', 'new connection in', 'new connection out'],
  ],
  [
    'IPv6 by the bridge with guests',
    officeSsh,
    { client: '2001:db8::1', server: '2001:db8::2', dev: 'br0', ports: { br0: card.eth } },
    ['session in'],
  ],
  ['IPv6 by another card', officeSsh, { client: '2001:db8::1', server: '2001:db8::2', dev: 'enp2s0' }, []],
  [
    "by a VLAN's device on the bridge with guests",
    officeSsh,
    { client: '10.10.0.77', server: '10.10.0.5', dev: 'br0.10', lower: 'br0' },
    ['session in'],
  ],
  [
    "by a VLAN's device on a card that is none of ours",
    officeSsh,
    { client: '10.10.0.77', server: '10.10.0.5', dev: 'enp2s0.10', lower: 'enp2s0' },
    [],
  ],
  [
    'a guest that the bridge has forgotten',
    topologies.oneBridge,
    { client: '192.168.122.11', server: '192.168.122.1', dev: 'virbr0' },
    ['new connection in'],
  ],
  [
    'the same, allowed',
    allowing(topologies.oneBridge, '{ from: web, to: host, service: ssh }'),
    { client: '192.168.122.11', server: '192.168.122.1', dev: 'virbr0' },
    [],
  ],
  [
    'somebody on a bridge that nothing leads out of, whom nobody knows',
    topologies.oneBridge,
    { client: '192.168.122.77', server: '192.168.122.1', dev: 'virbr0' },
    ['ARP in', 'new connection in', 'session in', 'session out', 'new connection out'],
  ],
  ['the administrator by a ruled card', two, { client: '192.168.0.10', server: '192.168.0.19', dev: 'br0' }, []],
  [
    'somebody else by a ruled card',
    two,
    { client: '192.168.0.66', server: '192.168.0.19', dev: 'br0' },
    ['new connection in'],
  ],
  [
    'a guest over two bridges and a cable',
    two,
    {
      client: '192.168.50.13',
      server: '192.168.50.1',
      dev: 'vmh2',
      mac: '52:54:00:b1:5d:1f',
      ports: { virbr4: 'vethb1', virbr6: 'vk63' },
    },
    ['new connection in'],
  ],
  [
    'the same, allowed',
    allowing(two, '{ from: kali3, to: host, service: ssh }'),
    {
      client: '192.168.50.13',
      server: '192.168.50.1',
      dev: 'vmh2',
      mac: '52:54:00:b1:5d:1f',
      ports: { virbr4: 'vethb1', virbr6: 'vk63' },
    },
    [],
  ],
];

suite('what the rules would cut off', () => {
  for (const [what, texts, from, lost] of rows) {
    test(what, () => {
      const facts = factsOf(texts);
      const { list } = compiledFrom(facts);
      const found = lockouts([session(from)], lowerNft(list, { arp: 'bound' }), list, facts.host);
      const words = found.map((one) => `${one.what} ${one.direction}`);
      assert.deepEqual([...new Set(words)].sort(), [...lost].sort());
      for (const one of found)
        assert.ok(one.by !== undefined || from.lower === 'br0' || one.session.client.family === 6);
    });
  }

  test('the iptables rules say the same of IP', () => {
    let different = 0;
    for (const [what, texts, from] of rows.filter(([, , { client }]) => !client.includes(':'))) {
      const facts = factsOf(texts);
      const { list } = compiledFrom(facts);
      const words = (ruleset: Parameters<typeof lockouts>[1]) =>
        new Set(
          lockouts([session(from)], ruleset, list, facts.host)
            .filter((one) => one.what === 'new connection' && one.direction === 'in')
            .map((one) => one.what),
        );
      const nft = words(lowerNft(list, { arp: 'bound' }));
      assert.deepEqual(words(lowerIptables(list)), nft, what);
      different += nft.size;
    }
    assert.ok(different > 2);
  });
});

test('sockets and SSH_CONNECTION are read as the kernel and sshd write them', () => {
  const [one, ...more] = parseSockets(
    [
      '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
      '   0: 0500000A:0016 4D00000A:C350 01 00000000:00000000 02:000A7D 00000000     0        0 4711 2 0000000000000000 20 4 30 10 -1',
      '   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000 100 0 0 10 0',
    ].join('\n'),
  );
  assert.deepEqual(more, []);
  assert.ok(one);
  assert.deepEqual(
    [printIp(one.local), one.localPort, printIp(one.remote), one.remotePort, one.inode],
    ['10.0.0.5', 22, '10.0.0.77', 50_000, 4711],
  );
  const named = parseSshConnection('::ffff:10.0.0.77 50000 10.0.0.5 22');
  assert.ok(named);
  assert.equal(printIp(named.remote), '10.0.0.77');
  assert.equal(parseSshConnection('what is this'), undefined);
});

/** Listens as sshd does, and is called so; each line that comes in is answered, and `run ...` starts a command below it. */
const sshd = `
import os, socket, subprocess, sys
listener = socket.create_server(("10.0.0.1", 22))
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    if os.fork() == 0:
        listener.close()
        lines = connection.makefile("r")
        for line in lines:
            if line.startswith("run "):
                done = subprocess.run(line[4:].strip(), shell=True, capture_output=True, text=True)
                with open(os.environ["OUT"], "w") as out: out.write(done.stdout + done.stderr)
                connection.sendall(f"{done.returncode}\\n".encode())
            else:
                connection.sendall(line.encode())
        os._exit(0)
    connection.close()
`;

/** Connects; what is written to it goes over, and what comes back is printed. */
const client = `
import socket, sys, threading
connection = socket.create_connection(("10.0.0.1", 22), timeout=3)
print("ready", flush=True)
connection.settimeout(None)
def back():
    for line in connection.makefile("r"): print(line, end="", flush=True)
threading.Thread(target=back, daemon=True).start()
for line in sys.stdin: connection.sendall(line.encode())
`;

class Line {
  readonly child: ChildProcess;
  #text = '';

  constructor(pid: number, argv: readonly string[], env: NodeJS.ProcessEnv) {
    this.child = spawn('nsenter', ['-n', '-t', String(pid), '--', ...argv], { stdio: ['pipe', 'pipe', 'ignore'], env });
    this.child.stdout?.on('data', (chunk) => {
      this.#text += chunk;
    });
  }

  /** True when the line comes within the time. */
  async hears(line: string, ms: number): Promise<boolean> {
    for (const end = Date.now() + ms; Date.now() < end; await sleep(10))
      if (this.#text.split('\n').includes(line)) return true;
    return false;
  }

  say(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }
}

/** Milliseconds for what has to come. */
const patience = 60_000;

suite('a connection from a guest to the host', { skip: needsRoot }, () => {
  const build = async (allowed: boolean) => {
    const host = await LiveHost.build(['g1', 'g2']);
    await mustRun(host.namespace, 'ip', ['address', 'add', '10.0.0.1/24', 'dev', 'br0']);
    const guest = await host.guest('g1', '10.0.0.11/24', '52:54:00:00:00:11');
    const policy = host.file(
      'policy.yaml',
      [
        'guests: { web: { ip: 10.0.0.11, port: g1, mac: "52:54:00:00:00:11" } }',
        `allow: [{ from: web, to: host, service: ${allowed ? 'ssh' : 'http'} }]`,
        'dhcp: none',
      ].join('\n'),
    );
    const python = join(host.directory, 'sshd');
    symlinkSync(pythonProgram, python);
    const out = join(host.directory, 'out');
    const { SSH_CONNECTION: _ssh, ...env } = process.env;
    const server = new Line(host.namespace.pid, [python, '-c', sshd], { ...env, OUT: out });
    assert.ok(await server.hears('ready', patience));
    const line = new Line(guest, [pythonProgram, '-c', client], env);
    assert.ok(await line.hears('ready', patience));
    /** A command below the sshd, as its user types it; the exit code comes back over the connection, if it lives. */
    const run = (...args: readonly string[]): void =>
      line.say(`run ${host.argv(args).slice(5).join(' ')} --policy ${policy}`);
    const said = (): string => (existsSync(out) ? readFileSync(out, 'utf8') : '');
    const connects = async (ms = patience): Promise<boolean> => {
      const again = new Line(guest, [pythonProgram, '-c', client], env);
      const ok = await again.hears('ready', ms);
      again.child.kill();
      return ok;
    };
    const keepalive = setInterval(() => line.say('noop'), 200);
    const close = async () => {
      clearInterval(keepalive);
      for (const { child } of [line, server]) child.kill('SIGKILL');
      await mustRun(host.namespace, 'true', []);
      await host.close();
    };
    return { host, line, run, said, connects, close };
  };

  test('allowed: nothing is said, the session lives and a new one comes in, also if tracking begins only now', async (t) => {
    const { host, line, run, said, connects, close } = await build(true);
    t.after(close);
    const count = await host.namespace.run('cat', ['/proc/sys/net/netfilter/nf_conntrack_count']);
    assert.equal(count.stdout.trim(), '0', 'nobody tracks connections yet');
    run('apply', '--confirm', '10m');
    assert.ok(await line.hears('0', patience), said());
    line.say('still there?');
    assert.ok(await line.hears('still there?', patience), 'the session lives');
    assert.ok(await connects(), 'a new one comes in');
    const tables = await mustRun(host.namespace, 'nft', ['list', 'tables']);
    assert.deepEqual(tables.stdout.trim().split('\n').sort(), ['table bridge bk', 'table ip bk']);
    await host.mustRun(['confirm']);
  });

  test('forbidden: refused with exit 5, and with --allow-lockout the kernel does what was said', async (t) => {
    const { host, line, run, said, connects, close } = await build(false);
    t.after(close);
    run('apply', '--confirm', '10m');
    assert.ok(await line.hears('5', patience), said());
    assert.match(
      said(),
      /this would lock you out:\n {2}RULE \d+ \(everything else\) drops a new SSH connection from 10\.0\.0\.11 to 10\.0\.0\.1 port 22 by br0, on the way in/,
    );
    assert.doesNotMatch(said(), /drops your SSH connection/);
    assert.equal((await mustRun(host.namespace, 'nft', ['list', 'tables'])).stdout, '');
    run('apply', '--confirm', '10m', '--allow-lockout');
    await host.untilStage('armed');
    await until(() => isLoaded(host.state), 'the rules are loaded');
    assert.equal(await connects(3_000), false, 'no new one comes in');
    await timeIsOver(host.state);
    await host.untilStage('rolled-back');
    assert.ok(await connects(), 'the old rules are back');
  });
});
