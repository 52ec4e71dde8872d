// A machine for the doctor to look at: this one's kernel with a root, a /dev, a /run, a /proc and a network of its own, and
// real daemons in it. The root is an overlay, so that everything may be written and nothing stays. When the holder ends, the
// kernel ends all that runs inside.
import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { after, before, suite } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { joinLabs, type Membership } from '../../src/lab/registry.ts';
import type { Access } from '../../src/machine/access.ts';
import { ended, nextWords } from '../support/child.ts';
import { program, type Run, root } from '../support/run-cli.ts';
import { needsJournald } from '../watch-sources/journald.ts';
import { lockRing, type RingLock } from '../watch-sources/ring.ts';

const daemons = ['rsyslogd', 'ulogd', 'capsh', 'nft', 'iptables', 'iptables-legacy', 'setsid'];

/** The reason to skip, or false. */
export const needsSituations: string | false = needsJournald || missing();

function missing(): string | false {
  const name = daemons.find((one) => !['/usr/sbin/', '/usr/bin/'].some((place) => existsSync(place + one)));
  return name === undefined ? false : `needs ${name} (packages rsyslog, ulogd2, libcap2-bin, iptables)`;
}

/** Nothing of it reaches the machine itself: mounts are private, and the first process owns the rest. */
const enter = [
  'set -e; mount -t tmpfs -o size=256m tmpfs /mnt; mkdir /mnt/upper /mnt/work /mnt/root',
  'mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root; cd /mnt/root',
  // the checkout may stand in /tmp
  'mount -t tmpfs -o mode=1777 tmpfs tmp; mkdir -p ".$1"; mount --bind "$1" ".$1"',
  'mount -t proc proc proc; mount --rbind /sys sys; mount -t tmpfs -o mode=755 tmpfs dev',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own
  'for n in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0" "kmsg 1 11"; do mknod -m 666 dev/${n%% *} c ${n#* }; done',
  'chmod 644 dev/kmsg; ln -s /proc/self/fd dev/fd; mkdir dev/shm dev/pts; mount -t tmpfs tmpfs run',
  'rm -rf var/log/* var/lib/bridgekeeper* .dockerenv etc/rsyslog.d/* etc/ufw; mkdir -p etc/systemd/journald.conf.d var/spool/rsyslog',
  'mkdir -p old; pivot_root . old; cd /; umount -l /old; ip link set lo up; echo ready; exec cat',
].join('; ');

export class Situation {
  readonly #holder: ChildProcessByStdio<Writable, Readable, null>;
  readonly #pid: number;

  static async start(): Promise<Situation> {
    return Situation.#begin(['-m', '-p', '-f', '-n']);
  }

  /** With files of its own only: the network and the processes are the machine's. Nothing may be started in it. */
  static async onHost(): Promise<Situation> {
    return Situation.#begin(['-m', '-f']);
  }

  static async #begin(own: readonly string[]): Promise<Situation> {
    const argv = [...own, '--propagation', 'private', 'sh', '-c', enter, 'sh', root];
    const holder = spawn('unshare', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    await nextWords(holder);
    const [pid] = readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, 'latin1').split(' ');
    return new Situation(holder, Number(pid));
  }

  private constructor(holder: ChildProcessByStdio<Writable, Readable, null>, pid: number) {
    this.#holder = holder;
    this.#pid = pid;
  }

  get #entering(): readonly string[] {
    return ['-t', `${this.#pid}`, '-m', '-p', '-n', '--'];
  }

  /** A path of its root, as seen from outside. */
  path(path: string): string {
    return `/proc/${this.#pid}/root${path}`;
  }

  run(program: string, ...args: readonly string[]): Promise<Run> {
    return new Promise((resolve) => {
      const options = { maxBuffer: 1 << 26, env: { ...process.env, NO_COLOR: '1' } };
      const child = execFile('nsenter', [...this.#entering, program, ...args], options, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 255, stdout, stderr });
      });
      child.stdin?.end();
    });
  }

  /** @throws Error when the script fails, with what it said */
  async sh(script: string, ...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run('sh', '-ec', script, 'sh', ...args);
    if (code !== 0) throw new Error(`${script}: exit ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  doctor(...args: readonly string[]): Promise<Run> {
    return this.run(process.execPath, program, 'doctor', ...args);
  }

  /** Asked by a program that runs it, which takes something away from it first. */
  doctorBy([asker = '', ...words]: readonly string[], ...args: readonly string[]): Promise<Run> {
    return this.run(asker, ...words, process.execPath, program, 'doctor', ...args);
  }

  /** For modules that ask a machine; with an asker as for `doctorBy`. */
  access(asker: readonly string[] = []): Access {
    const start: Access['start'] = (program, args) =>
      spawn('nsenter', [...this.#entering, ...asker, program, ...args], {
        stdio: ['pipe', 'pipe', 'pipe'],
        env: { ...process.env, LC_ALL: 'C' },
      });
    return { host: '', start };
  }

  /** A process that is the caller's to end; it ends with the situation too. */
  start(program: string, ...args: readonly string[]): ChildProcessByStdio<null, Readable, Readable> {
    return spawn('nsenter', [...this.#entering, program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** Until the script succeeds, by one shell that looks again and again. @throws Error after a minute */
  async until(script: string): Promise<void> {
    const { code } = await this.run('timeout', '60', 'sh', '-c', `until ${script}; do sleep 0.2; done`);
    if (code !== 0) throw new Error(`it did not come true within a minute: ${script}`);
  }

  async end(): Promise<void> {
    const gone = ended(this.#holder);
    this.#holder.stdin.end();
    await gone;
  }
}

/**
 * Tests that need the ring quiet, and LOG lines of network namespaces in it. `together`: several at a time, which those must
 * not be that read /proc/kmsg, since each of its lines goes to one reader, or that make the ring go round.
 */
export function ringSuite(name: string, together: boolean, define: () => void): void {
  // on a busy machine more at once are in each other's way
  suite(name, { skip: needsSituations, concurrency: together ? 2 : 1 }, () => {
    let labs: Membership;
    let lock: RingLock;
    before(async () => {
      labs = await joinLabs();
      lock = await lockRing();
    });
    after(async () => {
      await lock.release();
      await labs.leave();
    });
    define();
  });
}

// Daemons in it.

const detached = 'setsid "$@" </dev/null >/dev/null 2>&1 &';

/** journald listens, and has read what was in the ring when it began. */
const journaldIsReady = '[ -S /run/systemd/journal/socket ] && journalctl --sync 2>/dev/null';

/**
 * What PID 1 would do on a machine that systemd runs: its word `restart` for the daemons of these tests, and no more. A daemon
 * is there when it says so: rsyslogd in its log.
 */
const systemctl = `#!/bin/sh
echo "$*" >>/run/systemctl.log
stop() { for p in $(pidof "$1"); do kill $p; done; while pidof "$1" >/dev/null; do sleep 0.1; done; }
start() { setsid "$@" </dev/null >/dev/null 2>&1 & }
until_true() { n=0; while [ $n -lt 300 ] && ! eval "$1"; do n=$((n + 1)); sleep 0.1; done; }
case "$*" in
  "restart systemd-journald.service")
    stop systemd-journald; rm -f /run/systemd/journal/socket
    start /lib/systemd/systemd-journald; until_true '${journaldIsReady}' ;;
  "restart rsyslog.service")
    stop rsyslogd; rm -f /run/rsyslogd.pid; n=$(wc -c </var/log/syslog)
    start rsyslogd -n -i /run/rsyslogd.pid; until_true '[ $(wc -c </var/log/syslog) -gt $n ]' ;;
  "enable --now bridgekeeper-dmesg.service")
    start $(sed -n s/^ExecStart=//p /etc/systemd/system/bridgekeeper-dmesg.service)
    until_true '[ -s /run/bridgekeeper-dmesg.pid ]' ;;
  "disable --now bridgekeeper-dmesg.service") kill $(cat /run/bridgekeeper-dmesg.pid) ;;
  daemon-reload) ;;
  *) exit 1 ;;
esac
`;

/** systemd is this machine's init. */
export async function withSystemd(on: Situation): Promise<void> {
  await on.sh(
    'mkdir -p /run/systemd/system; printf %s "$1" >/usr/local/sbin/systemctl; chmod 755 /usr/local/sbin/systemctl',
    systemctl,
  );
}

export async function withJournald(on: Situation, settings = ''): Promise<void> {
  await withSystemd(on);
  await on.sh(
    'mkdir -p /run/systemd/journal /run/log/journal/$(cat /etc/machine-id); printf "[Journal]\\n%s\\n" "$1" >/etc/systemd/journald.conf',
    settings,
  );
  await on.sh(detached, '/lib/systemd/systemd-journald');
  await on.until(journaldIsReady);
}

/** Debian's own configuration, but for the inputs. */
function rsyslogConfig(inputs: readonly string[]): string {
  return [
    ...inputs.map((input) => `module(load="${input}")`),
    '$FileOwner root',
    '$FileGroup adm',
    '$FileCreateMode 0640',
    '$WorkDirectory /var/spool/rsyslog',
    '$IncludeConfig /etc/rsyslog.d/*.conf',
    '*.*;auth,authpriv.none  -/var/log/syslog',
    'kern.*  -/var/log/kern.log',
    '',
  ].join('\n');
}

/** With `capabilities` dropped from it, as `cap_syslog`. */
export async function withRsyslog(
  on: Situation,
  inputs: readonly string[],
  { dropped, config = '/etc/rsyslog.conf' }: { readonly dropped?: string; readonly config?: string } = {},
): Promise<void> {
  await on.sh('printf %s "$1" >"$2"', rsyslogConfig(inputs), config);
  const daemon = ['rsyslogd', '-n', '-i', '/run/rsyslogd.pid', '-f', config];
  if (dropped === undefined) await on.sh(detached, ...daemon);
  else await on.sh(detached, 'capsh', `--drop=${dropped}`, '--', '-c', `exec ${daemon.join(' ')}`);
  await on.until('[ -s /var/log/syslog ] && pidof rsyslogd');
  await sleep(200);
}

export async function withoutRsyslog(on: Situation): Promise<void> {
  await on.sh('rm -f /usr/sbin/rsyslogd');
}

/** Debian's filter of ufw's lines, with or without its last line. */
export async function withUfwFilter(on: Situation, stop: boolean): Promise<void> {
  const text = `:msg,contains,"[UFW " /var/log/ufw.log\n${stop ? '& stop\n' : '#& stop\n'}`;
  await on.sh('printf %s "$1" >/etc/rsyslog.d/20-ufw.conf', text);
}

export async function withUlogd(on: Situation, text: string): Promise<void> {
  await on.sh('mkdir -p /var/log/ulog; printf %s "$1" >/etc/ulogd.conf', text);
  await on.sh(detached, 'ulogd', '-c', '/etc/ulogd.conf');
  await on.until('grep -q . /proc/net/netfilter/nfnetlink_log');
}
