// What xrandr and the processes of a guest say -> sessions and their outputs, and what is still to be told them.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { outputsOf, xrandrWords } from '../../src/display/arrangement.ts';
import { guestFacts, readSections } from '../../src/display/guest-facts.ts';
import { parseMonitor } from '../../src/display/monitors.ts';
import { sessionStep } from '../../src/display/session-step.ts';

/** As Debian 12's xrandr prints it for qxl, shortened. */
const xrandr = `Screen 0: minimum 320 x 200, current 2560 x 1440, maximum 8192 x 8192
Virtual-1 connected primary 2560x1440+0+0 (normal left inverted right x axis y axis) 0mm x 0mm
   1920x1080     59.96 +
   1024x768      59.92
   2560x1440_60.00  59.96*
Virtual-2 disconnected (normal left inverted right x axis y axis)
Virtual-3 connected (normal left inverted right x axis y axis)
   1024x768      59.92 +
  1920x1080_60.00 (0x56) 173.000MHz -HSync +VSync
        h: width  1920 start 2048 end 2248 total 2576 skew    0 clock  67.16KHz`;

const outputs = outputsOf(xrandr.split('\n'));

describe("X's outputs", () => {
  test('which there are, what they show, and their modes', () => {
    assert.deepEqual(
      outputs.map(({ name, connected, shown, modes }) => [name, connected, shown?.mode, modes]),
      [
        ['Virtual-1', true, '2560x1440_60.00', ['1920x1080', '1024x768', '2560x1440_60.00']],
        ['Virtual-2', false, undefined, []],
        ['Virtual-3', true, undefined, ['1024x768']],
      ],
    );
  });

  test('and the words that make it so again', () => {
    assert.equal(
      xrandrWords(outputs).join(' '),
      '--output Virtual-1 --mode 2560x1440_60.00 --pos 0x0 --output Virtual-3 --off',
    );
  });

  test("qxl's X driver cannot turn pictures, and says nothing of it", () => {
    const [output] = outputsOf([
      'Virtual-1 connected primary 1920x1080+0+0 0mm x 0mm',
      '   1920x1080     60.00*+  60.00 +  ',
    ]);
    assert.deepEqual([output?.shown?.size.width, output?.shown?.mode], [1920, '1920x1080']);
  });

  for (const line of [
    '--version connected 800x600+0+0 (',
    'Virtual-1 connected 800x600+0+0; reboot (',
    '$(reboot) connected (',
    '   800x600      60.00*',
    '',
  ]) {
    test(`no output: ${line}`, () => assert.deepEqual(outputsOf([line, '   1024x768  60.00*']), []));
  }

  test('a name of a mode that is an option is none', () => {
    const [output] = outputsOf(['Virtual-1 connected 800x600+0+0', '   --off; x  60.00*', '   a"b  60.00']);
    assert.deepEqual([output?.modes, output?.shown?.mode], [[], '']);
  });

  test('a million lines are not a million outputs', () => {
    const many = outputsOf(Array.from({ length: 10_000 }, (_, at) => `Virtual-${at % 1000} connected`));
    assert.equal(many.length, 16);
  });
});

const prefixed = xrandr.replaceAll(/^/gm, '| ');
const said = `feed sessions
x11 other root 0 :0 /run/desk/authority
${prefixed}
x11 other ann 1000 :0 /run/desk/authority
x11 other Debian-gdm 120 :1 -
`;
const facts = guestFacts(readSections(said, 'feed'));

describe('sessions', () => {
  test('a display is one session, of the user and not of the server', () => {
    assert.deepEqual(
      facts.sessions.map(({ user, display, outputs: own }) => [user, display, own.length]),
      [['ann', ':0', 3]],
    );
  });

  const step = (...words: readonly string[]) => {
    const [session = assert.fail('no session')] = facts.sessions;
    return sessionStep(
      session,
      [],
      words.map((word) => parseMonitor(word) ?? assert.fail(word)),
    )?.commands.map(({ args }) => args.join(' '));
  };

  test('nothing is told to one that shows it already', () => assert.deepEqual(step('2560x1440'), []));

  test("a mode of the driver's needs no timing", () => {
    assert.deepEqual(step('1920x1080'), ['--output Virtual-1 --mode 1920x1080 --pos 0x0']);
  });

  test('one of ours from earlier is taken again, and what is on beyond the wish goes off', () => {
    const [session = assert.fail('no session')] = facts.sessions;
    const [first = assert.fail('no output')] = outputs;
    const both = {
      ...session,
      outputs: [
        { ...first, shown: undefined },
        { ...first, name: 'Virtual-2' },
      ],
    };
    assert.deepEqual(
      sessionStep(both, [], [parseMonitor('2560x1440') ?? assert.fail('no monitor')])?.commands.map(({ args }) =>
        args.join(' '),
      ),
      ['--output Virtual-1 --mode 2560x1440_60.00 --pos 0x0 --output Virtual-2 --off'],
    );
  });

  test('more monitors than outputs', () => {
    assert.equal(step('800x600', '800x600', '800x600', '800x600'), undefined);
  });
});
