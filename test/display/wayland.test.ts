// GNOME's and KDE's own words under Wayland -> what they are told, and what keeps it. Commands and files only: not verified by
// picture. What mutter 43 says is its own, and it took what is told here.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { kscreenOutputs, mutterOutputs } from '../../src/display/compositor.ts';
import { guestFacts, readSections } from '../../src/display/guest-facts.ts';
import { parseMonitor } from '../../src/display/monitors.ts';
import type { OwnedFile, Session } from '../../src/display/session-facts.ts';
import { keptText, waylandCommands, waylandRefusal, waylandUndo } from '../../src/display/wayland-step.ts';
import { root } from '../support/run-cli.ts';
import { assertGolden } from '../yaml/golden.ts';

const golden = (name: string): string => readFileSync(join(root, 'test', 'golden', 'display', name), 'utf8');
const oneLine = (text: string): string => text.replaceAll('\n', '');

const said = `feed sessions
wayland gnome ann 1000 :0 -
> mutter ${oneLine(golden('mutter-qxl.json'))}
> monitors /home/ann/.config/monitors.xml -
wayland gnome ann 1000 :0 -
wayland kde bob 1001 - -
> kscreen ${oneLine(golden('kscreen.json'))}
feed greeter
/var/lib/gdm3/.config/monitors.xml Debian-gdm -
`;

const facts = guestFacts(readSections(said, 'feed'));
const [gnome = assert.fail('no GNOME'), kde = assert.fail('no KDE')] = facts.sessions;
const withGdctl: Session = {
  ...gnome,
  compositor: { ...(gnome.compositor ?? assert.fail('no compositor')), tool: 'gdctl' },
};
const wish = (...words: readonly string[]) => words.map((word) => parseMonitor(word) ?? assert.fail(word));
const commands = (session: Session, ...words: readonly string[]) =>
  waylandCommands(session, wish(...words)).map(({ program, args }) => [
    program,
    args.filter((word) => !word.includes('busctl')).join(' '),
  ]);

describe('what compositors say', () => {
  test('mutter 43, as it is', () => {
    assert.deepEqual(
      mutterOutputs(golden('mutter-43.json'))?.map(({ name, modes, shown, monitor }) => [
        name,
        modes.map(({ id }) => id),
        [shown?.x, shown?.y, shown?.mode],
        monitor?.vendor,
      ]),
      [
        ['Meta-0', ['1280x800@60.000'], [0, 0, '1280x800@60.000'], 'MetaVendor'],
        ['Meta-1', ['1024x768@60.000'], [1280, 0, '1024x768@60.000'], 'MetaVendor'],
      ],
    );
  });

  test('KWin: only what is connected', () => {
    const outputs = kscreenOutputs(golden('kscreen.json'));
    assert.deepEqual(
      outputs?.map(({ name, shown }) => [name, shown?.size.width, shown?.x]),
      [
        ['Virtual-1', 1280, 0],
        ['Virtual-2', 1024, 1280],
      ],
    );
  });

  test('whose they are, by which tool they are told, and where they keep it', () => {
    assert.deepEqual(
      facts.sessions.map(({ user, compositor }) => [user, compositor?.tool, compositor?.kept?.path]),
      [
        ['ann', 'DisplayConfig', '/home/ann/.config/monitors.xml'],
        ['bob', 'kscreen-doctor', undefined],
      ],
    );
    assert.deepEqual(facts.greeter, {
      path: '/var/lib/gdm3/.config/monitors.xml',
      user: 'Debian-gdm',
      text: undefined,
    });
  });

  const state = (mode: string, name = '"Virtual-1","a","b","c"') =>
    `{"data":[1,[[[${name}],[${mode}],{}]],[[0,0,1,0,true,[[${name}]],{}]],{}]}`;
  for (const [title, text, modes] of [
    ['no JSON', 'Failed to connect to bus', undefined],
    ['an id for a shell', state('["$(reboot)",800,600,60,1,[],{}]'), 0],
    ['an option as id', state('["--off x",800,600,60,1,[],{}]'), 0],
    ['a size beyond all', state('["a",800,1e9,60,1,[],{}]'), 0],
    ['a connector that is none', state('', '"$(reboot)","a","b","c"'), undefined],
    ['a vendor with line ends', state('', '"Virtual-1","a\\nb","b","c"'), undefined],
    ['a million modes', state(Array(300).fill('["a",800,600,60,1,[],{}]').join()), undefined],
    ['one mode', state('["800x600@60.000",800,600,60,1,[],{}]'), 1],
  ] as const) {
    test(`${title}: ${modes ?? 'nothing is believed'}`, () => {
      assert.equal(mutterOutputs(text)?.[0]?.modes.length, modes);
    });
  }
});

describe('what they are told (not verified by picture)', () => {
  test('GNOME 48: gdctl, by the names of its modes; those not named go off', () => {
    assert.deepEqual(commands(withGdctl, '1920x1080'), [
      ['gdctl', 'set --logical-monitor --primary --x 0 --y 0 --monitor Virtual-1 --mode 1920x1080@59.963'],
    ]);
  });

  test('GNOME before: DisplayConfig with the number of its state, until the session ends', () => {
    const [command] = waylandCommands(gnome, wish('1920x1080', '1280x1024@below'));
    assert.match(
      command?.args[1] ?? '',
      /GetCurrentState .* ApplyMonitorsConfig "uua\(iiduba\(ssa\{sv\}\)\)a\{sv\}" "\$s" 1 "\$@"$/,
    );
    assert.equal(
      command?.args.slice(3).join(' '),
      '2 0 0 1 0 true 1 Virtual-1 1920x1080@59.963 0 0 1080 1 0 false 1 Virtual-2 1280x1024@59.895 0 0',
    );
    assert.deepEqual(
      [command?.user, command?.environment.DBUS_SESSION_BUS_ADDRESS],
      ['ann', 'unix:path=/run/user/1000/bus'],
    );
  });

  test('KDE: kscreen-doctor, by the numbers of its modes', () => {
    assert.deepEqual(commands(kde, '1920x1080'), [
      [
        'kscreen-doctor',
        'output.Virtual-1.enable output.Virtual-1.mode.1 output.Virtual-1.position.0,0 output.Virtual-2.disable',
      ],
    ]);
  });

  test('nothing, where it is so already', () => {
    assert.deepEqual(commands(gnome, '1024x768'), []);
    assert.deepEqual(commands(kde, '1280x800', '1024x768@right'), []);
  });

  test('as it was', () => {
    assert.equal(
      waylandUndo(withGdctl)[0]?.args.join(' '),
      'set --logical-monitor --primary --x 0 --y 0 --monitor Virtual-1 --mode 1024x768@59.920',
    );
    assert.match(waylandUndo(kde)[0]?.args.join(' ') ?? '', /Virtual-1\.mode\.2 .*Virtual-2\.position\.1280,0$/);
  });
});

describe('what cannot be, and why', () => {
  const refusal = (session: Session, ...words: readonly string[]) => waylandRefusal(session, wish(...words))?.text;

  for (const [title, session, words, why] of [
    ['a size of the list', gnome, ['1920x1080'], undefined],
    [
      'mutter takes no modelines',
      gnome,
      ['1680x1050'],
      /offers no 1680x1050 on Virtual-1 \(but 1024x768, 1920x1080\), and mutter takes no modelines/,
    ],
    ['nor does KWin from here', kde, ['1920x1080', '1280x1024'], /KDE offers no 1280x1024 on Virtual-2/],
    ['too many monitors', gnome, ['1920x1080', '1024x768', '1024x768'], /GNOME has 2 of the 3 monitors/],
    [
      'it does not answer',
      { ...gnome, compositor: { tool: 'DisplayConfig', outputs: undefined } },
      ['800x600'],
      /DisplayConfig did not answer on the session's bus/,
    ],
    ['wlroots is not asked', { ...gnome, desktop: 'other' }, ['800x600'], undefined],
  ] as const) {
    test(title, () => {
      const text = refusal(session, ...words);
      if (why === undefined) assert.equal(text, undefined);
      else assert.match(text ?? '', why);
    });
  }
});

describe("what GNOME's next session starts with", () => {
  const file = (text?: string): OwnedFile => ({ path: '/home/ann/.config/monitors.xml', user: 'ann', text });
  const kept = (text?: string) => keptText(gnome, wish('1920x1080'), file(text));

  test('a file of its own', () => assertGolden(kept() ?? '', 'display/monitors.xml'));

  test('twice is once', () => assert.equal(kept(kept()), kept()));

  test('what is kept for other monitors stays', () => {
    const other =
      '  <configuration>\n    <logicalmonitor><connector>HDMI-1</connector></logicalmonitor>\n  </configuration>\n';
    const text = kept(`<monitors version="2">\n${other}</monitors>\n`) ?? '';
    assert.ok(text.includes(other) && text.includes('<connector>Virtual-1</connector>'), text);
    assert.equal(kept(text), text);
  });

  for (const [title, text] of [
    ['of GNOME 3.24', '<monitors version="1">\n</monitors>\n'],
    ['with a comment in which anything may stand', '<monitors version="2">\n<!-- <configuration> -->\n</monitors>\n'],
    ['that is no XML', 'hello'],
  ] as const) {
    test(`a file ${title} is left alone`, () => assert.equal(kept(text), undefined));
  }

  test('a monitor may be called what it likes', () => {
    const [output = assert.fail('no output')] = gnome.compositor?.outputs ?? [];
    const monitor = { vendor: '</vendor>', product: '&<>', serial: '"' };
    const session = { ...gnome, compositor: { tool: 'DisplayConfig', outputs: [{ ...output, monitor }] } } as const;
    assert.match(keptText(session, wish('1920x1080'), file()) ?? '', /<vendor>&lt;\/vendor&gt;<\/vendor>/);
  });
});
