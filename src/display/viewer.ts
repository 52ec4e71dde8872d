// Who looks at a guest's pictures, and what that does to them: a window and its scaling are no resolution, but a viewer that
// resizes has the guest's own spice-vdagent set another one, over anything that is set here. QEMU's answers are data.
// Sources: query-spice and query-vnc of QEMU's ui.json; spice-vdagent(1); a channel's `state` in libvirt's formatdomain
import type { GuestFacts } from './guest-facts.ts';
import type { StageRow } from './stages.ts';

export type Viewing = {
  /** Viewers that are connected now; each is counted once, whatever it has of channels. */
  readonly spice: number;
  readonly vnc: number;
  /** Somebody in the guest holds spice-vdagent's channel open, as seen from outside. */
  readonly agentListens: boolean;
};

export const nobodyViews: Viewing = { spice: 0, vnc: 0, agentListens: false };

/** SPICE's number of the one channel that every viewer has; spice-protocol's enums.h. */
const mainChannel = 1;
const mostChannels = 1_024;

/** @param answer of `query-spice` */
export function spiceViewers(answer: unknown): number {
  const connections = listIn(answer, 'channels').flatMap((channel) =>
    fieldOf(channel, 'channel-type') === mainChannel ? [fieldOf(channel, 'connection-id')] : [],
  );
  return new Set(connections).size;
}

/** @param answer of `query-vnc` */
export function vncViewers(answer: unknown): number {
  return listIn(answer, 'clients').length;
}

function listIn(answer: unknown, name: string): readonly unknown[] {
  const list = fieldOf(answer, name);
  return Array.isArray(list) ? list.slice(0, mostChannels) : [];
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

/** Whether a viewer's window may set the session's size. That it really resizes only the viewer's own menu shows. */
export function isOverridden({ spice, agentListens }: Viewing, guest: GuestFacts | undefined): boolean {
  return spice > 0 && (agentListens || guest?.vdagent === true);
}

/** The last stage: it has no size of its own, and says what the viewer does to the others. */
export function viewerRow(viewing: Viewing, guest: GuestFacts | undefined): StageRow {
  return {
    stage: 'viewer',
    monitor: 1,
    now: undefined,
    next: undefined,
    largest: undefined,
    limit: isOverridden(viewing, guest)
      ? { code: 'viewer-overrides', text: overriddenText(viewing) }
      : { code: 'no-resolution', text: `${connectedText(viewing)}; a window and its scaling are no resolution` },
  };
}

function overriddenText({ spice }: Viewing): string {
  return `${counted(spice, 'SPICE')} connected, and spice-vdagent listens in the guest: with auto-resize the window's size overrides the session's`;
}

function connectedText({ spice, vnc }: Viewing): string {
  if (spice === 0 && vnc === 0) return 'no viewer is connected';
  return [...(spice > 0 ? [counted(spice, 'SPICE')] : []), ...(vnc > 0 ? [counted(vnc, 'VNC')] : [])]
    .map((words) => `${words} connected`)
    .join(', ');
}

function counted(count: number, protocol: string): string {
  return count === 1 ? `a ${protocol} viewer is` : `${count} ${protocol} viewers are`;
}
