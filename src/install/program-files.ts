// The program itself as files below a prefix: built, with what it needs at run time, and with the Node that runs it now if
// that came with the checkout. A copy that was installed so can be copied on.
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { local } from '../machine/access.ts';
import { mustRun } from '../machine/run.ts';
import { HostError } from '../model/host-error.ts';
import type { Entry, FileEntry } from './entry.ts';

/** @throws HostError 'no-build' */
export async function programEntries(checkout: string, home: string): Promise<readonly Entry[]> {
  const copied = (folder: string, keep?: (path: string) => boolean): readonly Entry[] =>
    filesBelow(join(checkout, folder), join(home, folder), keep);
  const dependencies = Object.keys(JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')).dependencies ?? {});
  return [
    ...(await builtEntries(checkout, home)),
    ...copied('bin'),
    ...copied('docs/man'),
    ...dependencies.flatMap((name) => copied(`node_modules/${name}`, isNeededToRun)),
    ...nodeEntries(checkout, home),
    ...['package.json', 'LICENSE'].map((name) => copiedFile(join(checkout, name), join(home, name))),
  ];
}

async function builtEntries(checkout: string, home: string): Promise<readonly Entry[]> {
  const target = join(home, 'dist');
  if (!existsSync(join(checkout, 'src'))) return filesBelow(join(checkout, 'dist'), target);
  const compiler = join(checkout, 'node_modules', '.bin', 'tsc');
  if (!existsSync(compiler)) {
    throw new HostError('no-build', `the program cannot be built: there is no ${compiler}; run scripts/setup first`);
  }
  const built = mkdtempSync(join(tmpdir(), 'bridgekeeper-build-'));
  try {
    const args = ['-p', join(checkout, 'tsconfig.build.json'), '--outDir', built];
    await mustRun(local, 'no-build', compiler, args, { timeoutMs: 300_000 });
    // what is no TypeScript is not the compiler's
    const others = filesBelow(join(checkout, 'src'), target, (path) => !path.endsWith('.ts'));
    return [...filesBelow(built, target), ...others];
  } finally {
    rmSync(built, { recursive: true, force: true });
  }
}

/** Neither types, nor sources, nor what is for people. */
function isNeededToRun(path: string): boolean {
  return !/\.(?:[cm]?ts|map|md)$|(?:^|\/)(?:src|\.bin)\//.test(path);
}

/** The machine's own Node stays where it is. */
function nodeEntries(checkout: string, home: string): readonly Entry[] {
  const own = join('node_modules', 'node', 'bin', 'node');
  const isOwn = existsSync(join(checkout, own)) && realpathSync(process.execPath) === realpathSync(join(checkout, own));
  return isOwn ? [copiedFile(join(checkout, own), join(home, own))] : [];
}

function filesBelow(from: string, to: string, keep: (path: string) => boolean = () => true): readonly FileEntry[] {
  return readdirSync(from, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(from.length + 1))
    .filter(keep)
    .sort()
    .map((path) => copiedFile(join(from, path), join(to, path)));
}

function copiedFile(from: string, to: string): FileEntry {
  const isProgram = (statSync(from).mode & 0o100) !== 0;
  return { kind: 'file', path: to, mode: isProgram ? 0o755 : 0o644, bytes: readFileSync(from) };
}
