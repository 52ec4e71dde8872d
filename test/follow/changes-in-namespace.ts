// A program for changed-links.test.ts: changes the devices of the network namespace that it runs in at random, asks each time only
// about those that `ip monitor` names, by `ip` alone or the kernel first, and holds that against a reading of all of them. Prints
// what it saw as JSON.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AskLinks, askedDevices } from '../../src/follow/asked-devices.ts';
import { type Changed, ChangedLinks } from '../../src/follow/changed-links.ts';
import { readSome } from '../../src/follow/seen-host.ts';
import { Relay } from '../../src/netlink/relay.ts';
import { relayScript } from '../../src/netlink/relay-script.ts';
import { hostFromIp, type LiveFacts } from '../../src/topology/live.ts';
import { readFacts } from '../../src/topology/read.ts';

const [seed = '1', count = '100', way = 'ip'] = process.argv.slice(2);
const bridges = ['br0', 'br1'];
/** Gets another number when something has happened: what came before has been heard with it. */
const bell = 'bell';

let state = Number(seed) * 2_654_435_761;
function upTo(most: number): number {
  state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
  return Math.floor((state / 2 ** 31) * most);
}

function oneOf<T>(some: readonly T[]): T | undefined {
  return some[upTo(some.length)];
}

/** All of them in one batch, and which of them `ip` did. */
function ip(...lines: readonly string[]): readonly boolean[] {
  const { stderr } = spawnSync('ip', ['-force', '-batch', '-'], { input: `${lines.join('\n')}\n`, encoding: 'utf8' });
  const failed = new Set([...stderr.matchAll(/^Command failed -:(\d+)$/gm)].map(([, line]) => Number(line)));
  return lines.map((_, at) => !failed.has(at + 1));
}

const other = spawn('unshare', ['-n', 'sh', '-c', 'echo ready; exec sleep 600'], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
await once(other.stdout, 'data');
const links = new ChangedLinks();
let said = '';
const monitor = spawn('sh', ['-c', 'exec ip monitor link address 2>&1'], { stdio: ['ignore', 'pipe', 'inherit'] });
monitor.stdout.on('data', (chunk: Buffer) => {
  const text = chunk.toString('latin1');
  said += text;
  links.heard(text);
});

const relay = new Relay({ ready: () => undefined, heard: () => undefined, lost: () => undefined });
const carrier = spawn('perl', ['-e', relayScript], { stdio: ['pipe', 'pipe', 'inherit'] });
relay.attach({ write: (octets) => carrier.stdin.write(octets), kill: () => carrier.kill('SIGKILL') });
carrier.stdout.on('data', (chunk: Buffer) => relay.hear(chunk));
const ask: AskLinks = (names) => (way === 'ip' ? Promise.resolve(undefined) : relay.links.ask(names));

let rings = 1_000;
/** Does that, rings, and waits until all of it has been heard. */
async function heard(...lines: readonly string[]): Promise<readonly boolean[]> {
  const done = ip(...lines, `link set ${bell} mtu ${++rings}`);
  for (let waited = 0; !said.includes(` mtu ${rings} `); waited += 2) {
    assert.ok(waited < 60_000, 'ip monitor says nothing');
    await sleep(2);
  }
  said = '';
  return done.slice(0, -1);
}

let made = 0;
function tapsOf({ links: all }: LiveFacts): readonly string[] {
  return all.flatMap(({ ifname }) => (/^(?:t|v|w)\d+[a-z]?$/.test(ifname) ? [ifname] : []));
}

const ownAddresses = [
  'fe80::1',
  'fe80::200:0:1',
  'fe80::1:0:0:0',
  'fe80::fc54:ff:fe00:9',
  'fe80::a:0:0:b',
  'fe80::',
  'fe80:0:1::1',
] as const;

/**
 * Each gives the lines of a batch, of which the last one says whether it was done; none that names what there is not. What the kernel
 * tells nobody, as that a port does not learn, is left out.
 */
const changes: Readonly<Record<string, (facts: LiveFacts) => readonly string[]>> = {
  'a tap comes': () => [`tuntap add dev t${++made} mode tap`],
  'a device joins a bridge': (facts) => [`link set ${oneOf(tapsOf(facts))} master ${oneOf(bridges)} up`],
  'a tap comes to a bridge': () => [
    `tuntap add dev t${++made} mode tap`,
    `link set t${made} master ${oneOf(bridges)} up`,
  ],
  'a device leaves its bridge': (facts) => [`link set ${oneOf(tapsOf(facts))} nomaster`],
  'a device goes': (facts) => [`link del ${oneOf(tapsOf(facts))}`],
  'another one takes its name': (facts) => {
    const name = oneOf(tapsOf(facts));
    return [`link del ${name}`, `tuntap add dev ${name} mode tap`];
  },
  'a device is renamed': (facts) => {
    const name = oneOf(tapsOf(facts));
    return [`link set ${name} down`, `link set ${name} name t${++made}x`];
  },
  'two change their names': (facts) => {
    const one = oneOf(tapsOf(facts));
    const two = oneOf(tapsOf(facts).filter((name) => name !== one));
    return [
      `link set ${one} down`,
      `link set ${two} down`,
      `link set ${one} name spare`,
      `link set ${two} name ${one}`,
      `link set spare name ${two}`,
    ];
  },
  'it is set up': (facts) => [`link set ${oneOf(tapsOf(facts))} up`],
  'it gets another card': (facts) => [`link set ${oneOf(tapsOf(facts))} address 52:54:00:00:00:${10 + upTo(80)}`],
  'it gets an address': (facts) => [`addr add 10.1.${upTo(9)}.1/24 dev ${oneOf(tapsOf(facts))}`],
  'it gets an address of its own': (facts) => {
    const name = oneOf(tapsOf(facts));
    if (name === undefined) return [];
    writeFileSync(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, '0');
    return [`addr add ${oneOf(ownAddresses)}/64 dev ${name} nodad`];
  },
  'it loses its addresses': (facts) => [`addr flush dev ${oneOf(tapsOf(facts))}`],
  'a cable comes': () => [`link add v${++made} type veth peer name w${made}`],
  'one end goes elsewhere': (facts) => [
    `link set ${oneOf(tapsOf(facts).filter((name) => /^[vw]/.test(name)))} netns ${other.pid}`,
  ],
  // some kernels know neither this nor what bridges can do with it
  'a vlan comes': (facts) => [`link add link ${oneOf(tapsOf(facts))} name t${++made}v type vlan id 7`],
  'a bridge gets an address': () => [`addr add 10.2.${upTo(9)}.1/24 dev ${oneOf(bridges)}`],
  'a bridge gets another card': () => [`link set ${oneOf(bridges)} address 52:54:00:00:01:${10 + upTo(80)}`],
  'a bridge filters VLANs': () => [`link set ${oneOf(bridges)} type bridge vlan_filtering ${upTo(2)}`],
  'a bridge goes and comes': () => ['link del br1', 'link add br1 type bridge'],
  'a second name is given': (facts) => [`link property add dev ${oneOf(tapsOf(facts))} altname other${++made}`],
  'a name that no rule can have': () => [`link add x"${++made} type bridge`],
};

type Done = { readonly what: string; readonly lines: readonly string[] };

/** Some of them, as one batch. */
function randomChanges(facts: LiveFacts): readonly Done[] {
  const meant: Done[] = [];
  for (let more = upTo(3); more >= 0; more--) {
    const [what = '', change] = oneOf(Object.entries(changes)) ?? [];
    const lines = change?.(facts) ?? [];
    if (lines.length > 0 && !lines.join(' ').includes('undefined')) meant.push({ what, lines });
  }
  return meant;
}

async function happened(meant: readonly Done[]): Promise<readonly Done[]> {
  const wasDone = await heard(...meant.flatMap(({ lines }) => lines));
  const last = (at: number): number => meant.slice(0, at + 1).flatMap(({ lines }) => lines).length - 1;
  return meant.filter((_, at) => wasDone[last(at)]);
}

/** What the kernel says is what `ip` says in `now`; how many of them came of it. */
async function quick(facts: LiveFacts, { names, indices }: Changed, now: LiveFacts): Promise<number | undefined> {
  const known = facts.links.filter(({ ifindex }) => indices.has(ifindex)).map(({ ifname }) => ifname);
  const devices = await askedDevices(facts, new Set([...names, ...known]), ask);
  if (devices === undefined) return undefined;
  const { links: all, addresses } = now;
  const isMeant = ({ ifname }: { ifname: string }) => names.has(ifname) || known.includes(ifname);
  const said = all.filter(isMeant).map((link) => {
    const addr_info = addresses.find(({ ifname }) => ifname === link.ifname)?.addr_info ?? [];
    return { ...link, addr_info };
  });
  assert.deepEqual(devices.toSorted(byNumber), said.toSorted(byNumber));
  return devices.filter(({ linkinfo }) => linkinfo?.info_kind === 'tun').length;
}

function byNumber(one: { readonly ifindex: number }, other: { readonly ifindex: number }): number {
  return one.ifindex - other.ifindex;
}

function described(facts: LiveFacts): object {
  const { value, diagnostics } = hostFromIp(facts, 'host');
  return { value, diagnostics: diagnostics.map(({ message }) => message).toSorted() };
}

/** Routes are said in more words where devices are. */
function sorted({ links: all, addresses, namespaces }: LiveFacts): Partial<LiveFacts> {
  return {
    namespaces,
    links: all.toSorted(byNumber),
    addresses: addresses.toSorted((a, b) => (a.ifname < b.ifname ? -1 : 1)),
  };
}

const impossible = new Set<string>();
const done = new Map<string, number>();
const asked = { some: 0, all: 0, quick: 0, taps: 0 };
try {
  // its own addresses come when they like
  for (const which of ['all', 'default']) writeFileSync(`/proc/sys/net/ipv6/conf/${which}/disable_ipv6`, '1');
  const begin = bridges.map((name) => `link add ${name} up type bridge`);
  ip(...begin, `link add ${bell} type bridge`);
  const [vlan, , filter] = ip(
    'link add link br0 name tried type vlan id 7',
    'link del tried',
    'link set br0 type bridge vlan_filtering 1',
    'link set br0 type bridge vlan_filtering 0',
  );
  if (!vlan) impossible.add('a vlan comes');
  if (!filter) impossible.add('a bridge filters VLANs');
  // until it listens
  for (let mtu = 1_001; said === '' && mtu < 1_120; mtu++) {
    ip(`link set ${bell} mtu ${mtu}`);
    await sleep(500);
  }
  rings = 1_200;
  await heard();
  links.take();
  let facts = await readFacts();
  for (let round = 0; round < Number(count); round++) {
    const changed = await happened(randomChanges(facts));
    for (const { what } of changed) done.set(what, (done.get(what) ?? 0) + 1);
    const named = links.take();
    const some = named === undefined ? undefined : await readSome(facts, named, ask);
    const all = await readFacts();
    const taps = named === undefined ? undefined : await quick(facts, named, all);
    if (taps !== undefined) asked.quick++;
    asked.taps += taps ?? 0;
    if (some === undefined) asked.all++;
    else {
      asked.some++;
      const what = changed.map(({ what, lines }) => `${what}: ip ${lines.join('; ip ')}`).join('\n');
      assert.deepEqual(described(some), described(all), what);
      assert.deepEqual(sorted(some), sorted(all), what);
    }
    // what was not read anew goes on being believed
    facts = some ?? all;
  }
} finally {
  other.kill();
  monitor.kill();
  carrier.stdin.end();
}
console.log(
  JSON.stringify({
    ...asked,
    done: Object.fromEntries(done),
    kinds: Object.keys(changes).filter((what) => !impossible.has(what)),
  }),
);
