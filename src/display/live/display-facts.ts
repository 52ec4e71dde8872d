// All that is known of a guest's pictures: its definitions, what it says from inside or its files say, and what screenshots
// show.
import { HostError } from '../../model/host-error.ts';
import { type DomainDisplay, parseDomainDisplay } from '../domain-video.ts';
import type { DisplayFacts } from '../plan.ts';
import type { Size } from '../size.ts';
import { nobodyViews, spiceViewers, type Viewing, vncViewers } from '../viewer.ts';
import { agentGuest, type Guest } from './guest.ts';
import { type GuestWay, insideOf } from './inside.ts';
import {
  agentCommand,
  definition,
  domainState,
  domainUuid,
  monitorAnswer,
  type Shot,
  screenshot,
  sendKeys,
  videoModelsHere,
} from './virsh.ts';

/** What can be done to a guest from outside, whoever runs its QEMU. */
export type Outside = {
  /** By libvirt's numbers: the heads of all devices in one row. undefined where this one has no picture. */
  readonly screenshot: (screen: number) => Promise<Shot | undefined>;
  /** As Linux names their codes: `KEY_LEFTCTRL`. */
  readonly sendKeys: (keys: readonly string[]) => Promise<void>;
};

export type LiveDisplay = {
  readonly uuid: string;
  readonly facts: DisplayFacts;
  readonly outside: Outside;
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
    insideOf(
      agentGuest((command, seconds) => agentCommand(uuid, command, seconds)),
      way,
      state.running,
    ),
    state.running ? viewingOf(uuid, displayOf(current)) : nobodyViews,
  ]);
  return {
    uuid,
    outside: { screenshot: (screen) => screenshot(uuid, screen), sendKeys: (keys) => sendKeys(uuid, keys) },
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

/** What each screenshot shows now: virtio has one for each head, everything else one for all. @throws HostError 'libvirt' */
export async function picturesOf({ outside }: LiveDisplay, running: DomainDisplay): Promise<readonly Size[]> {
  const sizes: Size[] = [];
  for (const screen of screensOf(running)) {
    const shot = await outside.screenshot(screen);
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
