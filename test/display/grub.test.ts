import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import {
  dropInFile,
  dropInText,
  grubSettings,
  holdsWish,
  inPlaceText,
  overriders,
  parseDropIn,
} from '../../src/display/grub.ts';
import { parseKernelArgs, printVideoArgument, sizeFor, withVideoArguments } from '../../src/display/kernel-args.ts';
import { assignmentsIn, withAssignment } from '../../src/display/shell-assignments.ts';

const fullHd = { width: 1920, height: 1080 };
const video = [{ connector: 'Virtual-1', size: fullHd, forced: undefined }];

/** What a real shell makes of a text; undefined when it ends with an error. */
function bySh(text: string, name: string): string | undefined {
  try {
    return execFileSync('sh', ['-ec', `${text}\nprintf '%s' "$${name}"`], { encoding: 'utf8', stdio: 'pipe' });
  } catch {
    return undefined;
  }
}

const words: readonly (readonly [line: string, value: string | undefined])[] = [
  ['A=1', '1'],
  ['A=', ''],
  ['  A=1 # a comment', '1'],
  ['export A=b', 'b'],
  ['A="two words"', 'two words'],
  ["A='two words'", 'two words'],
  [`A="a \\"quoted\\" word"`, 'a "quoted" word'],
  [`A=a"b"'c'd`, 'abcd'],
  ["A='it'\"'\"'s'", "it's"],
  ['A="a # b"', 'a # b'],
  ['A=a#b', 'a#b'],
];

/** A shell knows them; without one nobody does. */
const unread = ['A="$B"', 'A=$(date)', 'A=`date`', 'A=1; B=2', 'A=1 true', 'A="open', 'A=a\\ b', 'A=~', 'A=*'];

describe('shell assignments', () => {
  for (const [line, value] of words) {
    test(`${line} gives ${value}, and a shell says the same`, () => {
      assert.equal(assignmentsIn(line)[0]?.value, value);
      assert.equal(bySh(line, 'A'), value);
    });
  }
  for (const line of unread.slice(0, 7)) {
    test(`${line} is not guessed`, () => assert.equal(assignmentsIn(line)[0]?.value, undefined));
  }

  test('the last one wins, comments are none', () => {
    const text = '#A=0\nA=1\n# A=2\nB=3\nA=4\n';
    assert.deepEqual(
      assignmentsIn(text).map(({ name, value, line }) => `${line} ${name}=${value}`),
      ['2 A=1', '4 B=3', '5 A=4'],
    );
  });

  for (const hostile of ["'; touch pwned; '", '$(touch pwned)', '"`touch pwned`"', 'a\\', "it's"]) {
    test(`${hostile} stays a text`, () => {
      const changed = withAssignment('A=1\n', 'A', hostile);
      assert.equal(bySh(changed, 'A'), hostile);
    });
  }
});

const debian = `# If you change this file, run 'update-grub' afterwards.
GRUB_DEFAULT=0
GRUB_TIMEOUT=5
GRUB_DISTRIBUTOR=\`lsb_release -i -s 2> /dev/null || echo Debian\`
GRUB_CMDLINE_LINUX_DEFAULT="quiet splash"
GRUB_CMDLINE_LINUX=""
#GRUB_GFXMODE=640x480
`;

describe("GRUB's settings", () => {
  test('of Debian', () => {
    const settings = grubSettings([{ path: '/etc/default/grub', text: debian }]);
    assert.deepEqual(
      [settings.gfxmode, settings.payload, settings.terminal, settings.commandLine, settings.bls],
      [undefined, undefined, undefined, 'quiet splash', false],
    );
    assert.deepEqual(settings.unread, ['/etc/default/grub: GRUB_DISTRIBUTOR']);
  });

  test('a drop-in says it last', () => {
    const settings = grubSettings([
      { path: '/etc/default/grub', text: 'GRUB_GFXMODE=800x600\nGRUB_TERMINAL=console\nGRUB_ENABLE_BLSCFG=true\n' },
      { path: '/etc/default/grub.d/50-cloud.cfg', text: 'GRUB_GFXMODE=1024x768\n' },
    ]);
    assert.deepEqual([settings.gfxmode, settings.terminal, settings.bls], ['1024x768', 'console', true]);
    assert.equal(settings.saidBy.get('GRUB_GFXMODE'), '/etc/default/grub.d/50-cloud.cfg');
  });

  test('a drop-in behind ours is named', () => {
    const files = [
      { path: '/etc/default/grub.d/50-cloud.cfg', text: 'GRUB_GFXMODE=1024x768\n' },
      { path: '/etc/default/grub.d/99-late.cfg', text: 'GRUB_GFXPAYLOAD_LINUX=text\nGRUB_TIMEOUT=1\n' },
    ];
    const late = '/etc/default/grub.d/99-late.cfg: GRUB_GFXPAYLOAD_LINUX';
    assert.deepEqual(overriders(files, { menu: fullHd }, dropInFile), [late]);
    assert.deepEqual(overriders(files, { video }, dropInFile), [], 'what we do not set, nobody overrides');
    const cloud = '/etc/default/grub.d/50-cloud.cfg: GRUB_GFXMODE';
    assert.deepEqual(overriders(files, { menu: fullHd }, '/etc/default/grub'), [cloud, late]);
  });

  for (const [title, text, wins] of [
    ['a command line of its own', 'GRUB_CMDLINE_LINUX="quiet"\n', true],
    ['one that adds to ours', 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX quiet"\n', false],
  ] as const) {
    test(`${title} ${wins ? 'wins' : 'does not win'} over our video=`, () => {
      const files = [{ path: '/etc/default/grub.d/99-late.cfg', text }];
      assert.equal(overriders(files, { video }, dropInFile).length > 0, wins);
    });
  }
});

describe('our drop-in', () => {
  const text = dropInText({ menu: fullHd, video });

  test('is what a shell reads, behind what was there', () => {
    assert.equal(bySh(`GRUB_CMDLINE_LINUX="a b"\n${text}`, 'GRUB_CMDLINE_LINUX'), 'a b video=Virtual-1:1920x1080');
    assert.equal(bySh(text, 'GRUB_GFXMODE'), '1920x1080x32,1920x1080,auto');
    assert.equal(bySh(text, 'GRUB_GFXPAYLOAD_LINUX'), 'keep');
  });

  test('is read back, and not when somebody else wrote in it', () => {
    assert.deepEqual(parseDropIn(text), { menu: fullHd, video });
    assert.deepEqual(parseDropIn(dropInText({ menu: fullHd })), { menu: fullHd });
    assert.equal(parseDropIn(`${text}GRUB_TIMEOUT=0\n`), undefined);
    assert.equal(parseDropIn(text.replace('keep', 'text')), undefined);
  });
});

describe('/etc/default/grub in place', () => {
  const once = inPlaceText(debian, { menu: fullHd, video });

  test('twice is once', () => assert.equal(inPlaceText(once, { menu: fullHd, video }), once));

  test('only the named variables change', () => {
    const kept = debian.split('\n').filter((line) => line !== '' && !line.startsWith('GRUB_CMDLINE_LINUX='));
    for (const line of kept) assert.ok(once.includes(`${line}\n`), line);
    assert.equal(bySh(once.replace(/`.*`/, 'x'), 'GRUB_CMDLINE_LINUX'), 'video=Virtual-1:1920x1080');
  });

  test('a size is replaced, never doubled', () => {
    const other = inPlaceText(once, {
      video: [{ connector: undefined, size: { width: 800, height: 600 }, forced: 'on' }],
    });
    assert.equal(bySh(other.replace(/`.*`/, 'x'), 'GRUB_CMDLINE_LINUX'), 'video=800x600e');
  });
});

describe("GRUB's own file", () => {
  const cfg = (line: string) =>
    `set gfxmode=1920x1080x32,1920x1080,auto\nmenuentry 'Debian' {\n\tlinux\t/boot/vmlinuz ${line}\n}\n`;
  for (const [line, holds] of [
    ['root=/dev/vda1 video=Virtual-1:1920x1080 quiet', true],
    ['root=/dev/vda1 quiet', false],
    ['video=Virtual-1:1920x10800', false],
  ] as const) {
    test(`${line}: ${holds ? 'as asked' : 'not as asked'}`, () => {
      assert.equal(holdsWish(cfg(line), { menu: fullHd, video }), holds);
    });
  }
  test('entries of other systems and a test of the memory are told nothing', () => {
    const own = `### BEGIN /etc/grub.d/10_linux ###\n${cfg('video=Virtual-1:1920x1080')}### END /etc/grub.d/10_linux ###\n`;
    const other = "menuentry 'Memory test' {\n\tlinux16\t/boot/memtest86+.bin console=ttyS0\n}\n";
    assert.ok(holdsWish(own + other, { menu: fullHd, video }));
    assert.ok(!holdsWish(own.replace('video=', 'audio=') + other, { menu: fullHd, video }));
  });

  test('an empty file holds nothing', () => assert.equal(holdsWish('', { menu: fullHd }), false));
});

describe("the kernel's words", () => {
  test('the word for a connector, else the last one for all', () => {
    const args = parseKernelArgs('quiet video=800x600 video=Virtual-2:1280x1024e video=1024x768 nomodeset vga=791');
    assert.deepEqual(sizeFor(args, 'Virtual-2')?.size, { width: 1280, height: 1024 });
    assert.equal(sizeFor(args, 'Virtual-2')?.forced, 'on');
    assert.deepEqual(sizeFor(args, 'Virtual-1')?.size, { width: 1024, height: 768 });
    assert.deepEqual([args.nomodeset, args.vga], [true, '791']);
  });

  for (const word of ['video=vesafb:off', 'video=efifb:nobgrt', 'video=', 'video=x', 'video=Virtual-1:', 'video=1x1']) {
    test(`${word} is none of ours, and stays`, () => {
      assert.deepEqual(parseKernelArgs(word).video, []);
      assert.equal(withVideoArguments(`a ${word}`, video), `a ${word} video=Virtual-1:1920x1080`);
    });
  }

  test('options behind the size are understood', () => {
    const parsed = parseKernelArgs('video=Virtual-1:1920x1080M-32@60D modprobe.blacklist=qxl,bochs');
    assert.deepEqual(parsed.video.map(printVideoArgument), ['video=Virtual-1:1920x1080e']);
    assert.ok(parsed.blacklisted.has('qxl'));
  });
});
