// rsyslog's configuration, old and new style -> which inputs it has, which files it writes, and whether ufw's lines stop at
// ufw.log (rsyslog.conf(5), basic structure and advanced format). Enough for the kernel's lines, and no more.
import type { ConfigFile } from './journald-settings.ts';

export type KernelInput = 'imklog' | 'imkmsg' | 'imjournal';

export type RsyslogConfig = {
  /** Of imklog, imkmsg and imjournal those that are loaded, with the file that does it. */
  readonly kernelInputs: ReadonlyMap<KernelInput, string>;
  /** Log files that some rule writes. */
  readonly targets: readonly string[];
  /** After ufw's filter comes `& stop` or `& ~`: its lines go nowhere else. */
  readonly ufwStops: boolean;
  /** Patterns of further files that it reads. */
  readonly includes: readonly string[];
};

const kernelInputs = ['imklog', 'imkmsg', 'imjournal'] as const;

export function rsyslogConfig(files: readonly ConfigFile[]): RsyslogConfig {
  const lines = files.flatMap(({ path, text }) => statements(text).map((line) => ({ path, line })));
  const loaded = new Map<KernelInput, string>();
  for (const { path, line } of lines) {
    const input = loadedModule(line);
    if (input !== undefined && !loaded.has(input)) loaded.set(input, path);
  }
  return {
    kernelInputs: loaded,
    targets: [...new Set(lines.flatMap(({ line }) => targetsOf(line)))],
    ufwStops: lines.some(({ line }, at) => /\[UFW /.test(line) && stops(lines[at + 1]?.line ?? '')),
    includes: lines.flatMap(({ line }) => includeOf(line)),
  };
}

/** Lines that say something, without comments; a backslash joins lines. */
function statements(text: string): readonly string[] {
  return text
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

function loadedModule(line: string): KernelInput | undefined {
  const name =
    /^module\s*\(\s*[^#]*?\bload\s*=\s*"([^"]+)"/i.exec(line)?.[1] ?? /^\$ModLoad\s+(\S+)/i.exec(line)?.[1] ?? '';
  const plain = name.slice(name.lastIndexOf('/') + 1).replace(/\.so$/, '');
  return kernelInputs.find((input) => input === plain);
}

/** The line that loads it, for who wants to take it out. */
export function loads(line: string, input: KernelInput): boolean {
  return loadedModule(line.trim()) === input;
}

function targetsOf(line: string): readonly string[] {
  const file = /\bfile\s*=\s*"(\/[^"]+)"/i.exec(line)?.[1];
  if (/^action\s*\(/i.test(line) || /\baction\s*\(\s*type\s*=\s*"omfile"/i.test(line)) return file ? [file] : [];
  const old = /^[^$\s].*?\s-?(\/[^\s;]+)(?:;\S*)?$/.exec(line)?.[1];
  return old === undefined ? [] : [old];
}

function stops(line: string): boolean {
  return /^&\s*(?:stop|~)$/.test(line);
}

function includeOf(line: string): readonly string[] {
  const pattern =
    /^\$IncludeConfig\s+(\S+)/i.exec(line)?.[1] ?? /^include\s*\([^#]*?\bfile\s*=\s*"([^"]+)"/i.exec(line)?.[1];
  return pattern === undefined ? [] : [pattern];
}
