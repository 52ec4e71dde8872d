// `watch`: every firewall line once, from all sources that there are, kept in the store and shown when it is kept.
import { accessNamed } from '../machine/access.ts';
import { HostError } from '../model/host-error.ts';
import { unreachable } from '../model/unreachable.ts';
import { sourcesNamed } from '../watch/sources/known-sources.ts';
import type { Source } from '../watch/sources/source.ts';
import { follow, memoryKeeper, type Told } from '../watch/store/follow.ts';
import { openStoreWriter, type StoreWriter } from '../watch/store/store-writer.ts';
import { attributeBy } from './attribute.ts';
import { printed } from './event-text.ts';
import { exitCodes } from './exit-codes.ts';
import { untilInterrupted } from './interrupted.ts';
import { type Format, tell } from './output.ts';
import { printLines } from './print-lines.ts';
import { type SiteOptions, siteAtHand } from './site.ts';
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
  const showing = { format, attribute: attributeBy(await siteAtHand(undefined, options)) };
  return untilInterrupted(async (signal) => {
    const sources = await sourcesNamed(names, signal, access);
    if (!isStored(names, options)) {
      tellSources(sources);
      await follow(sources, memoryKeeper(), signal, (told) => show(told, showing));
      return exitCodes.fine;
    }
    const directory = stateDirectory(options);
    const writer = await openStoreWriter(directory);
    if (writer !== undefined) return watchStoring(sources, writer, signal, showing);
    if (names.length > 0) throw new HostError('store-busy', `another process writes to the store in ${directory}`);
    tell(`another process writes to the store in ${directory}: this is what it stores from now on`);
    await showStored(directory, {}, signal, showing);
    return exitCodes.fine;
  });
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
  tellSources(sources);
  try {
    await follow(sources, writer, signal, (told) => show(told, showing));
  } finally {
    await writer.close();
  }
  return exitCodes.fine;
}

function tellSources(sources: readonly Source[]): void {
  const names = sources.map(({ host, name }) => (host === '' ? name : `ssh:${host}/${name}`));
  tell(`following ${names.join(', ')}`);
}

async function show(told: readonly Told[], showing: Showing): Promise<void> {
  const lines = told.flatMap((one) => shown(one, showing));
  if (lines.length > 0) await printLines(lines);
}

/** Data goes to stdout; what is to be said about a source goes to stderr. */
function shown(told: Told, { format, attribute }: Showing): readonly string[] {
  const { host, source } = told;
  switch (told.kind) {
    case 'event': {
      const { id, record, event } = told;
      return [printed(format, attribute({ ...record, id, host, sources: [source], event }))];
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
