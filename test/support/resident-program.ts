// A program for resident.ts: runs the command lines that it is sent, one after the other, and answers what each printed.
import { main } from '../../src/cli/main.ts';
import type { Ran } from './namespace.ts';

export type CommandLine = { readonly args: readonly string[]; readonly env: Readonly<Record<string, string>> };

/** What is written to it from now on. */
function heard(stream: NodeJS.WriteStream): () => string {
  let text = '';
  stream.write = (chunk: string | Uint8Array, ...rest: readonly unknown[]): boolean => {
    text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8');
    const done = rest.at(-1);
    if (typeof done === 'function') process.nextTick(done);
    return true;
  };
  return () => text;
}

async function ran({ args, env }: CommandLine): Promise<Ran> {
  const own = { ...process.env };
  const [stdout, stderr] = [heard(process.stdout), heard(process.stderr)];
  Object.assign(process.env, env);
  try {
    const code = await main(args);
    return { code, stdout: stdout(), stderr: stderr() };
  } catch (error) {
    return { code: 70, stdout: stdout(), stderr: `${stderr()}${String(error)}` };
  } finally {
    for (const name of Object.keys(env)) delete process.env[name];
    Object.assign(process.env, own);
  }
}

process.on('message', (line: CommandLine) => void ran(line).then((result) => process.send?.(result)));
