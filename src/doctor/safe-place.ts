// A file that a configuration names -> why root should not write it: whoever may write it, or a folder on the way to it, could
// make it another one meanwhile, or have had it named.
import type { Access } from '../machine/access.ts';
import { failureText, run } from '../machine/run.ts';
import { HostError } from '../model/host-error.ts';

/**
 * Prints the path behind all links. On the way to it, by the links and behind them, everything must be root's alone; else
 * it prints what is not, behind a blank. `drwxrwxr-x`: the 6th letter is the group's right to write, the 9th everybody's.
 */
const placeScript = [
  'real=$(readlink -f -- "$1") && [ -n "$real" ] || { echo " $1"; exit 0; }',
  'for p in "$1" "$real"; do while :; do set -- $(ls -ldn -- "$p")',
  'case $1 in l*) ;; ????????w*) echo " $p"; exit 0;; ?????w*) [ "$4" = 0 ] || { echo " $p"; exit 0; };; esac',
  '[ "$3" = 0 ] || { echo " $p"; exit 0; }; case $p in /|.) break;; esac; p=$(dirname -- "$p"); done; done; echo "$real"',
].join('; ');

/** The path behind all links. @throws HostError 'unsafe-place' when others than root may write it; 'cannot-ask' */
export async function safePlace(access: Access, path: string): Promise<string> {
  const ran = await run(access, 'sh', ['-c', placeScript, 'sh', path]);
  const said = ran.stdout.toString('utf8').replace(/\n$/, '');
  if (ran.code !== 0 || said === '') throw new HostError('cannot-ask', failureText(access, ['sh', '-c'], ran));
  if (!said.startsWith(' ')) return said;
  throw new HostError('unsafe-place', `others than root may write ${said.slice(1)}: ${path} is not changed here`);
}
