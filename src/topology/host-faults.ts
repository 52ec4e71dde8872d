// Faults of a host file that no single word has: names that two share, cables with one end, ports that lead to two
// things, routes by interfaces that are not there.
import { type Diagnostic, error, type Span, warning } from '../model/diagnostic.ts';
import { suggestion } from '../model/nearest.ts';
import { quoted } from '../yaml/quoted.ts';
import { childAt, type Entry, entriesOf, isTrue, itemsOf, type Located, type Tree, wordOf } from '../yaml/tree.ts';
import { diagnosticOf, type Read, readInterface, readMac, readName, readSysctl, valuesOf } from '../yaml/words.ts';

/** A port or an interface of the host: what may be one end of a veth pair. */
type End = Entry & { readonly bridge?: string; readonly peer?: Located };

type Ends = { readonly bridges: readonly Entry[]; readonly ports: readonly End[]; readonly interfaces: readonly End[] };

export function hostFaults(tree: Tree): readonly Diagnostic[] {
  const ends = endsOf(tree);
  return [
    ...nameFaults(ends, tree),
    ...sharedPorts(ends),
    ...sharedNames(ends),
    ...brokenPairs(ends),
    ...ends.ports.flatMap(twoThingsBehind),
    ...sharedMacs(ends.ports),
    ...unknownDevices(tree, ends),
  ];
}

function endsOf(tree: Tree): Ends {
  const bridges = entriesOf(childAt(tree, 'bridges'));
  const ports = bridges.flatMap(({ key: bridge, value }) =>
    entriesOf(childAt(value, 'ports')).map((entry) => ({ ...endOf(entry), bridge })),
  );
  return { bridges, ports, interfaces: entriesOf(childAt(tree, 'interfaces')).map(endOf) };
}

function endOf(entry: Entry): End {
  const [peer] = wordOf(childAt(entry.value, 'peer')).filter(({ text }) => 'value' in readInterface(text));
  return peer === undefined ? entry : { ...entry, peer };
}

function nameFaults({ bridges, ports, interfaces }: Ends, tree: Tree): readonly Diagnostic[] {
  const sysctls = entriesOf(childAt(tree, 'sysctls'));
  const guests = entriesOf(childAt(tree, 'guests'));
  return [
    ...guests.flatMap((entry) => keyFault(entry, readName)),
    ...[...bridges, ...ports, ...interfaces].flatMap((entry) => keyFault(entry, readInterface)),
    ...sysctls.flatMap((entry) => keyFault(entry, readSysctl)),
  ];
}

function keyFault({ key, span, notText }: Entry, read: (text: string) => Read<string>): readonly Diagnostic[] {
  if (notText !== undefined) return [notText];
  const result = read(key);
  return 'fault' in result ? [diagnosticOf(result.fault, span)] : [];
}

/** For every entry but the first with the same key. */
function repeated<T extends Entry>(
  entries: readonly T[],
  fault: (entry: T, first: T) => Diagnostic,
): readonly Diagnostic[] {
  const firsts = new Map<string, T>();
  return entries.flatMap((entry) => {
    const first = firsts.get(entry.key);
    if (first !== undefined) return [fault(entry, first)];
    firsts.set(entry.key, entry);
    return [];
  });
}

function sharedPorts({ ports }: Ends): readonly Diagnostic[] {
  return repeated(ports, ({ key, span, bridge }, first) => {
    const message = `port ${quoted(key)} is on two bridges, ${quoted(first.bridge ?? '')} and ${quoted(bridge ?? '')}`;
    return error('port-conflict', message, span, { related: [{ message: 'the first one', span: first.span }] });
  });
}

/** A bridge device may stand under `interfaces` too: the host takes part in the network through it. */
function sharedNames({ bridges, ports, interfaces }: Ends): readonly Diagnostic[] {
  const portOf = new Map(ports.toReversed().map((port) => [port.key, port]));
  return [...bridges, ...interfaces].flatMap(({ key, span }) => {
    const port = portOf.get(key);
    if (port === undefined) return [];
    const related = [{ message: `the port of bridge ${quoted(port.bridge ?? '')}`, span: port.span }];
    return [
      error('duplicate-name', `${quoted(key)} is a bridge port, and cannot be named here too`, span, { related }),
    ];
  });
}

function brokenPairs({ ports, interfaces }: Ends): readonly Diagnostic[] {
  const ends = [...ports, ...interfaces];
  const byName = new Map(ends.toReversed().map((end) => [end.key, end]));
  return ends.flatMap((end) => {
    if (end.peer === undefined) return [];
    const { text, span } = end.peer;
    const other = byName.get(text);
    if (text === end.key) return [error('peer-mismatch', `${quoted(text)} cannot be its own peer`, span)];
    if (other === undefined) {
      const hint = suggestion(text, byName.keys()) ?? 'leave `peer` out if the other end is in another namespace';
      return [error('peer-mismatch', `the host has no port or interface ${quoted(text)}`, span, { hint })];
    }
    return other.peer?.text === end.key ? [] : [mismatch(end, span, other)];
  });
}

function mismatch(end: End, span: Span, other: End): Diagnostic {
  const back = other.peer === undefined ? 'names no peer' : `names ${quoted(other.peer.text)} as its peer`;
  const message = `${quoted(end.key)} names ${quoted(other.key)} as its peer, but ${quoted(other.key)} ${back}`;
  const related = [{ message: `${quoted(other.key)} is here`, span: other.peer?.span ?? other.span }];
  return error('peer-mismatch', message, span, { related });
}

function twoThingsBehind({ key, span, value, peer }: End): readonly Diagnostic[] {
  const behind = [
    ...(childAt(value, 'guest') === undefined ? [] : ['a guest']),
    ...(peer === undefined ? [] : ['the other end of a veth pair']),
    ...(isTrue(childAt(value, 'uplink')) ? ['an uplink'] : []),
  ];
  if (behind.length < 2) return [];
  return [error('port-conflict', `port ${quoted(key)} cannot lead to ${behind.join(' and ')} at once`, span)];
}

/** A warning only: on bridges that are not linked, two cards with one MAC never meet. */
function sharedMacs(ports: readonly End[]): readonly Diagnostic[] {
  const cards = ports.flatMap(({ key, value }) =>
    wordOf(childAt(value, 'mac')).flatMap(({ text, span }) =>
      valuesOf(readMac(text)).map((mac) => ({ key: String(mac), port: key, span, value })),
    ),
  );
  return repeated(cards, ({ port, span }, first) => {
    const related = [{ message: `the MAC behind ${quoted(first.port)}`, span: first.span }];
    const message = `the cards behind ${quoted(first.port)} and ${quoted(port)} have the same MAC`;
    return warning('duplicate-mac', message, span, { related });
  });
}

function unknownDevices(tree: Tree, { bridges, interfaces, ports }: Ends): readonly Diagnostic[] {
  const known = new Set([...interfaces, ...bridges, ...ports].map(({ key }) => key));
  const devices = itemsOf(childAt(tree, 'routes')).flatMap((route) => wordOf(childAt(route, 'dev')));
  return devices
    .filter(({ text }) => 'value' in readInterface(text) && !known.has(text))
    .map(({ text, span }) => {
      const hint = suggestion(text, known) ?? 'name it under interfaces';
      return error('unknown-interface', `the host has no interface ${quoted(text)}`, span, { hint });
    });
}
