// Where programs run: here, or on a machine where Node does not run, by ssh and a POSIX shell. No shell is ever given a
// text of the user's: commands are fixed words, and every argument is made of harmless characters.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { HostError } from '../model/host-error.ts';

export type Child = ChildProcessByStdio<Writable, Readable, Readable>;

export type Access = {
  /** '' is this machine. */
  readonly host: string;
  /** The child has to be ended by closing its standard input or by a signal. */
  readonly start: (program: string, args: readonly string[], input?: Input) => Child;
};

/** Whether the program reads its standard input, or it is there for being closed. */
export type Input = 'read' | 'unread';

export const local: Access = localAccess(false);

/** The same where a program must not be ended half-way: Ctrl-C on our terminal does not reach it. */
export const localApart: Access = localAccess(true);

function localAccess(detached: boolean): Access {
  return {
    host: '',
    start: (program, args) =>
      spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: plainEnvironment(), detached }),
  };
}

/** Messages are read by us: no translations. */
function plainEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C' };
}

/**
 * `host` as ssh takes it: a name of ~/.ssh/config, an address, `user@host`. Never asks for anything.
 * @throws HostError 'bad-host'
 */
export function sshAccess(host: string): Access {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,252}$/.test(host)) {
    throw new HostError('bad-host', `'${host}' is no host that ssh could be given`);
  }
  return {
    host,
    start: (program, args, input = 'unread') => {
      const command = remoteCommand(program, args, input);
      return spawn('ssh', [...sshOptions, '--', host, command], { stdio: ['pipe', 'pipe', 'pipe'] });
    },
  };
}

/** What `--access` says: `ssh:HOST`; without it this machine. @throws HostError 'usage', 'bad-host' */
export function accessNamed(name: string | undefined): Access {
  if (name === undefined) return local;
  if (name.startsWith('ssh:')) return sshAccess(name.slice(4));
  throw new HostError('usage', `'${name}' is no access: ssh:HOST is one`);
}

/** Without a password and without an end: a connection that is dead is noticed within a minute. */
const sshOptions = [
  '-T',
  ...['-o', 'BatchMode=yes'],
  ...['-o', 'ConnectTimeout=15'],
  ...['-o', 'ServerAliveInterval=15'],
  ...['-o', 'ServerAliveCountMax=3'],
];

/**
 * The program takes the place of the shell. Whoever closes our side ends it: sshd sends no signal when a connection
 * breaks, and a silent `journalctl -f` would stay for ever.
 */
const guard = 'exec 3<&0; (cat <&3; kill $$) >/dev/null 2>&1 & LC_ALL=C; export LC_ALL; exec "$@" 3<&- </dev/null';

/** The same for a program of this machine that reads no input: whoever started it and is killed leaves nobody behind. */
export function endingWithInput(program: string, args: readonly string[]): readonly string[] {
  return ['sh', '-c', guard, 'sh', program, ...args];
}

/** The text for the login shell on the other side, which may be any. @throws HostError 'unsafe-argument' */
export function remoteCommand(program: string, args: readonly string[], input: Input): string {
  const words = [program, ...args].map(quoted);
  return input === 'read' ? `exec ${words.join(' ')}` : `exec sh -c '${guard}' sh ${words.join(' ')}`;
}

/** In single quotes everything but the quote stands for itself, in every shell; `!` and `^` do not in csh. */
function quoted(word: string): string {
  if (!/^[A-Za-z0-9_@%+=:,./; ()|&<>$"{}[\]*?\\~#-]*$/.test(word)) {
    throw new HostError('unsafe-argument', `'${word}' cannot be given to a remote shell`);
  }
  return `'${word}'`;
}
