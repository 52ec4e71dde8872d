// Two machines in namespaces: a server with files of ufw of its own, a real sshd, a real ufw; and a client, connected by a
// wire. What the server changes of ufw's files, of /run and of its kernel settings is gone with it.
import assert from 'node:assert/strict';
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { processes } from '../../scripts/processes.ts';
import type { Access } from '../../src/machine/access.ts';
import { ended, nextWords } from '../support/child.ts';
import { python } from '../support/python.ts';
import { program, type Run, type RunOptions, runProgram } from '../support/run-cli.ts';
import { until } from '../support/until.ts';

/** For `node:test`: the reason to skip, or false. */
export const needsUfw: string | false =
  process.getuid?.() !== 0
    ? 'namespaces need root'
    : existsSync('/usr/sbin/ufw') && existsSync('/usr/sbin/sshd')
      ? false
      : 'needs the Debian packages ufw and openssh-server';

/** Where root's ssh looks for its settings, whatever $HOME says. */
const rootSsh = '/root/.ssh';

const keygen = '/usr/bin/ssh-keygen';

export const server = { 4: '10.99.0.1', 6: 'fd99::1' } as const;
const client = { 4: '10.99.0.2', 6: 'fd99::2' } as const;

/** Started in fresh namespaces; what is bound over a folder is seen by its programs only. */
const setup = [
  'set -e; dir=$1',
  'ip link set lo up',
  'if [ "$2" = server ]; then',
  '  mount --bind "$dir/ufw" /etc/ufw; mount --bind "$dir/default" /etc/default',
  'else',
  '  mount --bind "$dir/ssh" "$3"',
  'fi',
  'mount --bind "$dir/run" /run',
  'echo ready; exec cat',
].join('\n');

const ufwCommands = `
import runpy, sys
for command in sys.argv[1:]:
    sys.argv = ["ufw", *command.split()]
    try:
        runpy.run_path("/usr/sbin/ufw", run_name="__main__")
    except SystemExit as end:
        if end.code: raise
`;

/** Each answer is a line, in the order of the questions; nobody waits for longer than for the others. */
const connect = `
import socket, sys, threading
source = (sys.argv[1], 0) if sys.argv[1] else None
answers = {}
def ask(way):
    address, port = way.split()
    try:
        socket.create_connection((address, int(port)), timeout=1, source_address=source)
        answers[way] = "yes"
    except OSError:
        answers[way] = "no"
threads = [threading.Thread(target=ask, args=(way,)) for way in sys.argv[2:]]
for thread in threads: thread.start()
for thread in threads: thread.join()
for way in sys.argv[2:]: print(answers[way])
`;

export type Way = readonly [port: number, family: 4 | 6];

type Holder = ChildProcessByStdio<Writable, Readable, null>;

export class UfwMachine {
  directory = '';
  readonly #holders: Holder[] = [];
  readonly #unwritable: string[] = [];
  readonly #children: ReturnType<typeof spawn>[] = [];

  static async make(): Promise<UfwMachine> {
    const machine = new UfwMachine();
    await machine.begin();
    return machine;
  }

  async begin(): Promise<void> {
    this.directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-ufw-'));
    this.#makeFiles();
    await this.#hold('server');
    await this.#hold('client');
    this.#connect();
  }

  #makeFiles(): void {
    for (const name of ['server/run/sshd', 'client/run', 'client/ssh', 'state']) {
      mkdirSync(join(this.directory, name), { recursive: true, mode: 0o755 });
    }
    execFileSync('cp', ['-a', '/etc/ufw', join(this.directory, 'server/ufw')]);
    execFileSync('cp', ['-a', '/etc/default', join(this.directory, 'server/default')]);
    this.resetUfw();
    const key = join(this.directory, 'client/ssh/id_ed25519');
    execFileSync(keygen, ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    copyFileSync(`${key}.pub`, join(this.directory, 'server/authorized_keys'));
    execFileSync(keygen, ['-q', '-t', 'ed25519', '-N', '', '-f', join(this.directory, 'server/host_key')]);
    writeFileSync(join(this.directory, 'client/ssh/config'), 'Host *\n  StrictHostKeyChecking no\n  LogLevel ERROR\n');
  }

  /** As the package brings them. */
  resetUfw(): void {
    for (const name of ['user.rules', 'user6.rules', 'before.rules', 'before6.rules', 'after.rules', 'after6.rules']) {
      copyFileSync(join('/usr/share/ufw/iptables', name), this.path(`/etc/ufw/${name}`));
    }
    copyFileSync('/usr/share/ufw/ufw.conf', this.path('/etc/ufw/ufw.conf'));
    copyFileSync('/etc/default/ufw', this.path('/etc/default/ufw'));
  }

  async #hold(name: string): Promise<void> {
    const args = [
      '-n',
      '-m',
      '--propagation',
      'private',
      'sh',
      '-c',
      setup,
      'sh',
      join(this.directory, name),
      name,
      rootSsh,
    ];
    // it stays: taken away, it would also take away what others have mounted there
    mkdirSync(rootSsh, { recursive: true, mode: 0o700 });
    const holder = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#holders.push(holder);
    await nextWords(holder);
  }

  #connect(): void {
    const [one, two] = this.#holders.map(({ pid }) => `${pid}`);
    this.inServer('ip', ['link', 'add', 'wire', 'type', 'veth', 'peer', 'name', 'wire', 'netns', `${two}`]);
    for (const [pid, ips] of [
      [one, server],
      [two, client],
    ] as const) {
      const input = `addr add ${ips[4]}/24 dev wire\naddr add ${ips[6]}/64 dev wire nodad\nlink set wire up\n`;
      execFileSync('nsenter', ['-t', `${pid}`, '-n', 'ip', '-batch', '-'], { input });
    }
  }

  #enter(index: number): readonly string[] {
    return ['-t', `${this.#holders[index]?.pid}`, '-n', '-m', '--'];
  }

  /** Where a file of the server's is on this machine. */
  path(file: string): string {
    const inner = file
      .replace(/^\/etc\/ufw\//, 'ufw/')
      .replace(/^\/etc\/default\//, 'default/')
      .replace(/^\/run\//, 'run/');
    return join(this.directory, 'server', inner);
  }

  read(file: string): string {
    return readFileSync(this.path(file), 'latin1');
  }

  write(file: string, text: string): void {
    writeFileSync(this.path(file), text, 'latin1');
  }

  /** Of what waits for a confirmation. */
  pendingTokens(): readonly string[] {
    const folder = this.path('/run/bridgekeeper');
    if (!existsSync(folder)) return [];
    return readdirSync(folder).flatMap((name) => /^ufw-pending-(.*)$/.exec(name)?.[1] ?? []);
  }

  /** Processes that wait for a confirmation. */
  timers(): readonly number[] {
    const folder = this.path('/run/bridgekeeper');
    const names = existsSync(folder) ? readdirSync(folder) : [];
    return names.filter((name) => name.startsWith('ufw-timer-')).flatMap((name) => pidIn(join(folder, name)));
  }

  /** As if their time were over: what they sleep in ends. */
  expireTimers(): void {
    const sleeping = this.timers().flatMap((timer) => processes().filter(({ parent }) => parent === timer));
    assert.ok(sleeping.length > 0, 'a timer waits');
    for (const { pid, command } of sleeping) {
      assert.match(command, /^sleep \d+$/);
      process.kill(pid, 'SIGTERM');
    }
  }

  /** Each leads a process group of its own. */
  endTimers(): void {
    for (const pid of this.timers()) {
      try {
        process.kill(-pid, 'SIGTERM');
      } catch {
        // it ended by itself
      }
    }
    rmSync(this.path('/run/bridgekeeper'), { recursive: true, force: true });
  }

  writeSshConfig(text: string): void {
    appendFileSync(join(this.directory, 'client/ssh/config'), text);
  }

  kill(pid: number): void {
    process.kill(pid, 'SIGKILL');
  }

  /** @throws when it fails */
  inServer(name: string, args: readonly string[]): string {
    return execFileSync('nsenter', [...this.#enter(0), name, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** Commands of ufw's, one after the other in one Python: to start one takes longer than what they do. */
  ufw(...commands: readonly string[]): void {
    this.inServer(python, ['-c', ufwCommands, ...commands]);
  }

  /** The server, for functions that ask a machine. */
  get access(): Access {
    const env = { ...process.env, SSH_CONNECTION: '' };
    const start: Access['start'] = (name, args) =>
      spawn('nsenter', [...this.#enter(0), name, ...args], { stdio: ['pipe', 'pipe', 'pipe'], env });
    return { host: '', start };
  }

  /** A shell's script in the place of the server's ufw; `$ufw` is the real one. */
  replaceUfw(script: string): void {
    const real = join(this.directory, 'server/ufw-real');
    const other = join(this.directory, 'server/ufw-other');
    copyFileSync('/usr/sbin/ufw', real);
    writeFileSync(other, `#!/bin/sh\nufw=${real}\n${script}\n`, { mode: 0o755 });
    this.inServer('mount', ['--bind', other, '/usr/sbin/ufw']);
  }

  run(where: 'server' | 'client', argv: readonly string[], options: RunOptions = {}): Promise<Run> {
    return runProgram('nsenter', [...this.#enter(where === 'server' ? 0 : 1), ...argv], options);
  }

  /** Our program on the server's console, without SSH. */
  cli(...argv: readonly string[]): Promise<Run> {
    return this.run('server', [process.execPath, program, ...argv], { env: this.#environment });
  }

  /** The same with something on its standard input. */
  cliWith(input: string, ...argv: readonly string[]): Promise<Run> {
    return this.run('server', [process.execPath, program, ...argv], { env: this.#environment, input });
  }

  /** Nothing below may be written, as in a container. */
  makeUnwritable(path: string): void {
    this.inServer('mount', ['--bind', path, path]);
    this.inServer('mount', ['-o', 'remount,ro,bind', path]);
    this.#unwritable.push(path);
  }

  makeWritable(): void {
    for (const path of this.#unwritable.splice(0)) this.inServer('umount', [path]);
  }

  /** A container has no modules of its host's kernel. */
  hideModules(): void {
    if (existsSync('/lib/modules')) this.inServer('mount', ['-t', 'tmpfs', 'none', '/lib/modules']);
  }

  enableInFile(): void {
    this.write('/etc/ufw/ufw.conf', this.read('/etc/ufw/ufw.conf').replace('ENABLED=no', 'ENABLED=yes'));
  }

  /** Whether chains of the user's rules are loaded. */
  hasFilter(): boolean {
    return this.inServer('iptables-save', []).includes('ufw-user-input');
  }

  /** Faster than ufw does it. */
  clearFilter(): void {
    const empty = '*filter\\n:INPUT ACCEPT\\n:FORWARD ACCEPT\\n:OUTPUT ACCEPT\\nCOMMIT\\n';
    this.inServer('sh', ['-c', `for p in iptables ip6tables; do printf '${empty}' | $p-restore || exit 1; done`]);
  }

  /** As `ufw status` finds it out (get_status in its backend_iptables.py), without Python; off in both families, or on. */
  isOn(): boolean {
    const asked = 'iptables -L ufw-user-input -n || [ $? -eq 1 ]; ip6tables -L ufw6-user-input -n || [ $? -eq 1 ]';
    return this.inServer('sh', ['-ec', `exec 2>/dev/null; ${asked}`]) !== '';
  }

  removeFile(file: string): void {
    rmSync(this.path(file));
  }

  /** Our program on the server, in a real session of SSH that comes from the client. */
  cliBySession(port: number, address: string, ...argv: readonly string[]): Promise<Run> {
    return this.bySession(port, address, this.cliWords(argv));
  }

  /** For a shell. */
  cliWords(argv: readonly string[]): string {
    const state = `BRIDGEKEEPER_STATE=${join(this.directory, 'state')}`;
    // sshd passes nothing on
    const cache = process.env.NODE_COMPILE_CACHE;
    const variables = cache === undefined ? [state] : [state, `NODE_COMPILE_CACHE=${cache}`];
    return [...variables, process.execPath, program, ...argv].join(' ');
  }

  bySession(port: number, address: string, command: string): Promise<Run> {
    return this.run('client', ['ssh', '-o', 'BatchMode=yes', '-p', `${port}`, `root@${address}`, command]);
  }

  /** Somebody comes from the client by SSH, and stays. */
  async openSession(port: number, address: string): Promise<void> {
    const words = ['ssh', '-o', 'BatchMode=yes', '-p', `${port}`, `root@${address}`, 'echo; exec cat'];
    const session = spawn('nsenter', [...this.#enter(1), ...words], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#children.push(session);
    await nextWords(session);
  }

  /** Our program on the client, which reaches the server by SSH. */
  cliFromClient(...argv: readonly string[]): Promise<Run> {
    return this.run('client', [process.execPath, program, ...argv], { env: this.#environment });
  }

  get #environment(): Readonly<Record<string, string>> {
    return { BRIDGEKEEPER_STATE: join(this.directory, 'state'), SSH_CONNECTION: '' };
  }

  /** Options of sshd_config, one a line. */
  async startSshd(...lines: readonly string[]): Promise<number> {
    const config = join(this.directory, 'server/sshd_config');
    const keys = [
      `HostKey ${join(this.directory, 'server/host_key')}`,
      `AuthorizedKeysFile ${join(this.directory, 'server/authorized_keys')}`,
    ];
    const usual = [
      'UsePAM no',
      'StrictModes no',
      'PermitRootLogin prohibit-password',
      'LogLevel FATAL',
      'PidFile none',
    ];
    writeFileSync(config, [...keys, ...usual, ...lines, ''].join('\n'));
    const daemon = spawn('nsenter', [...this.#enter(0), '/usr/sbin/sshd', '-D', '-e', '-f', config], {
      stdio: 'inherit',
    });
    this.#children.push(daemon);
    const port = Number(lines.find((line) => line.startsWith('Port '))?.slice(5));
    await until(() => this.listens(port), `somebody listens on port ${port}`, 100);
    return port;
  }

  async stopSshd(): Promise<void> {
    for (const child of this.#children.splice(0)) {
      const gone = ended(child);
      child.kill('SIGTERM');
      await gone;
    }
  }

  /** In either family. */
  listens(port: number): boolean {
    const place = `:${port.toString(16).toUpperCase().padStart(4, '0')} `;
    const files = ['tcp', 'tcp6'].map((file) => readFileSync(`/proc/${this.#holders[0]?.pid}/net/${file}`, 'latin1'));
    return files.some((text) => text.split('\n').some((line) => line.includes(place) && / 0A /.test(line)));
  }

  /** Whether new connections come through, from the client by its addresses of these families. */
  async reachesAll(ways: readonly Way[], from = ''): Promise<readonly boolean[]> {
    const argv = [python, '-c', connect, from, ...ways.map(([port, family]) => `${server[family]} ${port}`)];
    const { stdout } = await this.run('client', argv);
    const answers = stdout.trim().split('\n');
    assert.equal(answers.length, ways.length, stdout);
    return answers.map((answer) => answer === 'yes');
  }

  async reaches(port: number, family: 4 | 6, from?: string): Promise<boolean> {
    return (await this.reachesAll([[port, family]], from)).every((comesIn) => comesIn);
  }

  /** A plain listener on all addresses, which is no sshd. */
  async listenOn(port: number): Promise<void> {
    const script = [
      'import socket, time',
      's = socket.create_server(("::", %d), family=socket.AF_INET6, dualstack_ipv6=True)'.replace('%d', `${port}`),
      'print(flush=True)',
      'time.sleep(6000)',
    ].join('\n');
    const argv = [...this.#enter(0), python, '-c', script];
    const listener = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#children.push(listener);
    await nextWords(listener);
  }

  async end(): Promise<void> {
    if (this.directory === '') return;
    this.endTimers();
    for (const child of this.#children) child.kill('SIGTERM');
    await Promise.all(
      this.#holders.map(async (holder) => {
        const gone = ended(holder);
        holder.stdin.end();
        await gone;
      }),
    );
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** That a timer wrote down; none when it is just writing it, or has taken it away. */
function pidIn(file: string): readonly number[] {
  try {
    const pid = Number(readFileSync(file, 'latin1'));
    return pid > 1 ? [pid] : [];
  } catch {
    return [];
  }
}
