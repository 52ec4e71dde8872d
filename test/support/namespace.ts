// Commands inside of a fresh network namespace. Arguments go to the programs as they are: no shell reads them.
import { execFile, spawn } from 'node:child_process';
import { ended, nextWords } from './child.ts';

/** For `node:test`: the reason to skip a test that needs namespaces, or false. */
export const needsRoot: string | false = process.getuid?.() === 0 ? false : 'network namespaces need root';

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

export type Namespace = {
  /** A process in it, for what takes a namespace by a process. */
  readonly pid: number;
  /** Runs a program in the namespace; its failure is a value, so that tests can ask for it. */
  run(program: string, args: readonly string[], input?: string): Promise<Ran>;
  /** The namespace ends when its holder does; the holder also ends when this process does. */
  close(): Promise<void>;
};

/** A namespace with nothing in it but a loopback that is down. */
export async function freshNamespace(): Promise<Namespace> {
  const holder = spawn('unshare', ['-n', 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  holder.stdin.write('ready\n');
  await nextWords(holder);
  return {
    pid: holder.pid ?? 0,
    run: (program, args, input) => ran('nsenter', ['-n', '-t', `${holder.pid}`, '--', program, ...args], input),
    close: async () => {
      const gone = ended(holder);
      holder.stdin.end();
      await gone;
    },
  };
}

/** @throws Error when the program failed, with what it said */
export async function mustRun(
  namespace: Namespace,
  program: string,
  args: readonly string[],
  input?: string,
): Promise<Ran> {
  const result = await namespace.run(program, args, input);
  if (result.code !== 0) throw new Error(`${program} ${args.join(' ')}: exit ${result.code}\n${result.stderr}`);
  return result;
}

function ran(program: string, args: readonly string[], input = ''): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(program, [...args], { maxBuffer: 256 * 1024 * 1024 }, (failure, stdout, stderr) => {
      resolve({ code: failure === null ? 0 : exitCode(failure.code), stdout, stderr });
    });
    // a program that does not read its input may close it first
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

function exitCode(code: unknown): number {
  return typeof code === 'number' ? code : 127;
}
