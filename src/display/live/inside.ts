// What is known of a guest from inside, by the way that was asked for: it answers itself, or its files are read.
import { HostError } from '../../model/host-error.ts';
import { type GuestFacts, guestFacts } from '../guest-facts.ts';
import { offlineSections } from '../offline-facts.ts';
import { askGuest, type Guest, sshGuest } from './guest.ts';
import { folderRoot } from './root-folder.ts';
import { imageRoot } from './root-image.ts';

/** `auto`, `agent`, `ssh:HOST`; `root:DIRECTORY` and `image:FILE` only read. */
export type GuestWay = string;

export type Inside = {
  readonly guest?: Guest;
  readonly facts?: GuestFacts;
  /** Why nobody inside answers. */
  readonly silence?: string;
  /** The files that say it instead. */
  readonly readFrom?: string;
};

/**
 * @param agent undefined where the guest has none that could be reached
 * @throws HostError 'usage', 'agent', 'ssh', 'guest-root', 'image-in-use'; `auto` goes on without anybody inside
 */
export async function insideOf(agent: Guest | undefined, way: GuestWay, running: boolean): Promise<Inside> {
  if (way.startsWith('root:') || way.startsWith('image:')) return offlineInside(way, running);
  if (!running) return { silence: 'it does not run' };
  const guest = guestBy(agent, way);
  if (guest === undefined) return { silence: 'no channel of a guest agent was found' };
  try {
    return { guest, facts: await askGuest(guest) };
  } catch (error) {
    // a way that was asked for by name must work
    if (!(error instanceof HostError) || way !== 'auto') throw error;
    return { silence: error.message };
  }
}

function guestBy(agent: Guest | undefined, way: GuestWay): Guest | undefined {
  if (way === 'auto') return agent;
  if (way === 'agent' && agent !== undefined) return agent;
  if (way === 'agent') throw new HostError('agent', 'no channel of a guest agent was found');
  if (way.startsWith('ssh:')) return sshGuest(way.slice('ssh:'.length));
  const ways = 'auto, agent, ssh:[USER@]HOST, root:DIRECTORY or image:FILE';
  throw new HostError('usage', `'${way}' is no way into a guest: ${ways} is one`);
}

async function offlineInside(way: GuestWay, running: boolean): Promise<Inside> {
  const place = way.slice(way.indexOf(':') + 1);
  if (way.startsWith('image:') && running)
    throw new HostError('image-in-use', 'the guest runs and writes to its disk: an image is only read while it is off');
  const root = way.startsWith('image:') ? await imageRoot(place) : await folderRoot(place);
  return { facts: guestFacts(await offlineSections(root)), readFrom: root.way };
}
