// Which device stands behind the name of a port. Rules are keyed by names, and a name may be given to another device within
// a millisecond; so a table of its own lets a guest's port pass only as the very device that was looked at. Whatever takes
// a guest's name later is closed by the kernel itself, until somebody has looked who it is.
import { z } from 'zod';
import { middles } from '../model/middles.ts';
import { concatenated } from '../netlink/message.ts';
import { interfaceIndexKey, interfaceNameKey } from '../netlink/nf-tables.ts';
import type { SetElements } from '../netlink/transaction.ts';

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
		type ${setTypes.ports}
${elementsLine(ports.map(printPort))}	}
	set guests {
		type ${setTypes.guests}
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

/** Elements of one of the two sets. */
export type PresenceChange = { readonly what: 'add' | 'delete' } & (
  | { readonly set: 'ports'; readonly elements: readonly PresentPort[] }
  | { readonly set: 'guests'; readonly elements: readonly string[] }
);

/** What is only in the one, and what is only in the other. */
export function presenceDifference(was: Presence, is: Presence): { readonly gone: Presence; readonly come: Presence } {
  const [portsWas, portsAre] = middles(was.ports, is.ports);
  const [guestsWas, guestsAre] = middles(was.guests, is.guests);
  const [before, after] = [
    { guests: guestsWas, ports: portsWas },
    { guests: guestsAre, ports: portsAre },
  ];
  return { gone: notIn(before, after), come: notIn(after, before) };
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

/** What goes before what comes. */
export function presenceChanges(gone: Presence, come: Presence): readonly PresenceChange[] {
  const changes: readonly PresenceChange[] = [
    { what: 'delete', set: 'ports', elements: gone.ports },
    { what: 'delete', set: 'guests', elements: gone.guests },
    { what: 'add', set: 'ports', elements: come.ports },
    { what: 'add', set: 'guests', elements: come.guests },
  ];
  return changes.filter(({ elements }) => elements.length > 0);
}

/**
 * For `nft -f`. For `add set` nft asks for names of tables only; for `delete element`, as for `add element`, for all chains of all
 * tables, and for a number of a device for all devices.
 */
export function printPresenceChanges(changes: readonly PresenceChange[]): string {
  return changes.map(printChange).join('');
}

function printChange(change: PresenceChange): string {
  const elements = change.set === 'ports' ? change.elements.map(printPort) : change.elements.map(printName);
  return change.what === 'delete'
    ? `delete element ${presenceTable} ${change.set} { ${elements.join(', ')} }\n`
    : `add set ${presenceTable} ${change.set} {\n\t\ttype ${setTypes[change.set]}\n${elementsLine(elements)}\t}\n`;
}

const setTypes = { ports: 'ifname . iface_index', guests: 'ifname' } as const;

/** The same for the kernel itself, which asks for nothing. */
export function presenceElements(changes: readonly PresenceChange[]): readonly SetElements[] {
  const [, table = ''] = presenceTable.split(' ');
  return changes.map((change) => {
    const keys = change.set === 'ports' ? change.elements.map(keyOfPort) : change.elements.map(interfaceNameKey);
    return { what: change.what, family: 'bridge', table, set: change.set, keys };
  });
}

function keyOfPort({ name, index }: PresentPort): Uint8Array {
  return concatenated([interfaceNameKey(name), interfaceIndexKey(index)]);
}

function portKey({ name, index }: PresentPort): string {
  return `${name} ${index}`;
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
