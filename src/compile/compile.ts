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

/**
 * Compiles what can be compiled: a fault that is confined to one guest leaves this guest's port closed and is
 * reported, everything else is done. No value is returned when the faults concern the whole list.
 */
export function compile(policy: Policy, host: Host, previous: Numbering = {}): Checked<Compiled> {
  const bound = bindGuests(policy, host);
  const bindings = bound.value;
  if (bindings === undefined) return { diagnostics: bound.diagnostics };
  const names = knownNames(policy, host, bindings.guests);
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
  const numbering = numberIds(
    drafts.filter((draft) => draft.kind === 'heading' || draft.numbered).map(({ id }) => id),
    previous,
  );
  const ground: Ground = {
    bridges: segments.flatMap(({ bridges }) => bridges),
    facing: segments.flatMap(({ attachments }) => attachments.map(({ ifname }) => ifname)),
    ruled: allowed.ruled,
    patterns: policy.guestPorts,
  };
  return {
    value: { list: { entries: drafts.map((draft) => numbered(draft, numbering)), ground }, numbering },
    diagnostics,
  };
}

function looped(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some(({ code }) => code === 'bridge-loop');
}

function withHeading(section: Section): readonly Draft[] {
  const { id, text, rules } = section;
  return rules.length === 0 ? [] : [{ kind: 'heading', id: `heading/${id}`, text }, ...rules];
}

function numbered(draft: Draft, numbering: Numbering): Entry {
  if (draft.kind === 'heading') return { ...draft, number: numbering[draft.id] ?? 0 };
  const { numbered: wants, ...rule } = draft;
  const number = numbering[draft.id];
  return wants && number !== undefined ? { ...rule, number } : rule;
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
