// policy.yaml -> Policy, and every fault at once with its place. Names of bridges are the host's and not known here: that
// a name means something is for compile/ to say.
import { type Checked, hasErrors, inTextOrder } from '../model/diagnostic.ts';
import { ipSet, noIps, singleIps } from '../model/ip-set.ts';
import type { Group, NameRef, Outside, Permission, Policy, PolicyGuest, Service } from '../model/policy.ts';
import { parseTree } from '../yaml/parse-tree.ts';
import { type ShapeFault, shapeFaults } from '../yaml/shape.ts';
import { childAt, type Entry, entriesOf, isTrue, itemsOf, type Tree, wordOf, wordsOf } from '../yaml/tree.ts';
import { type Read, readAddress, readAddresses, readInterface, readMac, readName, valuesOf } from '../yaml/words.ts';
import { groupCycles } from './group-cycles.ts';
import { type Line, permissionIds } from './permission-id.ts';
import {
  dhcpFaults,
  ip6Warnings,
  missingAddresses,
  nameFaults,
  type PolicyFault,
  repeatedIds,
  sharedAddresses,
  sharedMacs,
} from './policy-faults.ts';
import { policySchema, readAddressSource, readDhcp, readMember, readNewName } from './policy-schema.ts';
import { anyService, readService } from './service.ts';

/**
 * There is a value if all errors are confined to single guests. These guests are in it without any address: nothing
 * passes their ports, and their names still mean them.
 */
export function parsePolicy(text: string, file: string): Checked<Policy> {
  const parsed = parseTree(text, file);
  const tree = parsed.value;
  if (tree === undefined) return { diagnostics: parsed.diagnostics };
  const lines = linesOf(tree);
  const policy = policyOf(tree, file, lines);
  const faults = [
    ...shapeFaults(policySchema, tree).map(confined),
    ...nameFaults(tree),
    ...missingAddresses(tree),
    ...sharedAddresses(tree),
    ...sharedMacs(tree),
    ...ip6Warnings(tree),
    ...dhcpFaults(tree),
    ...repeatedIds(lines.flatMap(({ id }) => id ?? [])),
    ...groupCycles(policy.groups).map((diagnostic) => ({ guests: [], diagnostic })),
  ];
  const diagnostics = inTextOrder([...parsed.diagnostics, ...faults.map(({ diagnostic }) => diagnostic)]);
  const general = faults.filter(({ guests }) => guests.length === 0).map(({ diagnostic }) => diagnostic);
  if (hasErrors([...parsed.diagnostics, ...general])) return { diagnostics };
  return { value: withClosedGuests(policy, faults), diagnostics };
}

function confined({ path, diagnostic }: ShapeFault): PolicyFault {
  const [section, guest] = path;
  return { guests: section === 'guests' && guest !== undefined ? [String(guest)] : [], diagnostic };
}

function withClosedGuests(policy: Policy, faults: readonly PolicyFault[]): Policy {
  const closed = new Set(faults.flatMap(({ guests, diagnostic }) => (hasErrors([diagnostic]) ? guests : [])));
  const guests = policy.guests.map((guest) =>
    closed.has(guest.name) ? { ...guest, addresses: noIps, addressesFrom: [] } : guest,
  );
  return { ...policy, guests };
}

/** What is well formed in the tree; the rest has been reported. */
function policyOf(tree: Tree, file: string, lines: readonly Line[]): Policy {
  const dhcp = dhcpServer(tree, file);
  return {
    guests: entriesOf(childAt(tree, 'guests')).filter(hasNewName).map(guestOf),
    outside: entriesOf(childAt(tree, 'outside')).filter(hasNewName).map(outsideOf),
    groups: entriesOf(childAt(tree, 'groups')).filter(hasNewName).map(groupOf),
    allow: permissionsOf(lines),
    ...(dhcp === undefined ? {} : { dhcp }),
    guestPorts: wordsOf(childAt(tree, 'guest-ports')).map(({ text }) => text),
    namelessPorts: entriesOf(childAt(tree, 'guests'))
      .filter((entry) => !hasNewName(entry))
      .flatMap(({ value }) => values(childAt(value, 'port'), readInterface)),
    file,
  };
}

function hasNewName({ key }: Entry): boolean {
  return 'value' in readNewName(key);
}

function guestOf({ key: name, span, value }: Entry): PolicyGuest {
  const addresses = singleIps(values(childAt(value, 'ip'), readAddress));
  const addressesFrom = values(childAt(value, 'addresses-from'), readAddressSource);
  const [mac] = values(childAt(value, 'mac'), readMac);
  const [port] = values(childAt(value, 'port'), readInterface);
  return {
    name,
    addresses,
    addressesFrom,
    ...(mac === undefined ? {} : { mac }),
    ...(port === undefined ? {} : { port }),
    span,
  };
}

function outsideOf({ key: name, span, value }: Entry): Outside {
  const addresses = ipSet(values(childAt(value, 'ip'), readAddresses));
  const [behind = ''] = values(childAt(value, 'behind'), readInterface);
  return { name, addresses, behind, span };
}

function groupOf({ key: name, span, value }: Entry): Group {
  return { name, members: names(value, readMember), span };
}

function linesOf(tree: Tree): readonly Line[] {
  return itemsOf(childAt(tree, 'allow')).map(lineOf);
}

function lineOf(item: Tree): Line {
  const [via] = names(childAt(item, 'via'), readInterface);
  const [id] = wordOf(childAt(item, 'id')).filter(({ text }) => 'value' in readName(text));
  const words = wordsOf(childAt(item, 'service')).map(({ text }) => text);
  return {
    from: names(childAt(item, 'from'), readMember),
    to: names(childAt(item, 'to'), readMember),
    ...(via === undefined ? {} : { via }),
    ...(id === undefined ? {} : { id }),
    services: servicesOf(words),
    words: words.length === 0 ? ['any'] : words,
    log: isTrue(childAt(item, 'log')),
    span: item.span,
  };
}

function servicesOf(words: readonly string[]): readonly Service[] {
  return words.length === 0 ? [anyService] : words.flatMap((text) => valuesOf(readService(text)).flat());
}

function permissionsOf(lines: readonly Line[]): readonly Permission[] {
  const ids = permissionIds(lines);
  return lines.map(({ words: _, ...line }, index) => ({ ...line, id: ids[index] ?? '' }));
}

function dhcpServer(tree: Tree, file: string): NameRef | undefined {
  const key = childAt(tree, 'dhcp');
  if (key === undefined) return { name: 'host', span: { file, line: 1, column: 1 } };
  return names(key, readDhcp).find(({ name }) => name !== 'none');
}

function names(tree: Tree | undefined, read: (text: string) => Read<string>): readonly NameRef[] {
  return wordsOf(tree).flatMap(({ text, span }) => valuesOf(read(text)).map((name) => ({ name, span })));
}

function values<T>(tree: Tree | undefined, read: (text: string) => Read<T>): readonly T[] {
  return wordsOf(tree).flatMap(({ text }) => valuesOf(read(text)));
}
