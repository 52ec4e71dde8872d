// `display inspect` and `display modes`: what is so at each stage, and which sizes there could be.

import { type LiveDisplay, picturesOf } from '../display/live/display-facts.ts';
import { memoryFor } from '../display/memory.ts';
import { gopModes, kmsModes, vbeModes } from '../display/mode-lists.ts';
import { isSameSize, printSize, type Size } from '../display/size.ts';
import { hearingOf, type StageRow, stageRows } from '../display/stages.ts';
import type { VideoDevice } from '../display/video.ts';
import { viewerRow } from '../display/viewer.ts';
import { onGuest } from './display-guest.ts';
import { escaped } from './escaped.ts';
import { exitCodes } from './exit-codes.ts';
import { type Format, print, printJson, table } from './output.ts';

export type GuestOptions = { readonly access: string; readonly output: Format };

export async function displayInspect(name: string, options: GuestOptions): Promise<number> {
  return onGuest(name, options.access, (live) => inspected(live, options));
}

async function inspected(live: LiveDisplay, options: GuestOptions): Promise<number> {
  const { domain, running, guest } = live.facts;
  const pictures = running === undefined ? [] : await picturesOf(live, running);
  const rows = [...stageRows(running ?? domain, guest, pictures), viewerRow(live.facts.viewing, guest)];
  if (options.output === 'json') printJson('display-inspect', { guest: guestData(live), pictures, stages: rows });
  else print([...headLines(live, pictures), '', ...stageTable(rows), ...noteLines(live)].join('\n'));
  return exitCodes.fine;
}

function guestData({ uuid, facts, guest }: LiveDisplay): object {
  const { domain, running, silence, readFrom, viewing, guest: inside } = facts;
  const devices = (one: typeof domain) => one.devices.map(({ place: _place, ...device }) => device);
  return {
    name: domain.name,
    uuid,
    running: running !== undefined,
    firmware: domain.firmware,
    devices: devices(running ?? domain),
    atNextStart: devices(domain),
    access: guest?.way ?? null,
    readFrom: readFrom ?? null,
    silence: silence ?? null,
    kernel: inside?.release ?? null,
    drivers: inside === undefined ? null : [...inside.drivers],
    sessions: inside?.sessions ?? null,
    viewing,
  };
}

function headLines({ facts }: LiveDisplay, pictures: readonly Size[]): readonly string[] {
  const { domain, running, guest } = facts;
  const shown =
    running === undefined ? 'it does not run' : `pictures now: ${pictures.map(printSize).join(', ') || 'none'}`;
  const devices = (running ?? domain).devices.map(deviceText).join('; ');
  const inside =
    guest === undefined
      ? `not asked: ${facts.silence ?? ''}`
      : facts.readFrom === undefined
        ? `kernel ${guest.release}, framebuffer ${guest.framebuffer ?? 'none'}`
        : `read from ${facts.readFrom}: kernel ${guest.release}`;
  return [
    `${escaped(domain.name)}: ${devices || 'no display device'}, ${domain.firmware}; ${shown}`,
    `inside: ${escaped(inside)}`,
  ];
}

function deviceText({ model, heads, memory, resolution }: VideoDevice): string {
  const parts = Object.entries(memory).map(([name, kib]) => `${name} ${kib / 1024} MiB`);
  return [
    model,
    ...parts,
    ...(heads > 1 ? [`${heads} heads`] : []),
    ...(resolution === undefined ? [] : [printSize(resolution)]),
  ].join(' ');
}

function stageTable(rows: readonly StageRow[]): readonly string[] {
  const text = (size: Size | undefined): string => (size === undefined ? '-' : printSize(size));
  return table(
    ['STAGE', 'MONITOR', 'NOW', 'NEXT START', 'LARGEST', 'WHY NOT MORE'],
    rows.map(({ stage, monitor, now, next, largest, limit }) => [
      stage,
      `${monitor}`,
      text(now),
      text(next),
      text(largest),
      limit?.text ?? '',
    ]),
  );
}

function noteLines({ facts }: LiveDisplay): readonly string[] {
  const notes: string[] = [];
  if (facts.guest !== undefined && facts.guest.leftOut > 0)
    notes.push(`${facts.guest.leftOut} words of the guest were no connectors or modes, and were left out`);
  return notes.length === 0 ? [] : ['', ...notes];
}

type ModeRow = { readonly size: Size; readonly is: 'offered' | 'with-memory' | 'impossible'; readonly why: string };

const wanted: readonly Size[] = [
  [1280, 800],
  [1366, 768],
  [1920, 1080],
  [1920, 1200],
  [2560, 1440],
  [2560, 1600],
  [3440, 1440],
  [3840, 2160],
  [5120, 2880],
].map(([width = 0, height = 0]) => ({ width, height }));

export async function displayModes(name: string, options: GuestOptions): Promise<number> {
  return onGuest(name, options.access, async ({ facts }) => listed(facts, options));
}

function listed(facts: LiveDisplay['facts'], options: GuestOptions): number {
  const { devices } = facts.running ?? facts.domain;
  const [device] = devices.filter(({ primary }) => primary);
  const rows = device === undefined ? [] : modeRows(device, hearingOf(facts.guest));
  const menuModes = facts.domain.firmware === 'uefi' ? gopModes : vbeModes;
  const menu = device === undefined ? [] : menuModes(device);
  if (options.output === 'json') printJson('display-modes', { modes: rows, menu });
  else {
    print(
      table(
        ['SIZE', 'IS', 'WHY'],
        rows.map(({ size, is, why }) => [printSize(size), is.replace('-', ' '), why]),
      ).join('\n'),
    );
    if (menu.length > 0) print(`\nboot menu: ${menu.map(printSize).join(' ')}`);
  }
  return exitCodes.fine;
}

function modeRows(device: VideoDevice, hearing: 'edid' | 'size'): readonly ModeRow[] {
  const offered = kmsModes(device, hearing);
  const others = wanted.filter((size) => !offered.some((one) => isSameSize(one, size)));
  return [
    ...offered.map((size) => ({ size, is: 'offered', why: 'in the list of the display driver' }) as const),
    ...others.map((size) => otherRow(device, size)),
  ];
}

function otherRow(device: VideoDevice, size: Size): ModeRow {
  const memory = memoryFor(device.model, size, device.memory);
  if (memory === undefined) return { size, is: 'impossible', why: `no memory makes ${device.model} show that` };
  const more = Object.entries(memory).filter(([name, kib]) => device.memory[name as keyof typeof memory] !== kib);
  if (more.length === 0) return { size, is: 'offered', why: 'not in a list, but as <resolution> or with a modeline' };
  return { size, is: 'with-memory', why: more.map(([name, kib]) => `${name} ${kib / 1024} MiB`).join(', ') };
}
