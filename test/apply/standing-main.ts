// A program for standing-program.ts: the command lines that it is sent, one after another, where it was started; each as
// if the program had been started for it, but that its modules are loaded once.
import { main } from '../../src/cli/main.ts';
import type { Ran } from '../support/namespace.ts';

export type CommandLine = { readonly args: readonly string[]; readonly env: Readonly<Record<string, string>> };

/** What is written to it meanwhile. */
function heard(stream: NodeJS.WriteStream): () => string {
  let text = '';
  stream.write = (chunk: string | Uint8Array): boolean => {
    text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8');
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

for (const name of ['SSH_CONNECTION', 'BRIDGEKEEPER_STATE']) delete process.env[name];
process.on('message', (line: CommandLine) => void ran(line).then((result) => process.send?.(result)));
process.send?.('ready');
