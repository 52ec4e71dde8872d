// Established TCP connections of this network namespace, and whose they are: /proc/net/tcp and /proc/PID/fd.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type Ip, parseIp } from '../../model/ip.ts';

export type Connection = {
  readonly local: Ip;
  readonly localPort: number;
  readonly remote: Ip;
  readonly remotePort: number;
  readonly inode: number;
};

export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

export function establishedConnections(): readonly Connection[] {
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => parseSockets(readText(file) ?? ''));
}

/** net/ipv4/tcp_ipv4.c, get_tcp4_sock(): `sl local remote st ... inode`; state 01 is established. */
export function parseSockets(text: string): readonly Connection[] {
  return text.split('\n').flatMap((line) => {
    const [, local = '', remote = '', state, , , , , , inode] = line.trim().split(/\s+/);
    const [at, from] = [parseEnd(local), parseEnd(remote)];
    if (state !== '01' || at === undefined || from === undefined) return [];
    return [{ local: at.ip, localPort: at.port, remote: from.ip, remotePort: from.port, inode: Number(inode) }];
  });
}

/** Words of 32 bits as this machine stores them: on the little-endian ones the octets stand in reverse. */
function parseEnd(text: string): { readonly ip: Ip; readonly port: number } | undefined {
  const [, hex, port] = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(text) ?? [];
  if (hex === undefined || port === undefined) return undefined;
  const octets = (hex.match(/.{8}/g) ?? []).flatMap((word) => (word.match(/../g) ?? []).reverse());
  const bits = BigInt(`0x${octets.join('')}`);
  const ip: Ip = octets.length === 4 ? { family: 4, bits } : plainIp({ family: 6, bits });
  return { ip, port: Number.parseInt(port, 16) };
}

/** ::ffff:0:0/96 are IPv4 addresses on a socket of the other family. */
function plainIp(ip: Ip): Ip {
  return ip.family === 6 && ip.bits >> 32n === 0xffffn ? { family: 4, bits: ip.bits & 0xffff_ffffn } : ip;
}

/** Inodes of the sockets that a process holds; none when it may not be looked at. */
export function socketInodes(pid: number): ReadonlySet<number> {
  const directory = `/proc/${pid}/fd`;
  const inodes = new Set<number>();
  try {
    for (const fd of readdirSync(directory)) {
      const [, inode] = /^socket:\[(\d+)\]$/.exec(readlink(`${directory}/${fd}`)) ?? [];
      if (inode !== undefined) inodes.add(Number(inode));
    }
  } catch {
    return inodes;
  }
  return inodes;
}

export function readlink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** `client port server port`, as sshd(8) sets SSH_CONNECTION. */
export function parseSshConnection(text: string): Omit<Connection, 'inode'> | undefined {
  const [client = '', clientPort, server = '', serverPort] = text.trim().split(' ');
  const remote = parseIp(client.replace(/%.*$/, ''));
  const local = parseIp(server.replace(/%.*$/, ''));
  if (remote === undefined || local === undefined) return undefined;
  return {
    local: plainIp(local),
    localPort: Number(serverPort),
    remote: plainIp(remote),
    remotePort: Number(clientPort),
  };
}
