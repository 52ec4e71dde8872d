// The program that the kill test kills: it follows the logs of several machines at once, each into a store of its own, and
// says `MACHINE ID TEXT` when it is told that an event is stored. Ends well when its standard input ends.
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { HostError } from '../../src/model/host-error.ts';
import { logFile } from '../../src/watch/sources/file.ts';
import { follow, type Told } from '../../src/watch/store/follow.ts';
import { openStoreWriter } from '../../src/watch/store/store-writer.ts';
import { recordedJournal, recordedRing } from './recorded-sources.ts';

const pollMs = 4;

async function keep(directory: string, world: number, signal: AbortSignal): Promise<void> {
  const writer = await openStoreWriter(join(directory, 'store'));
  if (writer === undefined) throw new Error(`${directory}: somebody else writes`);
  writeSync(1, 'open\n');
  const sources = [
    recordedRing(join(directory, 'kmsg')),
    recordedJournal(join(directory, 'journal')),
    logFile(join(directory, 'kern.log'), { pollMs }),
    logFile(join(directory, 'ufw.log'), { pollMs }),
  ];
  await follow(sources, writer, signal, (told) => acknowledge(world, told));
  await writer.close();
}

function acknowledge(world: number, told: readonly Told[]): void {
  const lines = told.flatMap((one) =>
    one.kind === 'event' ? [`${world} ${one.id} ${Buffer.from(one.record.text).toString('latin1').trimEnd()}\n`] : [],
  );
  if (lines.length > 0) writeSync(1, lines.join(''));
}

const abort = new AbortController();
process.stdin.on('end', () => abort.abort()).resume();
try {
  await Promise.all(process.argv.slice(2).map((directory, world) => keep(directory, world, abort.signal)));
} catch (error) {
  if (!(error instanceof HostError)) throw error;
  writeSync(1, `refused ${error.code}: ${error.message}\n`);
  process.exit(2);
}
