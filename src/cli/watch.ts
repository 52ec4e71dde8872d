// `watch`: every firewall line once, from all sources that there are, kept in the store and shown when it is kept.
import { accessNamed } from '../machine/access.ts';
import { HostError } from '../model/host-error.ts';
import { unreachable } from '../model/unreachable.ts';
import { PacketPaths } from '../watch/packet-paths.ts';
import { sourcesNamed } from '../watch/sources/known-sources.ts';
import { pause, type Source } from '../watch/sources/source.ts';
import { follow, type Keeper, memoryKeeper, type Told } from '../watch/store/follow.ts';
import { openStoreWriter, type StoreWriter } from '../watch/store/store-writer.ts';
import { CurrentSite } from './current-site.ts';
import { printed } from './event-text.ts';
import { exitCodes } from './exit-codes.ts';
import { untilInterrupted } from './interrupted.ts';
import { type Format, tell } from './output.ts';
import { printLines } from './print-lines.ts';
import type { SiteOptions } from './site.ts';
import { type StateOptions, stateDirectory } from './state-directory.ts';
import { type Showing, shownGap, showStored } from './stored.ts';

export type WatchOptions = StateOptions &
  SiteOptions & {
    /** Also what comes by standard input; `--no-store`: nothing at all. */
    readonly store?: boolean;
    /** `ssh:HOST`: the sources are those of another machine. */
    readonly access?: string;
    readonly output: Format;
  };

/** Ends with its sources, as standard input does. @throws Interrupted when a signal ended it */
export async function watch(names: readonly string[], options: WatchOptions): Promise<number> {
  const { host, policy, output: format } = options;
  if (names.includes('-') && (host === '-' || policy === '-'))
    throw new HostError('usage', 'standard input cannot be the lines and also the host or the policy');
  const access = accessNamed(options.access);
  const site = await CurrentSite.read(undefined, options);
  const showing = { format, attribute: site.attribute, refresh: () => site.refresh() };
  return untilInterrupted(async (signal) => {
    const sources = await sourcesNamed(names, signal, access);
    if (!isStored(names, options)) {
      return followAndShow(sources, memoryKeeper(), signal, showing);
    }
    const directory = stateDirectory(options);
    const writer = await openStoreWriter(directory);
    if (writer !== undefined) return watchStoring(sources, writer, signal, showing);
    if (names.length > 0) throw new HostError('store-busy', `another process writes to the store in ${directory}`);
    tell(`another process writes to the store in ${directory}: this is what it stores from now on`);
    const next = await showUntilFree(directory, signal, showing);
    if (next === undefined) return exitCodes.fine;
    tell('the other process has ended: this one stores from now on');
    return watchStoring(sources, next, signal, showing);
  });
}

const lookEveryMs = 2_000;

/** What the other process stores, until it does no more; `undefined` when the signal came before. */
async function showUntilFree(
  directory: string,
  signal: AbortSignal,
  showing: Showing,
): Promise<StoreWriter | undefined> {
  const enough = new AbortController();
  const showingStored = showStored(directory, {}, AbortSignal.any([signal, enough.signal]), showing);
  let writer: StoreWriter | undefined;
  while (writer === undefined && !signal.aborted) {
    await pause(lookEveryMs, signal);
    if (!signal.aborted) writer = await openStoreWriter(directory);
  }
  enough.abort();
  await showingStored;
  return writer;
}

/** What comes by standard input is kept only when that is asked for: it is somebody's saved log. */
function isStored(names: readonly string[], { store }: WatchOptions): boolean {
  return store ?? !names.includes('-');
}

async function watchStoring(
  sources: readonly Source[],
  writer: StoreWriter,
  signal: AbortSignal,
  showing: Showing,
): Promise<number> {
  let code: number;
  try {
    code = await followAndShow(sources, writer, signal, showing);
  } catch (error) {
    await writer.close().catch(() => undefined); // what went wrong first is what counts
    throw error;
  }
  await writer.close();
  return code;
}

/** Sources that ended with a complaint and showed nothing could not be had. */
async function followAndShow(
  sources: readonly Source[],
  keeper: Keeper,
  signal: AbortSignal,
  showing: Showing,
): Promise<number> {
  tellSources(sources);
  const kinds = new Set<Told['kind']>();
  const paths = new PacketPaths();
  await follow(sources, keeper, signal, async (told) => {
    for (const { kind } of told) kinds.add(kind);
    if (told.some(({ kind }) => kind === 'event')) await showing.refresh();
    await printLines(told.flatMap((one) => shown(one, showing, paths)));
  });
  return kinds.has('finding') && kinds.size === 1 ? exitCodes.refused : exitCodes.fine;
}

function tellSources(sources: readonly Source[]): void {
  const there = sources.filter(({ isAbsent }) => isAbsent !== true);
  tell(`following ${there.map(({ host, name }) => (host === '' ? name : `ssh:${host}/${name}`)).join(', ')}`);
  const absent = sources.filter(({ isAbsent }) => isAbsent === true).map(({ name }) => name.replace(/^[a-z]+:/, ''));
  if (absent.length > 0) tell(`not there, and followed when they come: ${absent.join(', ')}`);
}

/** Data goes to stdout; what is to be said about a source goes to stderr. */
function shown(told: Told, { format, attribute }: Showing, paths: PacketPaths): readonly string[] {
  const { host, source } = told;
  switch (told.kind) {
    case 'event': {
      const { id, record, event } = told;
      const { wall, wallSpan = 0 } = record;
      const path = paths.of({ id, host, wall, wallSpan, event });
      return [printed(format, attribute({ ...record, id, host, sources: [source], event, path }))];
    }
    case 'gap':
      return shownGap(told, format);
    case 'finding':
      tell(`${host === '' ? '' : `${host}: `}${source}: ${told.message}`);
      return [];
    default:
      return unreachable(told);
  }
}
