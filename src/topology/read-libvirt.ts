// libvirt, asked by virsh over its read-only socket: definitions of domains and networks as XML, domains by UUID only, so
// that no name is ever part of a command. `virsh domiflist` would print the same interfaces as a table, which a name could
// break. Agents of guests are asked only for those that are named: that needs the other socket.
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, readlink } from 'node:fs/promises';
import type { Access } from '../machine/access.ts';
import { type Ran, run } from '../machine/run.ts';
import { type Diagnostic, warning } from '../model/diagnostic.ts';
import { printable, quoted } from '../yaml/quoted.ts';
import type { Read } from '../yaml/words.ts';
import { type AgentAddress, parseAgentAddresses } from './agent-table.ts';
import type { AskedAgents } from './asked-agents.ts';
import type { LibvirtFacts } from './guests.ts';
import type { Domain, Network } from './libvirt-xml.ts';
import { hostSpan } from './live.ts';

export type Libvirt =
  /** No virsh, no libvirtd, or one of another network namespace. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'refused'; readonly message: string }
  | {
      readonly kind: 'facts';
      readonly facts: LibvirtFacts;
      readonly diagnostics: readonly Diagnostic[];
      readonly known: KnownLibvirt;
    };

/** What libvirt said, to go on from: `readLibvirtAgain`. */
export type KnownLibvirt = {
  /** By UUID. */
  readonly domains: ReadonlyMap<string, KnownDomain>;
  readonly networks: ReadAll<Network>;
};

export type KnownDomain = {
  /** Undefined where its definition is none that can be read. */
  readonly domain?: Domain;
  /** What its agent said, if it was asked. */
  readonly addresses?: readonly AgentAddress[];
  readonly diagnostics: readonly Diagnostic[];
};

const connect = ['--quiet', '--connect', 'qemu:///system'];
const readOnly = ['--readonly', ...connect];

/** libvirt's answers hold 4 MiB at most: a batch is what we are ready to keep in memory. */
const batchSize = 32;

/** An agent that does not answer costs seconds: so many are asked at once. */
const agentsAtOnce = 8;

const sockets = ['/run/libvirt/libvirt-sock-ro', '/run/libvirt/virtqemud-sock-ro'];

/** Where nobody ever listened there is no socket: then there is no need to start virsh to find that out. */
export function hasLibvirt(): boolean {
  return sockets.some((path) => existsSync(path));
}

export async function readLibvirt(access: Access, agents: AskedAgents): Promise<Libvirt> {
  const listed = await run(access, 'virsh', [...readOnly, 'list', '--all', '--uuid']);
  if (listed.code !== 0) return notListed(listed);
  if (await isElsewhere()) return { kind: 'absent' };
  const defined = await definitions(access, 'dumpxml', uuidsOf(listed.stdout));
  const nets = await definitions(access, 'net-dumpxml', await networkUuids(access));
  if ('broken' in defined) return { kind: 'refused', message: defined.broken };
  if ('broken' in nets) return { kind: 'refused', message: nets.broken };
  const domains = await knownDomains(access, defined.texts, agents);
  const { parseNetwork } = await xmlReader();
  return factsOf({ domains, networks: readAll([...nets.texts.values()], parseNetwork, 'a network') });
}

/**
 * The same, where most of it is known: which domains there are and which of them run is asked, and the definitions of those of
 * which it is not certain. Networks are as they were.
 * @param isChanged whether a domain may be another than the one that is known
 */
export async function readLibvirtAgain(
  access: Access,
  agents: AskedAgents,
  before: KnownLibvirt,
  isChanged: (uuid: string, domain: Domain | undefined) => boolean,
): Promise<Libvirt> {
  const mark = `bridgekeeper-${randomUUID()}`;
  const listed = await run(access, 'virsh', [...readOnly, `list --all --uuid; echo ${mark}; list --uuid`]);
  if (listed.code !== 0) return notListed(listed);
  if (await isElsewhere()) return { kind: 'absent' };
  const [all = '', running] = listed.stdout.toString('latin1').split(mark);
  if (running === undefined) return { kind: 'refused', message: saidBy(listed) };
  const active = new Set(uuidsOf(running));
  const isOther = (one: string): boolean => {
    const known = before.domains.get(one);
    const state = known?.domain?.running ?? active.has(one);
    return known === undefined || state !== active.has(one) || isChanged(one, known.domain);
  };
  const uuids = uuidsOf(all);
  const asked = uuids.filter(isOther);
  const defined = await definitions(access, 'dumpxml', asked);
  if ('broken' in defined) return { kind: 'refused', message: defined.broken };
  const again = await knownDomains(access, defined.texts, agents);
  const others = new Set(asked);
  const domains = uuids.flatMap((one) => {
    const known = others.has(one) ? again.get(one) : before.domains.get(one);
    return known === undefined ? [] : [[one, known] as const];
  });
  return factsOf({ domains: new Map(domains), networks: before.networks });
}

function factsOf(known: KnownLibvirt): Libvirt {
  const domains = [...known.domains];
  const { values: networks, diagnostics } = known.networks;
  return {
    kind: 'facts',
    facts: {
      domains: domains.flatMap(([, { domain }]) => domain ?? []),
      networks,
      agents: new Map(domains.flatMap(([one, { addresses }]) => (addresses === undefined ? [] : [[one, addresses]]))),
    },
    diagnostics: [...domains.flatMap(([, one]) => one.diagnostics), ...diagnostics],
    known,
  };
}

/** The library for XML has large tables, and most starts of this program never see a text from libvirt. */
const xmlReader = () => import('./libvirt-xml.ts');

async function knownDomains(
  access: Access,
  texts: ReadonlyMap<string, string>,
  agents: AskedAgents,
): Promise<ReadonlyMap<string, KnownDomain>> {
  const { parseDomain } = await xmlReader();
  const read = [...texts].map(([one, text]) => ({ one, ...readAll([text], parseDomain, 'a domain') }));
  const asked = read.flatMap(({ values }) => values.filter((domain) => domain.running && isAsked(domain, agents)));
  const said = await agentAddresses(access, asked);
  return new Map(
    read.map(({ one, values: [domain], diagnostics }) => {
      const addresses = said.addresses.get(one);
      const silent = said.silent.get(one);
      const known: KnownDomain = {
        ...(domain !== undefined && { domain }),
        ...(addresses !== undefined && { addresses }),
        diagnostics: silent === undefined ? diagnostics : [...diagnostics, silent],
      };
      return [one, known];
    }),
  );
}

function isAsked({ name, cards }: Domain, { names, macs, ports }: AskedAgents): boolean {
  return names.has(name) || cards.some(({ mac, tap = '' }) => macs.has(mac) || ports.has(tap));
}

/** That nobody listens is no fault: the host does without libvirt. */
function notListed(ran: Ran): Libvirt {
  if (ran.code === 127) return { kind: 'absent' };
  const silent = /Failed to connect socket to .*: (?:No such file or directory|Connection refused)/.test(ran.said);
  return silent ? { kind: 'absent' } : { kind: 'refused', message: saidBy(ran) };
}

/** Its socket is a file, and so is seen from every network namespace: but its taps are in its own. */
async function isElsewhere(): Promise<boolean> {
  for (const daemon of ['libvirtd', 'virtqemud']) {
    try {
      const pid = Number.parseInt(await readFile(`/run/${daemon}.pid`, 'utf8'), 10);
      return (await readlink(`/proc/${pid}/ns/net`)) !== (await readlink('/proc/self/ns/net'));
    } catch {
      // not this daemon, or it is not for us to look at
    }
  }
  return false;
}

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function uuidsOf(printed: Buffer | string): readonly string[] {
  const lines = printed.toString('latin1').split('\n');
  return lines.map((line) => line.trim()).filter((line) => uuid.test(line));
}

/** A libvirt without networks says so by failing. */
async function networkUuids(access: Access): Promise<readonly string[]> {
  return uuidsOf((await run(access, 'virsh', [...readOnly, 'net-list', '--all', '--uuid'])).stdout);
}

/** By UUID. */
type Definitions = { readonly texts: ReadonlyMap<string, string> } | { readonly broken: string };

/**
 * One text for each; what is gone meanwhile is left out, but a libvirt that goes away in the middle says nothing of those
 * that it did not come to. The mark between them cannot be foreseen; one more stands at the end.
 */
async function definitions(access: Access, command: string, uuids: readonly string[]): Promise<Definitions> {
  const texts = new Map<string, string>();
  for (let at = 0; at < uuids.length; at += batchSize) {
    const mark = `bridgekeeper-${randomUUID()}`;
    const batch = uuids.slice(at, at + batchSize);
    const words = batch.map((one) => `echo ${mark}; ${command} ${one}`);
    const ran = await run(access, 'virsh', [...readOnly, `${words.join('; ')}; echo ${mark}`]);
    const sections = ran.stdout.toString('utf8').split(mark).slice(1);
    if (sections.length <= words.length || lost.test(ran.said)) return { broken: saidBy(ran) };
    for (const [index, one] of batch.entries()) {
      const text = sections[index]?.trim() ?? '';
      if (text !== '') texts.set(one, text);
    }
  }
  return { texts };
}

const lost = /Failed to connect|Disconnected from|end of file|Connection reset|client socket is closed/i;

type ReadAll<T> = { readonly values: readonly T[]; readonly diagnostics: readonly Diagnostic[] };

function readAll<T>(texts: readonly string[], parse: (text: string) => Read<T>, what: string): ReadAll<T> {
  const values: T[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const text of texts) {
    const read = parse(text);
    if ('value' in read) values.push(read.value);
    else {
      const message = `the definition of ${what} that begins with ${quoted(text)} is left out: ${read.fault.message}`;
      diagnostics.push(warning('bad-definition', message, hostSpan, { hint: 'its ports stay closed' }));
    }
  }
  return { values, diagnostics };
}

type Said = {
  readonly addresses: ReadonlyMap<string, readonly AgentAddress[]>;
  readonly silent: ReadonlyMap<string, Diagnostic>;
};

async function agentAddresses(access: Access, domains: readonly Domain[]): Promise<Said> {
  const addresses = new Map<string, readonly AgentAddress[]>();
  const silent = new Map<string, Diagnostic>();
  for (let at = 0; at < domains.length; at += agentsAtOnce) {
    const asked = domains.slice(at, at + agentsAtOnce).map(async (domain) => {
      const ran = await run(access, 'virsh', [...connect, 'domifaddr', domain.uuid, '--source', 'agent', '--full']);
      if (ran.code === 0) addresses.set(domain.uuid, parseAgentAddresses(ran.stdout.toString('latin1')));
      else silent.set(domain.uuid, silentAgent(domain, ran));
    });
    await Promise.all(asked);
  }
  return { addresses, silent };
}

function silentAgent({ name }: Domain, ran: Ran): Diagnostic {
  return warning('no-address', `the agent of guest ${quoted(name)} gives no addresses: ${saidBy(ran)}`, hostSpan);
}

/** virsh's words on one line. */
function saidBy({ code, said }: Ran): string {
  if (code === null) return 'it took too long';
  const lines = said.split('\n').map((line) => line.replace(/^error: /, '').trim());
  return printable(lines.filter((line) => line !== '').join(': ') || `virsh ended with ${code}`, 300);
}
