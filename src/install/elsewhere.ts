// Addresses of the host that others ask for at an interface which has not got them. With arp_ignore=1 nobody would answer
// any more, and whoever administers the host by such an address would be cut off.
import { z } from 'zod';

const addressList = z.array(
  z.object({
    ifname: z.string(),
    flags: z.array(z.string()).optional(),
    addr_info: z.array(z.object({ local: z.string().optional(), scope: z.string().optional() })).optional(),
  }),
);

const routeList = z.array(
  z.object({ dev: z.string().optional(), prefsrc: z.string().optional(), dst: z.string().optional() }),
);

/**
 * @param addresses of `ip -j -4 address show`, @param routes of `ip -j -4 route show`: what is no such text says nothing
 */
export function elsewhereAddresses(addresses: string, routes: string): readonly string[] {
  const at = new Map<string, string>();
  const onLoopback: string[] = [];
  for (const { ifname, flags = [], addr_info = [] } of parsed(addressList, addresses)) {
    for (const { local, scope } of addr_info) {
      if (local === undefined || scope === 'host') continue;
      at.set(local, ifname);
      if (flags.includes('LOOPBACK') || ifname.startsWith('dummy')) onLoopback.push(local);
    }
  }
  const misplaced = parsed(routeList, routes).flatMap(({ dev, prefsrc }) => {
    const where = prefsrc === undefined ? undefined : at.get(prefsrc);
    return prefsrc !== undefined && where !== undefined && where !== dev ? [prefsrc] : [];
  });
  return [...new Set([...onLoopback, ...misplaced])];
}

function parsed<T>(shape: z.ZodType<readonly T[]>, text: string): readonly T[] {
  try {
    return shape.parse(JSON.parse(text));
  } catch {
    return [];
  }
}
