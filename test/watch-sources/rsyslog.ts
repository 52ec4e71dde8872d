// A rsyslogd of a test's own: the real one, with Debian's rules for kern.log and ufw.log and its files somewhere else. It
// touches nothing of the machine but the kernel's ring, which it reads.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ended } from '../support/child.ts';
import { until } from '../support/until.ts';
import { needsRing } from './ring.ts';

const program = ['/usr/sbin/rsyslogd', '/sbin/rsyslogd'].find((path) => existsSync(path));

/** The reason to skip, or false. */
export const needsRsyslog: string | false =
  needsRing || (program === undefined ? 'needs rsyslogd (package rsyslog)' : false);

export type RsyslogOptions = {
  /** imklog keeps the kernel's stamp in the text unless it is told to parse it; imkmsg drops it. */
  readonly input: 'imklog' | 'imklog without stamps' | 'imkmsg';
  /** Ubuntu's default: equal lines are folded. */
  readonly folds?: boolean;
  /** `Mar 17 13:21:53` instead of ISO. */
  readonly traditional?: boolean;
};

/** Debian's /etc/rsyslog.conf and ufw's /etc/rsyslog.d/20-ufw.conf, as far as the kernel's messages go. */
function configuration(directory: string, { input, folds = false, traditional = false }: RsyslogOptions): string {
  const stamps = input === 'imklog' ? '' : ' ParseKernelTimestamp="on" KeepKernelTimestamp="off"';
  return [
    `global(workDirectory="${directory}")`,
    input === 'imkmsg'
      ? 'module(load="imkmsg")'
      : `module(load="imklog" LogPath="${join(directory, 'klog')}"${stamps})`,
    ...(traditional ? ['$ActionFileDefaultTemplate RSYSLOG_TraditionalFileFormat'] : []),
    ...(folds ? ['$RepeatedMsgReduction on'] : []),
    '$FileCreateMode 0640',
    `:msg,contains,"[UFW " ${join(directory, 'ufw.log')}`,
    `kern.* -${join(directory, 'kern.log')}`,
    '',
  ].join('\n');
}

/**
 * What is read from /proc/kmsg has been taken from everybody else, so imklog gets a pipe with the same lines out of
 * /dev/kmsg, as record_print_text() (kernel/printk/printk.c) writes them.
 */
const relay = `
import os, re, sys
os.mkfifo(sys.argv[1])
ring = os.open("/dev/kmsg", os.O_RDONLY)
pipe = os.open(sys.argv[1], os.O_WRONLY)
while True:
    try:
        record = os.read(ring, 16384)
    except BrokenPipeError:
        continue
    head, _, text = record.split(b"\\n")[0].partition(b";")
    priority, _, stamp = head.split(b",")[:3]
    text = re.sub(rb"\\\\x([0-9a-f]{2})", lambda match: bytes([int(match[1], 16)]), text)
    line = b"<%d>[%5d.%06d] %s\\n" % (int(priority), int(stamp) // 1000000, int(stamp) % 1000000, text)
    while line: line = line[os.write(pipe, line):]
`;

export class Rsyslog {
  readonly kern: string;
  readonly ufw: string;
  readonly #child: ChildProcess;
  readonly #relay: ChildProcess | undefined;

  /** Files that it writes and its configuration are in `directory`. */
  static async start(directory: string, options: RsyslogOptions): Promise<Rsyslog> {
    const file = join(directory, 'rsyslog.conf');
    writeFileSync(file, configuration(directory, options));
    const pid = join(directory, 'rsyslog.pid');
    const isRelayed = options.input !== 'imkmsg';
    const klog = join(directory, 'klog');
    const fed = isRelayed
      ? spawn('python3', ['-c', relay, klog], { stdio: ['ignore', 'ignore', 'ignore'] })
      : undefined;
    if (isRelayed) await until(() => existsSync(klog), 'the relay is there', 5);
    const child = spawn(program ?? '', ['-n', '-f', file, '-i', pid], { stdio: ['ignore', 'ignore', 'inherit'] });
    const rsyslog = new Rsyslog(directory, child, fed);
    // it writes what is in the ring at its start
    await until(() => existsSync(rsyslog.kern) || child.exitCode !== null, 'rsyslogd writes');
    if (child.exitCode !== null) throw new Error(`rsyslogd ended with ${child.exitCode}`);
    return rsyslog;
  }

  private constructor(directory: string, child: ChildProcess, fed: ChildProcess | undefined) {
    this.kern = join(directory, 'kern.log');
    this.ufw = join(directory, 'ufw.log');
    this.#child = child;
    this.#relay = fed;
  }

  /** As logrotate's postrotate script does: it closes its files, and opens new ones when it has something to write. */
  async reopen(): Promise<void> {
    this.#child.kill('SIGHUP');
    // until then it writes to the old ones
    await until(() => !this.#openFiles().some((path) => path.endsWith('.log.1')), 'rsyslogd has closed them');
  }

  #openFiles(): readonly string[] {
    const folder = `/proc/${this.#child.pid}/fd`;
    return readdirSync(folder).flatMap((fd) => {
      try {
        return [readlinkSync(join(folder, fd))];
      } catch {
        return [];
      }
    });
  }

  /** Waits for lines with this text, at most a minute; how many there are. */
  async lines(path: string, text: string, count: number): Promise<number> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const found = existsSync(path) ? readFileSync(path, 'latin1').split(text).length - 1 : 0;
      if (found >= count || Date.now() > deadline) return found;
      await sleep(20);
    }
  }

  async stop(): Promise<void> {
    this.#relay?.kill('SIGKILL');
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = ended(this.#child);
    this.#child.kill('SIGTERM');
    await gone;
  }
}
