// Connections that the rules no longer allow end within a second of the change, and all others go on: with both back ends,
// on the real kernel, forward and on the way back.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, suite, test } from 'node:test';
import { livePlan } from '../../src/apply/live/apply.ts';
import { refreshRules } from '../../src/apply/live/refresh.ts';
import { cutConnections } from '../../src/apply/live/revoke.ts';
import { printIp } from '../../src/model/ip.ts';
import type { Backend } from '../../src/model/ruleset.ts';
import { mustRun, needsRoot } from '../support/namespace.ts';
import { Resident } from '../support/resident.ts';
import { assertPrompt } from '../support/slowness.ts';
import { until } from '../support/until.ts';
import { hostWith } from './live-host.ts';
import type { Talk } from './talker.ts';
import { guestIp, TalkingGuests } from './talking-guests.ts';
import { timeIsOver } from './time-is-over.ts';

const backends: readonly Backend[] = ['nft', 'iptables'];

const hasConntrack = needsRoot === false && (await isInstalled('conntrack'));
const skip = needsRoot || (hasConntrack ? false : 'conntrack is not installed');

function isInstalled(program: string): Promise<boolean> {
  return new Promise((resolve) => {
    spawn(program, ['--version'], { stdio: 'ignore' })
      .on('error', () => resolve(false))
      .on('close', (code) => resolve(code === 0));
  });
}

const graceMs = 1_000;

/** @param since milliseconds since 1970 */
async function assertStops(talk: Talk, since: number, what: string): Promise<void> {
  const { last, sent, echoed } = await talk.said();
  assert.ok(echoed > 10, `${what} spoke before: ${echoed}`);
  assertPrompt(last * 1000 - since, graceMs, `${what}, after the change,`);
  await until(async () => (await talk.said()).sent >= sent + 60, `${what} goes on speaking`, 200);
  assert.equal((await talk.said()).echoed, echoed, `${what} stays silent`);
}

async function assertGoesOn(talk: Talk, what: string): Promise<void> {
  const before = await talk.said();
  const goesOn = async (): Promise<boolean> => {
    const { echoed, lost } = await talk.said();
    return lost === 0 && echoed > before.echoed + 10;
  };
  await until(goesOn, `${what} goes on, and none of its packets is lost`, 200);
}

function spoken(talks: readonly Talk[]): Promise<unknown> {
  return Promise.all(talks.map((talk) => until(async () => (await talk.said()).echoed > 10, 'it speaks', 100)));
}

const wide = ['web -> db tcp/22,tcp/80,udp/5000,udp/5001'];
const narrow = ['web -> db tcp/80,udp/5001'];
type Streams = { readonly doomed: readonly Talk[]; readonly allowed: readonly Talk[] };

async function beginAll(rig: TalkingGuests): Promise<Streams> {
  const [ssh, http, dying, living] = await Promise.all([
    rig.begin('web', 'tcp', 22),
    rig.begin('web', 'tcp', 80),
    rig.begin('web', 'udp', 5000),
    rig.begin('web', 'udp', 5001),
  ]);
  await spoken([ssh, http, dying, living]);
  return { doomed: [ssh, dying], allowed: [http, living] };
}

/** The allowed ones are the same entries as before, and the others have none. */
async function assertExactly(
  rig: TalkingGuests,
  { doomed, allowed }: Streams,
  before: ReadonlyMap<string, string>,
  since: number,
) {
  const after = await rig.entries();
  for (const name of ['tcp 80', 'udp 5001']) {
    const key = `${guestIp('web')} ${name}`;
    assert.ok(before.has(key), key);
    assert.equal(after.get(key), before.get(key), `${name} is the same entry`);
  }
  for (const name of ['tcp 22', 'udp 5000']) {
    const key = `${guestIp('web')} ${name}`;
    assert.ok(before.has(key) && !after.has(key), `${name} has no entry any more`);
  }
  await Promise.all(doomed.map((talk, index) => assertStops(talk, since, `forbidden ${index}`)));
  await Promise.all(allowed.map((talk, index) => assertGoesOn(talk, `allowed ${index}`)));
}

/** Rules and connections of the test before are gone. */
async function fresh(rig: TalkingGuests, backend: Backend, lines: readonly string[]): Promise<void> {
  await rig.apply(lines, backend);
  await rig.fresh();
}

suite('what is forbidden ends, what is allowed goes on', { skip, concurrency: 2 }, () => {
  for (const backend of backends) {
    suite(backend, { concurrency: 1 }, () => {
      let rig: TalkingGuests;
      before(async () => {
        rig = await TalkingGuests.build([21, 22, 80, 4660, 5000, 5001]);
      });
      after(() => rig.close());

      test('after apply', async () => {
        await fresh(rig, backend, wide);
        const streams = await beginAll(rig);
        const before = await rig.entries();
        const { cut } = await rig.apply(narrow, backend);
        assert.deepEqual([cut.flows.length, cut.trouble], [2, undefined]);
        await assertExactly(rig, streams, before, rig.committed);
      });

      test('when the timer takes a change back; opened while it waited', async () => {
        await fresh(rig, backend, narrow);
        const { outcome } = await rig.apply(wide, backend, 600);
        assert.equal(outcome, 'pending');
        const streams = await beginAll(rig);
        const before = await rig.entries();
        await timeIsOver(rig.host.state);
        const back = await rig.host.untilStage('rolled-back');
        await assertExactly(rig, streams, before, back);
      });

      test('after rollback', async () => {
        await fresh(rig, backend, narrow);
        await rig.apply(wide, backend, 600);
        const streams = await beginAll(rig);
        const before = await rig.entries();
        await rig.host.mustRun(['rollback']);
        await assertExactly(rig, streams, before, Date.now());
      });

      test('who opened it decides', async () => {
        await fresh(rig, backend, ['web -> db any', 'db -> web tcp/22']);
        const [byDb, byWeb] = [await rig.begin('db', 'tcp', 22), await rig.begin('web', 'tcp', 22)];
        await spoken([byDb, byWeb]);
        const { cut } = await rig.apply(['web -> db any'], backend);
        assert.deepEqual(
          cut.flows.map(({ original }) => printIp(original.source)),
          [guestIp('db')],
        );
        await assertStops(byDb, rig.committed, 'db to web');
        await assertGoesOn(byWeb, 'web to db');
      });

      test('what a helper announced goes on with its control connection, and ends with it', async (t) => {
        const rule = ['PREROUTING', '-p', 'tcp', '--dport', '21', '-j', 'CT', '--helper', 'ftp'];
        const { code, stderr } = await rig.host.namespace.run('iptables', ['-t', 'raw', '-A', ...rule]);
        if (code !== 0) return t.skip(`no FTP helper here: ${stderr}`);
        t.after(() => rig.host.namespace.run('iptables', ['-t', 'raw', '-D', ...rule]));
        await fresh(rig, backend, ['web -> db tcp/21,tcp/80']);
        const data = await rig.begin('web', 'ftp', 4660);
        assert.equal((await rig.tracked()).length, 2);
        assert.equal((await rig.apply(['web -> db tcp/21'], backend)).cut.flows.length, 0);
        await assertGoesOn(data, 'the data');
        assert.equal((await rig.apply(['web -> db tcp/80'], backend)).cut.flows.length, 2);
        await assertStops(data, rig.committed, 'the data');
      });

      test('a guest that is gone, and comes again', async () => {
        await fresh(rig, backend, wide);
        const talk = await rig.begin('web', 'tcp', 80);
        await mustRun(rig.host.namespace, 'ip', ['link', 'delete', 'g2']);
        const gone = await refreshRules(rig.site, hostWith(['g1']));
        assert.equal(gone?.cut?.flows.length, 1);
        assert.equal((await rig.entries()).size, 0);
        await rig.plugIn('db');
        const again = await refreshRules(rig.site, hostWith(['g1', 'g2']));
        assert.equal(again?.changed, true);
        // elements more: nobody is asked
        assert.equal(again.cut === undefined, backend === 'nft');
        await assertGoesOn(await rig.begin('web', 'udp', 5001), 'a new one');
        const { sent, echoed } = await talk.said();
        await until(async () => (await talk.said()).sent >= sent + 30, 'it goes on speaking', 200);
        assert.equal((await talk.said()).echoed, echoed, 'the old one is no known flow');
      });
    });
  }
});

/** Entries for `conntrack -R`, between the two guests: nobody speaks, and they last an hour. */
function made(count: number, dport: (index: number) => number): readonly string[] {
  const [web, db] = [guestIp('web'), guestIp('db')];
  return Array.from({ length: count }, (_, index) => {
    const [own, there] = [10_000 + index, dport(index)];
    return `-A -p udp -s ${web} -d ${db} -r ${db} -q ${web} --sport ${own} --dport ${there} --reply-port-src ${there} --reply-port-dst ${own} -t 3600`;
  });
}

suite('exactly those', { skip }, () => {
  let rig: TalkingGuests;
  before(async () => {
    rig = await TalkingGuests.build();
  });
  after(() => rig.close());

  const rows: readonly (readonly [what: string, dies: (index: number) => boolean, dying: number])[] = [
    ['1,000 connections of which 10 end', (index) => index % 100 === 7, 10],
    ['1,000 connections of which 999 end', (index) => index !== 500, 999],
    ['1,000 connections of which none ends', () => false, 0],
  ];
  for (const [what, dies, dying] of rows) {
    test(what, async () => {
      await fresh(rig, 'nft', ['web -> db udp/2000-4000']);
      const text = made(1_000, (index) => (dies(index) ? 2_000 + index : 3_100 + (index % 7)));
      await rig.add(text);
      const before = await rig.tracked();
      assert.equal(before.length, 1_000);
      const { cut } = await rig.apply(['web -> db udp/3100-4000']);
      const ended = Date.now();
      assert.equal(cut.trouble, undefined);
      const left = new Set((await rig.tracked()).map(({ entry }) => entry));
      const stay = before.filter(({ original }) => (original.dport ?? 0) >= 3_100).map(({ entry }) => entry);
      assert.equal(stay.length, 1_000 - dying);
      assert.deepEqual([...left].sort(), stay.sort());
      assert.equal(cut.flows.length, dying);
      assertPrompt(ended - rig.committed, 1_500, 'to end them, after the commit,');
    });
  }

  test('connections of others are none of ours: by no managed bridge, and to everybody', async () => {
    await fresh(rig, 'nft', wide);
    const others = [
      '-A -p tcp --state ESTABLISHED -s 172.17.0.2 -d 192.0.2.7 -r 192.0.2.7 -q 198.51.100.1 --sport 4000 --dport 443 --reply-port-src 443 --reply-port-dst 4000 -t 3600',
      `-A -p udp -s ${guestIp('web')} -d 224.0.0.251 -r 224.0.0.251 -q ${guestIp('web')} --sport 5353 --dport 5353 --reply-port-src 5353 --reply-port-dst 5353 -t 3600`,
      '-A -p tcp --state ESTABLISHED -s fd00::1 -d fd00::2 -r fd00::2 -q fd00::1 --sport 4000 --dport 443 --reply-port-src 443 --reply-port-dst 4000 -t 3600',
    ];
    await rig.add([...others, ...made(1, () => 22)]);
    const { cut } = await rig.apply(narrow);
    assert.equal(cut.flows.length, 1);
    const { stderr } = await mustRun(rig.host.namespace, 'conntrack', ['-L']);
    assert.match(stderr, / 3 flow entries/);
  });
});

suite('before and without', { skip }, () => {
  test('plan and dry run say what would be cut, and cut nothing', async (t) => {
    const rig = await TalkingGuests.build();
    t.after(() => rig.close());
    const { host } = rig;
    const resident = Resident.on(host);
    t.after(() => resident.close());
    await rig.apply(['web -> db udp/2000-4000']);
    await rig.add(made(5, (index) => (index < 3 ? 2_000 : 3_000)));
    const policy = host.file('narrow.yaml', rig.target(['web -> db udp/3000']).policyText);
    for (const look of [['plan'], ['apply', '--dry-run']]) {
      const text = await resident.mustRun([...look, '--policy', policy]);
      assert.match(text, /^ {2}3 connections would be cut:\n {4}web 10\.0\.0\.11 -> db 10\.0\.0\.12 udp 2000 \(3\)$/m);
      const { cut } = JSON.parse(await resident.mustRun([...look, '--policy', policy, '-o', 'json']));
      assert.equal(cut.count, 3);
      assert.deepEqual(cut.connections, [
        { source: 'web 10.0.0.11', destination: 'db 10.0.0.12', service: 'udp 2000', connections: 3 },
      ]);
    }
    assert.equal((await rig.tracked()).length, 5);
    const { code, stderr } = await resident.run(['apply', '--policy', policy, '--no-confirm']);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^.*3 connections cut, as the policy does not allow them$/m);
    assert.equal((await rig.tracked()).length, 2);
    assert.doesNotMatch(await resident.mustRun(['status']), /connection/);
    await rig.add(made(1, () => 2_000));
    const text = await resident.mustRun(['status']);
    assert.match(
      text,
      /^1 connection that the policy does not allow: the next apply cuts them\n {2}web 10\.0\.0\.11 -> db 10\.0\.0\.12 udp 2000$/m,
    );
    assert.equal(JSON.parse(await resident.mustRun(['status', '-o', 'json'])).connections.count, 1);
  });

  test('without the tool the change is made, and it is said what goes on', async (t) => {
    const rig = await TalkingGuests.build();
    t.after(() => rig.close());
    await rig.apply(wide);
    const { access, state } = rig.site;
    const without = {
      ...access,
      start: (program: string, ...rest: readonly [readonly string[]]) =>
        program === 'conntrack' ? spawn('/nonexistent/conntrack', []) : access.start(program, ...rest),
    };
    const target = rig.target(narrow);
    const { cut } = await livePlan({ access: without, state }, target);
    assert.deepEqual(cut, { flows: [], trouble: "'conntrack' is not installed (package conntrack)" });
    assert.deepEqual(await cutConnections({ access: without, state }, target, 'remembered'), cut);
  });

  test('a connection that is older than the rules may be tracked the wrong way round', async (t) => {
    const rig = await TalkingGuests.build();
    t.after(() => rig.close());
    const [web, db] = [guestIp('web'), guestIp('db')];
    const answerFirst = (own: number) =>
      `-A -p tcp --state ESTABLISHED -s ${db} -d ${web} -r ${web} -q ${db} --sport 22 --dport ${own} --reply-port-src ${own} --reply-port-dst 22 -t 3600`;
    await rig.add([answerFirst(40_001)]);
    const first = await rig.apply(wide);
    assert.equal(first.cut.flows.length, 0);
    // now the rules see every connection begin, so its direction is known
    await rig.add([answerFirst(40_002)]);
    const second = await rig.apply(['web -> db tcp/22,tcp/80']);
    assert.deepEqual(
      second.cut.flows.map(({ original }) => original.dport),
      [40_002],
    );
    const third = await rig.apply(narrow);
    assert.deepEqual(
      third.cut.flows.map(({ original }) => original.dport),
      [40_001],
    );
  });
});
