// A host and the same host a moment later -> which ports and guests are others now. Where anything else changed nothing is
// told apart: bridges, the host's own interfaces and cables decide about every port.
import type { GuestCard, Host, HostGuest, Port } from '../../model/host.ts';
import { middles } from '../../model/middles.ts';
import { isSameTree } from '../../model/stable-text.ts';
import type { PortIndex } from './port-index.ts';

export type HostChanges = {
  /** Ports that came, went, or have something else behind them: as they were, and as they are. */
  readonly was: readonly Port[];
  readonly now: readonly Port[];
  /** Names of guests, as the hypervisor calls them. */
  readonly guests: ReadonlySet<string>;
};

/** @param ports those of `before`; undefined when more changed than ports and guests */
export function hostChanges(before: Host, after: Host, ports: PortIndex): HostChanges | undefined {
  if (!isSameFrame(before, after)) return undefined;
  const [left, came]: [Map<string, Port>, Map<string, Port>] = [new Map(), new Map()];
  for (const [at, bridge] of after.bridges.entries()) {
    const [was, is] = middles(before.bridges[at]?.ports ?? [], bridge.ports);
    for (const port of was) left.set(port.name, port);
    for (const port of is) {
      if (came.has(port.name)) return undefined;
      came.set(port.name, port);
    }
  }
  const now: Port[] = [];
  for (const port of came.values()) {
    const was = ports.named(port.name);
    // twice there: in its old place too
    if (was !== undefined && !left.has(port.name)) return undefined;
    if (was === undefined || !isSamePort(was, port)) now.push(port);
  }
  const changed = new Set(now.map(({ name }) => name));
  const was = [...left.keys()].filter((name) => changed.has(name) || !came.has(name));
  return {
    was: was.flatMap((name) => ports.named(name) ?? []),
    now,
    guests: changedGuests(before.guests, after.guests),
  };
}

function isSameFrame(before: Host, after: Host): boolean {
  return (
    before.name === after.name &&
    isSameTree(before.bridges.map(withoutPorts), after.bridges.map(withoutPorts)) &&
    isSameTree(before.interfaces.map(withoutSpan), after.interfaces.map(withoutSpan)) &&
    isSameTree(before.routes.map(withoutSpan), after.routes.map(withoutSpan)) &&
    isSameTree(before.sysctls, after.sysctls)
  );
}

function withoutPorts({ name, stp }: Host['bridges'][number]): object {
  return { name, stp };
}

function withoutSpan<T extends { readonly span: unknown }>({ span: _where, ...facts }: T): object {
  return facts;
}

function isSamePort(a: Port, b: Port): boolean {
  if (a === b) return true;
  return a.bridge === b.bridge && a.peer === b.peer && a.guest === b.guest && a.mac === b.mac && a.uplink === b.uplink;
}

function changedGuests(before: readonly HostGuest[], after: readonly HostGuest[]): ReadonlySet<string> {
  const left = new Map(before.map((guest) => [guest.name, guest]));
  const changed = new Set<string>();
  for (const guest of after) {
    const was = left.get(guest.name);
    if (was === undefined || !isSameGuest(was, guest)) changed.add(guest.name);
    left.delete(guest.name);
  }
  for (const name of left.keys()) changed.add(name);
  return changed;
}

function isSameGuest(a: HostGuest, b: HostGuest): boolean {
  if (a.running !== b.running || a.cards.length !== b.cards.length) return false;
  return a.cards.every((card, index) => isSameCard(card, b.cards[index]));
}

function isSameCard(a: GuestCard, b: GuestCard | undefined): boolean {
  return a.mac === b?.mac && a.bridge === b.bridge && isSameTree(a.addresses, b.addresses);
}
