// Policy + Host -> RuleList. The order is that of the published two-bridge list: exceptions, address checks of guest
// ports, of border ports and of the host, then known flows, then what the policy allows, then DENY for everything else.
// Addresses come before connection state: a forged packet of an established flow must die by its address.
import { type Checked, type Diagnostic, error, hasErrors, inTextOrder } from '../model/diagnostic.ts';
import type { Host } from '../model/host.ts';
import { unionIps } from '../model/ip-set.ts';
import type { Policy } from '../model/policy.ts';
import type { Entry, Ground, RuleList } from '../model/rule-list.ts';
import { allowSections } from './allow.ts';
import { addressesOf, segmentGround } from './behind.ts';
import { denySections } from './deny.ts';
import { dhcpExceptions, dhcpUnicast } from './dhcp.ts';
import type { Draft, Section } from './draft.ts';
import { bindGuests, patternFaults } from './ground.ts';
import { type Numbering, numberIds } from './numbers.ts';
import { knownNames } from './sides.ts';

export type Compiled = { readonly list: RuleList; readonly numbering: Numbering };

/** A list whose entries have no numbers yet. */
export type Drafted = {
  readonly ground: Ground;
  /** Those that want a number, in the order of the list. */
  readonly ids: readonly string[];
  readonly list: (numberOf: (id: string) => number) => RuleList;
};

/**
 * Compiles what can be compiled: a fault that is confined to one guest leaves this guest's port closed and is
 * reported, everything else is done. No value is returned when the faults concern the whole list.
 */
export function compile(policy: Policy, host: Host, previous: Numbering = {}): Checked<Compiled> {
  const { value, diagnostics } = draftList(policy, host);
  if (value === undefined) return { diagnostics };
  const numbering = numberIds(value.ids, previous);
  return { value: { list: value.list((id) => numbering[id] ?? 0), numbering }, diagnostics };
}

/**
 * As `compile`, for who keeps the numbers himself.
 * @param outside what names of outside machines mean, for a policy that does not hold all guests: theirs are no such addresses
 */
export function draftList(policy: Policy, host: Host, outside: Policy['outside'] = policy.outside): Checked<Drafted> {
  const bound = bindGuests(policy, host);
  const bindings = bound.value;
  if (bindings === undefined) return { diagnostics: bound.diagnostics };
  const names = knownNames({ ...policy, outside }, host, bindings.guests);
  const segments = bindings.segments.map((segment) => segmentGround(segment, policy, host, bindings, names));
  const hostIps = unionIps(...host.interfaces.map(addressesOf));
  const input = { policy, host, names, segments, hostIps };
  const allowed = allowSections(input);
  const drafts: readonly Draft[] = [
    ...dhcpExceptions(input),
    ...denySections(input).flatMap(withHeading),
    ...dhcpUnicast(input),
    knownFlows(policy),
    ...allowed.sections.flatMap(withHeading),
    everythingElse(policy),
  ];
  const wrongPlaces = [...unknownPlaces(policy, host), ...patternFaults(policy, host, bindings.roles)];
  const diagnostics = inTextOrder([...bound.diagnostics, ...names.diagnostics, ...allowed.diagnostics, ...wrongPlaces]);
  const fatal = hasErrors([...names.diagnostics, ...allowed.diagnostics, ...wrongPlaces]) || looped(bound.diagnostics);
  if (fatal) return { diagnostics };
  const ground: Ground = {
    bridges: segments.flatMap(({ bridges }) => bridges),
    facing: segments.flatMap(({ attachments }) => attachments.map(({ ifname }) => ifname)),
    ruled: allowed.ruled,
    patterns: policy.guestPorts,
  };
  const ids = drafts.filter((draft) => draft.kind === 'heading' || draft.numbered).map(({ id }) => id);
  const list = (numberOf: (id: string) => number) => ({
    entries: drafts.map((one) => numbered(one, numberOf)),
    ground,
  });
  return { value: { ground, ids, list }, diagnostics };
}

function looped(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some(({ code }) => code === 'bridge-loop');
}

function withHeading(section: Section): readonly Draft[] {
  const { id, text, rules } = section;
  return rules.length === 0 ? [] : [{ kind: 'heading', id: `heading/${id}`, text }, ...rules];
}

function numbered(draft: Draft, numberOf: (id: string) => number): Entry {
  if (draft.kind === 'heading') return { ...draft, number: numberOf(draft.id) };
  const { numbered: wants, ...rule } = draft;
  return wants ? { ...rule, number: numberOf(draft.id) } : rule;
}

function knownFlows(policy: Policy): Draft {
  return {
    kind: 'rule',
    id: 'known-flows',
    numbered: false,
    place: { kind: 'everywhere' },
    check: { kind: 'known-flow' },
    verdict: 'accept',
    log: false,
    text: 'replies and errors of flows that were allowed',
    origin: { file: policy.file, line: 1, column: 1 },
  };
}

function everythingElse(policy: Policy): Draft {
  return {
    kind: 'rule',
    id: 'rest',
    numbered: true,
    place: { kind: 'everywhere' },
    check: { kind: 'everything' },
    verdict: 'deny',
    log: true,
    text: 'everything else',
    origin: { file: policy.file, line: 1, column: 1 },
  };
}

/** An outside machine must be behind something that the host has. */
function unknownPlaces(policy: Policy, host: Host): readonly Diagnostic[] {
  const known = new Set([
    ...host.interfaces.map(({ name }) => name),
    ...host.bridges.flatMap((bridge) => [bridge.name, ...bridge.ports.map(({ name }) => name)]),
  ]);
  return policy.outside
    .filter(({ behind }) => !known.has(behind))
    .map(({ name, behind, span }) =>
      error(
        'unknown-interface',
        `'${name}' is behind '${behind}', but the host has no such interface or bridge`,
        span,
        {
          hint: `the host has: ${[...known].slice(0, 20).join(', ')}`,
        },
      ),
    );
}
