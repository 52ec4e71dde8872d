// `display inspect`: what is so at each stage, what could be, and why not more.

import { type LiveDisplay, picturesOf } from '../display/live/display-facts.ts';
import { printSize, type Size } from '../display/size.ts';
import { type StageRow, stageRows } from '../display/stages.ts';
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
