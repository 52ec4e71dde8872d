// Files that a boot loads rules from. A copy of all that was loaded while somebody followed the host has the table of devices that
// were there then; nft refuses a number or name of a device that is not there (nft(8), iface_index), and the whole file with it.
import type { Access } from '../../machine/access.ts';
import { run } from '../../machine/run.ts';
import type { Drift } from '../drift.ts';
import { presenceTable } from '../presence.ts';

/** Debian's nftables.service loads the first one; it and others' include the rest. */
const bootFiles = ['/etc/nftables.conf', '/etc/nftables/*', '/etc/nftables.d/*', '/etc/sysconfig/nftables.conf'];

/** The first line of the table in each file, as `PATH:LINE:TEXT`; blanks in a path do not part it. */
const script = `IFS=; for p; do for f in $p; do [ -f "$f" ] && grep -m 1 -Hn "^[[:blank:]]*table ${presenceTable} " "$f"; done; done; :`;

/** Those that would not be loaded. What may not be read is left out. @param patterns of the shell, for paths */
export async function savedCopies(access: Access, patterns: readonly string[] = bootFiles): Promise<readonly Drift[]> {
  const { stdout } = await run(access, 'sh', ['-c', script, 'sh', ...patterns]);
  const found = stdout.toString('utf8').matchAll(/^(.+):(\d+):[\t ]*table bridge /gm);
  return [...found].map(([, path, line]): Drift => ({ kind: 'obstacle', words: `${path}:${line}: ${words}` }));
}

const words =
  `a saved copy of table ${presenceTable}, which has devices of now: where one of them is not there, as at boot, nft refuses the whole ` +
  'file with all rules in it; take this table out, and save yours by name (`nft list table inet filter`)';
