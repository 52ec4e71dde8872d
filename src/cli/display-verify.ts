// `display verify`: the picture is the proof.
import { writeFileSync } from 'node:fs';
import { join, parse } from 'node:path';
import type { LiveDisplay } from '../display/live/display-facts.ts';
import { readJournal } from '../display/live/journal.ts';
import { onTextConsole, verifyPictures } from '../display/live/verify.ts';
import type { Monitor } from '../display/monitors.ts';
import { screenshots } from '../display/predict.ts';
import { printSize, type Size } from '../display/size.ts';
import { HostError } from '../model/host-error.ts';
import { aloneWith } from './display-alone.ts';
import { isQemuAlone, onGuest } from './display-guest.ts';
import type { GuestOptions } from './display-inspect.ts';
import { exitCodes } from './exit-codes.ts';
import { print, printJson } from './output.ts';
import { type StateOptions, stateDirectory } from './state-directory.ts';

export type VerifyOptions = GuestOptions &
  StateOptions & {
    /** Where they stand matters where one picture shows all of them. */
    readonly expect?: readonly Monitor[];
    readonly png?: string;
    readonly console?: boolean;
  };

/** Consoles are switched by one at a time; to look alone changes nothing. */
export async function displayVerify(name: string, options: VerifyOptions): Promise<number> {
  const look = (who: string) => onGuest(who, options.access, (live) => verified(live, options));
  if (options.console !== true || isQemuAlone(name)) return look(name);
  return aloneWith(name, 'display verify --console', options, look);
}

async function verified(live: LiveDisplay, options: VerifyOptions): Promise<number> {
  if (live.facts.running === undefined)
    throw new HostError('not-running', 'a guest that does not run shows no picture');
  const device = live.facts.running.devices.find(({ primary }) => primary);
  const wanted = options.expect === undefined ? undefined : screenshots(device, options.expect);
  const expected = wanted ?? readJournal(stateDirectory(options), live.uuid)?.expected;
  if (expected === undefined)
    throw new HostError('usage', 'what is expected? Nothing was set on this guest; --expect 1920x1080 says it');
  const look = () => verifyPictures(live, expected);
  const { outcome, sizes, sightings, shots } = await (options.console === true ? onTextConsole(live, look) : look());
  for (const [at, shot] of options.png === undefined ? [] : shots.entries())
    if (shot !== undefined) keep(numbered(options.png ?? '', at), shot.bytes);
  if (options.output === 'json') printJson('display-verify', { outcome, pictures: sizes, expected, sightings });
  else print(`${outcome.replaceAll('-', ' ')}: ${shownSizes(sizes)}, expected ${expected.map(printSize).join(', ')}`);
  return outcome === 'as-expected' ? exitCodes.fine : exitCodes.verificationFailed;
}

/** `-` for a head that is dark. */
export function shownSizes(sizes: readonly (Size | undefined)[]): string {
  return sizes.map((size) => (size === undefined ? '-' : printSize(size))).join(', ') || 'no picture';
}

/** `seen.png`, and for further heads `seen-2.png`. */
function numbered(file: string, at: number): string {
  if (at === 0) return file;
  const { dir, name, ext } = parse(file);
  return join(dir, `${name}-${at + 1}${ext}`);
}

/** @throws HostError 'unwritable' */
function keep(file: string, bytes: Buffer): void {
  try {
    writeFileSync(file, bytes);
  } catch (cause) {
    throw new HostError('unwritable', `cannot write ${file}: ${(cause as Error).message}`, cause);
  }
}
