// A journald of a test's own: the real one, in a mount namespace with a /run of its own. It reads the machine's kernel
// ring as every journald does. systemd need not run for that.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync, globSync, mkdirSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { ended, nextWords } from '../support/child.ts';
import { until } from '../support/until.ts';
import { needsRing } from './ring.ts';

const program = ['/lib/systemd/systemd-journald', '/usr/lib/systemd/systemd-journald'].find((path) => existsSync(path));

/** The reason to skip, or false. */
export const needsJournald: string | false =
  needsRing || (program === undefined ? 'needs systemd-journald (package systemd)' : false);

const script =
  'archived() { find /run/log/journal -name "*@*.journal" | wc -l; }; ' +
  'mount -t tmpfs -o size=64m tmpfs /run && mkdir -p /run/systemd/journal /run/log/journal/"$(cat /etc/machine-id)" || exit 1; ' +
  '"$1" & daemon=$!; echo ready; while read -r word; do case $word in ' +
  'stop) kill $daemon; wait $daemon; echo stopped;; start) "$1" & daemon=$!; echo started;; ' +
  'rotate) had=$(archived); kill -USR2 $daemon; turn=0; ' +
  'while [ "$(archived)" = "$had" ] && [ $turn -lt 600 ]; do turn=$((turn + 1)); sleep 0.05; done; echo rotated;; ' +
  'wipe) find /run/log/journal -name "*@*.journal" -delete; echo wiped;; ' +
  'slow) kill -STOP $daemon; echo slow;; go) kill -CONT $daemon; echo going;; esac; done; kill -CONT $daemon; kill $daemon; wait';

type Word = 'stop' | 'start' | 'rotate' | 'wipe' | 'slow' | 'go';

export class Journald {
  /** For `journalctl --directory`: its namespace as seen from here. */
  readonly directory: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;

  static async start(): Promise<Journald> {
    const argv = ['-m', '--propagation', 'private', 'sh', '-c', script, 'sh', program ?? ''];
    const child = spawn('unshare', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    await nextWords(child);
    const journald = new Journald(child);
    const files = () => globSync('*/system.journal', { cwd: journald.directory });
    await until(() => files().length > 0, 'journald has a journal');
    return journald;
  }

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#child = child;
    this.directory = `/proc/${child.pid}/root/run/log/journal`;
  }

  async say(word: Word): Promise<void> {
    const answer = nextWords(this.#child);
    this.#child.stdin.write(`${word}\n`);
    await answer;
  }

  async end(): Promise<void> {
    const gone = ended(this.#child);
    this.#child.stdin.end();
    await gone;
  }
}

/** A place without any journal. */
export function emptyJournal(directory: string): string {
  mkdirSync(directory, { recursive: true });
  return directory;
}
