// Faults that no single word has: names, addresses and MACs that two share, groups in a circle. A fault that concerns
// only certain guests names them, so that the rest of the policy can still be used.
import { type Diagnostic, error, type Span, warning } from '../model/diagnostic.ts';
import { suggestion } from '../model/nearest.ts';
import { reservedNames } from '../model/policy.ts';
import { quoted } from '../yaml/quoted.ts';
import { childAt, type Entry, entriesOf, type Located, type Tree, wordOf, wordsOf } from '../yaml/tree.ts';
import { diagnosticOf, readAddress, readAddresses, readMac, valuesOf } from '../yaml/words.ts';
import { readNewName } from './policy-schema.ts';

/** `guests` are those that it is confined to; none means the policy as a whole. */
export type PolicyFault = { readonly guests: readonly string[]; readonly diagnostic: Diagnostic };

const sections = ['guests', 'outside', 'groups'] as const;

type Named = Entry & { readonly section: (typeof sections)[number] };

export function nameFaults(tree: Tree): readonly PolicyFault[] {
  const named = sections.flatMap((section) =>
    entriesOf(childAt(tree, section)).map((entry): Named => ({ ...entry, section })),
  );
  const firsts = new Map<string, Named>();
  return named
    .toSorted((a, b) => a.span.line - b.span.line || a.span.column - b.span.column)
    .flatMap((entry) => nameFault(entry, firsts));
}

function nameFault(entry: Named, firsts: Map<string, Named>): readonly PolicyFault[] {
  const { key, span, section, notText } = entry;
  const confined = section === 'guests' ? [key] : [];
  if (notText !== undefined) return [{ guests: confined, diagnostic: notText }];
  const read = readNewName(key);
  if ('fault' in read) return [{ guests: confined, diagnostic: diagnosticOf(read.fault, span) }];
  const first = firsts.get(key);
  if (first === undefined) {
    firsts.set(key, entry);
    return [];
  }
  const related = [{ message: `the first one, under ${first.section}`, span: first.span }];
  return [{ guests: [], diagnostic: error('duplicate-name', `two things are named '${key}'`, span, { related }) }];
}

/** Of a guest that is written as a map; other shapes have been reported. */
export function missingAddresses(tree: Tree): readonly PolicyFault[] {
  return entriesOf(childAt(tree, 'guests')).flatMap(({ key, span, value }) => {
    const given = ['ip', 'addresses-from'].some((name) => childAt(value, name) !== undefined);
    if (value.kind !== 'map' || given) return [];
    return [{ guests: [key], diagnostic: error('missing-key', `${quoted(key)} has no 'ip'`, span) }];
  });
}

/** Who says that he has something, and where. */
type Claim = { readonly owner: string; readonly guest: boolean; readonly what: string; readonly span: Span };

/** A claim that a guest's claim stands against; two outside names for one machine are fine. */
function conflicts(claims: readonly Claim[]): readonly (readonly [first: Claim, second: Claim])[] {
  const firsts = new Map<string, Claim>();
  return claims.flatMap((claim) => {
    const first = firsts.get(claim.what);
    if (first === undefined) firsts.set(claim.what, claim);
    const same = first === undefined || first.owner === claim.owner || !(first.guest || claim.guest);
    return same ? [] : [[first, claim] as const];
  });
}

function claims(tree: Tree, section: string, key: string, what: (text: string) => readonly string[]): readonly Claim[] {
  return entriesOf(childAt(tree, section)).flatMap(({ key: owner, value }) =>
    wordsOf(childAt(value, key)).flatMap(({ text, span }) =>
      what(text).map((one) => ({ owner, guest: section === 'guests', what: one, span })),
    ),
  );
}

export function sharedAddresses(tree: Tree): readonly PolicyFault[] {
  const guests = claims(tree, 'guests', 'ip', (text) =>
    valuesOf(readAddress(text)).map(({ family, bits }) => `${family}:${bits}`),
  );
  const machines = claims(tree, 'outside', 'ip', (text) =>
    valuesOf(readAddresses(text)).flatMap(({ family, first, last }) => (first === last ? `${family}:${first}` : [])),
  );
  return conflicts([...guests, ...machines]).map(([first, second]) =>
    shared('duplicate-address', 'address', first, second),
  );
}

export function sharedMacs(tree: Tree): readonly PolicyFault[] {
  const macs = claims(tree, 'guests', 'mac', (text) => valuesOf(readMac(text)).map(String));
  return conflicts(macs).map(([first, second]) => shared('duplicate-mac', 'MAC', first, second));
}

function shared(code: 'duplicate-address' | 'duplicate-mac', thing: string, first: Claim, second: Claim): PolicyFault {
  const message = `${quoted(first.owner)} and ${quoted(second.owner)} have the same ${thing}`;
  const related = [{ message: `the ${thing} of ${quoted(first.owner)}`, span: first.span }];
  const guests = [first, second].flatMap(({ owner, guest }) => (guest ? [owner] : []));
  return { guests, diagnostic: error(code, message, second.span, { related }) };
}

export function ip6Warnings(tree: Tree): readonly PolicyFault[] {
  const addresses = ['guests', 'outside'].flatMap((section) =>
    entriesOf(childAt(tree, section)).flatMap(({ value }) => wordsOf(childAt(value, 'ip'))),
  );
  return addresses.filter(isIp6).map(({ span }) => ({
    guests: [],
    diagnostic: warning('unsupported', 'IPv6 addresses are kept but no rules are made for them yet', span),
  }));
}

function isIp6({ text }: Located): boolean {
  return valuesOf(readAddresses(text)).some(({ family }) => family === 6);
}

/** The DHCP server is one machine: the only name of a policy that can be no bridge. */
export function dhcpFaults(tree: Tree): readonly PolicyFault[] {
  const machines = ['guests', 'outside'].flatMap((section) => entriesOf(childAt(tree, section)).map(({ key }) => key));
  const known = new Set<string>([...reservedNames, ...machines]);
  return wordOf(childAt(tree, 'dhcp')).flatMap(({ text, span }) => {
    if (known.has(text) || 'fault' in readNewName(text)) return [];
    const hint = suggestion(text, known) ?? 'name it under guests or outside, or write host or none';
    const message = `no guest or outside machine is named ${quoted(text)}`;
    return [{ guests: [], diagnostic: error('unknown-name', message, span, { hint }) }];
  });
}

export function repeatedIds(ids: readonly Located[]): readonly PolicyFault[] {
  const firsts = new Map<string, Span>();
  return ids.flatMap(({ text, span }) => {
    const first = firsts.get(text);
    if (first === undefined) firsts.set(text, span);
    if (first === undefined) return [];
    const related = [{ message: 'the first one', span: first }];
    return [
      { guests: [], diagnostic: error('duplicate-name', `two lines have the id ${quoted(text)}`, span, { related }) },
    ];
  });
}
