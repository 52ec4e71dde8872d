// A small host in a namespace: a bridge with guest ports whose other ends are elsewhere, a state directory, and the program
// run there as its user runs it.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { applyTarget } from '../../src/apply/live/apply.ts';
import { loadedDigest } from '../../src/apply/live/digest.ts';
import { readLoaded } from '../../src/apply/live/kernel.ts';
import { readPending } from '../../src/apply/live/pending.ts';
import type { Site } from '../../src/apply/live/site.ts';
import { readNumbering } from '../../src/apply/live/state.ts';
import { readStatus } from '../../src/apply/live/status.ts';
import { type Target, targetOf } from '../../src/apply/target.ts';
import type { Host } from '../../src/model/host.ts';
import type { Backend } from '../../src/model/ruleset.ts';
import { parsePolicy } from '../../src/policy/parse-policy.ts';
import { parseHost } from '../../src/topology/host-file.ts';
import { freshNamespace, mustRun, type Namespace, type Ran } from '../support/namespace.ts';
import { accessTo } from '../support/namespace-access.ts';
import { program } from '../support/run-cli.ts';

export type Guest = { readonly ip: string; readonly port: string; readonly mac?: string };

export const web: Guest = { ip: '10.0.0.11', port: 'g1', mac: '52:54:00:00:00:11' };
export const db: Guest = { ip: '10.0.0.12', port: 'g2', mac: '52:54:00:00:00:12' };

/** `service` is what web may do at db: two policies differ by it. */
export function policyText(service: string, guests: Readonly<Record<string, Guest>> = { web, db }): string {
  return [
    'guests:',
    ...Object.entries(guests).map(
      ([name, { ip, port, mac }]) =>
        `  ${name}: { ip: ${ip}, port: ${port}${mac === undefined ? '' : `, mac: "${mac}"`} }`,
    ),
    'allow:',
    `  - { from: web, to: db, service: ${service} }`,
    'dhcp: none',
    '',
  ].join('\n');
}

/** The facts of such a host, as a host file would say them. */
export function hostWith(ports: readonly string[]): Host {
  const text = `host: small\nbridges: { br0: { ports: { ${ports.map((port) => `${port}: {}`).join(', ')} } } }\n`;
  const { value } = parseHost(text, 'host.yaml');
  assert.ok(value);
  return value;
}

export class LiveHost {
  readonly directory: string;
  readonly state: string;
  #host: Namespace;
  readonly #elsewhere: Namespace;

  private constructor(host: Namespace, elsewhere: Namespace) {
    this.#host = host;
    this.#elsewhere = elsewhere;
    this.directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-apply-'));
    this.state = join(this.directory, 'state');
  }

  static async build(ports: readonly string[] = ['g1', 'g2']): Promise<LiveHost> {
    const [host, elsewhere] = await Promise.all([freshNamespace(), freshNamespace()]);
    const live = new LiveHost(host, elsewhere);
    await live.#setUp(ports);
    return live;
  }

  async #setUp(ports: readonly string[]): Promise<void> {
    const lines = [
      'link set lo up',
      'link add br0 up type bridge stp_state 0 forward_delay 0 mcast_snooping 0',
      ...ports.flatMap((port) => this.portLines(port)),
    ];
    await mustRun(this.#host, 'ip', ['-batch', '-'], lines.join('\n'));
  }

  portLines(port: string): readonly string[] {
    return [
      `link add ${port} type veth peer name e${port}-${this.#host.pid} netns ${this.#elsewhere.pid}`,
      `link set ${port} master br0 up`,
    ];
  }

  /** The kernel forgets everything; bridges and ports come back, and the disk is what it was. */
  async reboot(ports: readonly string[] = ['g1', 'g2']): Promise<void> {
    await this.#host.close();
    this.#host = await freshNamespace();
    await this.#setUp(ports);
  }

  /** The other end of a port gets an address; gives a process there. For one guest only: there is one elsewhere. */
  async guest(port: string, address: string, mac: string): Promise<number> {
    const card = `e${port}-${this.#host.pid}`;
    const lines = [`link set ${card} address ${mac}`, `address add ${address} dev ${card}`, `link set ${card} up`];
    await mustRun(this.#elsewhere, 'ip', ['-batch', '-'], lines.join('\n'));
    return this.#elsewhere.pid;
  }

  get namespace(): Namespace {
    return this.#host;
  }

  get site(): Site {
    return { access: accessTo(this.#host), state: this.state, command: 'test' };
  }

  /** A file in the host's directory; gives its path. */
  file(name: string, text: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, text);
    return path;
  }

  policy(service: string, guests?: Readonly<Record<string, Guest>>): string {
    return this.file(`${service.replace('/', '-')}.yaml`, policyText(service, guests));
  }

  argv(args: readonly string[]): readonly string[] {
    return [
      'nsenter',
      '-n',
      '-t',
      String(this.#host.pid),
      '--',
      process.execPath,
      program,
      ...args,
      '--state',
      this.state,
    ];
  }

  /** The program, without a terminal. `env` is added to a quiet environment without an SSH connection. */
  run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
    const [file = '', ...rest] = this.argv(args);
    return ended(spawn(file, rest, { env: { ...quiet(), ...env }, stdio: ['ignore', 'pipe', 'pipe'] }));
  }

  async mustRun(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, env);
    assert.equal(code, 0, `bridgekeeper ${args.join(' ')}: exit ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  start(args: readonly string[]): ChildProcess {
    const [file = '', ...rest] = this.argv(args);
    return spawn(file, rest, { env: quiet(), stdio: 'ignore' });
  }

  /** With a terminal of its own, which ends with the process that is given back. */
  startOnTerminal(args: readonly string[]): ChildProcess {
    const command = this.argv(args).join(' ');
    return spawn('script', ['-qec', command, '/dev/null'], { env: quiet(), stdio: ['pipe', 'ignore', 'ignore'] });
  }

  /** Of the rules in the kernel. */
  async digest(): Promise<string> {
    return loadedDigest(await readLoaded(this.site.access));
  }

  /** What the policy wants of this host, without the program's command line. */
  target(
    service: string,
    guests?: Readonly<Record<string, Guest>>,
    backend: Backend = 'nft',
    ports: readonly string[] = ['g1', 'g2'],
  ): Target {
    const text = policyText(service, guests);
    const policy = parsePolicy(text, 'policy.yaml').value;
    assert.ok(policy);
    const intent = { policy, policyText: text, host: hostWith(ports), backend, arp: 'bound' } as const;
    const target = targetOf(intent, readNumbering(this.state)).value;
    assert.ok(target);
    return target;
  }

  /** Loaded and confirmed, from this process. */
  async applyHere(service: string, guests?: Readonly<Record<string, Guest>>, backend: Backend = 'nft'): Promise<void> {
    await applyTarget(this.site, this.target(service, guests, backend), {});
  }

  /** What `status` would call drift, from this process. */
  async drift(): Promise<readonly string[]> {
    return (await readStatus(this.site, hostWith(['g1', 'g2']))).drift.map(({ words }) => words);
  }

  /** Milliseconds since 1970 at which the pending change is over. */
  async untilStage(...stages: readonly (string | undefined)[]): Promise<number> {
    for (const end = Date.now() + 60_000; Date.now() < end; await sleep(5)) {
      if (stages.includes(readPending(this.state)?.stage)) return Date.now();
    }
    throw new Error(`still ${readPending(this.state)?.stage}, not ${stages.join(' or ')}`);
  }

  async close(): Promise<void> {
    await Promise.all([this.#host.close(), this.#elsewhere.close()]);
    // a program that ends may still write
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

function quiet(): NodeJS.ProcessEnv {
  const { SSH_CONNECTION: _ssh, BRIDGEKEEPER_STATE: _state, ...env } = process.env;
  return env;
}

function ended(child: ChildProcess): Promise<Ran> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code: code ?? 255, stdout, stderr })));
}
