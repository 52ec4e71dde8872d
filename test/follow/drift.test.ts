// What somebody else does to the rules, the switches and the bridges: noticed within two seconds, put right or reported, and
// recorded; with `restore-drift: false` only reported, and `status` ends with 6.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LiveHost, policyText } from '../apply/live-host.ts';
import { timeIsOver } from '../apply/time-is-over.ts';
import { mustRun, needsRoot } from '../support/namespace.ts';
import { python as pythonProgram } from '../support/python.ts';
import { Resident } from '../support/resident.ts';
import { until } from '../support/until.ts';
import { type Heard, Serving } from './serving.ts';

type Served = {
  readonly host: LiveHost;
  /** For commands that only look or prepare. */
  readonly resident: Resident;
  readonly serving: Serving;
  readonly right: string;
};

async function served(t: TestContext, how: 'restoring' | 'reporting', backend = 'nft'): Promise<Served> {
  const host = await LiveHost.build();
  t.after(() => host.close());
  const words = how === 'restoring' ? '' : 'restore-drift: false\n';
  const policy = host.file('policy.yaml', `${policyText('ssh')}${words}`);
  const resident = Resident.on(host);
  t.after(() => resident.close());
  await resident.mustRun(['apply', '--policy', policy, '--no-confirm', '--backend', backend]);
  const serving = await Serving.start(host.argv(['serve', '--policy', policy]));
  t.after(() => serving.end());
  return { host, resident, serving, right: await host.digest() };
}

/** As Docker does it when it starts, in short. */
const docker = `*filter
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
`;

type Row = {
  readonly what: string;
  readonly act: (host: LiveHost) => Promise<unknown>;
  readonly words: RegExp;
};

const nft =
  (...argv: readonly string[]): Row['act'] =>
  ({ namespace }) =>
    mustRun(namespace, 'nft', argv);

/** The switch of all bridges is of the namespace; that of this bridge was never set. */
const sysctlOff: Row['act'] = ({ namespace }) =>
  mustRun(namespace, 'sysctl', ['-qw', 'net.bridge.bridge-nf-call-iptables=0']);

async function firstRuleGone({ namespace }: LiveHost): Promise<void> {
  const { stdout } = await mustRun(namespace, 'nft', ['-a', 'list', 'chain', 'bridge', 'bk', 'prerouting']);
  const handle = / # handle (\d+)$/m.exec(stdout.split('priority')[1] ?? '')?.[1] ?? '';
  await mustRun(namespace, 'nft', ['delete', 'rule', 'bridge', 'bk', 'prerouting', 'handle', handle]);
}

/** An address more for a guest, in whatever set has addresses of guests. */
async function elementMore({ namespace }: LiveHost): Promise<void> {
  const { stdout } = await mustRun(namespace, 'nft', ['list', 'table', 'bridge', 'bk']);
  const [, set, element] =
    /set (\S+) \{\s+type ifname[^}]*?elements = \{ ([^,}]*10\.0\.0\.11[^,}]*)/.exec(stdout) ?? [];
  assert.ok(set !== undefined && element !== undefined, stdout);
  const other = element.trim().replace('10.0.0.11', '10.0.0.99');
  await mustRun(namespace, 'nft', ['add', 'element', 'bridge', 'bk', set, '{', other, '}']);
}

const own: readonly Row[] = [
  { what: 'nft flush ruleset', act: nft('flush', 'ruleset'), words: /^table (?:bridge|ip) bk is gone$/ },
  {
    what: 'nft flush table bridge bk',
    act: nft('flush', 'table', 'bridge', 'bk'),
    words: /^chain prerouting of table bridge bk is not as it was loaded$|more things of ours/,
  },
  { what: 'nft delete table ip bk', act: nft('delete', 'table', 'ip', 'bk'), words: /^table ip bk is gone$/ },
  { what: 'one rule is deleted', act: firstRuleGone, words: /^chain prerouting of table bridge bk is not as it was/ },
  {
    what: 'a rule is added',
    act: nft('insert', 'rule', 'bridge', 'bk', 'prerouting', 'accept'),
    words: /^chain prerouting of table bridge bk is not as it was/,
  },
  { what: 'an element is added to a set', act: elementMore, words: /of table bridge bk has other elements$/ },
  {
    what: 'a chain is added',
    act: nft('add', 'chain', 'bridge', 'bk', 'mine'),
    words: /^chain mine of table bridge bk was added by somebody else$/,
  },
  {
    what: 'sysctl bridge-nf-call-iptables=0',
    act: sysctlOff,
    words: /^connections on bridge br0 are not checked: bridge-nf-call-iptables is off$/,
  },
  {
    what: 'a chain is added, and a switch is turned with it: neither hides the other',
    act: async (host) => {
      // who is told of the chain finds the switch turned
      await sysctlOff(host);
      await nft('add', 'chain', 'bridge', 'bk', 'second')(host);
    },
    words: /^chain second of table bridge bk was added by somebody else$/,
  },
];

/** The table of devices is the daemon's own. */
const ofPresence: readonly Row[] = [
  ['it is deleted', nft('delete', 'table', 'bridge', 'bk_present')],
  ['its chain is emptied', nft('flush', 'chain', 'bridge', 'bk_present', 'enter')],
  ['a guest is taken out', nft('delete', 'element', 'bridge', 'bk_present', 'guests', '{ "g1" }')],
  ['a device is let in', nft('add', 'element', 'bridge', 'bk_present', 'ports', '{ "g5" . 99 }')],
].map(([what, act]) => ({ what, act, words: /^table bridge bk_present was changed or taken away$/ }) as Row);

const isDrift =
  (words: RegExp, outcome: string) =>
  (heard: Heard): boolean =>
    heard.kind === 'drift' && heard.outcome === outcome && words.test(heard.words);

type Recorded = { readonly kind: string; readonly words: string; readonly outcome?: string; readonly port?: string };

function recorded(host: LiveHost): readonly Recorded[] {
  return recordsOf(readFileSync(join(host.state, 'drift.log'), 'utf8'));
}

function recordsOf(text: string): readonly Recorded[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const isPort9 = ({ kind, words }: Heard): boolean => kind !== 'fault' && words.includes('port g9 ');

async function assertToldOnce({ heard }: Serving): Promise<void> {
  await sleep(1_500);
  const said = heard.filter(isPort9);
  assert.equal(said.length, 1, JSON.stringify(said));
}

const port9 = (host: LiveHost) => mustRun(host.namespace, 'ip', ['-batch', '-'], host.portLines('g9').join('\n'));

/** Each on the host that the ones before have left. */
suite('drift', { skip: needsRoot, concurrency: 2 }, () => {
  test('is put right within two seconds, and recorded', async (t) => {
    const { host, resident, serving, right } = await served(t, 'restoring');
    for (const { what, act, words } of [...own, ...ofPresence]) {
      await t.test(what, async (t) => {
        const { ms } = await serving.after(() => act(host), isDrift(words, 'restored'));
        t.diagnostic(`${ms} ms`);
        assert.equal(await host.digest(), right);
        assert.ok(recorded(host).some((one) => one.kind === 'drift' && words.test(one.words)));
        const { code, stdout } = await resident.run(['status', '-o', 'json']);
        assert.equal(code, 0, stdout);
        assert.ok(JSON.parse(stdout).recorded.some((one: { words: string }) => words.test(one.words)));
        const events = await resident.mustRun(['events', '--kind', 'drift', '--since', '10m', '-o', 'json']);
        assert.ok(recordsOf(events).some((one) => one.outcome === 'restored' && words.test(one.words)));
      });
    }
    assert.equal(serving.stderr, '');

    await t.test('a new port of nobody is closed, and told once', async () => {
      await serving.after(
        () => port9(host),
        ({ kind, words }) => kind === 'port' && /^port g9 /.test(words),
      );
      const { code, stdout } = await resident.run(['status']);
      assert.equal(code, 0, stdout);
      await assertToldOnce(serving);
    });

    await t.test("Docker's FORWARD DROP is explained, and its rules stay; what lets guests pass is over", async (t) => {
      const { namespace } = host;
      const words =
        /'web' cannot connect to 'db' \(ssh\) on br0, which the policy allows: the policy of chain FORWARD in table ip filter.*-I DOCKER-USER -i br0/;
      const { ms } = await serving.after(
        () => mustRun(namespace, 'iptables-restore', ['--noflush'], docker),
        isDrift(words, 'reported'),
      );
      t.diagnostic(`${ms} ms`);
      const status = await resident.run(['status']);
      assert.equal(status.code, 6);
      assert.match(status.stdout, words);
      const { stdout: saved } = await mustRun(namespace, 'iptables-save', []);
      assert.match(saved, /^:FORWARD DROP/m);
      const [, remedy = ''] = /`iptables ([^`]*)`/.exec(status.stdout) ?? [];
      await serving.after(() => mustRun(namespace, 'iptables', remedy.split(' ')), isDrift(words, 'over'));
      assert.equal((await resident.run(['status'])).code, 0);
    });

    await t.test('a table of others in the bridge family', async () => {
      const table =
        'table bridge other { chain f { type filter hook forward priority 0; policy drop; ether type arp accept; }; }';
      const words = /the policy of chain f in table bridge other, which is not ours, drops it/;
      await serving.after(() => mustRun(host.namespace, 'nft', ['-f', '-'], table), isDrift(words, 'reported'));
      assert.equal((await resident.run(['status'])).code, 6);
      const { stdout } = await mustRun(host.namespace, 'nft', ['list', 'tables']);
      assert.match(stdout, /table bridge other/);
      await serving.after(() => nft('delete', 'table', 'bridge', 'other')(host), isDrift(words, 'over'));
    });

    await t.test('one daemon for each state directory; SIGTERM ends it well, and the rules stay', async () => {
      const now = await host.digest();
      const second = await resident.run(['serve']);
      assert.equal(second.code, 2);
      assert.match(second.stderr, /another bridgekeeper is at work: process \d+ \(serve\)/);
      assert.equal(await serving.end(), 0, serving.stderr);
      assert.equal(await host.digest(), now);
      const { stdout } = await mustRun(host.namespace, 'nft', ['list', 'tables']);
      assert.doesNotMatch(stdout, /bk_/);
      assert.equal((await host.run(['status'])).code, 0);
    });
  });

  test('is only reported where the policy says so, and status ends with 6', async (t) => {
    const { host, resident, serving, right } = await served(t, 'reporting');
    const some = own.filter(({ what }) => /flush ruleset|rule is deleted|element is added|sysctl/.test(what));
    assert.equal(some.length, 4);
    for (const { what, act, words } of some) {
      await t.test(what, async (t) => {
        const from = serving.heard.length;
        const { ms } = await serving.after(() => act(host), isDrift(words, 'reported'));
        t.diagnostic(`${ms} ms`);
        const { code, stdout } = await resident.run(['status', '-o', 'json']);
        assert.equal(code, 6);
        assert.ok(JSON.parse(stdout).drift.length > 0);
        await sleep(1_500);
        assert.equal((await resident.run(['status'])).code, 6, 'nobody put it right');
        const reported = serving.heard.slice(from).filter(isDrift(words, 'reported'));
        assert.ok(reported.length <= 2, 'it is said once');
        const policy = join(host.directory, 'policy.yaml');
        await serving.after(
          () => resident.mustRun(['apply', '--policy', policy, '--no-confirm']),
          isDrift(words, 'over'),
        );
        assert.equal(await host.digest(), right);
      });
    }
    await t.test('a new port of nobody: reported once', async () => {
      await serving.after(
        () => port9(host),
        ({ kind, words }) => kind === 'drift' && /^port g9 /.test(words),
      );
      const { code, stdout } = await resident.run(['status']);
      assert.equal(code, 6, stdout);
      await assertToldOnce(serving);
    });
  });

  test('of the iptables back end', async (t) => {
    const { host, resident, serving, right } = await served(t, 'restoring', 'iptables');
    const rows: readonly Row[] = [
      {
        what: 'a jump is deleted',
        act: ({ namespace }) => mustRun(namespace, 'iptables', ['-D', 'FORWARD', '-i', 'br0', '-j', 'bk-forward']),
        words: /^iptables chain FORWARD does not lead to our rules$/,
      },
      {
        what: 'a chain is flushed',
        act: ({ namespace }) => mustRun(namespace, 'iptables', ['-F', 'bk-forward']),
        words: /^iptables chain bk-forward is not as it was loaded$/,
      },
      { what: 'bridge-nf-call-iptables=0', act: sysctlOff, words: /^connections on bridge br0 are not checked/ },
    ];
    for (const { what, act, words } of rows) {
      await t.test(what, async () => {
        await serving.after(() => act(host), isDrift(words, 'restored'));
        assert.equal(await host.digest(), right);
        assert.equal((await resident.run(['status'])).code, 0);
      });
    }
  });

  test('what others drop and the policy does not allow is no finding; it is one when the first comes who may do it', async (t) => {
    const host = await LiveHost.build(['g1']);
    t.after(() => host.close());
    const policy = host.policy('ssh');
    const resident = Resident.on(host);
    t.after(() => resident.close());
    const { code } = await resident.run(['apply', '--policy', policy, '--no-confirm']);
    assert.equal(code, 1, 'the port of db is not there');
    await mustRun(host.namespace, 'iptables', ['-P', 'FORWARD', 'DROP']);
    const serving = await Serving.start(host.argv(['serve', '--policy', policy]));
    t.after(() => serving.end());
    await mustRun(host.namespace, 'iptables', ['-A', 'FORWARD', '-p', 'udp', '-j', 'DROP']);
    await sleep(1_500);
    assert.deepEqual(
      serving.heard.filter(({ kind }) => kind === 'drift'),
      [],
    );
    await serving.after(
      () => mustRun(host.namespace, 'ip', ['-batch', '-'], host.portLines('g2').join('\n')),
      isDrift(/^'web' cannot connect to 'db' \(ssh\) on br0.*the policy of chain FORWARD/, 'reported'),
    );
    const found = recordsOf(await resident.mustRun(['events', '--kind', 'drift', '-o', 'json']));
    assert.deepEqual(
      found.map(({ words }) => /^'web' cannot connect to 'db'/.test(words)),
      [true],
    );
  });
});

const needsNotify = existsSync('/usr/bin/systemd-notify') ? false : 'needs systemd-notify';

suite('the daemon', { skip: needsRoot, concurrency: 2 }, () => {
  test('killed, beside a changed policy file, and beside changes that wait', async (t) => {
    const { host, resident, serving: killed, right } = await served(t, 'restoring');
    await killed.end('SIGKILL');
    let serving = killed;

    await t.test('a killed one leaves names closed, status says so, and the next one takes over', async () => {
      const status = await resident.run(['status']);
      assert.equal(status.code, 6);
      assert.match(status.stdout, /`bridgekeeper serve` ended without taking table bridge bk_present away/);
      serving = await Serving.start(host.argv(['serve', '--policy', join(host.directory, 'policy.yaml')]));
      assert.equal((await resident.run(['status'])).code, 0);
    });
    t.after(() => serving.end());

    await t.test(
      'a changed policy file is reported and not loaded; a faulty one with its faults; apply makes it the one in force',
      async () => {
        const isPolicy = (words: RegExp) => (heard: Heard) => heard.kind === 'policy' && words.test(heard.words);
        await serving.after(
          async () => host.file('policy.yaml', policyText('http')),
          isPolicy(/differs from what is applied: run `bridgekeeper apply`/),
        );
        await serving.after(
          async () => host.file('policy.yaml', 'guests: {\n'),
          isPolicy(/has faults: the policy that was applied stays/),
        );
        await serving.until(isPolicy(/policy\.yaml:\d+:\d+: error\[syntax\]/), 60_000);
        assert.equal(await host.digest(), right);
        const policy = host.file('policy.yaml', policyText('http'));
        await resident.mustRun(['apply', '--policy', policy, '--no-confirm']);
        const fresh = await host.digest();
        assert.notEqual(fresh, right);
        await sleep(1_500);
        assert.equal(await host.digest(), fresh, 'what was applied is not taken for drift');
        assert.deepEqual(
          serving.heard.filter(({ kind }) => kind === 'drift' || kind === 'trouble'),
          [],
        );
        serving.child.kill('SIGHUP');
        await sleep(1_500);
        assert.deepEqual([serving.child.exitCode, serving.child.signalCode], [null, null], 'SIGHUP does not end it');
        await serving.after(() => mustRun(host.namespace, 'nft', ['flush', 'ruleset']), isDrift(/is gone/, 'restored'));
        assert.equal(await host.digest(), fresh);
      },
    );

    await t.test(
      'a change that waits, that its timer takes back, and one that is confirmed: recorded, and found by events',
      async () => {
        const isGeneration = (outcome: string) => (heard: Heard) =>
          heard.kind === 'generation' && heard.outcome === outcome;
        const apply = ['apply', '--policy', host.policy('ssh'), '--confirm'];
        const from = serving.heard.length;
        const earlier = recordsOf(await resident.mustRun(['events', '--kind', 'generation', '-o', 'json']));
        await serving.after(() => resident.mustRun([...apply, '10m']), isGeneration('waits'));
        await timeIsOver(host.state);
        await serving.until(isGeneration('taken-back'), 60_000, from);
        await serving.after(() => resident.mustRun([...apply, '5m']), isGeneration('waits'));
        await serving.after(() => resident.mustRun(['confirm']), isGeneration('confirmed'));
        const found = recordsOf(await resident.mustRun(['events', '--kind', 'generation', '-o', 'json']));
        assert.deepEqual(
          found.slice(earlier.length).map(({ outcome, words }) => [outcome, words]),
          [
            ['waits', 'generation 3 is loaded, and waits for its confirmation'],
            ['taken-back', 'generation 3 was taken back: 2 is in force again'],
            ['waits', 'generation 4 is loaded, and waits for its confirmation'],
            ['confirmed', 'generation 4 was confirmed'],
          ],
        );
        assert.equal(await serving.end(), 0);
      },
    );
  });
});

const listener = `import socket,sys
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.bind(sys.argv[1]); print("bound",flush=True)
while True: print(s.recv(4096).decode().replace("\\n"," "),flush=True)`;

/** In front of the real nft: of our bridge table it says nothing while there is the file beside it. */
const silentNft = `#!/bin/sh
case "$*" in *'list table bridge bk') [ ! -e "$0.silent" ] || exit 1 ;; esac
PATH=\${PATH#*:} exec nft "$@"
`;

suite('the daemon and a tool that failed once', { skip: needsRoot }, () => {
  test('what it was to look at is looked at again soon', async (t) => {
    const host = await LiveHost.build();
    t.after(() => host.close());
    await host.applyHere('ssh');
    const directory = join(host.directory, 'bin');
    const silent = join(directory, 'nft.silent');
    mkdirSync(directory);
    writeFileSync(join(directory, 'nft'), silentNft, { mode: 0o755 });
    const env = { ...process.env, PATH: `${directory}:${process.env.PATH}` };
    const serving = await Serving.start(host.argv(['serve', '--policy', host.policy('ssh')]), env);
    t.after(() => serving.end());
    writeFileSync(silent, '');
    const failed = ({ kind, words }: Heard) => kind === 'trouble' && /list table/.test(words);
    await serving.after(() => nft('add', 'chain', 'bridge', 'bk', 'mine')(host), failed);
    const restored = isDrift(/^chain mine of table bridge bk was added by somebody else$/, 'restored');
    await serving.after(async () => rmSync(silent), restored);
  });
});

suite('the daemon before anything was applied', { skip: needsRoot }, () => {
  let host: LiveHost;
  let serving: Serving | undefined;
  let python: ChildProcess | undefined;
  /** To systemd. */
  let said = '';

  before(async () => {
    host = await LiveHost.build();
    const socket = join(host.directory, 'notify');
    python = spawn(pythonProgram, ['-c', listener, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
    python.stdout?.on('data', (chunk) => {
      said += chunk;
    });
    await until(() => said.includes('bound'), 'the listener is there');
    const env = { ...process.env, NOTIFY_SOCKET: socket, WATCHDOG_USEC: '1000000' };
    serving = await Serving.start(host.argv(['serve', '--policy', host.policy('ssh')]), env);
  });
  after(async () => {
    await serving?.end();
    python?.kill();
    await host.close();
  });

  test('it speaks to systemd where there is a socket for it', { skip: needsNotify }, () =>
    until(() => /READY=1.*WATCHDOG=1/s.test(said), 'it says that it is ready, and then that it lives'),
  );

  test('nothing was applied yet: said once, and followed from the first apply on', async (t) => {
    assert.ok(serving !== undefined);
    assert.match(serving.heard[0]?.words ?? '', /^nothing was applied yet/);
    const resident = Resident.on(host);
    t.after(() => resident.close());
    await resident.mustRun(['apply', '--policy', host.policy('ssh'), '--no-confirm']);
    const right = await host.digest();
    // before, while or after it looks for the first time at what was applied
    await serving.after(() => mustRun(host.namespace, 'nft', ['flush', 'ruleset']), isDrift(/is gone/, 'restored'));
    assert.equal(await host.digest(), right);
    const nothing = serving.heard.filter(({ words }) => /^nothing was applied yet/.test(words));
    assert.equal(nothing.length, 1);
  });
});
