// A guest that starts, and a port's name that goes from one guest to another, while frames are sent from the first moment
// on: nothing in somebody else's name ever passes, and what is allowed flows once the rules are there.
// BRIDGEKEEPER_FULL=1: 20 times each.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { needsRoot } from '../support/namespace.ts';
import { type Arrived, ContainerRig } from './container-rig.ts';
import { Serving } from './serving.ts';

const isFull = process.env.BRIDGEKEEPER_FULL === '1';
const mostTimes = isFull ? 20 : 3;
const frames = 1_000;

function count(ranges: Arrived['kinds'][number] = []): number {
  return ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
}

/** Forged frames that came through. */
function slipped({ kinds }: Arrived): readonly number[] {
  return kinds.slice(1).map(count);
}

for (const way of ['by netlink', 'by nft, without perl'] as const) startsAndReuses(way);

function startsAndReuses(way: 'by netlink' | 'by nft, without perl'): void {
  const times = way === 'by netlink' ? mostTimes : isFull ? 2 : 1;
  suite(`guests come and go while frames flow, ${way}`, { skip: needsRoot }, () => {
    let rig: ContainerRig;
    let serving: Serving;
    let place: string;

    before(async () => {
      rig = await ContainerRig.build();
      await rig.ip(...rig.plugLines('s1', 'sink'), ...rig.plugLines('v1', 'web'));
      await rig.mustRun(rig.program('apply', '--no-confirm'));
      place = mkdtempSync(join(tmpdir(), 'bridgekeeper-'));
      const program = (name: string, text: string): void =>
        writeFileSync(join(place, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
      if (way === 'by nft, without perl') program('perl', 'exit 127');
      program('nft', `echo "$*" >>'${place}/asked'; PATH='${process.env.PATH}' exec nft "$@"`);
      serving = await Serving.start(rig.program('serve'), { ...process.env, PATH: `${place}:${process.env.PATH}` });
    });
    after(async () => {
      await serving?.end();
      await rig.close();
      rmSync(place, { recursive: true, force: true });
    });

    const until = (words: RegExp, from: number) =>
      serving.until((heard) => heard.kind === 'port' && words.test(heard.words), 60_000, from);

    const gone = async (): Promise<void> => {
      const from = serving.heard.length;
      await rig.ip('link del v1');
      await until(/^port v1 of br0 is no longer there$/, from);
    };

    /** So long that a thousand frames were sent, and that the new guest was let in for a while. */
    const plugged = async (lines: readonly string[], words: RegExp): Promise<void> => {
      const from = serving.heard.length;
      await rig.ip(...lines);
      await until(words, from);
      await sleep(1_500);
    };

    const assertHeld = (arrived: Arrived): void => {
      const [own = []] = arrived.kinds;
      assert.ok(arrived.sent >= frames, `only ${arrived.sent} frames of each kind were sent`);
      assert.deepEqual(slipped(arrived), [0, 0, 0]);
      assert.ok(count(own) > 100, `only ${count(own)} of its own came through`);
      const said = (): string =>
        serving.heard
          .slice(-6)
          .map((one) => `\n${JSON.stringify(one)}`)
          .join('');
      assert.ok(own.length === 1, `once it is let in nothing is lost: ${JSON.stringify(own)}${said()}`);
      assert.ok((own[0]?.[1] ?? 0) >= arrived.sent - 2, 'it flows until the end');
    };

    test(`${times} starts: what is in another's name never passes, and what is allowed flows as soon as the rules are there`, async (t) => {
      for (let turn = 0; turn < times; turn++) {
        await gone();
        const arrived = await rig.whileSending('db', 'web', () =>
          plugged(rig.plugLines('v1', 'db'), /^port v1 of br0 is new: a guest's, 10\.0\.0\.12/),
        );
        t.diagnostic(JSON.stringify({ sent: arrived.sent, own: arrived.kinds[0], slipped: slipped(arrived) }));
        assertHeld(arrived);
      }
    });

    test(`${times} times a name goes to another guest at once, which speaks as the one before: nothing passes`, async (t) => {
      const guests = ['web', 'db'] as const;
      const address = { web: '10.0.0.11', db: '10.0.0.12' };
      for (let turn = 0; turn < times; turn++) {
        const [before, next] = turn % 2 === 0 ? ([guests[1], guests[0]] as const) : guests;
        // its own frames come with its own MAC; the card has that of the guest before
        const lines = ['link del v1', ...rig.plugLines('v1', next)];
        // on a busy machine the daemon may also look between the two
        const was = `was a guest's, ${address[before]}.*, is`;
        const words = new RegExp(`^port v1 of br0 (?:${was}|is new:) a guest's, ${address[next]}`);
        const arrived = await rig.whileSending(next, before, () => plugged(lines, words));
        t.diagnostic(JSON.stringify({ sent: arrived.sent, own: arrived.kinds[0], slipped: slipped(arrived) }));
        assertHeld(arrived);
      }
    });

    test(way === 'by netlink' ? 'nft loaded none of them' : 'nft loaded each of them', () => {
      const steps = readFileSync(join(place, 'asked'), 'utf8').match(/^-f .*\/since-\w+\/\d+\.nft$/gm) ?? [];
      if (way === 'by netlink') assert.deepEqual(steps, []);
      else assert.ok(steps.length >= 2 * times, steps.join('\n'));
    });

    test('the rig sees what slips through where nobody looks at devices', async (t) => {
      const before = times % 2 === 0 ? 'db' : 'web';
      const next = before === 'db' ? 'web' : 'db';
      assert.equal(await serving.end(), 0);
      const arrived = await rig.whileSending(next, before, async () => {
        await rig.ip('link del v1', ...rig.plugLines('v1', next));
        await sleep(800);
      });
      t.diagnostic(JSON.stringify(slipped(arrived)));
      assert.ok((slipped(arrived)[0] ?? 0) > 100, 'a name alone would have let it in');
      assert.equal(count(arrived.kinds[0]), 0);
    });
  });
}
