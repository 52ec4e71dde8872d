// The live host: asks ip, bridge and /proc/sys in the current network namespace. The only file of this folder that
// touches the machine; it changes nothing.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { promisify } from 'node:util';
import type { z } from 'zod';
import type { Checked } from '../model/diagnostic.ts';
import type { Host } from '../model/host.ts';
import { HostError } from '../model/host-error.ts';
import { bridgeLinks, ipAddresses, ipLinks, ipRoutes } from './ip-json.ts';
import { hostFromIp } from './live.ts';

/** Those that decide whether a frame meets the rules, and who answers for an address. */
const sysctlNames = [
  'net.ipv4.ip_forward',
  'net.ipv4.conf.all.arp_ignore',
  'net.ipv4.conf.all.arp_announce',
  'net.bridge.bridge-nf-call-iptables',
] as const;

/** @throws HostError when a tool is missing, fails, or prints what we do not know */
export async function readHost(): Promise<Checked<Host>> {
  const [links, addresses, routes, bridged, sysctls] = await Promise.all([
    output(ipLinks, 'ip', ['-j', '-d', 'link', 'show']),
    output(ipAddresses, 'ip', ['-j', 'addr', 'show']),
    output(ipRoutes, 'ip', ['-j', 'route', 'show', 'table', 'main']),
    output(bridgeLinks, 'bridge', ['-j', '-d', 'link', 'show']),
    readSysctls(),
  ]);
  return hostFromIp({ links, addresses, routes, bridgeLinks: bridged, sysctls }, hostname());
}

const run = promisify(execFile);

async function output<T extends z.ZodType>(schema: T, tool: string, args: readonly string[]): Promise<z.output<T>> {
  const command = [tool, ...args].join(' ');
  const text = await printed(tool, args, command);
  const result = schema.safeParse(jsonOf(text, command));
  if (result.success) return result.data;
  throw new HostError('unexpected-output', `'${command}' printed something that is not understood`, result.error);
}

async function printed(tool: string, args: readonly string[], command: string): Promise<string> {
  try {
    const { stdout } = await run(tool, args, { env: { ...process.env, LC_ALL: 'C' }, maxBuffer: 1 << 28 });
    return stdout;
  } catch (cause) {
    const { code, stderr = '' } = cause as { readonly code?: unknown; readonly stderr?: string };
    if (code === 'ENOENT') throw new HostError('no-tool', `'${tool}' is not installed (package iproute2)`, cause);
    throw new HostError('tool-failed', `'${command}' failed: ${stderr.trim() || String(cause)}`, cause);
  }
}

/** `ip -j route` prints nothing at all when there are no routes. */
function jsonOf(text: string, command: string): unknown {
  if (text.trim() === '') return [];
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HostError('unexpected-output', `'${command}' did not print JSON`, cause);
  }
}

/** A setting of a module that is not loaded is left out. */
async function readSysctls(): Promise<Readonly<Record<string, string>>> {
  const found = await Promise.all(sysctlNames.map(readSysctl));
  return Object.fromEntries(found.flat());
}

async function readSysctl(name: string): Promise<readonly (readonly [name: string, value: string])[]> {
  try {
    const value = await readFile(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8');
    return [[name, value.trim()]];
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new HostError('no-sysctl', `cannot read the sysctl ${name}: ${(cause as Error).message}`, cause);
  }
}
