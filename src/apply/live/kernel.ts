// The kernel's rules, for all but the daemon's changes of single guests (direct-change.ts). Read by listing our own two tables and
// our own iptables chains; written by one transaction of one tool, from a file.

import { ownChains } from '../../iptables/changes.ts';
import { parseIptablesSave } from '../../iptables/parse.ts';
import type { Access } from '../../machine/access.ts';
import { failureText, type Ran, run } from '../../machine/run.ts';
import { HostError } from '../../model/host-error.ts';
import type { Ruleset } from '../../model/ruleset.ts';
import { unreachable } from '../../model/unreachable.ts';
import { parseNftJson } from '../../nft/parse-json.ts';
import { isOwnTable, type Loaded, noRules, ownTables, type Step } from '../loaded.ts';
import { runNft } from './nft.ts';

const timeoutMs = 120_000;

/** What nft lists of our own tables, unread. */
export type Listing = { readonly nft: readonly unknown[]; readonly iptables: string };

/**
 * Changes nothing, not even what a tool would make on the way: the old iptables makes a table by listing it.
 * @throws HostError 'needs-root', 'no-tool', 'tool-failed'
 */
export async function listOwn(access: Access, counters: 'with counters' | 'plain' = 'plain'): Promise<Listing> {
  const tables = await nftObjects(access, ['list', 'tables']);
  const names = tables.flatMap((object) => tableName(object) ?? []);
  const objects: unknown[] = [];
  for (const table of names.filter(isOwnTable)) objects.push(...(await listedTable(access, table)));
  const hasFilter = names.some(({ family, name }) => family === 'ip' && name === 'filter');
  return { nft: objects, iptables: await savedIptables(access, hasFilter, counters === 'plain' ? [] : ['-c']) };
}

/** @throws HostError as `listOwn` */
export async function readLoaded(access: Access): Promise<Loaded> {
  return loadedFrom(await listOwn(access));
}

export function loadedFrom(listing: Listing): Loaded {
  const odd = listing.nft.filter(isOddSet);
  const { ruleset, skipped } = parseNftJson({ nftables: listing.nft.filter((object) => !odd.includes(object)) });
  const { value: iptables } = parseIptablesSave(listing.iptables, 'iptables-save');
  const own: Ruleset = iptables === undefined ? noRules.iptables : ownChains(iptables);
  return { nft: ownTables(ruleset), iptables: own, foreign: [...skipped, ...odd.map(setName)] };
}

type ListedSet = { readonly [key: string]: unknown };

function listedSet(object: unknown): ListedSet | undefined {
  const { set, map } = object as { readonly set?: ListedSet; readonly map?: ListedSet };
  return set ?? map;
}

const ownAttributes = ['family', 'name', 'table', 'type', 'handle', 'flags', 'elem', 'map'];

/** Elements that vanish after a time, or a set that is full at some number: no set of ours is so. */
function isOddSet(object: unknown): boolean {
  const set = listedSet(object);
  if (set === undefined) return false;
  const flags = Array.isArray(set.flags) ? set.flags : [];
  return Object.keys(set).some((key) => !ownAttributes.includes(key)) || flags.some((flag) => flag !== 'interval');
}

function setName(object: unknown): string {
  const { family, table, name } = listedSet(object) ?? {};
  return `set ${family} ${table} ${name}`;
}

/** Nothing when somebody has deleted it since it was named. */
async function listedTable(access: Access, { family, name }: TableName): Promise<readonly unknown[]> {
  const listed = () => nftObjects(access, ['list', 'table', family, name]);
  try {
    return await listed();
  } catch (error) {
    if (!(error instanceof HostError) || error.code !== 'tool-failed') throw error;
    const tables = await nftObjects(access, ['list', 'tables']);
    const isThere = tables.map(tableName).some((one) => one?.family === family && one.name === name);
    // it may be a new one of the same name
    return isThere ? listed() : [];
  }
}

async function nftObjects(access: Access, args: readonly string[]): Promise<readonly unknown[]> {
  const ran = await runNft(access, ['-j', ...args]);
  if (ran.code !== 0) throw refusedToRead(access, ['nft', '-j', ...args], ran);
  try {
    const { nftables } = JSON.parse(ran.stdout.toString('utf8')) as { readonly nftables?: readonly unknown[] };
    return nftables ?? [];
  } catch (cause) {
    throw await noJson(access, args, cause);
  }
}

/** nft 1.0.6 cannot say the flags of a table in JSON: one with flags is not ours, whatever its name. */
async function noJson(access: Access, args: readonly string[], cause: unknown): Promise<HostError> {
  const { stdout } = await runNft(access, args);
  const [, table, flags] = /^table (\w+ [\w-]+) \{[^\n]*\n\s*flags ([\w, ]+)/m.exec(stdout.toString('utf8')) ?? [];
  const message =
    table === undefined
      ? `'nft -j ${args.join(' ')}' did not print JSON`
      : `table ${table} was made by somebody else, with the flags ${flags}: it cannot hold our rules`;
  return new HostError('foreign-table', message, cause);
}

function refusedToRead(access: Access, argv: readonly string[], ran: Ran): HostError {
  if (ran.code === 127) return new HostError('no-tool', "'nft' is not installed (package nftables)");
  if (/not permitted/i.test(ran.said)) {
    const need = 'root, or CAP_NET_ADMIN in this network namespace';
    return new HostError('needs-root', `the loaded rules can be read by ${need} only: run it with sudo`);
  }
  return new HostError('tool-failed', failureText(access, argv, ran));
}

type TableName = { readonly family: string; readonly name: string };

function tableName(object: unknown): TableName | undefined {
  return (object as { readonly table?: TableName }).table;
}

async function savedIptables(access: Access, nftHasFilter: boolean, options: readonly string[]): Promise<string> {
  const legacy = await run(access, 'cat', ['/proc/net/ip_tables_names']);
  if (!nftHasFilter && !/^filter$/m.test(legacy.stdout.toString('utf8'))) return '';
  const ran = await run(access, 'iptables-save', ['-t', 'filter', ...options], { timeoutMs });
  if (ran.code === 127) return '';
  if (ran.code !== 0) throw new HostError('tool-failed', failureText(access, ['iptables-save'], ran));
  return ran.stdout.toString('utf8');
}

export type LoadResult = { readonly loaded: true } | { readonly loaded: false; readonly said: string };

function loading(access: Access, { tool, text }: Step, file: string): Promise<Ran> {
  switch (tool) {
    case 'nft':
      return runNft(access, ['-f', file]);
    case 'iptables':
      return run(access, 'iptables-restore', ['-w', '5', '--noflush'], { input: text, timeoutMs });
    case 'ip':
      return run(access, 'ip', ['-force', '-batch', file], { timeoutMs });
    default:
      return unreachable(tool);
  }
}

/** @param file holds the step's text; @throws HostError 'no-tool' */
export async function loadFile(access: Access, { tool, text }: Step, file: string): Promise<LoadResult> {
  const ran = await loading(access, { tool, text }, file);
  if (ran.code === 0) return { loaded: true };
  if (ran.code === 127) throw new HostError('no-tool', `${tool} is not installed: ${ran.said}`);
  return { loaded: false, said: ran.said === '' ? failureText(access, [tool], ran) : ran.said };
}
