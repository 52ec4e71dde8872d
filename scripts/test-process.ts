// Loaded into the process of every test file before the file. A file must end: one that hangs, and processes that a file left
// running with its output open, would hold up the whole run without a word, for node:test waits for both.
import { fstatSync, readlinkSync, writeSync } from 'node:fs';
import { afterEach, beforeEach, type SuiteContext, type TestContext } from 'node:test';
import { isMainThread } from 'node:worker_threads';
import { descendants, endAll, type Process, processes } from './processes.ts';

/** Whose standard output or error is this process's own pipe or socket. */
function sharesOutput({ pid }: Process, outputs: ReadonlySet<string>): boolean {
  return ['1', '2'].some((fd) => {
    try {
      return outputs.has(readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch {
      return false;
    }
  });
}

function ownOutputs(): ReadonlySet<string> {
  return new Set(
    [1, 2].flatMap((fd) => {
      const { ino } = fstatSync(fd);
      const isOwn = fstatSync(fd).isFIFO() || fstatSync(fd).isSocket();
      return isOwn ? [`pipe:[${ino}]`, `socket:[${ino}]`] : [];
    }),
  );
}

/** Ends what this file started, or what holds its output, and says so. */
function endOthers(): void {
  const all = processes().filter(({ pid }) => pid !== process.pid && pid !== process.ppid);
  const outputs = ownOutputs();
  const ended = new Set([...descendants(all, process.pid), ...all.filter((one) => sharesOutput(one, outputs))]);
  for (const { pid, command } of endAll(ended)) say(`left running, ended now: ${pid} ${command}`);
}

function say(text: string): void {
  writeSync(2, `${text}\n`);
}

const nameOf = (context: TestContext | SuiteContext): string => context.fullName;

const deadlineMs = Number(process.env.BRIDGEKEEPER_TEST_FILE_MS);

if (isMainThread && process.platform === 'linux' && deadlineMs > 0) {
  delete process.env.BRIDGEKEEPER_TEST_FILE_MS;
  const running = new Set<string>();
  beforeEach((context) => void running.add(nameOf(context)));
  afterEach((context) => void running.delete(nameOf(context)));
  process.on('exit', endOthers);
  setTimeout(() => {
    say(
      `after ${deadlineMs / 60_000} minutes this file had not ended; open: ${process.getActiveResourcesInfo().join(', ')}`,
    );
    for (const name of running) say(`running: ${name}`);
    process.exit(1);
  }, deadlineMs).unref();
}
