// The kernel ring of another machine by ssh: `cat /dev/kmsg` where that can be read, else dmesg, looked at by a loop of
// the other side's shell, which sends the ring only when it has changed. The numbers and overlaps are checked here.
import type { Access } from '../../machine/access.ts';
import { type Ending, Output } from '../../machine/output.ts';
import { BootClock, plainBootId } from './boot-clock.ts';
import { DmesgReading } from './dmesg.ts';
import { KmsgReading } from './kmsg.ts';
import { parseKmsgRecord } from './kmsg-record.ts';
import { wholeLines } from './lines.ts';
import { type Batch, type Cursor, type Finding, finding, pause, type Source } from './source.ts';

const retryMs = 5_000;
const batchSize = 2_000;
const separator = 0x1e;

/** First who the machine is and what its clocks say, each time: it may have been started anew. */
const head =
  'cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo; cat /proc/uptime 2>/dev/null || echo; date +%s || echo; ';

const kmsgScript = `${head}exec cat /dev/kmsg`;

/** A line with a record separator ends each look; one comes now and then alone, so that a broken connection is noticed. */
const dmesgScript =
  `${head}if dmesg -r -S >/dev/null 2>&1; then m=-S; else m=; dmesg -r >/dev/null || exit; fi; echo "mode $m"; o=; n=0; ` +
  'while :; do d=$(dmesg -r $m) || exit; n=$((n+1)); if [ "$d" = "$o" ]; then [ $((n%10)) -gt 0 ] || printf "\\036\\n"; ' +
  'else printf "%s\\n\\036\\n" "$d"; o=$d; fi; sleep 1; done';

export function remoteKmsg(access: Access): Source {
  return {
    name: 'kmsg',
    host: access.host,
    batches: (cursor, signal) => follow(access, kmsgScript, kmsgReader, cursor, signal),
  };
}

export function remoteDmesg(access: Access): Source {
  return {
    name: 'dmesg',
    host: access.host,
    batches: (cursor, signal) => follow(access, dmesgScript, dmesgReader, cursor, signal),
  };
}

type Machine = { readonly epoch: string; readonly clock: BootClock };

/** Takes bytes of one connection, gives batches. */
type Reader = (bytes: Buffer) => readonly Batch[];

type MakeReader = (machine: Machine, cursor: Cursor | undefined) => Reader;

async function* follow(
  access: Access,
  script: string,
  makeReader: MakeReader,
  cursor: Cursor | undefined,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  let from = cursor;
  let told = '';
  while (!signal.aborted) {
    const output = new Output(access, 'sh', ['-c', script], signal);
    for await (const batch of connection(output, makeReader, from)) {
      from = batch.cursor ?? from;
      yield batch;
    }
    const problem = problemOf(access.host, await output.ending());
    if (signal.aborted) return;
    if (problem !== undefined && problem.message !== told) yield { items: [problem] };
    told = problem?.message ?? '';
    await pause(problem === undefined ? 0 : retryMs, signal);
  }
}

async function* connection(output: Output, makeReader: MakeReader, from: Cursor | undefined): AsyncGenerator<Batch> {
  let read: Reader | undefined;
  let waiting = Buffer.alloc(0);
  for await (const chunk of output) {
    if (read === undefined) {
      waiting = Buffer.concat([waiting, chunk]);
      const { lines } = wholeLines(waiting);
      if (lines.length < 3) continue;
      read = makeReader(machineOf(lines), from);
      const rest = waiting.subarray(lines.slice(0, 3).reduce((sum, line) => sum + line.length + 1, 0));
      yield* read(rest);
    } else {
      yield* read(chunk);
    }
  }
}

/** Without an uptime or a date the other clock is taken for ours. */
function machineOf([boot, uptime, date]: readonly Buffer[]): Machine {
  const seconds = Number(date?.toString('latin1'));
  const up = Number(uptime?.toString('latin1').split(' ')[0]);
  const now = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : Date.now();
  const base = Number.isFinite(up) ? now - up * 1000 : now;
  // `date` has whole seconds
  const ahead = Math.abs(now - Date.now()) < 2_000 ? 0 : now - Date.now();
  return { epoch: plainBootId(boot?.toString('latin1') ?? '') ?? 'unknown', clock: new BootClock(base, ahead) };
}

/** cat ends with EPIPE when records are lost before it reads them: the next one goes on, and the numbers tell. */
function problemOf(host: string, { code, said }: Ending): Finding | undefined {
  if (/Broken pipe/.test(said) && code === 1) return undefined;
  if (/Invalid argument/.test(said)) {
    return finding('kmsg-unreadable', `${host}: reading /dev/kmsg gives EINVAL: a kernel older than 3.5`);
  }
  return finding('ssh-ended', `${host}: the connection ended with ${code}${said === '' ? '' : `: ${said}`}`);
}

const kmsgReader: MakeReader = ({ epoch, clock }, cursor) => {
  const reading = new KmsgReading(epoch, cursor, clock);
  let rest = Buffer.alloc(0);
  return (bytes) => {
    const joined = Buffer.concat([rest, bytes]);
    const { lines, length } = wholeLines(joined);
    rest = Buffer.from(joined.subarray(length));
    for (const line of lines) {
      const record = parseKmsgRecord(line); // lines that begin with a blank belong to the record before
      // how long it was on its way nobody knows: it can only be older
      if (record !== undefined) reading.accept(record, Number.NEGATIVE_INFINITY);
    }
    return batchesOf(reading);
  };
};

function batchesOf(reading: KmsgReading): readonly Batch[] {
  const batches: Batch[] = [];
  for (let batch = reading.take(batchSize); batch !== undefined; batch = reading.take(batchSize)) batches.push(batch);
  const position = batches.length === 0 ? reading.position(1_000) : undefined;
  return position === undefined ? batches : [position];
}

const dmesgReader: MakeReader = ({ epoch, clock }, cursor) => {
  const reading = new DmesgReading(epoch, cursor, clock);
  let facilities: boolean | undefined;
  let begun = clock.now();
  let rest = Buffer.alloc(0);
  return (bytes) => {
    const batches: Batch[] = [];
    rest = Buffer.concat([rest, bytes]);
    if (facilities === undefined) {
      const { lines } = wholeLines(rest);
      const [mode] = lines;
      if (mode === undefined) return batches;
      facilities = mode.toString('latin1') === 'mode -S';
      rest = rest.subarray(mode.length + 1);
    }
    for (let end = endOfLook(rest); end >= 0; end = endOfLook(rest)) {
      const { batch } =
        end === 0 ? {} : reading.accept({ dump: rest.subarray(0, end), facilities }, begun, clock.now());
      if (batch !== undefined) batches.push(batch);
      rest = Buffer.from(rest.subarray(end + 2));
      // what is new next time was not in this look, which was taken at most so long ago
      begun = clock.now() - retryMs;
    }
    return batches;
  };
};

/** Where the line with the separator begins; dmesg escapes control characters, so that no text can hold it. */
function endOfLook(bytes: Buffer): number {
  const at = bytes.indexOf(separator);
  return at >= 0 && bytes.length > at + 1 ? at : -1;
}
