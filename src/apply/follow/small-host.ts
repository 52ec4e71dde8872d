// A host with thousands of guests -> the part of it in which a change of a few of them shows whole: those, every cable and
// interface, and of all other guests two of each kind on each bridge. What the small host's rules do when the few change,
// the large one's do too; follower.ts holds it against that.
import type { Host, Port } from '../../model/host.ts';
import { singleIps, subtractIps, unionIps } from '../../model/ip-set.ts';
import type { NameRef, Policy, PolicyGuest } from '../../model/policy.ts';
import { PolicyIndex } from './policy-index.ts';
import type { PortIndex } from './port-index.ts';
import type { Subjects } from './subjects.ts';

/** The policy as it is written, for making small ones of it. */
export type WholePolicy = {
  readonly policy: Policy;
  readonly index: PolicyIndex;
  /** What lines say of a guest by its name, or by a group's: guests of whom they say the same are alike. */
  readonly mentions: ReadonlyMap<string, string>;
  /** Without what is inside: a small policy does not know all who are. */
  readonly outside: Policy['outside'];
};

export function wholePolicy(policy: Policy, host: Host): WholePolicy {
  const inside = unionIps(
    ...policy.guests.map(({ addresses }) => addresses),
    ...host.interfaces.map(({ addresses }) => singleIps(addresses)),
  );
  const outside = policy.outside.map((one) => ({ ...one, addresses: subtractIps(one.addresses, inside) }));
  return { policy, index: new PolicyIndex(policy), mentions: mentionsIn(policy), outside };
}

/** Two show that there are several; one would have its address in a rule and not in a set. */
const ofEachKind = 2;

/** More and the small host is no small one. */
const mostAnchors = 300;

export type Anchors = {
  readonly guests: ReadonlySet<PolicyGuest>;
  readonly ports: ReadonlySet<string>;
  /** How many of each kind. */
  readonly kinds: ReadonlyMap<string, number>;
};

/** Guests that nothing happened to; undefined when there are too many kinds of them. */
export function anchorsOf(
  whole: WholePolicy,
  subjects: Subjects,
  host: Host,
  known: PortIndex,
  isClosed: (port: string) => boolean,
): Anchors | undefined {
  const guests = new Set<PolicyGuest>();
  const ports = new Set<string>();
  const kinds = new Map<string, number>();
  for (const guest of whole.policy.guests) {
    if (subjects.guests.has(guest)) continue;
    const port = onlyPort(guest, whole.index, known);
    if (port === undefined) {
      addDisputed(guest, whole.index, known, { guests, ports });
      continue;
    }
    if (subjects.ports.has(port.name)) continue;
    const kind = kindOf(guest, port, whole);
    const count = kinds.get(kind) ?? 0;
    if (count >= ofEachKind) continue;
    kinds.set(kind, count + 1);
    guests.add(guest);
    ports.add(port.name);
    if (guests.size > mostAnchors) return undefined;
  }
  for (const name of strangers(host, subjects, isClosed)) ports.add(name);
  return { guests, ports, kinds };
}

/** Who is behind a port that several could be behind is decided as in the whole host: by all of them. */
function addDisputed(
  guest: PolicyGuest,
  index: PolicyIndex,
  known: PortIndex,
  { guests, ports }: { readonly guests: Set<PolicyGuest>; readonly ports: Set<string> },
): void {
  const waiting = known.of(guest).length === 0 ? [] : [guest];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    guests.add(next);
    for (const port of known.of(next)) {
      ports.add(port.name);
      waiting.push(...index.behind(port).filter((other) => !guests.has(other)));
    }
  }
}

/** Where it certainly is. */
function onlyPort(guest: PolicyGuest, index: PolicyIndex, known: PortIndex): Port | undefined {
  const [port, ...others] = known.of(guest);
  if (port === undefined || others.some((other) => other !== port)) return undefined;
  return index.behind(port).every((other) => other === guest) ? port : undefined;
}

function kindOf(guest: PolicyGuest, port: Port, { mentions }: WholePolicy): string {
  const card = (guest.mac ?? port.mac) === undefined ? '' : 'card';
  return `${port.bridge} ${card} ${mentions.get(guest.name) ?? ''}`;
}

/** Whether the anchors of an earlier change do for this one. */
export function areStillAnchors(anchors: Anchors, subjects: Subjects): boolean {
  return (
    ![...subjects.guests].some((guest) => anchors.guests.has(guest)) &&
    ![...subjects.ports].some((name) => anchors.ports.has(name))
  );
}

/** Whether guests that came since are of kinds that the anchors show. @param known with them */
export function showKinds(anchors: Anchors, { guests }: Subjects, whole: WholePolicy, known: PortIndex): boolean {
  return [...guests].every((guest) => {
    const port = onlyPort(guest, whole.index, known);
    if (port === undefined) return known.of(guest).length === 0;
    return anchors.kinds.get(kindOf(guest, port, whole)) === ofEachKind;
  });
}

/** One closed port of a guest on each bridge, if there is one: it makes a bridge a managed one. */
function strangers({ bridges }: Host, subjects: Subjects, isClosed: (port: string) => boolean): readonly string[] {
  return bridges.flatMap(({ ports }) => {
    const found = ports.find(
      (port) => port.guest !== undefined && !isBorder(port) && !subjects.ports.has(port.name) && isClosed(port.name),
    );
    return found === undefined ? [] : [found.name];
  });
}

export function isBorder({ peer, uplink }: Port): boolean {
  return uplink || peer !== undefined;
}

export function smallHost(host: Host, subjects: Subjects, anchors: Anchors): Host {
  const names = new Set([...anchors.ports, ...subjects.ports]);
  const keeps = (port: Port): boolean => names.has(port.name) || isBorder(port);
  const bridges = host.bridges.map((bridge) => ({ ...bridge, ports: bridge.ports.filter(keeps) }));
  const kept = new Set(bridges.flatMap(({ ports }) => ports.flatMap(({ guest }) => guest ?? [])));
  for (const { name } of [...subjects.guests, ...anchors.guests]) kept.add(name);
  return { ...host, bridges, guests: host.guests.filter(({ name }) => kept.has(name)) };
}

export function smallPolicy({ policy, index }: WholePolicy, subjects: Subjects, anchors: Anchors): Policy {
  const guests = policy.guests.filter((guest) => subjects.guests.has(guest) || anchors.guests.has(guest));
  const names = new Set(guests.map(({ name }) => name));
  const isGone = (name: string): boolean => !names.has(name) && index.named(name).length > 0;
  const here = (refs: readonly NameRef[]): readonly NameRef[] => refs.filter(({ name }) => !isGone(name));
  return {
    ...policy,
    guests,
    groups: policy.groups.map((group) => ({ ...group, members: here(group.members) })),
    allow: policy.allow.map((line) => ({ ...line, from: here(line.from), to: here(line.to) })),
  };
}

/** By which lines of the policy, and which side of them, each guest is meant by its name. */
function mentionsIn(policy: Policy): ReadonlyMap<string, string> {
  const guests = new Set(policy.guests.map(({ name }) => name));
  const groups = new Map(policy.groups.map((group) => [group.name, group.members]));
  const members = new Map<string, ReadonlySet<string>>();
  const named = (name: string, path: readonly string[]): ReadonlySet<string> => {
    if (guests.has(name)) return new Set([name]);
    const known = members.get(name);
    if (known !== undefined) return known;
    const refs = path.includes(name) ? [] : (groups.get(name) ?? []);
    const all = new Set(refs.flatMap((ref) => [...named(ref.name, [...path, name])]));
    if (path.length === 0) members.set(name, all);
    return all;
  };
  const mentions = new Map<string, string>();
  const mention = (refs: readonly NameRef[], where: string): void => {
    for (const guest of new Set(refs.flatMap(({ name }) => [...named(name, [])]))) {
      mentions.set(guest, `${mentions.get(guest) ?? ''} ${where}`);
    }
  };
  for (const [index, { from, to }] of policy.allow.entries()) {
    mention(from, `${index}<`);
    mention(to, `${index}>`);
  }
  if (policy.dhcp !== undefined) mention([policy.dhcp], 'dhcp');
  return mentions;
}
