// The names that a user gives -> sources. Without names: all that can be had on this machine; of `ssh:HOST` all that the
// other machine has.
import { closeSync, constants, existsSync, openSync, readSync } from 'node:fs';
import { type Access, local, sshAccess } from '../../machine/access.ts';
import { outputOf } from '../../machine/output.ts';
import { HostError } from '../../model/host-error.ts';
import { checkedFile } from './checked-file.ts';
import { dmesg } from './dmesg.ts';
import { logFile } from './file.ts';
import { journal } from './journal.ts';
import { kmsg } from './kmsg.ts';
import { checkedPath, remoteFiles } from './remote-files.ts';
import { remoteDmesg, remoteKmsg } from './remote-ring.ts';
import type { Source } from './source.ts';
import { standardInput } from './standard-input.ts';
import { ulogd } from './ulogd.ts';

/** Where syslog daemons put the kernel's messages: Debian, Ubuntu, Red Hat, openSUSE. */
const usualFiles = [
  '/var/log/kern.log',
  '/var/log/ufw.log',
  '/var/log/syslog',
  '/var/log/messages',
  '/var/log/firewall',
] as const;

/** Of ulogd2's own configuration file and of Debian's. */
const usualUlogdFiles = ['/var/log/ulogd.json', '/var/log/ulog/ulogd.json'] as const;

const sourceForms = 'kmsg, dmesg, journal, FILE, ulogd:FILE, ssh:HOST or -';

const remoteForms = 'kmsg, dmesg, journal, FILE or ulogd:FILE';

type RemoteFiles = ReturnType<typeof remoteFiles>;

/**
 * Sources of this machine, or of the one behind `access`; `ssh:HOST` is all that another machine has.
 * @throws HostError 'usage' for a name that is none, or is a directory, a pipe or a device; 'bad-host', 'bad-path'
 * @throws HostError 'ssh-failed' when the other machine cannot be asked what it has
 */
export async function sourcesNamed(
  names: readonly string[],
  signal: AbortSignal,
  access: Access = local,
): Promise<readonly Source[]> {
  const isHere = access.host === '';
  if (names.length === 0) return isHere ? localSources() : remoteSources(access, signal);
  const files = remoteFiles(access);
  const found = await Promise.all(
    names.map((name) => (isHere ? sourceNamed(name, signal) : [remoteSourceNamed(name, access, files)])),
  );
  const all = found.flat();
  return all.filter((one, at) => all.findIndex((other) => other.name === one.name && other.host === one.host) === at);
}

async function sourceNamed(name: string, signal: AbortSignal): Promise<readonly Source[]> {
  const [kind = '', rest = ''] = split(name);
  switch (kind) {
    case '-':
      return [standardInput()];
    case 'kmsg':
      return [kmsg()];
    case 'dmesg':
      return [dmesg()];
    case 'journal':
      return [journal(rest === '' ? {} : { directory: rest })];
    case 'file':
      return [logFile(checkedFile(rest))];
    case 'ulogd':
      return [ulogd(checkedFile(rest))];
    case 'ssh':
      return remoteSources(sshAccess(rest), signal);
    default:
      if (name.includes('/')) return [logFile(checkedFile(name))];
      throw new HostError('usage', `'${name}' is no source: ${sourceForms}; a file has a / in its name`);
  }
}

function split(name: string): readonly string[] {
  const at = name.indexOf(':');
  return at < 0 ? [name] : [name.slice(0, at), name.slice(at + 1)];
}

/** dmesg shows the same ring as kmsg and loses more: it is asked only where kmsg does not answer. */
function localSources(): readonly Source[] {
  return [
    canReadKmsg() ? kmsg() : dmesg(),
    journal(),
    ...usualFiles.map((path) => unasked(path, logFile)),
    ...usualUlogdFiles.map((path) => unasked(path, ulogd)),
  ];
}

function unasked(path: string, source: typeof logFile): Source {
  const made = source(path, { optional: true });
  return existsSync(path) ? made : { ...made, isAbsent: true };
}

/** Opening is not enough: kernels before 3.5 let it be opened and give EINVAL on every read. */
function canReadKmsg(): boolean {
  try {
    const fd = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      readSync(fd, Buffer.alloc(16 * 1024));
      return true;
    } catch (error) {
      return ['EAGAIN', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '');
    } finally {
      closeSync(fd);
    }
  } catch {
    return false;
  }
}

/** One fixed question to the shell over there: what does it have? */
const question = [
  'dd if=/dev/kmsg of=/dev/null bs=16384 count=1 2>/dev/null && echo kmsg',
  'dmesg >/dev/null 2>&1 && echo dmesg',
  'command -v journalctl >/dev/null && echo journal',
  `for f in ${usualFiles.join(' ')}; do test -r $f && echo file:$f; done`,
  `for f in ${usualUlogdFiles.join(' ')}; do test -r $f && echo ulogd:$f; done`,
  'echo end',
].join('; ');

async function remoteSources(access: Access, signal: AbortSignal): Promise<readonly Source[]> {
  const { stdout, code, said } = await outputOf(access, 'sh', ['-c', question], signal);
  const answers = stdout.toString('latin1').split('\n');
  if (!answers.includes('end')) {
    throw new HostError('ssh-failed', `${access.host}: ssh ended with ${code}${said === '' ? '' : `: ${said}`}`);
  }
  const files = remoteFiles(access);
  const isSource = (answer: string): boolean => /^(?:kmsg|dmesg|journal|file:.*|ulogd:.*)$/.test(answer);
  return answers
    .filter((answer) => isSource(answer) && !(answer === 'dmesg' && answers.includes('kmsg')))
    .map((answer) => remoteSourceNamed(answer, access, files));
}

function remoteSourceNamed(name: string, access: Access, files: RemoteFiles): Source {
  const [kind = '', rest = ''] = split(name);
  const options = { files, host: access.host, pollMs: 1_000 };
  switch (kind) {
    case 'kmsg':
      return remoteKmsg(access);
    case 'dmesg':
      return remoteDmesg(access);
    case 'journal':
      return journal(rest === '' ? { access } : { access, directory: checkedPath(rest) });
    case 'file':
      return logFile(checkedPath(rest), options);
    case 'ulogd':
      return ulogd(checkedPath(rest), options);
    default:
      if (name.includes('/')) return logFile(checkedPath(name), options);
      throw new HostError(
        'usage',
        `'${name}' is no source of another machine: ${remoteForms}; a file has a / in its name`,
      );
  }
}
