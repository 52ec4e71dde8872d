// The SSH connections that this command may have come by. sudo strips SSH_CONNECTION and tmux keeps an old one, so it is
// looked for in the environment, in that of every parent, among the sockets of an sshd above us, and at last among those
// of every sshd.
import { readdirSync } from 'node:fs';
import type { Access } from '../../machine/access.ts';
import { run } from '../../machine/run.ts';
import { type Ip, parseIp, printIp } from '../../model/ip.ts';
import { type Mac, parseMac, printMac } from '../../model/mac.ts';
import type { SshSession } from '../ssh-way.ts';
import {
  type Connection,
  establishedConnections,
  parseSshConnection,
  readlink,
  readText,
  socketInodes,
} from './sockets.ts';

type Ends = Omit<Connection, 'inode'>;

/** None on a local console, or where nobody came in by SSH. */
export async function sshSessions(access: Access): Promise<readonly SshSession[]> {
  const ends = foundConnections();
  const facts = ends.length === 0 ? undefined : await bridgeFacts(access);
  return facts === undefined ? [] : Promise.all(ends.map((one) => sessionOf(access, one, facts)));
}

/** A terminal that is plugged into the machine, and not one that somebody opened from elsewhere. */
export function isLocalConsole(): boolean {
  const terminals = [0, 1, 2].map((fd) => readlink(`/proc/self/fd/${fd}`));
  return (
    terminals.some((name) => /^\/dev\/(?:tty\d+|ttyS\d+|hvc\d+|console)$/.test(name)) && foundConnections().length === 0
  );
}

function foundConnections(): readonly Ends[] {
  const parents = parentsOf(process.pid);
  const named = [process.env.SSH_CONNECTION, ...parents.map((pid) => environmentOf(pid).SSH_CONNECTION)]
    .flatMap((text) => (text === undefined ? [] : [parseSshConnection(text)]))
    .filter((one) => one !== undefined);
  const open = establishedConnections();
  const isOpen = (one: Ends): boolean => open.some((other) => key(other) === key(one));
  const ofParents = heldBy(parents.filter(isSshd), open);
  const live = [...named.filter(isOpen), ...ofParents];
  // what is named and not open here is a connection of another namespace or of yesterday; then it may be any of them
  const all =
    live.length > 0 || isOnLocalTerminal(parents) ? live : [...named, ...heldBy(allPids().filter(isSshd), open)];
  return [...new Map(all.map((one) => [key(one), one])).values()];
}

function key({ local, localPort, remote, remotePort }: Ends): string {
  return `${printIp(local)} ${localPort} ${printIp(remote)} ${remotePort}`;
}

function isOnLocalTerminal(parents: readonly number[]): boolean {
  const shells = parents.map((pid) => readText(`/proc/${pid}/comm`)?.trim());
  return shells.includes('login') || shells.includes('agetty');
}

/** From the nearest on. */
function parentsOf(pid: number): readonly number[] {
  const parents: number[] = [];
  for (let at = pid; at > 1 && parents.length < 100; ) {
    const [, parent] = /^PPid:\s*(\d+)$/m.exec(readText(`/proc/${at}/status`) ?? '') ?? [];
    at = Number(parent ?? 0);
    if (at > 0) parents.push(at);
  }
  return parents;
}

function environmentOf(pid: number): Readonly<Record<string, string>> {
  const entries = (readText(`/proc/${pid}/environ`) ?? '').split('\0').map((text) => {
    const at = text.indexOf('=');
    return [text.slice(0, at), text.slice(at + 1)] as const;
  });
  return Object.fromEntries(entries);
}

function isSshd(pid: number): boolean {
  return /^sshd(?:-session)?$/.test(readText(`/proc/${pid}/comm`)?.trim() ?? '');
}

function allPids(): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function heldBy(pids: readonly number[], open: readonly Connection[]): readonly Ends[] {
  const inodes = new Set(pids.flatMap((pid) => [...socketInodes(pid)]));
  return open.filter(({ inode }) => inodes.has(inode));
}

type FdbEntry = { readonly mac?: string; readonly ifname?: string; readonly master?: string };

async function bridgeFacts(access: Access): Promise<readonly FdbEntry[]> {
  return jsonOf<FdbEntry>(access, 'bridge', ['-j', 'fdb', 'show']);
}

/** An answer that cannot be had is an empty one: the check then supposes the worst. */
async function jsonOf<T>(access: Access, tool: string, args: readonly string[]): Promise<readonly T[]> {
  const { code, stdout } = await run(access, tool, args);
  try {
    const parsed: unknown = code === 0 ? JSON.parse(stdout.toString('utf8')) : [];
    return Array.isArray(parsed) ? parsed : [];
  } catch {
    return [];
  }
}

async function sessionOf(access: Access, ends: Ends, fdb: readonly FdbEntry[]): Promise<SshSession> {
  const { remote, remotePort, local, localPort } = ends;
  const open = establishedConnections();
  const [route] = await jsonOf<{ readonly dev?: string; readonly gateway?: string }>(access, 'ip', [
    ...['-j', 'route', 'get', printIp(remote), 'from', printIp(local)],
  ]);
  // a link-local address has no route of its own
  const dev = route?.dev ?? (await deviceOf(access, local));
  const lower = dev === '' ? undefined : await lowerOf(access, dev);
  const nextHop: Ip = (route?.gateway === undefined ? undefined : parseIp(route.gateway)) ?? remote;
  const nextHopMac = dev === '' ? undefined : await macOf(access, nextHop, dev);
  return {
    client: remote,
    clientPort: remotePort,
    server: local,
    serverPort: localPort,
    dev,
    ...(lower === undefined ? {} : { lower }),
    nextHop,
    ...(nextHopMac === undefined ? {} : { nextHopMac }),
    ports: portsOf(nextHopMac, fdb),
    open: open.some((one) => key(one) === key(ends)),
    tracked: isTracked(ends),
  };
}

type Link = { readonly ifname?: string; readonly link?: string };

/** The interface that has the address; '' for none, which is a connection of another network namespace. */
async function deviceOf(access: Access, own: Ip): Promise<string> {
  const links = await jsonOf<Link>(access, 'ip', ['-j', 'address', 'show', 'to', printIp(own)]);
  return links.find(({ ifname }) => ifname !== undefined)?.ifname ?? '';
}

async function lowerOf(access: Access, dev: string): Promise<string | undefined> {
  const [found] = await jsonOf<Link>(access, 'ip', ['-j', 'link', 'show', 'dev', dev]);
  return found?.link;
}

async function macOf(access: Access, ip: Ip, dev: string): Promise<Mac | undefined> {
  const entries = await jsonOf<{ readonly lladdr?: string }>(access, 'ip', [
    '-j',
    'neigh',
    'show',
    printIp(ip),
    'dev',
    dev,
  ]);
  const lladdr = entries.find((entry) => entry.lladdr !== undefined)?.lladdr;
  return lladdr === undefined ? undefined : parseMac(lladdr);
}

function portsOf(mac: Mac | undefined, fdb: readonly FdbEntry[]): Readonly<Record<string, string>> {
  if (mac === undefined) return {};
  const known = fdb.filter((entry) => entry.mac?.toLowerCase() === printMac(mac));
  return Object.fromEntries(
    known.flatMap(({ master, ifname }) => (master === undefined || ifname === undefined ? [] : [[master, ifname]])),
  );
}

/** Tracking begins when the first rule asks for it; what is older is known after a packet from each side. */
function isTracked({ remote, remotePort }: Ends): boolean {
  const count = Number(readText('/proc/sys/net/netfilter/nf_conntrack_count') ?? 0);
  if (count === 0) return false;
  const table = readText('/proc/net/nf_conntrack');
  if (table === undefined) return true;
  return table
    .split('\n')
    .filter((line) => !line.includes('[UNREPLIED]'))
    .some((line) => line.includes(`src=${printIp(remote)} `) && line.includes(`sport=${remotePort} `));
}
