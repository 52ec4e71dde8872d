// dmesg(1), looked at again and again -> records. For kernels and containers where /dev/kmsg cannot be read: the ring is
// had by syslog(2) then, which counts nothing, so that loss shows only where two looks do not overlap.
import { execFile } from 'node:child_process';
import { BootClock, bootId } from './boot-clock.ts';
import { parseDmesgLine } from './dmesg-line.ts';
import { wholeLines } from './lines.ts';
import { digestOf, stepBetween, tailLength } from './overlap.ts';
import {
  type Batch,
  type Cursor,
  type Finding,
  finding,
  mayBeLogLine,
  pause,
  type Source,
  type SourceItem,
  type Trust,
} from './source.ts';

export type DmesgOptions = { readonly pollMs?: number };

/** The whole ring as text. `facilities` says whether the numbers in front of the lines are the kernel's own. */
export type Look = { readonly dump: Buffer; readonly facilities: boolean };

const usualPollMs = 1_000;
/** After a look that brought many new lines the next one comes sooner: the ring may go round. */
const hurriedPollMs = 100;
const mostBytes = 64 * 1024 * 1024;

export function dmesg({ pollMs = usualPollMs }: DmesgOptions = {}): Source {
  return { name: 'dmesg', host: '', batches: (cursor, signal) => follow(pollMs, cursor, signal) };
}

async function* follow(pollMs: number, cursor: Cursor | undefined, signal: AbortSignal): AsyncGenerator<Batch> {
  const reading = new DmesgReading(bootId() ?? 'unknown', cursor);
  while (!signal.aborted) {
    const begun = Date.now();
    const look = await lookOnce();
    if ('kind' in look) return yield { items: [look] };
    const { batch, share } = reading.accept(look, begun, Date.now());
    if (batch !== undefined) yield batch;
    await pause(share > 0.25 ? Math.min(hurriedPollMs, pollMs) : pollMs, signal);
  }
}

/**
 * `-S` asks syslog(2). Without it newer versions read /dev/kmsg and print facility and level or-ed together
 * (util-linux 2.38, LOG_MAKEPRI on an unshifted facility): a program could pass for the kernel. Older ones know no `-S`.
 */
async function lookOnce(): Promise<Look | Finding> {
  const asked = await dump(['-r', '-S']);
  if (Buffer.isBuffer(asked)) return { dump: asked, facilities: true };
  const plain = asked.code === 'ENOENT' ? asked : await dump(['-r']);
  if (Buffer.isBuffer(plain)) return { dump: plain, facilities: false };
  return refused(plain);
}

type Failure = { readonly code: unknown; readonly said: string };

function dump(args: readonly string[]): Promise<Buffer | Failure> {
  const options = { encoding: 'buffer', maxBuffer: mostBytes, env: { ...process.env, LC_ALL: 'C' } } as const;
  return new Promise((resolve) => {
    execFile('dmesg', args, options, (error, stdout, stderr) => {
      resolve(error === null ? stdout : { code: error.code, said: stderr.toString('latin1').trim() });
    });
  });
}

function refused({ code, said }: Failure): Finding {
  if (code === 'ENOENT') return finding('dmesg-absent', 'dmesg is not installed');
  return finding('dmesg-refused', `dmesg failed: ${said || String(code)}`);
}

/** The records of one look after another, from any machine. */
export class DmesgReading {
  readonly #epoch: string;
  readonly #clock: BootClock;
  readonly #from: Cursor | undefined;
  #tail: readonly string[] = [];
  #us: number | undefined;
  #lookedAt: number | undefined;
  #dump: Buffer | undefined;

  constructor(epoch: string, cursor: Cursor | undefined, clock: BootClock = new BootClock()) {
    this.#epoch = epoch;
    this.#clock = clock;
    this.#from = cursor;
    const { boot, tail, us } = cursor ?? {};
    if (boot !== epoch || !Array.isArray(tail)) return;
    this.#tail = tail.filter((digest) => typeof digest === 'string');
    this.#us = typeof us === 'number' ? us : undefined;
  }

  /** `share` is how much of the ring was new. */
  accept({ dump, facilities }: Look, begun: number, ended: number): { readonly batch?: Batch; readonly share: number } {
    const earliest = this.#lookedAt;
    this.#lookedAt = begun;
    if (this.#dump?.equals(dump)) return { share: 0 };
    const { lines } = wholeLines(dump);
    const digests = lines.map(digestOf);
    const { fresh, lost } = stepBetween(this.#tail, digests);
    const gaps = this.#gaps(lines, fresh, lost);
    const records = this.#records(lines.slice(fresh), facilities, lost ? undefined : earliest, ended);
    this.#dump = dump;
    if (digests.length > 0) this.#tail = digests.slice(-tailLength);
    const batch = {
      items: [...gaps, ...records],
      cursor: { boot: this.#epoch, tail: this.#tail, us: this.#us ?? null },
    };
    return { batch, share: (lines.length - fresh) / Math.max(lines.length, 1) };
  }

  #gaps(lines: readonly Buffer[], fresh: number, lost: boolean): readonly SourceItem[] {
    const first = lines[fresh] && parseDmesgLine(lines[fresh]);
    const before = { epoch: this.#epoch, ...(first && { us: first.us, wall: this.#clock.wallOf(first.us) }) };
    const boot = this.#from?.boot;
    if (this.#dump === undefined && typeof boot === 'string' && boot !== this.#epoch)
      return [{ kind: 'gap', lost: 'unknown', reason: 'reboot', between: { after: { epoch: boot }, before } }];
    if (!lost) return [];
    const after = { epoch: this.#epoch, ...(this.#us !== undefined && { us: this.#us }) };
    return [{ kind: 'gap', lost: 'unknown', reason: 'no-overlap', between: { after, before } }];
  }

  #records(
    lines: readonly Buffer[],
    facilities: boolean,
    earliest: number | undefined,
    latest: number,
  ): readonly SourceItem[] {
    return lines.flatMap((line): readonly SourceItem[] => {
      const parsed = parseDmesgLine(line);
      if (parsed === undefined) return [];
      const { us, facility, text } = parsed;
      this.#us = us;
      if (earliest !== undefined) this.#clock.learn(us, earliest, latest);
      if (!mayBeLogLine(text)) return [];
      const trust: Trust = facility !== 0 ? 1 : facilities ? 3 : 2;
      const wall = this.#clock.wallOf(us);
      return [{ kind: 'record', trust, epoch: this.#epoch, us, wall, facility, text }];
    });
  }
}
