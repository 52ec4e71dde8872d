// Which device stands behind the name of a port. Rules are keyed by names, and a name may be given to another device within
// a millisecond; so a table of its own lets a guest's port pass only as the very device that was looked at. Whatever takes
// a guest's name later is closed by the kernel itself, until somebody has looked who it is.
import { z } from 'zod';

/** A port as a device: numbers are never given twice while the machine runs. */
export type PresentPort = { readonly name: string; readonly index: number };

export type Presence = {
  /** Names that the loaded rules open for a guest; nobody else's are ever dropped here. */
  readonly guests: readonly string[];
  readonly ports: readonly PresentPort[];
};

/** Family and name. */
export const presenceTable = 'bridge bk_present';

/** The table anew, in one transaction, whatever was there. */
export function printPresence({ guests, ports }: Presence): string {
  return `add table ${presenceTable}
delete table ${presenceTable}
table ${presenceTable} {
	set ports {
		type ifname . iface_index
${elementsLine(ports.map(printPort))}	}
	set guests {
		type ifname
${elementsLine(guests.map(printName))}	}
	chain enter {
		type filter hook prerouting priority -310; policy accept;
		iifname . iif @ports accept
		iifname @guests counter drop
	}
	chain leave {
		type filter hook postrouting priority -310; policy accept;
		oifname . oif @ports accept
		oifname @guests counter drop
	}
}
`;
}

/**
 * From one to the other, what goes before what comes; empty when they are the same. For `add set` nft asks for names of tables
 * only; for `delete element`, as for `add element`, for all chains of all tables.
 */
export function printPresenceChanges(was: Presence, is: Presence): string {
  const [gone, come] = [notIn(was, is), notIn(is, was)];
  return [
    deletion('ports', gone.ports.map(printPort)),
    deletion('guests', gone.guests.map(printName)),
    addition('ports', 'ifname . iface_index', come.ports.map(printPort)),
    addition('guests', 'ifname', come.guests.map(printName)),
  ].join('');
}

/** What of the first is not in the second. */
export function notIn(ones: Presence, others: Presence): Presence {
  const guests = new Set(others.guests);
  const ports = new Set(others.ports.map(portKey));
  return {
    guests: ones.guests.filter((name) => !guests.has(name)),
    ports: ones.ports.filter((port) => !ports.has(portKey(port))),
  };
}

export function portKey({ name, index }: PresentPort): string {
  return `${name} ${index}`;
}

function deletion(set: string, elements: readonly string[]): string {
  if (elements.length === 0) return '';
  return `delete element ${presenceTable} ${set} { ${[...new Set(elements)].join(', ')} }\n`;
}

function addition(set: string, type: string, elements: readonly string[]): string {
  return elements.length === 0
    ? ''
    : `add set ${presenceTable} ${set} {\n\t\ttype ${type}\n${elementsLine(elements)}\t}\n`;
}

function elementsLine(elements: readonly string[]): string {
  return elements.length === 0 ? '' : `\t\telements = { ${[...new Set(elements)].join(', ')} }\n`;
}

/** A device that is called by a number of digits would be meant first: then the port stays closed. */
function printPort({ name, index }: PresentPort): string {
  return `${printName(name)} . ${index}`;
}

/** @throws Error for a name that no rule can have either */
function printName(name: string): string {
  if (!/^[A-Za-z0-9_.-]{1,15}$/.test(name)) throw new Error(`'${name}' cannot be written into a rule`);
  return `"${name}"`;
}

const listing = z.object({
  nftables: z.array(
    z.object({
      set: z.object({ name: z.string(), elem: z.array(z.unknown()).optional() }).optional(),
      chain: z.object({ name: z.string(), hook: z.string(), prio: z.number(), policy: z.string() }).optional(),
      rule: z.object({ chain: z.string(), expr: z.array(z.record(z.string(), z.unknown())) }).optional(),
    }),
  ),
});

const chains = ['enter prerouting -310 accept', 'leave postrouting -310 accept'];
const rules = ['enter @ports accept', 'enter @guests drop', 'leave @ports accept', 'leave @guests drop'];

/** Whether a listing (`nft -j`) is of this table. Numbers of devices are not compared: nft lists them as names. */
export function isPresence(json: unknown, { guests, ports }: Presence): boolean {
  const { data } = listing.safeParse(json);
  if (data === undefined) return false;
  const objects = data.nftables;
  const names = (set: string): readonly string[] =>
    objects.flatMap((one) => (one.set?.name === set ? (one.set.elem ?? []) : [])).map(nameOf);
  return (
    isSame(names('guests'), guests) &&
    isSame(
      names('ports'),
      ports.map(({ name }) => name),
    ) &&
    isSame(
      objects.flatMap(({ chain }) =>
        chain === undefined ? [] : [`${chain.name} ${chain.hook} ${chain.prio} ${chain.policy}`],
      ),
      chains,
    ) &&
    isSame(
      objects.flatMap(({ rule }) => (rule === undefined ? [] : [ruleWords(rule)])),
      rules,
    )
  );
}

function nameOf(element: unknown): string {
  const name =
    typeof element === 'object' ? (element as { readonly concat?: readonly unknown[] }).concat?.[0] : element;
  return String(name);
}

function ruleWords({ chain, expr }: { readonly chain: string; readonly expr: readonly Record<string, unknown>[] }) {
  const right = (expr[0]?.match as { readonly right?: unknown } | undefined)?.right;
  return `${chain} ${String(right)} ${Object.keys(expr.at(-1) ?? {}).join()}`;
}

/** As sets. */
function isSame(ones: readonly string[], others: readonly string[]): boolean {
  return JSON.stringify([...new Set(ones)].sort()) === JSON.stringify([...new Set(others)].sort());
}
