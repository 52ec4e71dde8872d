// The daemon: programs that wake it up, and one look after another until it is told to end. It believes nothing that they
// say, and looks once a second also without them.
import { mkdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import { withLock } from '../apply/live/lock.ts';
import { followDirectory } from '../apply/live/presence.ts';
import type { Site } from '../apply/live/site.ts';
import { makeStateDirectory, writing } from '../apply/live/state.ts';
import { Relay } from '../netlink/relay.ts';
import { relayScript } from '../netlink/relay-script.ts';
import { hasLibvirt } from '../topology/read-libvirt.ts';
import { asideOf } from './aside.ts';
import { ChangedDomains } from './changed-domains.ts';
import { ChangedLinks } from './changed-links.ts';
import { Follower } from './follower.ts';
import { Generations } from './generations.ts';
import type { Happening } from './happening.ts';
import { type Listener, listen } from './listening.ts';
import { OwnProcesses } from './own-processes.ts';
import { readiness } from './readiness.ts';
import { SeenGuests } from './seen-guests.ts';
import { Wakes } from './wakes.ts';

export type FollowOptions = {
  readonly site: Site;
  readonly policyFile: string;
  readonly tell: (happenings: readonly Happening[]) => void;
  /** Called once; gives a function that makes everything be read again. */
  readonly onReady?: (again: () => void) => void;
};

const lookEveryMs = 1_000;

/** Until the signal comes; the rules stay. @throws HostError 'locked' when another one follows, 'needs-root' */
export function follow(options: FollowOptions, signal: AbortSignal): Promise<void> {
  const { state, command } = options.site;
  makeStateDirectory(state);
  const own = followDirectory(state);
  writing(own, () => mkdirSync(own, { recursive: true, mode: 0o750 }));
  return withLock(own, command, () => followAlone(options, signal), 0);
}

async function followAlone({ site, policyFile, tell, onReady }: FollowOptions, signal: AbortSignal): Promise<void> {
  const processes = new OwnProcesses();
  const access = processes.remembering(site.access);
  const wakes = new Wakes();
  const enough = new AbortController();
  const until = AbortSignal.any([signal, enough.signal]);
  const links = new ChangedLinks();
  const domains = new ChangedDomains();
  const { listeners, relay } = listenersOf(wakes, processes, links, domains);
  // who speaks for us is needed until the end
  const listening = listeners.map((one) => listen(access, one, one.talk === undefined ? until : enough.signal));
  const stopWatching = watchState(site.state, wakes);
  const aside = asideOf(site, processes);
  const follower = new Follower(
    { ...site, access },
    {
      aside,
      links,
      askLinks: (names) => relay.links.ask(names),
      guests: new SeenGuests(domains),
      direct: (changes) => relay.change(changes),
      policyFile,
      tell,
      wake: (reason) => wakes.wake(reason),
    },
  );
  const ready = readiness(access);
  try {
    onReady?.(() => wakes.wake('again'));
    await follower.look(new Set(['again']));
    tell([
      { kind: 'following', words: `following this host; what happens is kept in ${join(site.state, 'drift.log')}` },
    ]);
    await ready.isReady();
    while (!signal.aborted) {
      const reasons = await wakes.next(lookEveryMs, signal);
      if (signal.aborted) break;
      await follower.look(reasons);
      ready.isAlive();
    }
    await follower.end();
  } finally {
    stopWatching();
    enough.abort();
    await Promise.all(listening);
  }
  tell([{ kind: 'ended', words: 'not following any more; the rules stay as they are' }]);
}

type Listeners = { readonly listeners: readonly Listener[]; readonly relay: Relay };

function listenersOf(wakes: Wakes, processes: OwnProcesses, links: ChangedLinks, domains: ChangedDomains): Listeners {
  const generations = new Generations((pid) => processes.has(pid));
  const relay = new Relay({
    ready: () => wakes.wake('rules', 'presence', 'others'),
    heard: (notice) => wakes.wake(...generations.told(notice)),
    lost: () => wakes.wake(...generations.lost()),
  });
  const listeners: readonly Listener[] = [
    // warnings, as of events that were lost, are part of what they say
    {
      program: 'sh',
      args: ['-c', 'exec ip monitor link address 2>&1'],
      started: () => {
        links.forget();
        wakes.wake('links');
      },
      heard: (chunk) => {
        links.heard(chunk.toString('latin1'));
        wakes.wake('links');
      },
    },
    {
      program: 'perl',
      args: ['-e', relayScript],
      isPossible: () => !relay.isImpossible,
      // it says itself when it listens
      started: () => undefined,
      heard: (chunk) => relay.hear(chunk),
      talk: (line) => relay.attach(line),
    },
    {
      // it keeps all rules in its memory, and prints them
      program: 'sh',
      args: ['-c', 'exec nft monitor 2>&1'],
      isPossible: () => relay.isImpossible,
      started: () => wakes.wake('rules', 'presence', 'others'),
      heard: (chunk) => wakes.wake(...generations.printed(chunk.toString('latin1'))),
    },
    {
      program: 'virsh',
      args: ['--quiet', '--readonly', '--connect', 'qemu:///system', 'event', '--loop', '--all'],
      isPossible: hasLibvirt,
      started: () => {
        domains.forget();
        wakes.wake('guests');
      },
      heard: (chunk) => {
        if (domains.heard(chunk.toString('latin1'))) wakes.wake('guests');
      },
    },
  ];
  return { listeners, relay };
}

/** Changes by `apply`, `confirm`, `rollback`, and the hook of the hypervisor, which writes `wake`. */
function watchState(state: string, wakes: Wakes): () => void {
  const watcher = watch(state, (_event, name) => {
    if (name === 'wake') wakes.wake('guests');
    else if (name === 'confirmed' || name === 'pending') wakes.wake('state');
  });
  watcher.on('error', () => undefined);
  return () => watcher.close();
}
