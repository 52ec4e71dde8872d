// What a Wayland compositor says of its outputs -> facts: mutter by its D-Bus interface, as busctl prints it in JSON, KWin by
// kscreen-doctor. Both come from the guest and are hostile: numbers have bounds, words a form, lists an end.
// Sources: org.gnome.Mutter.DisplayConfig.xml of mutter; kscreen-doctor of libkscreen
import { z } from 'zod';
import { isSameSize, printSize, type Size } from './size.ts';

export type CompositorMode = { readonly id: string; readonly size: Size; readonly hz: number };

export type CompositorOutput = {
  /** The connector's. */
  readonly name: string;
  readonly modes: readonly CompositorMode[];
  /** undefined while it is off. */
  readonly shown: { readonly size: Size; readonly x: number; readonly y: number; readonly mode: string } | undefined;
  /** By which mutter knows a monitor again. */
  readonly monitor: { readonly vendor: string; readonly product: string; readonly serial: string } | undefined;
};

const mostText = 1 << 20;
const mostOutputs = 16;
const mostModes = 256;

const connector = z.string().regex(/^[A-Za-z]+-(?:[A-Z]-)?\d{1,3}$/);
const modeId = z.string().regex(/^[\w@.+-]{1,64}$/);
const pixels = z.int().min(16).max(32_767);
const place = z.int().min(-65_536).max(65_536);
const hertz = z.number().min(0).max(1_000);
/** Of a monitor's own description. */
const word = z.string().regex(/^[\x20-\x7e]{0,64}$/);

const mutterMode = z.tuple([modeId, pixels, pixels, hertz], z.unknown());
const mutterSpec = z.tuple([connector, word, word, word]);
const mutterMonitor = z.tuple([mutterSpec, z.array(z.unknown()).max(mostModes)], z.unknown());
const mutterLogical = z.tuple([place, place, z.number(), z.int(), z.boolean(), z.array(mutterSpec)], z.unknown());
const mutterState = z.object({
  data: z.tuple(
    [z.int(), z.array(mutterMonitor).max(mostOutputs), z.array(mutterLogical).max(mostOutputs)],
    z.unknown(),
  ),
});

/** @param text of `busctl --json=short call … GetCurrentState`; undefined when it is not that */
export function mutterOutputs(text: string): readonly CompositorOutput[] | undefined {
  const read = mutterState.safeParse(jsonOf(text));
  if (!read.success) return undefined;
  const [, monitors, logical] = read.data.data;
  return monitors.map(([[name, vendor, product, serial], listed]) => {
    const modes = listed.flatMap(mutterModeOf);
    const current = modes.find(({ isCurrent }) => isCurrent);
    const at = logical.find(([, , , , , specs]) => specs.some(([other]) => other === name));
    return {
      name,
      modes: modes.map(({ isCurrent: _current, ...mode }) => mode),
      shown: current === undefined || at === undefined ? undefined : shownAt(current, at[0], at[1]),
      monitor: { vendor, product, serial },
    };
  });
}

/** A mode that this program cannot name is not offered. */
function mutterModeOf(value: unknown): readonly (CompositorMode & { readonly isCurrent: boolean })[] {
  const read = mutterMode.safeParse(value);
  if (!read.success) return [];
  const [id, width, height, hz, ...rest] = read.data;
  const properties = z.object({ 'is-current': z.object({ data: z.boolean() }) }).safeParse(rest.at(-1));
  return [{ id, size: { width, height }, hz, isCurrent: properties.success && properties.data['is-current'].data }];
}

function shownAt({ size, id }: CompositorMode, x: number, y: number): CompositorOutput['shown'] {
  return { size, x, y, mode: id };
}

const kscreenOutput = z.object({
  name: connector,
  connected: z.boolean(),
  enabled: z.boolean(),
  currentModeId: z.string().optional(),
  pos: z.object({ x: place, y: place }).optional(),
  modes: z.array(z.unknown()).max(mostModes),
});
const kscreenMode = z.object({ id: modeId, refreshRate: hertz, size: z.object({ width: pixels, height: pixels }) });
const kscreenState = z.object({ outputs: z.array(z.unknown()).max(mostOutputs) });

/** @param text of `kscreen-doctor --json`; undefined when it is not that */
export function kscreenOutputs(text: string): readonly CompositorOutput[] | undefined {
  const read = kscreenState.safeParse(jsonOf(text));
  if (!read.success) return undefined;
  return read.data.outputs.flatMap((value) => {
    const output = kscreenOutput.safeParse(value);
    if (!output.success || !output.data.connected) return [];
    const { name, enabled, currentModeId, pos } = output.data;
    const modes = output.data.modes.flatMap(kscreenModeOf);
    const current = modes.find(({ id }) => id === currentModeId);
    const shown = enabled && current !== undefined ? shownAt(current, pos?.x ?? 0, pos?.y ?? 0) : undefined;
    return [{ name, modes, shown, monitor: undefined }];
  });
}

function kscreenModeOf(value: unknown): readonly CompositorMode[] {
  const read = kscreenMode.safeParse(value);
  return read.success ? [{ id: read.data.id, size: read.data.size, hz: read.data.refreshRate }] : [];
}

function jsonOf(text: string): unknown {
  if (text.length > mostText) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The one of this size that is nearest to 60 Hz: which rate it has is of no account on a virtual screen. */
export function modeOfSize({ modes }: CompositorOutput, size: Size): CompositorMode | undefined {
  const same = modes.filter((mode) => isSameSize(mode.size, size));
  return same.toSorted((one, other) => Math.abs(one.hz - 60) - Math.abs(other.hz - 60))[0];
}

/** Which sizes it offers, for a message. */
export function offeredText({ modes }: CompositorOutput): string {
  return [...new Set(modes.map(({ size }) => printSize(size)))].slice(0, 8).join(', ');
}
