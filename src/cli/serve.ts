// `serve`: keeps the rules in step with the host until it is told to end. It loads no policy that was not applied.
import { follow } from '../follow/follow.ts';
import type { Happening, Told } from '../follow/happening.ts';
import { keepRecords, printRecord } from '../follow/record.ts';
import { escapedJson } from './escaped.ts';
import { exitCodes } from './exit-codes.ts';
import { siteOf } from './live-target.ts';
import { type Format, print, safeLines, tell } from './output.ts';
import type { StateOptions } from './state-directory.ts';

export type ServeOptions = StateOptions & { readonly policy: string; readonly output: Format };

/** SIGTERM is the usual end of a daemon; SIGINT is somebody at a terminal. */
const codes = { SIGTERM: exitCodes.fine, SIGINT: exitCodes.interrupted } as const;

export async function serve({ policy, output, ...options }: ServeOptions): Promise<number> {
  const site = siteOf(options, 'serve');
  const abort = new AbortController();
  let code: number = exitCodes.fine;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (abort.signal.aborted) process.exit(codes[signal]);
      code = codes[signal];
      abort.abort();
    });
  }
  const told = (happenings: readonly Happening[]): void => {
    const at = Date.now();
    tellAll(
      site.state,
      happenings.map((happening) => ({ at, happening })),
      output,
    );
  };
  const onReady = (again: () => void): void => {
    process.on('SIGHUP', again);
  };
  await follow({ site, policyFile: policy, tell: told, onReady }, abort.signal);
  return code;
}

/** On the disk first. A disk that is full keeps nobody from following. */
function tellAll(state: string, told: readonly Told[], output: Format): void {
  try {
    keepRecords(state, told);
  } catch (cause) {
    tell(`cannot write ${state}/drift.log: ${(cause as Error).message}`);
  }
  for (const one of told) {
    if (output === 'json') print(escapedJson(printRecord(one)));
    else print(safeLines(lineOf(one)));
  }
}

/** The journal has times of its own; a file has not. */
function lineOf({ at, happening }: Told): string {
  const { kind, words } = happening;
  const outcome = kind === 'drift' ? `drift ${happening.outcome}` : kind;
  return `${new Date(at).toISOString()} ${outcome}: ${words}`;
}
