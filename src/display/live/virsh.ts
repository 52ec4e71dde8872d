// libvirt, asked by virsh: a domain is found by its name or UUID and from then on called by its UUID, so that no name is ever
// part of a command. Definitions are those with their secrets, or passwords of graphics would be lost when they come back.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { local } from '../../machine/access.ts';
import { failureText, mustRun, type Ran, run } from '../../machine/run.ts';
import { HostError } from '../../model/host-error.ts';
import { nearest } from '../../model/nearest.ts';
import { parseDomainDisplay } from '../domain-video.ts';
import { type Picture, pictureOf } from '../picture.ts';

const connect = ['--quiet', '--connect', 'qemu:///system'];
const uuidPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** libvirt itself takes no longer one of an agent (QEMU_AGENT_MAX_RESPONSE); in bytes. */
const mostAnswer = 16 * 1024 * 1024;

/** Starting and stopping an emulated guest takes its time. */
const patienceMs = 120_000;

export type DomainState = {
  readonly running: boolean;
  /** It exists only while it runs. */
  readonly transient: boolean;
  /** Its memory was saved when it was stopped: the next start goes on with the old devices. */
  readonly managedSave: boolean;
  /** Snapshots with memory: reverting to one brings its old devices back. */
  readonly memorySnapshots: readonly string[];
};

function virsh(args: readonly string[]): Promise<Ran> {
  return run(local, 'virsh', [...connect, ...args], { timeoutMs: patienceMs });
}

async function mustVirsh(args: readonly string[]): Promise<Buffer> {
  return mustRun(local, 'libvirt', 'virsh', [...connect, ...args], { timeoutMs: patienceMs });
}

/** @throws HostError 'no-guest' with the guests that there are, 'libvirt' */
export async function domainUuid(guest: string): Promise<string> {
  const domains = linesOf(await mustVirsh(['list', '--all', '--uuid', '--name'])).flatMap((line) => {
    const [uuid = ''] = line.split(' ', 1);
    return uuidPattern.test(uuid) ? [{ uuid, name: line.slice(uuid.length).trim() }] : [];
  });
  const asUuid = domains.find(({ uuid }) => uuid === guest.toLowerCase());
  if (asUuid !== undefined) return asUuid.uuid;
  // the list fills names up with blanks: only the definition says a name to the last character
  for (const { uuid } of domains.filter(({ name }) => name === guest.trim())) {
    const read = parseDomainDisplay(await definition(uuid, 'inactive'));
    if (!('fault' in read) && read.value.name === guest) return uuid;
  }
  const names = domains.map(({ name }) => name);
  const near = nearest(guest, names);
  const hint = near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`;
  throw new HostError('no-guest', `libvirt has no guest ${JSON.stringify(guest)}${hint}`);
}

/** @param which 'current' is the one it runs with, while it runs. @throws HostError 'libvirt', 'bad-definition' */
export async function definition(uuid: string, which: 'inactive' | 'current'): Promise<string> {
  const options = which === 'inactive' ? ['--inactive'] : [];
  return exactText(await mustVirsh(['dumpxml', uuid, ...options, '--security-info']));
}

/** Nothing of it may be lost: it goes back to libvirt. */
function exactText(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new HostError('bad-definition', 'the definition of the domain is no UTF-8', cause);
  }
}

/** Whether there is a definition for the next start; of a domain that was undefined while it runs there is none. */
export async function isPersistent(uuid: string): Promise<boolean> {
  return linesOf(await mustVirsh(['dominfo', uuid])).some((line) => /^Persistent:\s*yes$/.test(line));
}

/** @throws HostError 'libvirt' */
export async function domainState(uuid: string): Promise<DomainState> {
  const words = new Map(
    linesOf(await mustVirsh(['dominfo', uuid])).map((line) => line.split(/:\s*/, 2) as [string, string]),
  );
  const snapshots = await virsh(['snapshot-list', uuid, '--name', '--active']);
  return {
    running: !['shut off', 'crashed'].includes(words.get('State') ?? ''),
    transient: words.get('Persistent') === 'no',
    managedSave: words.get('Managed save') === 'yes',
    memorySnapshots: snapshots.code === 0 ? linesOf(snapshots.stdout) : [],
  };
}

function linesOf(bytes: Buffer): readonly string[] {
  return bytes
    .toString('utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** Defines it, and gives back what libvirt made of it. @throws HostError 'libvirt' with its own words; nothing changed then */
export async function define(uuid: string, xml: string): Promise<string> {
  await inFile(xml, (file) => mustVirsh(['define', file, '--validate']));
  return definition(uuid, 'inactive');
}

/** A text for virsh, which reads files only; gone afterwards. */
async function inFile<T>(text: string, action: (file: string) => Promise<T>): Promise<T> {
  return inFolder(async (folder) => {
    const file = join(folder, 'domain.xml');
    await writeFile(file, text, { mode: 0o600 });
    return action(file);
  });
}

async function inFolder<T>(action: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'bridgekeeper-'));
  try {
    return await action(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export type Shot = Picture & { readonly bytes: Buffer };

/** libvirt waits half a minute for whoever else asks QEMU something, as a viewer that takes small pictures all the time does. */
const isBusy = ({ said }: Ran): boolean => said.includes('cannot acquire state change lock');

/** One screenshot; undefined where this head has none, or nobody can take one now. @throws HostError 'libvirt' when head 0 has none */
export async function screenshot(uuid: string, head: number): Promise<Shot | undefined> {
  return inFolder(async (folder) => {
    const file = join(folder, 'picture');
    const args = ['screenshot', uuid, '--file', file, ...(head === 0 ? [] : ['--screen', `${head}`])];
    const ran = await virsh(args);
    if (ran.code !== 0 && (head > 0 || isBusy(ran))) return undefined;
    if (ran.code !== 0) throw new HostError('libvirt', failureText(local, ['virsh', ...connect, ...args], ran));
    const bytes = await readFile(file);
    const picture = pictureOf(bytes);
    return picture === undefined ? undefined : { ...picture, bytes };
  });
}

/** A running domain ends by its own shutdown, within this time. @throws HostError 'libvirt', 'still-running' */
export async function shutDown(uuid: string, patienceSeconds: number): Promise<void> {
  await mustVirsh(['shutdown', uuid]);
  for (const deadline = Date.now() + patienceSeconds * 1000; Date.now() < deadline; ) {
    if (!(await domainState(uuid)).running) return;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  throw new HostError(
    'still-running',
    `the guest did not shut down within ${patienceSeconds} s; it still runs as it was`,
  );
}

/** @throws HostError 'libvirt' */
export async function start(uuid: string): Promise<void> {
  await mustVirsh(['start', uuid]);
}

/** Keys as QEMU's Linux key codes name them: `KEY_LEFTCTRL`. @throws HostError 'libvirt' */
export async function sendKeys(uuid: string, keys: readonly string[]): Promise<void> {
  await mustVirsh(['send-key', uuid, '--codeset', 'linux', '--holdtime', '100', ...keys]);
}

/** The JSON answer of the guest's agent. @throws HostError 'agent' with libvirt's words */
export async function agentCommand(uuid: string, command: object, seconds: number): Promise<unknown> {
  const text = JSON.stringify(command);
  const ran = await run(local, 'virsh', [...connect, 'qemu-agent-command', uuid, text, '--timeout', `${seconds}`], {
    timeoutMs: (seconds + 15) * 1000,
    mostBytes: mostAnswer,
  });
  if (ran.code !== 0)
    throw new HostError('agent', `the guest agent does not answer: ${ran.said || 'it took too long'}`);
  try {
    return (JSON.parse(ran.stdout.toString('utf8')) as { readonly return?: unknown }).return;
  } catch (cause) {
    throw new HostError('agent', 'the guest agent answers with something that is no JSON', cause);
  }
}

/** Models that this host's QEMU has. @throws HostError 'libvirt' */
export async function videoModelsHere(): Promise<ReadonlySet<string>> {
  const text = (await mustVirsh(['domcapabilities'])).toString('utf8');
  const section = /<video supported='yes'>([\s\S]*?)<\/video>/.exec(text)?.[1] ?? '';
  return new Set([...section.matchAll(/<value>([\w-]+)<\/value>/g)].map(([, model = '']) => model));
}

/** What QEMU's own monitor answers; undefined where it does not know the question, as without SPICE. */
export async function monitorAnswer(uuid: string, question: 'query-spice' | 'query-vnc'): Promise<unknown> {
  const ran = await virsh(['qemu-monitor-command', uuid, JSON.stringify({ execute: question })]);
  if (ran.code !== 0) return undefined;
  try {
    return (JSON.parse(ran.stdout.toString('utf8')) as { readonly return?: unknown }).return;
  } catch {
    return undefined;
  }
}
