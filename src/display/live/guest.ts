// A guest from the inside: by its agent, or by ssh. Programs get their arguments one by one; the only text for a shell is
// fixed, and what a user or a guest said is never in it. What comes back is hostile, and as long as we allow.
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { sshAccess } from '../../machine/access.ts';
import { run } from '../../machine/run.ts';
import { HostError } from '../../model/host-error.ts';
import { type GuestFacts, guestFacts, readSections } from '../guest-facts.ts';
import { guestQuestion } from '../guest-questions.ts';

export type Done = { readonly code: number; readonly stdout: Buffer; readonly said: string };

export type Guest = {
  readonly way: string;
  /** @throws HostError 'agent', 'ssh' when it cannot be asked at all */
  readonly run: (program: string, args: readonly string[], options?: GuestRun) => Promise<Done>;
};

export type GuestRun = {
  readonly input?: Uint8Array;
  readonly environment?: Readonly<Record<string, string>>;
  readonly seconds?: number;
};

/** One question to the guest's agent, and its answer. @throws HostError 'agent' */
export type AskAgent = (command: object, seconds: number) => Promise<unknown>;

/** The agent, which answers only while the guest's system runs. */
export function agentGuest(ask: AskAgent): Guest {
  return {
    way: 'agent',
    run: async (program, args, { input, environment = {}, seconds = 60 } = {}) => {
      const started = await ask(
        {
          execute: 'guest-exec',
          arguments: {
            path: program,
            arg: args,
            'capture-output': true,
            ...(input === undefined ? {} : { 'input-data': Buffer.from(input).toString('base64') }),
            ...(Object.keys(environment).length === 0 ? {} : { env: environmentWords(environment) }),
          },
        },
        10,
      );
      const pid = numberIn(started, 'pid');
      if (pid === undefined) throw new HostError('agent', 'the guest agent started nothing');
      return ending(ask, pid, seconds, program);
    },
  };
}

/** The agent starts programs with nothing but what it is told. */
function environmentWords(environment: Readonly<Record<string, string>>): readonly string[] {
  const all = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', ...environment };
  return Object.entries(all).map(([name, value]) => `${name}=${value}`);
}

async function ending(ask: AskAgent, pid: number, seconds: number, program: string): Promise<Done> {
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; await pause(100)) {
    const status = await ask({ execute: 'guest-exec-status', arguments: { pid } }, 10);
    if (!isRecord(status) || status.exited !== true) continue;
    if (status['out-truncated'] === true)
      throw new HostError('agent', `'${program}' in the guest says more than its agent passes on`);
    return {
      code: numberIn(status, 'exitcode') ?? 255,
      stdout: bytesIn(status, 'out-data'),
      said: bytesIn(status, 'err-data').toString('utf8').slice(0, 4_000).trim(),
    };
  }
  throw new HostError('agent', `'${program}' in the guest did not end within ${seconds} s`);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function numberIn(value: unknown, name: string): number | undefined {
  const found = isRecord(value) ? value[name] : undefined;
  return typeof found === 'number' ? found : undefined;
}

function bytesIn(value: Readonly<Record<string, unknown>>, name: string): Buffer {
  const found = value[name];
  return Buffer.from(typeof found === 'string' ? found : '', 'base64');
}

/** More nobody needs to say, in bytes. */
const mostSaid = 16 * 1024 * 1024;

/** The same guest, where everything is done as one of its users: a link that this one has made leads no farther than itself. */
export function asUser(guest: Guest, user: string | undefined): Guest {
  if (user === undefined || user === 'root') return guest;
  const run: Guest['run'] = (program, args, options) =>
    guest.run('runuser', ['-u', user, '--', program, ...args], options);
  return { ...guest, run };
}

/** @throws HostError 'bad-host' */
export function sshGuest(host: string): Guest {
  const access = sshAccess(host);
  return {
    way: `ssh:${host}`,
    run: async (program, args, { input, environment = {}, seconds = 60 } = {}) => {
      const words = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
      const argv = words.length === 0 ? [program, ...args] : ['env', ...words, program, ...args];
      const options = { timeoutMs: seconds * 1000, mostBytes: mostSaid, ...(input === undefined ? {} : { input }) };
      const ran = await run(access, argv[0] ?? program, argv.slice(1), options);
      if (ran.code === 255 || ran.code === null)
        throw new HostError('ssh', `ssh to ${host}: ${ran.said || 'it took too long, or said too much'}`);
      return { code: ran.code, stdout: ran.stdout, said: ran.said };
    },
  };
}

/** @throws HostError as `run` of the guest */
export async function askGuest(guest: Guest): Promise<GuestFacts> {
  const mark = randomBytes(16).toString('hex');
  const { stdout } = await guest.run('/bin/sh', ['-s'], { input: Buffer.from(guestQuestion(mark)) });
  return guestFacts(readSections(stdout.toString('utf8'), mark));
}
