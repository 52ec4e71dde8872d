// Asks ip and bridge for what they have heard. What they do not say, or not to this user, is no fault: nothing depends on it.
import type { z } from 'zod';
import { type Hints, hintsFrom } from './hints.ts';
import { type IpInside, ipForwarding, ipInsides, ipLinks, ipNamespaces, ipNeighbours } from './ip-json.ts';
import { printedBy } from './read.ts';

export async function readHints(): Promise<Hints> {
  const [links, forwarding, neighbours, namespaces] = await Promise.all([
    heard(ipLinks, 'ip', ['-j', '-d', 'link', 'show']),
    heard(ipForwarding, 'bridge', ['-j', 'fdb', 'show']),
    heard(ipNeighbours, 'ip', ['-j', 'neigh', 'show']),
    heard(ipNamespaces, 'ip', ['-j', 'netns', 'list']),
  ]);
  const insides = new Map<string, readonly IpInside[]>();
  for (const { name, id } of namespaces) {
    // only those that a port leads to; `ip` would take a name with a dash in front for an option
    const led = links.some(({ link_netnsid }) => typeof id === 'number' && link_netnsid === id);
    if (led && !name.startsWith('-'))
      insides.set(name, await heard(ipInsides, 'ip', ['-j', '-n', name, 'addr', 'show']));
  }
  return hintsFrom({ links, forwarding, neighbours, namespaces, insides });
}

async function heard<T>(schema: z.ZodType<readonly T[]>, tool: string, args: readonly string[]): Promise<readonly T[]> {
  try {
    return await printedBy(schema, tool, args);
  } catch {
    return [];
  }
}
