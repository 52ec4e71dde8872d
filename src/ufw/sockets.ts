// What a machine says of its sockets and of who called us -> SSH sessions, and where sshd listens. Nothing of it is taken
// for true that is not well formed.
import { type Ip, parseIp, sameIp } from '../model/ip.ts';

export type Endpoint = { readonly ip: Ip; readonly port: number };

export type Session = {
  readonly client: Endpoint;
  readonly server: Endpoint;
  /** Where it is certain: of addresses that mean nothing without one (fe80::/10), or where there is only one. */
  readonly iif?: string;
};

export type Listener = { readonly server: Endpoint; readonly program: string };

export type SshFacts = {
  /** Ours, or all when ours cannot be told from the others. */
  readonly sessions: readonly Session[];
  readonly listeners: readonly Listener[];
  /** Ports of sshd's configuration on which nobody listens now. */
  readonly idlePorts: readonly number[];
};

type Socket = {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly listens: boolean;
  readonly inode: string;
};

type Owner = { readonly program: string; readonly title: string };

type Snapshot = {
  readonly callers: readonly Session[];
  readonly sockets: readonly Socket[];
  readonly owners: ReadonlyMap<string, readonly Owner[]>;
  readonly configured: readonly number[];
  /** Those that are up, without the loopback. */
  readonly interfaces: ReadonlySet<string>;
};

/** Of `snapshotScript` in read-sockets.ts, in latin1. */
export function sshFacts(text: string): SshFacts {
  const snapshot = snapshotOf(text);
  const listeners = listenersOf(snapshot);
  const ports = new Set(listeners.map(({ server }) => server.port));
  const open = establishedOf(snapshot, ports);
  const [own] = snapshot.callers;
  const isOpen = own !== undefined && open.some((session) => isSame(session, own));
  // a terminal multiplexer keeps the environment of a connection that is long gone
  const sessions = own === undefined ? open : isOpen ? [own] : [own, ...open];
  return {
    sessions: sessions
      .filter((session, at) => sessions.findIndex((other) => isSame(session, other)) === at)
      .map((session) => withInterface(session, snapshot)),
    listeners,
    idlePorts: snapshot.configured.filter((port) => !ports.has(port)),
  };
}

/** By which interface a packet comes in, its addresses do not tell: Linux takes it by any. */
function withInterface(session: Session, { interfaces }: Snapshot): Session {
  const [only] = interfaces;
  const iif = session.iif ?? (interfaces.size === 1 ? only : undefined);
  return iif === undefined ? session : { ...session, iif };
}

function isSame(one: Session, other: Session): boolean {
  return isSameEnd(one.client, other.client) && isSameEnd(one.server, other.server);
}

function isSameEnd(one: Endpoint, other: Endpoint): boolean {
  return one.port === other.port && sameIp(one.ip, other.ip);
}

/** sshd's own sockets, and those that somebody holds for it where it is configured to listen. */
function listenersOf({ sockets, owners, configured }: Snapshot): readonly Listener[] {
  return sockets.flatMap(({ local, listens, inode }) => {
    if (!listens || isLoopback(local.ip)) return [];
    const holders = owners.get(inode) ?? [];
    const daemon =
      holders.find(isDaemon) ?? (configured.includes(local.port) ? (holders[0] ?? { program: '' }) : undefined);
    return daemon === undefined ? [] : [{ server: local, program: daemon.program }];
  });
}

/** A session's process listens too, for what is forwarded through it; it calls itself `sshd: user@pts/0`, or `[priv]`. */
function isDaemon({ program, title }: Owner): boolean {
  return (program === 'sshd' || program === 'dropbear') && !/^sshd(?:-session)?: [^/ ]+(?:@| \[)/.test(title);
}

function establishedOf({ sockets, owners }: Snapshot, ports: ReadonlySet<number>): readonly Session[] {
  return sockets.flatMap(({ local, remote, listens, inode }) => {
    const isSsh = (owners.get(inode) ?? []).some(({ program }) =>
      /^(?:sshd|sshd-session|sshd-auth|dropbear)$/.test(program),
    );
    return !listens && isSsh && ports.has(local.port) ? [{ client: remote, server: local }] : [];
  });
}

function isLoopback({ family, bits }: Ip): boolean {
  return family === 4 ? bits >> 24n === 127n : bits === 1n;
}

export function isAnyAddress({ bits }: Ip): boolean {
  return bits === 0n;
}

function snapshotOf(text: string): Snapshot {
  const callers: Session[] = [];
  const sockets: Socket[] = [];
  const titles = new Map<string, Owner>();
  const inodes: { readonly pid: string; readonly inode: string }[] = [];
  const configured = new Set<number>();
  const interfaces = new Set<string>();
  for (const line of text.split('\n')) {
    const [kind = '', first = '', ...rest] = line.split(' ');
    if (kind === 'env') callers.push(...callerOf(line.slice(4)));
    else if (kind === 'tcp') sockets.push(...socketOf(line.slice(4)));
    else if (kind === 'proc') titles.set(first, { program: rest[0] ?? '', title: rest.slice(1).join(' ').trim() });
    else if (kind === 'fd') inodes.push({ pid: first, inode: rest[0] ?? '' });
    else if (kind === 'port' && isPort(first)) configured.add(Number(first));
    else if (kind === 'link') for (const name of linkOf(line.slice(5))) interfaces.add(name);
  }
  const owners = Map.groupBy(inodes, ({ inode }) => inode);
  const named = [...owners].map(
    ([inode, holders]) => [inode, holders.flatMap(({ pid }) => titles.get(pid) ?? [])] as const,
  );
  return { callers, sockets, owners: new Map(named), configured: [...configured], interfaces };
}

/** `2: eth0: <...`, or `2: eth0@if3: <...` */
function linkOf(line: string): readonly string[] {
  const name = /^\d{1,9}: ([^\s@]{1,15})(?:@\S{1,15})?: </.exec(line)?.[1];
  return name === undefined || name === 'lo' ? [] : [name];
}

/** `SSH_CONNECTION=10.0.0.2 51234 10.0.0.1 22` */
function callerOf(text: string): readonly Session[] {
  const match = /^SSH_CONNECTION=(\S{2,64}) (\d{1,5}) (\S{2,64}) (\d{1,5})$/.exec(text);
  if (match === null) return [];
  const [, from = '', sport = '', to = '', dport = ''] = match;
  const [address = '', zone] = from.split('%');
  const [client, server] = [parseIp(address), parseIp(to.split('%')[0] ?? '')].map((ip) => ip && unmapped(ip));
  if (client === undefined || server === undefined || !isPort(sport) || !isPort(dport)) return [];
  return [
    {
      client: { ip: client, port: Number(sport) },
      server: { ip: server, port: Number(dport) },
      ...(zone !== undefined && { iif: zone }),
    },
  ];
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}

/** A line of /proc/net/tcp or tcp6: addresses as the machine's own words of 32 bits, here those of little endian. */
function socketOf(line: string): readonly Socket[] {
  const [, local = '', remote = '', state = '', , , , , , inode = ''] = line.trim().split(/\s+/);
  const [ours, theirs] = [endpointOf(local), endpointOf(remote)];
  if (ours === undefined || theirs === undefined || !/^\d{1,20}$/.test(inode)) return [];
  if (state !== '0A' && state !== '01') return [];
  return [{ local: ours, remote: theirs, listens: state === '0A', inode }];
}

function endpointOf(text: string): Endpoint | undefined {
  const match = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(text);
  if (match === null) return undefined;
  const [, address = '', port = ''] = match;
  const words = address.match(/.{8}/g) ?? [];
  const hex = words.map((word) => (word.match(/../g) ?? []).reverse().join('')).join('');
  const ip: Ip = { family: address.length === 8 ? 4 : 6, bits: BigInt(`0x${hex}`) };
  return { ip: unmapped(ip), port: Number.parseInt(port, 16) };
}

/** ::ffff:10.0.0.1 is IPv4 on a socket of both families. */
function unmapped(ip: Ip): Ip {
  if (ip.family === 4 || ip.bits >> 32n !== 0xffffn) return ip;
  return { family: 4, bits: ip.bits & 0xffff_ffffn };
}
