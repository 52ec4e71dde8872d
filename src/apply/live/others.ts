// The rules that are not ours, as far as they can stand in the way of bridged packets: read, never written.
import { parseIptablesSave } from '../../iptables/parse.ts';
import type { Access } from '../../machine/access.ts';
import { run } from '../../machine/run.ts';
import type { Chain, Ruleset, Table } from '../../model/ruleset.ts';
import { parseNftJson } from '../../nft/parse-json.ts';
import { isOwnTable } from '../loaded.ts';

const families = ['bridge', 'ip', 'inet'];

type Named = { readonly family: string; readonly name: string };

/** One ruleset for each tool that loaded some. What cannot be read is left out: nothing depends on it. */
export async function readOthers(access: Access): Promise<readonly Ruleset[]> {
  const tables = (await nftObjects(access, ['list', 'tables'])).flatMap((object) => tableOf(object) ?? []);
  const isFilter = ({ family, name }: Named): boolean => family === 'ip' && name === 'filter';
  const foreign = tables.filter(
    (table) => families.includes(table.family) && !isOwnTable(table) && !/^bk_/.test(table.name) && !isFilter(table),
  );
  const objects: unknown[] = [];
  for (const { family, name } of foreign) objects.push(...(await nftObjects(access, ['list', 'table', family, name])));
  const { ruleset } = parseNftJson({ nftables: objects });
  const isLegacy = /^filter$/m.test((await printed(access, 'cat', ['/proc/net/ip_tables_names'])) ?? '');
  return [
    ...(ruleset.tables.length > 0 ? [ruleset] : []),
    ...(tables.some(isFilter) ? await saved(access, ['iptables-nft-save', 'iptables-save']) : []),
    ...(isLegacy ? await saved(access, ['iptables-legacy-save', 'iptables-save']) : []),
  ];
}

function tableOf(object: unknown): Named | undefined {
  return (object as { readonly table?: Named }).table;
}

async function nftObjects(access: Access, args: readonly string[]): Promise<readonly unknown[]> {
  try {
    return JSON.parse((await printed(access, 'nft', ['-j', ...args])) ?? '').nftables ?? [];
  } catch {
    // nft 1.0.6 cuts off the text of a table with flags
    return [];
  }
}

async function printed(access: Access, program: string, args: readonly string[]): Promise<string | undefined> {
  const { code, stdout } = await run(access, program, args);
  return code === 0 ? stdout.toString('utf8') : undefined;
}

async function saved(access: Access, programs: readonly string[]): Promise<readonly Ruleset[]> {
  for (const program of programs) {
    const text = await printed(access, program, ['-t', 'filter']);
    const ruleset = text === undefined ? undefined : parseIptablesSave(text, program).value;
    if (ruleset !== undefined) return [{ ...ruleset, tables: ruleset.tables.map(withoutOwnVerdict) }];
  }
  return [];
}

/** Where our own chains are asked first they decide, and nobody behind them is asked about managed bridges. */
function withoutOwnVerdict(table: Table): Table {
  const isOurs = ({ rules: [first] }: Chain): boolean =>
    first?.body.some(
      (one) => one.kind === 'verdict' && one.verdict.kind === 'jump' && one.verdict.chain.startsWith('bk-'),
    ) ?? false;
  return { ...table, chains: table.chains.filter((chain) => chain.base === undefined || !isOurs(chain)) };
}
