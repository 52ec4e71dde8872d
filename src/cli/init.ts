// `init`: a first policy for this host, or for one in a file. It is checked before anybody gets it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { compile } from '../compile/compile.ts';
import { settlePolicy } from '../compile/settle.ts';
import { type Beside, firstPolicy } from '../init/first-policy.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { Host } from '../model/host.ts';
import { HostError } from '../model/host-error.ts';
import { parseIp } from '../model/ip.ts';
import { parsePolicy } from '../policy/parse-policy.ts';
import { readHints } from '../topology/read-hints.ts';
import { exitCodes } from './exit-codes.ts';
import { readHostFacts, tellFaults } from './input.ts';
import { type Format, print, printJson, tell } from './output.ts';

export type InitOptions = { readonly host?: string; readonly write?: string; readonly output: Format };

export async function init(options: InitOptions): Promise<number> {
  const host = await readHostFacts(options.host);
  if (host.value === undefined) {
    tellFaults(host.diagnostics);
    return exitCodes.faults;
  }
  const text = firstPolicy(host.value, options.host === undefined ? await besideLive() : { hints: new Map() });
  const failed = tellFaults([...host.diagnostics, ...errorsOf(text, host.value)]);
  if (options.output === 'json') printJson('init', { policy: text });
  else if (options.write === undefined) print(text);
  if (options.write !== undefined) writeNew(options.write, text);
  return failed ? exitCodes.faults : exitCodes.fine;
}

/** sudo takes SSH_CONNECTION away. */
async function besideLive(): Promise<Beside> {
  const [client = '', , server = ''] = (process.env.SSH_CONNECTION ?? '').split(' ');
  const [from, to] = [parseIp(client), parseIp(server)];
  return {
    hints: await readHints(),
    ...(from === undefined || to === undefined ? {} : { ssh: { client: from, server: to } }),
  };
}

/** What `check` would call an error: the host itself can have faults that no policy mends. */
function errorsOf(text: string, host: Host): readonly Diagnostic[] {
  const parsed = parsePolicy(text, 'policy.yaml');
  const settled = parsed.value === undefined ? undefined : settlePolicy(parsed.value, host);
  const compiled = settled?.value === undefined ? undefined : compile(settled.value, host);
  const all = [...parsed.diagnostics, ...(settled?.diagnostics ?? []), ...(compiled?.diagnostics ?? [])];
  return all.filter(({ severity }) => severity === 'error');
}

/** @throws HostError 'exists' where there is anything already, also a link; 'unwritable' */
function writeNew(file: string, text: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text, { flag: 'wx', mode: 0o644 });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new HostError('exists', `${file} is there already, and is not overwritten`, cause);
    throw new HostError('unwritable', `cannot write ${file}: ${message}`, cause);
  }
  tell(`written: ${file}; read it, and then: bridgekeeper check --policy ${file}`);
}
