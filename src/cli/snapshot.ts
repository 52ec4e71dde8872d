// `snapshot`: the host's facts as a file, for review, for tests, for another machine.
import { printHost } from '../topology/print-host.ts';
import { readHost } from '../topology/read.ts';
import { exitCodes } from './exit-codes.ts';
import { tellFaults } from './input.ts';
import { type Format, print, printJson } from './output.ts';

export type SnapshotOptions = {
  readonly output: Format;
  /** Guests whose agents are asked for their addresses. */
  readonly agent?: readonly string[];
};

export async function snapshot(options: SnapshotOptions): Promise<number> {
  const host = await readHost({ names: new Set(options.agent), macs: new Set(), ports: new Set() });
  const failed = tellFaults(host.diagnostics);
  if (host.value === undefined) return exitCodes.faults;
  if (options.output === 'json') printJson('snapshot', { host: host.value });
  else print(printHost(host.value));
  return failed ? exitCodes.faults : exitCodes.fine;
}
