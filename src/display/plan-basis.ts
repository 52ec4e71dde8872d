// What a plan stands on, part by part, so that a plan that was kept can be held against what is so later. What changes by
// itself and decides nothing (who looks, which console is shown) is no part of it.
import { defaultsFile } from './grub.ts';
import type { GuestFacts } from './guest-facts.ts';
import type { DisplayFacts } from './plan.ts';
import { xorgFile } from './session-step.ts';

/** By the words that a person is told when a part has changed; the same facts always give the same texts. */
export function planBasis(facts: DisplayFacts): ReadonlyMap<string, string> {
  const { definition, running, transient, managedSave, memorySnapshots, modelsHere, guest } = facts;
  return new Map([
    ['the definition of the domain', definition],
    ['the display devices that it runs with', written(running?.devices.map(({ place: _place, ...device }) => device))],
    ['what its next start goes by', written({ transient, managedSave, memorySnapshots })],
    ['the display models of this host', written([...modelsHere].sort())],
    ['whether the guest can be asked', written([guest !== undefined, facts.readFrom])],
    ...(guest === undefined ? [] : guestBasis(guest)),
  ]);
}

function guestBasis(guest: GuestFacts): readonly (readonly [part: string, text: string])[] {
  const { release, commandLine, drivers, bootLoader, readsDropIns, connectors, sessions } = guest;
  const files = guest.grubFiles.map(({ path, text }) => [`${path} in the guest`, text] as const);
  return [
    ["the guest's kernel and its arguments", written({ release, commandLine, drivers: [...drivers].sort() })],
    ["the guest's boot loader", written({ bootLoader, readsDropIns })],
    ["the guest's connectors", written(connectors)],
    ["the guest's sessions", written(sessions)],
    // absent and empty are not the same
    [`${xorgFile} in the guest`, written(guest.xorgFile)],
    ...(files.some(([part]) => part.startsWith(`${defaultsFile} `))
      ? []
      : [[`${defaultsFile} in the guest`, ''] as const]),
    ...files,
  ];
}

function written(value: unknown): string {
  return JSON.stringify(value) ?? '';
}

/** The parts that are not the same, in either direction. */
export function changedParts(before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): readonly string[] {
  const parts = new Set([...before.keys(), ...now.keys()]);
  return [...parts].filter((part) => before.get(part) !== now.get(part));
}
