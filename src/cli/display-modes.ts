// `display modes`: the sizes of each display device at every stage, and what would bring those that are not offered.

import { type DeviceModes, deviceModes, type ModeRow, type ModeStage } from '../display/mode-rows.ts';
import type { DisplayFacts } from '../display/plan.ts';
import { isSameSize, printSize } from '../display/size.ts';
import { onGuest } from './display-guest.ts';
import type { GuestOptions } from './display-inspect.ts';
import { escaped } from './escaped.ts';
import { exitCodes } from './exit-codes.ts';
import { print, printJson, table } from './output.ts';

export function displayModes(name: string, options: GuestOptions): Promise<number> {
  return onGuest(name, options.access, async ({ facts }) => listed(facts, options));
}

function listed({ running, domain, guest }: DisplayFacts, { output }: GuestOptions): number {
  const now = running ?? domain;
  const devices = deviceModes(now, guest);
  if (output === 'json') printJson('display-modes', { firmware: now.firmware, devices });
  else print(devices.flatMap((device) => deviceText(device, now.firmware)).join('\n') || 'no display device');
  return exitCodes.fine;
}

function deviceText({ device, model, memory, primary, modes }: DeviceModes, firmware: string): readonly string[] {
  const words = Object.entries(memory).map(([name, kib]) => `${name} ${kib / 1024} MiB`);
  const head = [`device ${device}: ${model}`, ...words, ...(primary ? [`${firmware} draws on it`] : [])].join(', ');
  const stages = (['boot menu', 'console', 'session'] as const).filter((stage) =>
    modes.some((mode) => mode.stage === stage),
  );
  return [head, ...table(['SIZE', ...stages.map((stage) => stage.toUpperCase()), 'WHY'], sizeRows(modes, stages)), ''];
}

/** One line a size, with the reasons of those that are not simply offered. */
function sizeRows(modes: readonly ModeRow[], stages: readonly ModeStage[]): readonly (readonly string[])[] {
  const sizes = modes.map(({ size }) => size);
  const distinct = sizes.filter((size, at) => sizes.findIndex((other) => isSameSize(other, size)) === at);
  const largestFirst = distinct.toSorted((one, other) => other.width * other.height - one.width * one.height);
  return largestFirst.map((size) => {
    const own = modes.filter((mode) => isSameSize(mode.size, size));
    const of = (stage: ModeStage) => own.find((mode) => mode.stage === stage)?.is.replace('-', ' ') ?? '-';
    const whys = own.filter(({ is }) => is !== 'offered').map(({ stage, why }) => `${stage}: ${why}`);
    return [printSize(size), ...stages.map(of), escaped(whys.join('; '))];
  });
}
