// All that is known of a guest's pictures: its definitions, what it says from inside or its files say, and what screenshots
// show.
import { HostError } from '../../model/host-error.ts';
import { type DomainDisplay, parseDomainDisplay } from '../domain-video.ts';
import { guestFacts } from '../guest-facts.ts';
import { offlineSections } from '../offline-facts.ts';
import type { DisplayFacts } from '../plan.ts';
import type { Size } from '../size.ts';
import { nobodyViews, spiceViewers, type Viewing, vncViewers } from '../viewer.ts';
import { agentGuest, askGuest, type Guest, sshGuest } from './guest.ts';
import { folderRoot } from './root-folder.ts';
import { imageRoot } from './root-image.ts';
import { definition, domainState, domainUuid, monitorAnswer, screenshot, videoModelsHere } from './virsh.ts';

/** `auto`, `agent`, `ssh:HOST`; `root:DIRECTORY` and `image:FILE` only read. */
export type GuestWay = string;

export type LiveDisplay = {
  readonly uuid: string;
  readonly facts: DisplayFacts;
  /** undefined where nobody inside answers. */
  readonly guest: Guest | undefined;
};

/** @throws HostError 'no-guest', 'libvirt', 'bad-definition', 'usage', 'guest-root', 'image-in-use' */
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
    insideOf(uuid, way, state.running),
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
      readFrom: inside.readFrom,
      transient: state.transient,
      managedSave: state.managedSave,
      memorySnapshots: state.memorySnapshots,
      viewing,
      modelsHere,
    },
  };
}

/** Only what the domain has graphics for is asked for. */
async function viewingOf(uuid: string, { graphics, spiceAgentListens }: DomainDisplay): Promise<Viewing> {
  const [spice, vnc] = await Promise.all([
    graphics.includes('spice') ? monitorAnswer(uuid, 'query-spice') : undefined,
    graphics.includes('vnc') ? monitorAnswer(uuid, 'query-vnc') : undefined,
  ]);
  return { spice: spiceViewers(spice), vnc: vncViewers(vnc), agentListens: spiceAgentListens };
}

/** @throws HostError 'agent' where nobody inside answers */
export function guestOf({ guest, facts }: LiveDisplay): Guest {
  if (guest === undefined) throw new HostError('agent', `the guest cannot be asked: ${facts.silence ?? ''}`);
  return guest;
}

/** @throws HostError 'bad-definition' */
export function displayOf(text: string): DomainDisplay {
  const read = parseDomainDisplay(text);
  if ('fault' in read)
    throw new HostError('bad-definition', `the definition of the domain cannot be read: ${read.fault.message}`);
  return read.value;
}

export type Inside = {
  readonly guest?: Guest;
  readonly facts?: DisplayFacts['guest'];
  readonly silence?: string;
  readonly readFrom?: string;
};

async function insideOf(uuid: string, way: GuestWay, running: boolean): Promise<Inside> {
  if (isOffline(way)) return offlineInside(way, running);
  if (!running) return { silence: 'it does not run' };
  const guest = guestBy(uuid, way);
  try {
    return { guest, facts: await askGuest(guest) };
  } catch (error) {
    // a way that was asked for by name must work; `auto` goes on without
    if (!(error instanceof HostError) || way !== 'auto') throw error;
    return { silence: error.message };
  }
}

function isOffline(way: GuestWay): boolean {
  return way.startsWith('root:') || way.startsWith('image:');
}

/** @throws HostError 'guest-root', 'image-in-use' */
async function offlineInside(way: GuestWay, running: boolean): Promise<Inside> {
  const place = way.slice(way.indexOf(':') + 1);
  if (way.startsWith('image:') && running)
    throw new HostError('image-in-use', 'the guest runs and writes to its disk: an image is only read while it is off');
  const root = way.startsWith('image:') ? await imageRoot(place) : await folderRoot(place);
  return { facts: guestFacts(await offlineSections(root)), readFrom: root.way };
}

function guestBy(uuid: string, way: GuestWay): Guest {
  if (way === 'auto' || way === 'agent') return agentGuest(uuid);
  if (way.startsWith('ssh:')) return sshGuest(way.slice('ssh:'.length));
  throw new HostError(
    'usage',
    `'${way}' is no way into a guest: auto, agent, ssh:HOST, root:DIRECTORY or image:FILE is one`,
  );
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
