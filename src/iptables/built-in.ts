// What iptables brings with it: the base chains of its tables and the targets that no chain may be named after.
import type { Chain, HookName } from '../model/ruleset.ts';

type Base = NonNullable<Chain['base']>;

const hooks: Readonly<Record<string, HookName>> = {
  PREROUTING: 'prerouting',
  INPUT: 'input',
  FORWARD: 'forward',
  OUTPUT: 'output',
  POSTROUTING: 'postrouting',
};

/** include/uapi/linux/netfilter_ipv4.h, NF_IP_PRI_*; nat looks before and after the routing decision. */
const tables: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  raw: { PREROUTING: -300, OUTPUT: -300 },
  mangle: { PREROUTING: -150, INPUT: -150, FORWARD: -150, OUTPUT: -150, POSTROUTING: -150 },
  nat: { PREROUTING: -100, INPUT: 100, OUTPUT: -100, POSTROUTING: 100 },
  filter: { INPUT: 0, FORWARD: 0, OUTPUT: 0 },
  security: { INPUT: 50, FORWARD: 50, OUTPUT: 50 },
};

export function isTable(name: string): boolean {
  return Object.hasOwn(tables, name);
}

/** The base chain of this name in this table; the kernel makes it, with policy ACCEPT. */
export function baseChain(table: string, name: string): Base | undefined {
  const bases = isTable(table) ? tables[table] : undefined;
  const hook = hooks[name];
  if (bases === undefined || hook === undefined || !Object.hasOwn(bases, name)) return undefined;
  const type = table === 'nat' ? 'nat' : table === 'mangle' && name === 'OUTPUT' ? 'route' : 'filter';
  return { type, hook, priority: bases[name] ?? 0, policy: 'accept' };
}

const targets = new Set(
  `ACCEPT DROP QUEUE RETURN AUDIT CHECKSUM CLASSIFY CLUSTERIP CONNMARK CONNSECMARK CT DNAT DNPT DSCP ECN HL HMARK
  IDLETIMER LED LOG MARK MASQUERADE NAT NETMAP NFLOG NFQUEUE NOTRACK RATEEST REDIRECT REJECT SECMARK SET SNAT SNPT
  SYNPROXY TCPMSS TCPOPTSTRIP TEE TOS TPROXY TRACE TTL ULOG ERROR`.split(/\s+/),
);

/** 28 characters at most (XT_EXTENSION_MAXNAMELEN), no option, no target, no base chain. */
export function isChainName(name: string): boolean {
  return /^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,27}$/.test(name) && !targets.has(name) && !Object.hasOwn(hooks, name);
}
