// One program that ends by itself, on this machine or another: what it printed, and how it ended.
import { HostError } from '../model/host-error.ts';
import type { Access } from './access.ts';

export type Ran = {
  /** 127 when it could not be started, as shells say it; `null` when a signal or the time limit ended it. */
  readonly code: number | null;
  readonly stdout: Buffer;
  /** What it said on stderr; of very much the beginning and the end. */
  readonly said: string;
};

export type RunOptions = {
  /** Goes to its standard input; without it the program reads nothing. */
  readonly input?: string | Uint8Array;
  /** Milliseconds; 30,000 without it. */
  readonly timeoutMs?: number;
  /** A program that prints more is ended by a signal; without it as much as there is room for. */
  readonly mostBytes?: number;
};

const usualTimeoutMs = 30_000;
const mostSaid = 4_000;

/** Its failure is a value: whoever asked knows what it means. */
export async function run(
  access: Access,
  program: string,
  args: readonly string[] = [],
  { input, timeoutMs = usualTimeoutMs, mostBytes = Number.POSITIVE_INFINITY }: RunOptions = {},
): Promise<Ran> {
  const child = access.start(program, args, input === undefined ? 'unread' : 'read');
  const chunks: Buffer[] = [];
  let said = '';
  let length = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > mostBytes) child.kill('SIGKILL');
    else chunks.push(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    said = shortened(`${said}${chunk.toString('utf8')}`);
  });
  // a program that does not read its input may close it first
  child.stdin.on('error', () => undefined);
  if (input !== undefined) child.stdin.end(input);
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  const code = await new Promise<number | null>((resolve) => {
    child.on('error', ({ message }) => {
      said = message;
      resolve(127);
    });
    child.on('close', resolve);
  });
  clearTimeout(timer);
  child.stdin.destroy();
  return { code, stdout: Buffer.concat(chunks), said: said.trim() };
}

/** The first complaint tells most, and the last one how it ended. */
function shortened(said: string): string {
  const half = mostSaid / 2;
  return said.length <= mostSaid ? said : `${said.slice(0, half)}${said.slice(-half)}`;
}

/** @throws HostError `code` when the program failed, with what it said */
export async function mustRun(
  access: Access,
  code: string,
  program: string,
  args: readonly string[] = [],
  options: RunOptions = {},
): Promise<Buffer> {
  const ran = await run(access, program, args, options);
  if (ran.code === 0) return ran.stdout;
  throw new HostError(code, failureText(access, [program, ...args], ran));
}

/** For a message: which program on which machine, and its own words. */
export function failureText({ host }: Access, argv: readonly string[], { code, said }: Ran): string {
  const where = host === '' ? '' : `${host}: `;
  // a script's text says nothing to who reads the message
  const words = argv[1] === '-c' ? argv.slice(0, 1) : argv.slice(0, 4);
  const how = code === null ? 'took too long' : `ended with ${code}`;
  return `${where}'${words.join(' ')}' ${how}${said === '' ? '' : `: ${said}`}`;
}
