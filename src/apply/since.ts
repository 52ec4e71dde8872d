// What changed since a generation was written, as data: which ports and guests are others. Beside each lies the transaction
// itself, for the boot.
import { z } from 'zod';
import type { Host } from '../model/host.ts';
import { parseHost } from '../topology/host-file.ts';
import { printHost } from '../topology/print-host.ts';
import type { Step } from './follow/follower.ts';

export type Since = {
  readonly gonePorts: readonly string[];
  readonly goneGuests: readonly string[];
  /** A host with nothing but the ports and guests that came or are others. */
  readonly host: Host;
};

const sinceFile = z.object({
  version: z.literal(1),
  gonePorts: z.array(z.string()),
  goneGuests: z.array(z.string()),
  host: z.string(),
});

export function printSince({ was, now, guests }: Pick<Step, 'was' | 'now' | 'guests'>, host: Host): string {
  const names = [...new Set(now.map(({ bridge }) => bridge))];
  const bridges = host.bridges
    .filter(({ name }) => names.includes(name))
    .map((bridge) => ({ ...bridge, ports: now.filter((port) => port.bridge === bridge.name) }));
  const changed = host.guests.filter(({ name }) => guests.has(name));
  const here = new Set(changed.map(({ name }) => name));
  const small = { name: host.name, bridges, interfaces: [], routes: [], sysctls: {}, guests: changed };
  const file = {
    version: 1,
    gonePorts: was.map(({ name }) => name),
    goneGuests: [...guests].filter((name) => !here.has(name)),
    host: printHost(small),
  };
  return `${JSON.stringify(file, undefined, 2)}\n`;
}

/** Undefined for what is none. */
export function parseSince(text: string): Since | undefined {
  try {
    const { gonePorts, goneGuests, host } = sinceFile.parse(JSON.parse(text));
    const { value } = parseHost(host, 'since');
    return value === undefined ? undefined : { gonePorts, goneGuests, host: value };
  } catch {
    return undefined;
  }
}

export function hostAfter(host: Host, { gonePorts, goneGuests, host: changed }: Since): Host {
  const ports = new Set([...gonePorts, ...changed.bridges.flatMap((bridge) => bridge.ports.map(({ name }) => name))]);
  const guests = new Set([...goneGuests, ...changed.guests.map(({ name }) => name)]);
  const bridges = host.bridges.map((bridge) => ({
    ...bridge,
    ports: [
      ...bridge.ports.filter(({ name }) => !ports.has(name)),
      ...changed.bridges.filter(({ name }) => name === bridge.name).flatMap((one) => one.ports),
    ],
  }));
  return { ...host, bridges, guests: [...host.guests.filter(({ name }) => !guests.has(name)), ...changed.guests] };
}
