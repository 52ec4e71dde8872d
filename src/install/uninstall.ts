// Taking an installation away, as a plan that can be shown, and as what is done.
import { local } from '../machine/access.ts';
import { type Command, restCommands, stopCommands } from './commands.ts';
import type { Take } from './comparison.ts';
import { below } from './disk.ts';
import { rootDirectory, runCommands } from './install.ts';
import type { Init } from './layout.ts';
import { type Ledger, readLedger } from './ledger.ts';
import { stateDirectory } from './places.ts';
import { readSurroundings, starter } from './surroundings.ts';
import { takeAway, takeAwayRest, takesOf } from './take-away.ts';

export type UninstallPlan = {
  readonly root: string;
  readonly ledger: Ledger;
  readonly takes: readonly Take[];
  readonly first: readonly Command[];
  readonly last: readonly Command[];
  readonly purge: boolean;
};

export type UninstallOptions = {
  readonly root?: string;
  /** Also what was edited, the policy, and the state. */
  readonly purge: boolean;
};

/** Reads only; undefined when nothing is installed. @throws HostError 'usage', 'unreadable', 'outside' */
export async function planUninstall({ root: given, purge }: UninstallOptions): Promise<UninstallPlan | undefined> {
  const root = rootDirectory(given);
  const ledger = readLedger(below(root, stateDirectory));
  if (ledger === undefined) return undefined;
  const takes = takesOf(root, ledger, purge);
  if (root !== '') return { root, ledger, takes, first: [], last: [], purge };
  const { machine, now } = await readSurroundings(local, [], false);
  const { init } = machine;
  const isThere = takes.some(({ kind, known }) => kind !== 'gone' && startsDaemon(known.path, init));
  return {
    root,
    ledger,
    takes,
    first: isThere ? stopCommands(init, await starter(local)) : [],
    last: restCommands(init, ledger.settings, now),
    purge,
  };
}

function startsDaemon(path: string, init: Init): boolean {
  return init === 'systemd' ? path.endsWith('/bridgekeeper.service') : path === '/etc/init.d/bridgekeeper';
}

/**
 * @param unload takes the loaded rules away, or leaves them: after the daemon has ended, before anything is removed
 * @returns what those commands said that may fail; @throws HostError 'command-failed' and nothing was removed
 */
export async function uninstall(plan: UninstallPlan, unload: () => Promise<void>): Promise<readonly string[]> {
  const { root, ledger, takes, first, last, purge } = plan;
  const failed = await runCommands(first);
  await unload();
  takeAway(root, below(root, stateDirectory), takes);
  const rest = await runCommands(last);
  takeAwayRest(root, ledger, purge);
  return [...failed, ...rest];
}
