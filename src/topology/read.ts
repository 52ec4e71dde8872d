// The live host: asks ip, bridge, /proc/sys and libvirt, in the current network namespace. It changes nothing.
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { z } from 'zod';
import { local } from '../machine/access.ts';
import { failureText, run } from '../machine/run.ts';
import { type Checked, warning } from '../model/diagnostic.ts';
import type { Host } from '../model/host.ts';
import { HostError } from '../model/host-error.ts';
import type { AskedAgents } from './asked-agents.ts';
import { withGuests } from './guests.ts';
import { bridgeLinks, type IpLink, ipAddresses, ipLinks, ipNamespaces, ipRoutes } from './ip-json.ts';
import { hostFromIp, hostSpan, macOf } from './live.ts';
import { readLibvirt } from './read-libvirt.ts';

/** Those that decide whether a frame meets the rules, and who answers for an address. */
const sysctlNames = [
  'net.ipv4.ip_forward',
  'net.ipv4.conf.all.arp_ignore',
  'net.ipv4.conf.all.arp_announce',
  'net.bridge.bridge-nf-call-iptables',
] as const;

const nobody: AskedAgents = { names: new Set(), macs: new Set(), ports: new Set() };

/**
 * Bridges first, then libvirt: what it says of a port is the newer of the two. `agents` are those that are
 * asked for addresses.
 * @throws HostError when a tool is missing, fails, or prints what we do not know; when libvirt refuses and there is no
 * bridge either
 */
export async function readHost(agents: AskedAgents = nobody): Promise<Checked<Host>> {
  const [links, addresses, routes, bridged, namespaces, sysctls] = await Promise.all([
    printedBy(ipLinks, 'ip', ['-j', '-d', 'link', 'show']),
    printedBy(ipAddresses, 'ip', ['-j', 'addr', 'show']),
    printedBy(ipRoutes, 'ip', ['-j', 'route', 'show', 'table', 'main']),
    printedBy(bridgeLinks, 'bridge', ['-j', '-d', 'link', 'show']),
    printedBy(ipNamespaces, 'ip', ['-j', 'netns', 'list']),
    readSysctls(),
  ]);
  const plain = hostFromIp({ links, addresses, routes, bridgeLinks: bridged, namespaces, sysctls }, hostname());
  return withLibvirt(plain, links, agents);
}

async function withLibvirt(
  plain: Checked<Host>,
  links: readonly IpLink[],
  agents: AskedAgents,
): Promise<Checked<Host>> {
  const libvirt = await readLibvirt(local, agents);
  if (libvirt.kind === 'absent' || plain.value === undefined) return plain;
  if (libvirt.kind === 'refused') return withoutLibvirt(plain, libvirt.message);
  const macs = new Map(links.flatMap((link) => (macOf(link) === undefined ? [] : [[link.ifname, macOf(link) ?? 0]])));
  const { value, diagnostics } = withGuests(plain.value, libvirt.facts, macs);
  const all = [...plain.diagnostics, ...libvirt.diagnostics, ...diagnostics];
  return value === undefined ? { diagnostics: all } : { value, diagnostics: all };
}

/** Without any bridge there is nothing to go on with. */
function withoutLibvirt(plain: Checked<Host>, message: string): Checked<Host> {
  const hint = 'run this as root, or as a member of the group libvirt; the socket is /run/libvirt/libvirt-sock';
  const said = `libvirt does not say which guests there are: ${message}`;
  if (plain.value?.bridges.length === 0) throw new HostError('libvirt-refused', `${said} (${hint})`);
  return { ...plain, diagnostics: [...plain.diagnostics, warning('libvirt-refused', said, hostSpan, { hint })] };
}

/** What a tool of iproute2 prints with `-j`. */
export async function printedBy<T extends z.ZodType>(
  schema: T,
  tool: string,
  args: readonly string[],
): Promise<z.output<T>> {
  const command = [tool, ...args].join(' ');
  const ran = await run(local, tool, args);
  if (ran.code === 127) throw new HostError('no-tool', `'${tool}' is not installed (package iproute2)`);
  if (ran.code !== 0) throw new HostError('tool-failed', failureText(local, [tool, ...args], ran));
  const result = schema.safeParse(jsonOf(ran.stdout.toString('utf8'), command));
  if (result.success) return result.data;
  throw new HostError('unexpected-output', `'${command}' printed something that is not understood`, result.error);
}

/** Some commands print nothing at all where there is nothing to list. */
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
