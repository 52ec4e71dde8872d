// Commands inside of a fresh network namespace. Arguments go to the programs as they are: no shell reads them.
import { spawn } from 'node:child_process';
import { ended, nextWords } from './child.ts';
import { Runner } from './runner.ts';

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
  const pid = holder.pid ?? 0;
  let runner: Runner | undefined;
  return {
    pid,
    run: (program, args, input) => {
      runner ??= new Runner(pid);
      return runner.run(program, args, input);
    },
    close: async () => {
      await runner?.end();
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
