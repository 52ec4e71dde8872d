// All that is known of a guest's pictures: its definitions, what it says from inside, and what screenshots show.
import { HostError } from '../../model/host-error.ts';
import { type DomainDisplay, parseDomainDisplay } from '../domain-video.ts';
import type { DisplayFacts } from '../plan.ts';
import type { Size } from '../size.ts';
import { nobodyViews, spiceViewers, type Viewing, vncViewers } from '../viewer.ts';
import { agentGuest, askGuest, type Guest, sshGuest } from './guest.ts';
import { definition, domainState, domainUuid, monitorAnswer, screenshot, videoModelsHere } from './virsh.ts';

/** `auto`, `agent`, `ssh:HOST`. */
export type GuestWay = string;

export type LiveDisplay = {
  readonly uuid: string;
  readonly facts: DisplayFacts;
  /** undefined where nobody inside answers. */
  readonly guest: Guest | undefined;
};

/** @throws HostError 'no-guest', 'libvirt', 'bad-definition', 'usage' */
export async function readDisplay(name: string, way: GuestWay): Promise<LiveDisplay> {
  const uuid = await domainUuid(name);
  // one after the other they would take seconds
  const [state, current, modelsHere] = await Promise.all([
    domainState(uuid),
    definition(uuid, 'current'),
    videoModelsHere(),
  ]);
  const [text, inside, viewing] = await Promise.all([
    state.running && !state.transient ? definition(uuid, 'inactive') : current,
    state.running ? insideOf(uuid, way) : noInside,
    state.running ? viewingOf(uuid, displayOf(current)) : nobodyViews,
  ]);
  return {
    uuid,
    guest: inside.guest,
    facts: {
      definition: text,
      domain: displayOf(text),
      running: state.running ? displayOf(current) : undefined,
      guest: inside.facts,
      silence: inside.silence,
      transient: state.transient,
      managedSave: state.managedSave,
      memorySnapshots: state.memorySnapshots,
      viewing,
      modelsHere,
    },
  };
}

const noInside: Inside = { silence: 'it does not run' };

/** Only what the domain has graphics for is asked for. */
async function viewingOf(uuid: string, { graphics, spiceAgentListens }: DomainDisplay): Promise<Viewing> {
  const [spice, vnc] = await Promise.all([
    graphics.includes('spice') ? monitorAnswer(uuid, 'query-spice') : undefined,
    graphics.includes('vnc') ? monitorAnswer(uuid, 'query-vnc') : undefined,
  ]);
  return { spice: spiceViewers(spice), vnc: vncViewers(vnc), agentListens: spiceAgentListens };
}

/** @throws HostError 'bad-definition' */
export function displayOf(text: string): DomainDisplay {
  const read = parseDomainDisplay(text);
  if ('fault' in read)
    throw new HostError('bad-definition', `the definition of the domain cannot be read: ${read.fault.message}`);
  return read.value;
}

type Inside = { readonly guest?: Guest; readonly facts?: DisplayFacts['guest']; readonly silence?: string };

async function insideOf(uuid: string, way: GuestWay): Promise<Inside> {
  const guest = guestBy(uuid, way);
  try {
    return { guest, facts: await askGuest(guest) };
  } catch (error) {
    // a way that was asked for by name must work; `auto` goes on without
    if (!(error instanceof HostError) || way !== 'auto') throw error;
    return { silence: error.message };
  }
}

function guestBy(uuid: string, way: GuestWay): Guest {
  if (way === 'auto' || way === 'agent') return agentGuest(uuid);
  if (way.startsWith('ssh:')) return sshGuest(way.slice('ssh:'.length));
  throw new HostError('usage', `'${way}' is no way into a guest: auto, agent or ssh:HOST is one`);
}

/** What each screenshot shows now: virtio has one for each head, everything else one for all. @throws HostError 'libvirt' */
export async function picturesOf(uuid: string, running: DomainDisplay): Promise<readonly Size[]> {
  const sizes: Size[] = [];
  for (const screen of screensOf(running)) {
    const shot = await screenshot(uuid, screen);
    if (shot !== undefined) sizes.push(shot.size);
  }
  return sizes;
}

/** libvirt numbers the heads of all devices in one row; a device that draws all heads into one picture shows it by its first. */
export function screensOf({ devices }: DomainDisplay): readonly number[] {
  const screens: number[] = [];
  let first = 0;
  for (const { model, heads } of devices) {
    const own = Array.from({ length: model === 'virtio' ? heads : 1 }, (_, head) => first + head);
    screens.push(...own);
    first += heads;
  }
  return screens;
}
