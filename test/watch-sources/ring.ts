// The kernel's ring for tests. It belongs to the whole machine: never cleared, never flooded; those who fill it take turns
// and are slow enough for everybody else who reads along.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { accessSync, closeSync, constants, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { joinLabs, type Membership } from '../../src/lab/registry.ts';
import { ended, nextWords } from '../support/child.ts';

/** The reason to skip, or false. */
export const needsRing: string | false = ringProblem();

function ringProblem(): string | false {
  if (process.getuid?.() !== 0) return 'the kernel ring and network namespaces need root';
  try {
    accessSync('/dev/kmsg', constants.R_OK | constants.W_OK);
    return false;
  } catch {
    return 'there is no /dev/kmsg here';
  }
}

/** A user's line: facility 1, level debug, so that no console prints it. One descriptor may write ten lines in 5 s only. */
export function writeMark(text: string, facility = 1): void {
  const fd = openSync('/dev/kmsg', constants.O_WRONLY);
  try {
    writeSync(fd, `<${facility * 8 + 7}>${text}\n`);
  } finally {
    closeSync(fd);
  }
}

/** The numbers of all records from now on, by a reader that never sleeps for long: what the kernel really had. */
export function watchNumbers(): { readonly stop: () => readonly number[] } {
  const fd = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
  const buffer = Buffer.alloc(16 * 1024);
  const numbers: number[] = [];
  const drain = (): void => {
    try {
      for (;;) {
        const length = readSync(fd, buffer);
        numbers.push(Number(buffer.toString('latin1', 0, Math.min(length, 64)).split(',')[1]));
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
  };
  drain();
  const timer = setInterval(drain, 5);
  return {
    stop: () => {
      clearInterval(timer);
      drain();
      closeSync(fd);
      return numbers;
    },
  };
}

export type RingLock = { readonly release: () => Promise<void> };

/** util-linux `flock` holds the lock for as long as its standard input is open. Nobody holds it for longer than minutes. */
export async function lockRing(): Promise<RingLock> {
  mkdirSync('/run/bridgekeeper', { recursive: true });
  const holder = spawn('flock', ['--timeout', '420', '/run/bridgekeeper/ring.lock', 'sh', '-c', 'echo; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await nextWords(holder).catch((cause) => {
    throw new Error('the kernel ring has been in use by other tests for seven minutes', { cause });
  });
  return {
    release: async () => {
      const gone = ended(holder);
      holder.stdin.end();
      await gone;
    },
  };
}

/** Pushes everything that is in the ring out of it, over two seconds: who polls loses nothing. */
export async function turnRingOver(): Promise<number> {
  const lines = 400; // of about 800 bytes: more than 256 KiB
  for (let line = 0; line < lines; line++) {
    writeMark(`bridgekeeper fills the ring ${'.'.repeat(750)} ${line}`);
    if (line % 4 === 3) await sleep(20);
  }
  return lines;
}

let chatters = 0;

type Child = ChildProcessByStdio<Writable, Readable, null>;

/** A network namespace whose packets to 127.0.0.0/8 are logged by a real rule of netfilter. */
export class Chatter {
  readonly prefix: string;
  readonly #membership: Membership;
  readonly #child: Child;

  /** Prefixes are unlike those of other runs. */
  static async start(words: string): Promise<Chatter> {
    const membership = await joinLabs();
    const prefix = `${words} ${process.pid}.${chatters++} `;
    const rule = `table ip t {\n chain c {\n type filter hook input priority 0; udp sport != 9 counter log prefix "${prefix}"\n }\n}\n`;
    const script = 'ip link set lo up && nft -f - <<E\n'.concat(rule, 'E\necho; exec python3 -c "$1"');
    const child = spawn('unshare', ['-n', 'sh', '-c', script, 'sh', sender], { stdio: ['pipe', 'pipe', 'inherit'] });
    await nextWords(child);
    return new Chatter(prefix, membership, child);
  }

  private constructor(prefix: string, membership: Membership, child: Child) {
    this.prefix = prefix;
    this.#membership = membership;
    this.#child = child;
  }

  /**
   * So many datagrams, so many in a second, each with a target port of its own as long as there are enough. With `alike`
   * so many in a row go to one port and have ID=0: their lines are equal.
   */
  async send(count: number, perSecond = 1_000, alike = 1): Promise<void> {
    await this.#ask(`${count} ${perSecond} ${alike}`);
  }

  /** How many lines its rule has logged, by the kernel's own count. */
  async logged(): Promise<number> {
    return Number(/\bpackets (\d+)/.exec(await this.#ask('logged'))?.[1]);
  }

  async #ask(words: string): Promise<string> {
    const answer = nextWords(this.#child);
    this.#child.stdin.write(`${words}\n`);
    return answer;
  }

  async stop(): Promise<void> {
    const gone = ended(this.#child);
    this.#child.stdin.end();
    await gone;
    await this.#membership.leave();
  }
}

/** The target port of the first datagram; the next one has the next. */
export const firstPort = 1024;

/**
 * Reads lines `count rate alike`, or `logged`; sends in small bursts. With IP_PMTUDISC_DO a socket that is not connected has
 * ID=0 in every datagram (ip_select_ident_segs), else each has another one.
 */
const sender = `
import socket, subprocess, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 40000))
sent = 0
for line in sys.stdin:
    if line == "logged\\n":
        rules = subprocess.run(["nft", "list", "chain", "ip", "t", "c"], capture_output=True, text=True).stdout
        print(rules.replace("\\n", " "), flush=True)
        continue
    count, rate, alike = map(int, line.split())
    s.setsockopt(socket.IPPROTO_IP, 10, 1 if alike == 1 else 2)
    begin = time.monotonic()
    for n in range(count):
        to = ("127.0.0.1", ${firstPort} + sent // alike % 15000)
        try:
            s.sendto(b"x", to)
        except ConnectionRefusedError:
            s.sendto(b"x", to)
        sent += 1
        ahead = begin + (n + 1) / rate - time.monotonic()
        if ahead > 0.005: time.sleep(ahead)
        # who stood still does not make up for it: no reader is fast enough for that
        if ahead < -0.05: begin -= ahead
    print(flush=True)
`;
