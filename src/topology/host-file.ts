// host.yaml -> Host, and every fault at once with its place. A host with an error has no value: rules made from facts
// that contradict each other would bind the wrong machines.
import { type Checked, hasErrors, inTextOrder } from '../model/diagnostic.ts';
import type { Bridge, GuestCard, Host, HostGuest, HostInterface, Port, Route } from '../model/host.ts';
import { parseTree } from '../yaml/parse-tree.ts';
import { shapeFaults } from '../yaml/shape.ts';
import { childAt, type Entry, entriesOf, isTrue, itemsOf, type Tree, wordsOf } from '../yaml/tree.ts';
import {
  type Read,
  readAddress,
  readDestination,
  readInterface,
  readMac,
  readName,
  readPrefix,
  readSysctl,
  valuesOf,
} from '../yaml/words.ts';
import { hostFaults } from './host-faults.ts';
import { hostSchema } from './host-schema.ts';

export function parseHost(text: string, file: string): Checked<Host> {
  const parsed = parseTree(text, file);
  const tree = parsed.value;
  if (tree === undefined) return { diagnostics: parsed.diagnostics };
  const shape = shapeFaults(hostSchema, tree).map(({ diagnostic }) => diagnostic);
  const diagnostics = inTextOrder([...parsed.diagnostics, ...shape, ...hostFaults(tree)]);
  return hasErrors(diagnostics) ? { diagnostics } : { value: hostOf(tree), diagnostics };
}

/** What is well formed in the tree; the rest has been reported. */
function hostOf(tree: Tree): Host {
  const [name = ''] = values(childAt(tree, 'host'), readName);
  return {
    name,
    bridges: entriesOf(childAt(tree, 'bridges')).map(bridgeOf),
    interfaces: entriesOf(childAt(tree, 'interfaces')).map(interfaceOf),
    routes: itemsOf(childAt(tree, 'routes')).map(routeOf),
    sysctls: Object.fromEntries(entriesOf(childAt(tree, 'sysctls')).flatMap(sysctlOf)),
    guests: entriesOf(childAt(tree, 'guests')).map(guestOf),
  };
}

function bridgeOf({ key: name, span, value }: Entry): Bridge {
  const ports = entriesOf(childAt(value, 'ports')).map((entry) => portOf(entry, name));
  const managed = isTrue(childAt(value, 'managed')) ? ({ managed: true } as const) : {};
  return { name, ports, stp: isTrue(childAt(value, 'stp')), ...managed, span };
}

function portOf({ key: name, span, value }: Entry, bridge: string): Port {
  const [peer] = values(childAt(value, 'peer'), readInterface);
  const [guest] = values(childAt(value, 'guest'), readName);
  const [mac] = values(childAt(value, 'mac'), readMac);
  return {
    name,
    bridge,
    ...(peer === undefined ? {} : { peer }),
    ...(guest === undefined ? {} : { guest }),
    ...(mac === undefined ? {} : { mac }),
    uplink: isTrue(childAt(value, 'uplink')),
    span,
  };
}

function interfaceOf({ key: name, span, value }: Entry): HostInterface {
  const [mac] = values(childAt(value, 'mac'), readMac);
  const [peer] = values(childAt(value, 'peer'), readInterface);
  const addresses = values(childAt(value, 'addresses'), readPrefix);
  return { name, ...(mac === undefined ? {} : { mac }), addresses, ...(peer === undefined ? {} : { peer }), span };
}

function routeOf(item: Tree): Route {
  const [to = { family: 4, bits: 0n, length: 0 }] = values(childAt(item, 'to'), readDestination);
  const [via] = values(childAt(item, 'via'), readAddress);
  const [dev] = values(childAt(item, 'dev'), readInterface);
  return { to, ...(via === undefined ? {} : { via }), ...(dev === undefined ? {} : { dev }), span: item.span };
}

function guestOf({ key: name, span, value }: Entry): HostGuest {
  const cards = itemsOf(childAt(value, 'cards')).flatMap(cardOf);
  return { name, running: isTrue(childAt(value, 'running')), cards, span };
}

function cardOf(item: Tree): readonly GuestCard[] {
  const [bridge] = values(childAt(item, 'bridge'), readInterface);
  const addresses = {
    reservation: values(childAt(item, 'reservation'), readAddress),
    filter: values(childAt(item, 'filter'), readAddress),
    agent: values(childAt(item, 'agent'), readAddress),
  };
  const macs = values(childAt(item, 'mac'), readMac);
  return macs.map((mac) => ({ mac, ...(bridge === undefined ? {} : { bridge }), addresses }));
}

/** A number stays as it was written. */
function sysctlOf({ key, value }: Entry): readonly (readonly [string, string])[] {
  if (value.kind !== 'scalar' || 'fault' in readSysctl(key)) return [];
  return [[key, typeof value.value === 'string' ? value.value : value.source]];
}

function values<T>(tree: Tree | undefined, read: (text: string) => Read<T>): readonly T[] {
  return wordsOf(tree).flatMap(({ text }) => valuesOf(read(text)));
}
