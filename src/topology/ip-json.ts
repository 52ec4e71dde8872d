// What `ip -j` and `bridge -j fdb` print (iproute2), as far as it is used here. Unknown fields are passed over; a known field
// of another type means that this is not the output that we know.
import { z } from 'zod';

const linkInfo = z.object({
  info_kind: z.string().optional(),
  info_data: z
    .object({
      stp_state: z.number().optional(),
      vlan_filtering: z.number().optional(),
      type: z.string().optional(),
    })
    .optional(),
  info_slave_kind: z.string().optional(),
  /** Of a port of a bridge. */
  info_slave_data: z
    .object({ hairpin: z.boolean().optional(), learning: z.boolean().optional(), isolated: z.boolean().optional() })
    .optional(),
});

const link = z.object({
  ifindex: z.number(),
  ifname: z.string(),
  /** The other end of a veth pair, or what a vlan is on, if it is in the same network namespace. */
  link: z.string().nullish(),
  /** Instead of `link` if the other end is in another network namespace. */
  link_netnsid: z.number().nullish(),
  /** What the other end is called by its number there. */
  link_index: z.number().nullish(),
  link_type: z.string().optional(),
  master: z.string().optional(),
  address: z.string().optional(),
  linkinfo: linkInfo.optional(),
});

const interfaceAddresses = z.object({
  ifname: z.string(),
  addr_info: z.array(
    z.object({
      family: z.string().optional(),
      local: z.string().optional(),
      prefixlen: z.number().optional(),
      scope: z.string().optional(),
    }),
  ),
});

const nextHop = { gateway: z.string().optional(), dev: z.string().optional() };

const route = z.object({
  dst: z.string(),
  type: z.string().optional(),
  ...nextHop,
  /** A gateway of the other address family. */
  via: z.object({ host: z.string() }).optional(),
  flags: z.array(z.string()).optional(),
  nexthops: z.array(z.object(nextHop)).optional(),
});

const namespace = z.object({
  name: z.string(),
  /** Its number as seen from the current one, if it has one. */
  id: z.number().nullish(),
});

const neighbour = z.object({ dst: z.string(), lladdr: z.string().optional() });

const forwardingEntry = z.object({
  mac: z.string(),
  ifname: z.string(),
  state: z.string().optional(),
  flags: z.array(z.string()).optional(),
});

const inside = interfaceAddresses.extend({ ifindex: z.number(), address: z.string().optional() });

/** iproute2 prints `{}` for what a filter leaves out. */
function withoutEmpty<T extends z.ZodType>(item: T): z.ZodType<readonly z.output<T>[]> {
  const some = (value: unknown) => !(typeof value === 'object' && value !== null && Object.keys(value).length === 0);
  return z
    .array(z.unknown())
    .transform((values) => values.filter(some))
    .pipe(z.array(item));
}

/** `ip -j -d link show` */
export const ipLinks = withoutEmpty(link);
/** `ip -j addr show` */
export const ipAddresses = withoutEmpty(interfaceAddresses);
/** `ip -j route show table main` */
export const ipRoutes = withoutEmpty(route);
/** `ip -j -d addr show`: everything that `link show` prints, and the addresses. */
export const ipDevices = withoutEmpty(link.extend(interfaceAddresses.shape));

/** `ip -j netns list` */
export const ipNamespaces = withoutEmpty(namespace);

/** `ip -j neigh show` */
export const ipNeighbours = withoutEmpty(neighbour);
/** `bridge -j fdb show` */
export const ipForwarding = withoutEmpty(forwardingEntry);
/** `ip -j -n NAME addr show` */
export const ipInsides = withoutEmpty(inside);

export type IpNeighbour = z.output<typeof neighbour>;
export type IpFdbEntry = z.output<typeof forwardingEntry>;
export type IpInside = z.output<typeof inside>;
export type IpLink = z.output<typeof link>;
export type IpDevice = IpLink & IpAddresses;
export type IpAddresses = z.output<typeof interfaceAddresses>;
export type IpRoute = z.output<typeof route>;
export type IpNamespace = z.output<typeof namespace>;
