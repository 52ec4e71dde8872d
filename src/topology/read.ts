// The live host: asks ip, /proc/sys and libvirt, in the current network namespace. It changes nothing.
import { readdirSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { z } from 'zod';
import { local } from '../machine/access.ts';
import { failureText, run } from '../machine/run.ts';
import { type Checked, warning } from '../model/diagnostic.ts';
import type { Host } from '../model/host.ts';
import { HostError } from '../model/host-error.ts';
import type { AskedAgents } from './asked-agents.ts';
import { changedFacts, partsOf } from './changed-facts.ts';
import { withGuests } from './guests.ts';
import { type IpDevice, type IpLink, type IpNamespace, ipDevices, ipNamespaces, ipRoutes } from './ip-json.ts';
import { hostFromIp, hostSpan, type LiveFacts, macOf } from './live.ts';
import { hasLibvirt, type Libvirt, readLibvirt } from './read-libvirt.ts';

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
  const facts = await readFacts();
  return withLibvirt(hostFromIp(facts, hostname()), facts.links, await readLibvirt(local, agents));
}

/** All devices, routes and settings. @throws HostError as `readHost` */
export async function readFacts(): Promise<LiveFacts> {
  const [devices, routes, namespaces] = await Promise.all([
    printedBy(ipDevices, 'ip', ['-j', '-d', 'addr', 'show']),
    printedBy(ipRoutes, 'ip', ['-j', 'route', 'show', 'table', 'main']),
    readNamespaces(),
  ]);
  const [links, addresses] = partsOf(devices);
  return { links, addresses, routes, namespaces, sysctls: readSysctls() };
}

/**
 * The host with its guests.
 * @param ask libvirt, if there is one, who is behind which port
 * @throws HostError as `readHost`
 */
export async function hostNow(facts: LiveFacts, ask: () => Promise<Libvirt>): Promise<Checked<Host>> {
  const plain = hostFromIp(facts, hostname());
  return hasLibvirt() ? withLibvirt(plain, facts.links, await ask()) : plain;
}

/** More than so many are read with all others. */
const mostNames = 32;

/** `ip` takes each line of a batch for a command; a name of ours is one word of it. */
export const plainName = /^[A-Za-z0-9_.-]{1,15}$/;

/**
 * The facts as they are now, when only these devices changed since. Undefined when all has to be read.
 * @throws HostError as `readHost`
 */
export async function readChanged(facts: LiveFacts, names: ReadonlySet<string>): Promise<LiveFacts | undefined> {
  if (names.size > mostNames || ![...names].every((name) => plainName.test(name))) return undefined;
  const lines = [...[...names].map((name) => `addr show dev ${name}`), 'route show table main', ''];
  const [ran, namespaces] = await Promise.all([
    run(local, 'ip', ['-j', '-d', '-force', '-batch', '-'], { input: lines.join('\n') }),
    readNamespaces(),
  ]);
  const printed = ran.stdout
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '');
  const devices = ipDevices.safeParse(printed.slice(0, -1).flatMap((line) => jsonOf(line, 'ip -batch')));
  const routes = ipRoutes.safeParse(jsonOf(printed.at(-1) ?? '', 'ip -batch'));
  // whatever else it complains of, and a name that is another device's second one, is not for us to understand
  const missing = ran.said.match(/^Device "[^"]+" does not exist\.$/gm)?.length ?? 0;
  const complaints = ran.said.split('\n').filter((line) => line !== '' && !/^Command failed -:\d+$/.test(line)).length;
  if (!devices.success || !routes.success || printed.length !== names.size - missing + 1 || complaints !== missing) {
    return undefined;
  }
  return changedFacts(facts, names, { devices: devices.data, routes: routes.data, namespaces, sysctls: readSysctls() });
}

/**
 * As `readChanged`, of devices that were asked otherwise; routes are what they were.
 * @throws HostError as `readHost`
 */
export async function readBeside(
  facts: LiveFacts,
  names: ReadonlySet<string>,
  devices: readonly IpDevice[],
): Promise<LiveFacts | undefined> {
  const namespaces = await readNamespaces();
  return changedFacts(facts, names, { devices, routes: facts.routes, namespaces, sysctls: readSysctls() });
}

/** Where no network namespace has a name, there is nobody to ask. */
async function readNamespaces(): Promise<readonly IpNamespace[]> {
  return hasNamedNamespaces() ? printedBy(ipNamespaces, 'ip', ['-j', 'netns', 'list']) : [];
}

function hasNamedNamespaces(): boolean {
  try {
    return readdirSync('/var/run/netns').length > 0;
  } catch {
    return false;
  }
}

function withLibvirt(plain: Checked<Host>, links: readonly IpLink[], libvirt: Libvirt): Checked<Host> {
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

/** Four short files of the kernel: threads would cost more. A setting of a module that is not loaded is left out. */
function readSysctls(): Readonly<Record<string, string>> {
  return Object.fromEntries(sysctlNames.flatMap(readSysctl));
}

function readSysctl(name: string): readonly (readonly [name: string, value: string])[] {
  try {
    return [[name, readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8').trim()]];
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new HostError('no-sysctl', `cannot read the sysctl ${name}: ${(cause as Error).message}`, cause);
  }
}
