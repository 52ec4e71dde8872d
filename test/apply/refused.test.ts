// What passes our own checks and is refused by nft, by iptables or by the kernel: the rules before and after are the same,
// nothing is left behind, and the message names the policy's line and repeats the words of who refused.
// BRIDGEKEEPER_FULL=1: ten policies for each kind, and every hook that has no room.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, suite, test } from 'node:test';
import { applyTarget } from '../../src/apply/live/apply.ts';
import { LoadRefused } from '../../src/apply/live/load-refused.ts';
import { readPending } from '../../src/apply/live/pending.ts';
import type { Access } from '../../src/machine/access.ts';
import type { Backend } from '../../src/model/ruleset.ts';
import { ended, nextWords } from '../support/child.ts';
import { mustRun, needsRoot } from '../support/namespace.ts';
import { type Guest, LiveHost, web } from './live-host.ts';

const isFull = process.env.BRIDGEKEEPER_FULL === '1';
const policies = isFull ? 10 : 1;

type Kind = {
  readonly what: string;
  readonly backend: Backend;
  /** What somebody else did before; gives what ends it. */
  readonly before: (host: LiveHost) => Promise<() => void | Promise<void>>;
  /** The words of who refuses. */
  readonly words: RegExp;
  /** Lines of the policy that may be named: 1 is the policy as a whole, 2 and 3 are its guests, 5 is its permission. */
  readonly lines: readonly number[];
  /** Programs as they are on that machine. */
  readonly access?: (access: Access, directory: string) => Access;
};

const nothing = (): void => undefined;

function loaded(text: string): Kind['before'] {
  return async (host) => {
    await mustRun(host.namespace, 'nft', ['-f', '-'], text);
    return nothing;
  };
}

/** The kernel takes 1,024 of a hook, those of br_netfilter among them. */
function fullHook(family: string, hook: string): Kind['before'] {
  const chain = (index: number): string => `chain c${index} { type filter hook ${hook} priority ${index}; }`;
  const table = (inside: string): string => `table ${family} many {\n${inside}\n}\n`;
  return async (host) => {
    await loaded(table(Array.from({ length: 1020 }, (_, index) => chain(index)).join('\n')))(host);
    let index = 1020;
    while ((await host.namespace.run('nft', ['-f', '-'], table(chain(index)))).code === 0) index++;
    assert.ok(index <= 1024);
    return nothing;
  };
}

/** A table with an owner is its process's alone (nft(8), table flags). */
function ownedTable(name: string): Kind['before'] {
  return async (host) => {
    const owner = spawn('nsenter', ['-n', '-t', String(host.namespace.pid), 'nft', '-i'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    owner.stdin.write(`add table ${name} { flags owner; }\nlist tables\n`);
    while (!new RegExp(`^table ${name}$`, 'm').test(await nextWords(owner)));
    return async () => {
      owner.kill('SIGKILL');
      await ended(owner);
    };
  };
}

const bridgeTable = (inside: string): Kind['before'] => loaded(`table bridge bk {\n${inside}\n}\n`);

const hooks: readonly (readonly [family: string, hook: string])[] = [
  ['bridge', 'prerouting'],
  ['bridge', 'forward'],
  ['bridge', 'input'],
  ['bridge', 'output'],
  ['ip', 'input'],
  ['ip', 'forward'],
  ['ip', 'output'],
];

const smallSets: readonly (readonly [set: string, type: string])[] = [
  ['set own', 'ifname . ipv4_addr'],
  ['set own_mac', 'ifname . ether_addr . ipv4_addr'],
  ['set station', 'ifname . ether_addr'],
  ['set ports', 'ifname'],
  ['map in_guests', 'ifname : verdict'],
  ['map out_guests', 'ifname : verdict'],
];

const clashes: readonly (readonly [what: string, inside: string, words: RegExp])[] = [
  ['a set that times out', 'set own {\ntype ifname . ipv4_addr\ntimeout 1h\n}', /File exists/],
  [
    'a constant set',
    'set own {\ntype ifname . ipv4_addr\nflags constant\nelements = { "x" . 10.9.9.9 }\n}',
    /File exists/,
  ],
  ['a map to marks', 'map own {\ntype ifname : mark\n}', /datatype mismatch|File exists/],
  ['a set where a map shall be', 'map ports {\ntype ifname : mark\n}', /File exists|mismatch|not supported/],
];

/** The shared objects of iptables' matches and targets, but for one. */
function without(extension: string): NonNullable<Kind['access']> {
  return (access, directory) => {
    const from = ['/usr/lib/x86_64-linux-gnu/xtables', '/usr/lib/aarch64-linux-gnu/xtables', '/usr/lib/xtables'].find(
      existsSync,
    );
    assert.ok(from !== undefined, "iptables' extensions were not found");
    for (const file of readdirSync(from)) if (file !== extension) symlinkSync(join(from, file), join(directory, file));
    return {
      ...access,
      start: (program, args) => access.start('env', [`XTABLES_LIBDIR=${directory}`, program, ...args]),
    };
  };
}

/** nft as on a machine whose memory is used up; reading still works. */
const littleMemory: NonNullable<Kind['access']> = (access) => ({
  ...access,
  start: (program, args) =>
    args.some((arg) => arg.endsWith('transaction.nft'))
      ? access.start('prlimit', ['--as=7000000', program, ...args])
      : access.start(program, args),
});

const extensions: readonly (readonly [file: string, words: RegExp])[] = [
  ['libxt_physdev.so', /physdev/],
  ['libxt_comment.so', /comment/],
  ['libxt_limit.so', /limit/],
  ['libxt_LOG.so', /log-prefix/],
  ['libxt_mac.so', /mac/],
  ['libxt_conntrack.so', /conntrack/],
  ['libxt_tcp.so', /tcp/],
];

const none: Kind['before'] = async () => nothing;

const kinds: readonly Kind[] = [
  ...hooks
    .filter(([, hook]) => isFull || hook === 'forward')
    .map(
      ([family, hook]): Kind => ({
        what: `no room for a base chain in ${family} ${hook}`,
        backend: 'nft',
        before: fullHook(family, hook),
        words: /Argument list too long/,
        lines: [1, 2, 3, 5],
      }),
    ),
  ...smallSets.map(
    ([set, type]): Kind => ({
      what: `${set} has room for one element`,
      backend: 'nft',
      before: bridgeTable(`${set} {\ntype ${type}\nsize 1\n}`),
      words: /Too many open files/,
      lines: [2, 3],
    }),
  ),
  ...clashes.map(
    ([what, inside, words]): Kind => ({
      what: `somebody made ${what}`,
      backend: 'nft',
      before: bridgeTable(inside),
      words,
      lines: [1, 2, 3, 5],
    }),
  ),
  {
    what: 'nft finds no memory',
    backend: 'nft',
    before: none,
    words: /Memory allocation failure/,
    lines: [1],
    access: littleMemory,
  },
  ...extensions.map(
    ([file, words]): Kind => ({
      what: `iptables lacks ${file}`,
      backend: 'iptables',
      before: none,
      words,
      lines: [1, 2, 3, 5],
      access: without(file),
    }),
  ),
  {
    what: "table ip filter is another process's own",
    backend: 'iptables',
    before: ownedTable('ip filter'),
    words: /Operation not permitted|incompatible|failed/i,
    lines: [1, 2, 3, 5],
  },
];

suite('refused loads', { skip: needsRoot }, () => {
  let host: LiveHost;
  before(async () => {
    host = await LiveHost.build();
  });
  after(() => host.close());
  // the next one finds what nobody has touched
  afterEach(() => mustRun(host.namespace, 'nft', ['flush', 'ruleset']));

  test('there are twenty kinds and more', () => {
    assert.ok(kinds.length >= 20, `${kinds.length}`);
    assert.equal(new Set(kinds.map(({ what }) => what)).size, kinds.length);
  });

  for (const name of ['bridge bk', 'ip bk']) {
    test(`table ${name} is another process's own: that is said before anything is tried`, async (t) => {
      const end = await ownedTable(name)(host);
      t.after(end);
      const before = await everything(host);
      await assert.rejects(applyTarget(host.site, host.target('ssh'), {}), {
        code: 'foreign-table',
        message: /flags owner/,
      });
      assert.equal(await everything(host), before);
      assert.equal(readPending(host.state), undefined);
    });
  }

  for (const [index, kind] of kinds.entries()) {
    test(kind.what, async (t) => {
      const directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-refused-'));
      t.after(() => rmSync(directory, { recursive: true }));
      t.after(await kind.before(host));
      const access = kind.access?.(host.site.access, directory) ?? host.site.access;
      const state = `${host.state}-${index}`;
      const before = await everything(host);
      for (let policy = 0; policy < policies; policy++) {
        const db: Guest = { ip: `10.0.${policy}.12`, port: 'g2', mac: '52:54:00:00:00:12' };
        const target = host.target(`tcp/${8000 + policy}`, { web, db }, kind.backend);
        const refused = await applyTarget({ ...host.site, state, access }, target, {}).then(
          () => assert.fail('it was loaded'),
          (error: unknown) => error,
        );
        assert.ok(refused instanceof LoadRefused, String(refused));
        assert.match(refused.refusal.words, kind.words);
        const [, line] = /^policy\.yaml:(\d+):\d+: /.exec(refused.message) ?? [];
        assert.ok(kind.lines.includes(Number(line)), refused.message);
        assert.ok(refused.message.includes(refused.refusal.words));
        assert.equal(await everything(host), before);
        assert.equal(readPending(state), undefined);
      }
    });
  }
});

/** All rules of the namespace, whoever loaded them, without what was counted. */
async function everything({ namespace }: LiveHost): Promise<string> {
  const { stdout } = await mustRun(namespace, 'nft', ['list', 'ruleset']);
  return stdout.replaceAll(/packets \d+ bytes \d+/g, '');
}
