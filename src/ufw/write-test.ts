// Tries on a machine which kernel settings can be written and which modules be loaded, and changes nothing by it: a setting
// gets the value that it has, and modprobe only says what it would do.
import type { Access } from '../machine/access.ts';
import { mustRun } from '../machine/run.ts';

export type Writable = 'written' | 'refused' | 'absent' | 'untried';

/** What cannot be read is not written back: it is left alone. */
const writeScript = [
  'for key; do f=/proc/sys/$key; if [ -e "$f" ]; then :; else echo "absent $key"; continue; fi;',
  'v=$(cat "$f" 2>/dev/null) || { echo "untried $key"; continue; };',
  'if (printf "%s\\n" "$v" >"$f") 2>/dev/null; then echo "written $key"; else echo "refused $key"; fi; done',
].join(' ');

/** Of each key, with `/` between its parts. @throws HostError 'untried' */
export async function tryKeys(access: Access, keys: readonly string[]): Promise<ReadonlyMap<string, Writable>> {
  const safe = keys.filter(isKey);
  if (safe.length === 0) return new Map();
  const said = await mustRun(access, 'untried', 'sh', ['-c', writeScript, 'sh', ...safe]);
  const lines = said.toString('latin1').split('\n');
  return new Map(safe.map((key) => [key, answerIn(lines, key)]));
}

function isKey(key: string): boolean {
  return (
    /^[A-Za-z0-9_@%+:.-]+(?:\/[A-Za-z0-9_@%+:.-]+)*$/.test(key) && !key.split('/').some((part) => /^\.+$/.test(part))
  );
}

function answerIn(lines: readonly string[], key: string): Writable {
  const answers = ['written', 'refused', 'absent'] as const;
  return answers.find((answer) => lines.includes(`${answer} ${key}`)) ?? 'untried';
}

/** Without the folder of the running kernel every name fails, whatever is built in. */
const moduleScript = [
  'PATH=$PATH:/usr/sbin:/sbin; dir=/lib/modules/$(uname -r); [ -d "$dir" ] || dir=',
  'for name; do s=$(echo "$name" | tr - _); if [ -z "$dir" ]; then echo "fails $name"',
  'elif [ -d "/sys/module/$s" ] || modprobe -n -q "$name" 2>/dev/null || tr - _ <"$dir/modules.builtin" 2>/dev/null | grep -q "/$s[.]ko"; then :',
  'else echo "fails $name"; fi; done',
].join('; ');

/** Those of `names` that cannot be loaded and are not there either. @throws HostError 'untried' */
export async function failingModules(access: Access, names: readonly string[]): Promise<ReadonlySet<string>> {
  const safe = names.filter((name) => /^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/.test(name));
  if (safe.length === 0) return new Set();
  const said = await mustRun(access, 'untried', 'sh', ['-c', moduleScript, 'sh', ...safe]);
  const lines = said.toString('latin1').split('\n');
  return new Set(safe.filter((name) => lines.includes(`fails ${name}`)));
}
