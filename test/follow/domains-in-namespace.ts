// A program for seen-guests.test.ts: does things to the domains of the libvirt that it runs beside at random, asks each time only
// about those that `virsh event` and the devices name, and holds that against a reading of all of them. Prints what it saw.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChangedDomains } from '../../src/follow/changed-domains.ts';
import { SeenGuests } from '../../src/follow/seen-guests.ts';
import { local } from '../../src/machine/access.ts';
import type { AskedAgents } from '../../src/topology/asked-agents.ts';
import { readFacts } from '../../src/topology/read.ts';
import { type Libvirt, readLibvirt } from '../../src/topology/read-libvirt.ts';
import { Random } from '../kernel/random.ts';

const [seed = '1', count = '40'] = process.argv.slice(2);
const random = new Random(Number(seed));

// every virsh that is started says whom it asks
writeFileSync('/run/asked', '');
mkdirSync('/run/bin');
writeFileSync('/run/bin/virsh', '#!/bin/sh\nprintf "%s\\n" "$*" >>/run/asked\nexec /usr/bin/virsh "$@"\n');
chmodSync('/run/bin/virsh', 0o755);
process.env.PATH = `/run/bin:${process.env.PATH}`;

const connect = ['-q', '-c', 'qemu:///system'];

function virsh(...args: readonly string[]): boolean {
  try {
    execFileSync('/usr/bin/virsh', [...connect, ...args], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const hostile = ["web': Started Booted", 'x"; touch pwned; #', "it's", '`reboot`', 'web', 'two  words', '$(id)', "'q'"];

/** Some name their taps, and two of them may name the same. */
const taps = ['fixed0', 'fixed1'];

type Made = { readonly uuid: string; name: string; isRunning: boolean; cards: number };

const made = new Map<string, Made>();
let numbers = 0;

const mac = (): string =>
  `52:54:00:30:${String(++numbers >> 8).padStart(2, '0')}:${(numbers & 255).toString(16).padStart(2, '0')}`;

const card = (tap?: string): string => {
  const target = tap === undefined ? '' : `<target dev='${tap}'/>`;
  return `<interface type='bridge'><mac address='${mac()}'/><source bridge='br0'/>${target}<model type='virtio'/></interface>`;
};

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;').replaceAll("'", '&apos;');

function define(uuid: string, name: string, cards: readonly string[]): boolean {
  writeFileSync(
    '/run/definition.xml',
    `<domain type='qemu'><name>${escaped(name)}</name><uuid>${uuid}</uuid><memory unit='MiB'>16</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>${cards.join('')}<memballoon model='none'/></devices></domain>`,
  );
  return virsh('define', '/run/definition.xml');
}

const idle = (): readonly Made[] => [...made.values()].filter(({ isRunning }) => !isRunning);
const running = (): readonly Made[] => [...made.values()].filter(({ isRunning }) => isRunning);

function begin(one: Made | undefined): boolean {
  if (one === undefined || running().length === 4 || !virsh('start', one.uuid, '--paused')) return false;
  one.isRunning = true;
  return true;
}

function end(one: Made | undefined): boolean {
  if (one === undefined || !virsh('destroy', one.uuid)) return false;
  one.isRunning = false;
  return true;
}

const actions: Readonly<Record<string, () => boolean>> = {
  define: () => {
    const free = hostile.filter((name) => [...made.values()].every((one) => one.name !== name));
    if (free.length === 0) return false;
    const uuid = `00000000-0000-4000-8000-${String(++numbers).padStart(12, '0')}`;
    const name = random.pick(free);
    const cards = random.chance(0.5) ? [card(random.pick(taps))] : [card(), card()];
    if (!define(uuid, name, cards)) return false;
    made.set(uuid, { uuid, name, isRunning: false, cards: cards.length });
    return true;
  },
  start: () => idle().length > 0 && begin(random.pick(idle())),
  end: () => running().length > 0 && end(random.pick(running())),
  'start again': () => {
    if (running().length === 0) return false;
    const one = random.pick(running());
    return end(one) && begin(one);
  },
  'another in its place': () => {
    const [ends] = running();
    const [begins] = idle();
    return ends !== undefined && begins !== undefined && end(ends) && begin(begins);
  },
  undefine: () => {
    if (idle().length === 0 || made.size < 4) return false;
    const one = random.pick(idle());
    return virsh('undefine', one.uuid) && made.delete(one.uuid);
  },
  rename: () => {
    if (idle().length === 0) return false;
    const one = random.pick(idle());
    const name = `${random.pick(hostile)}${++numbers}`;
    if (!virsh('domrename', one.uuid, name)) return false;
    one.name = name;
    return true;
  },
  'a card more': () => {
    if (running().length === 0) return false;
    writeFileSync('/run/card.xml', card());
    return virsh('attach-device', random.pick(running()).uuid, '/run/card.xml', '--live');
  },
};

/** Everything once, where it is possible. */
const first = [
  ...['define', 'define', 'define', 'define', 'start', 'start', 'start again', 'another in its place', 'a card more'],
  ...['end', 'rename', 'undefine'],
];

const domains = new ChangedDomains();
let said = '';
const monitor = spawn('/usr/bin/virsh', [...connect, '--readonly', 'event', '--loop', '--all'], {
  stdio: ['ignore', 'pipe', 'ignore'],
});
process.once('exit', () => monitor.kill());
monitor.stdout.on('data', (chunk: Buffer) => {
  const text = chunk.toString('latin1');
  said += text;
  domains.heard(text);
});

/** Its description is changed when something has happened: what came before has been heard with that. */
const bell = '00000000-0000-4000-8000-00000000be11';
define(bell, 'bell', []);

async function heard(): Promise<void> {
  said = '';
  virsh('desc', bell, '--config', '--new-desc', String(++numbers));
  for (let turn = 0; !said.includes("event 'metadata-change' for domain 'bell'"); turn++) {
    // the first ones may come before anybody listens
    if (turn % 100 === 99) virsh('desc', bell, '--config', '--new-desc', String(++numbers));
    await sleep(10);
  }
}

const agents: AskedAgents = { names: new Set(), macs: new Set(), ports: new Set() };
const guests = new SeenGuests(domains);

function asked(): readonly string[] {
  const lines = readFileSync('/run/asked', 'utf8').split('\n');
  writeFileSync('/run/asked', '');
  return lines.flatMap((line) => [...line.matchAll(/ dumpxml ([0-9a-f-]{36})/g)].map(([, uuid = '']) => uuid));
}

const factsOf = (libvirt: Libvirt): unknown => {
  assert.equal(libvirt.kind, 'facts');
  return libvirt.kind === 'facts' ? libvirt.facts : undefined;
};

await heard();
domains.forget();
const done: Record<string, number> = {};
let some = 0;
let all = 0;
let most = 0;
for (let step = 0; step < Number(count); step++) {
  const name = first[step] ?? random.pick(Object.keys(actions));
  // also what libvirt refuses may have begun
  if (actions[name]?.() === true) done[name] = (done[name] ?? 0) + 1;
  await heard();
  const { links } = await readFacts();
  asked();
  const now = await guests.ask(links, agents);
  const dumped = asked().length;
  if (dumped > made.size) all++;
  else [some, most] = [some + 1, Math.max(most, dumped)];
  assert.deepEqual(factsOf(now), factsOf(await readLibvirt(local, agents)), `step ${step}: ${name}`);
}
process.stdout.write(JSON.stringify({ some, all, most, done, kinds: Object.keys(actions) }), () => process.exit());
