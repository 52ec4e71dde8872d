// A whole Debian's own words and its definition -> the table of stages: what is so, what comes, and what keeps it from more.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parseDomainDisplay } from '../../src/display/domain-video.ts';
import { guestFacts, readSections } from '../../src/display/guest-facts.ts';
import { printSize, type Size } from '../../src/display/size.ts';
import { stageRows } from '../../src/display/stages.ts';
import { root } from '../support/run-cli.ts';

const golden = join(root, 'test', 'golden', 'display');
const facts = guestFacts(readSections(readFileSync(join(golden, 'debian-12.txt'), 'utf8'), 'feed'));
const text = readFileSync(join(golden, 'debian-12.xml'), 'utf8');

function table(definition: string, pictures: readonly Size[], guest = facts): readonly string[] {
  const read = parseDomainDisplay(definition);
  if ('fault' in read) return assert.fail(read.fault.message);
  const size = (one: Size | undefined) => (one === undefined ? '-' : printSize(one));
  return stageRows(read.value, guest, pictures).map(
    ({ stage, monitor, now, next, largest, limit }) =>
      `${stage} ${monitor}: ${size(now)} ${size(next)} ${size(largest)} ${limit?.text ?? ''}`,
  );
}

const desktop = { width: 2560, height: 1440 };

describe('stages of a Debian with a desktop', () => {
  test('it was asked while X ran', () => {
    assert.deepEqual(
      [facts.framebuffer, facts.activeConsole, facts.gettys, facts.sessions.map(({ user }) => user), facts.leftOut],
      ['qxldrmfb', 'tty7', [1], ['desk'], 0],
    );
    assert.equal(facts.sessions[0]?.outputs[0]?.modes.length, 26);
  });

  test('qxl with 16 MiB', () => {
    assert.deepEqual(table(text, [desktop]), [
      'boot menu 1: - 1920x1080 2560x1600 firmware draws on 16 MiB of qxl; 3840x2160 needs 31.6 MiB',
      'early boot 1: - 1920x1080 2560x1600 firmware draws on 16 MiB of qxl; 3840x2160 needs 31.6 MiB',
      'console 1: 1920x1080 1920x1080 2560x1600 vgamem is 16 MiB; 4096x2160 needs 33.8 MiB',
      'session 1: 1920x1080 - 2560x1600 vgamem is 16 MiB; 4096x2160 needs 33.8 MiB',
    ]);
  });

  const rows: readonly (readonly [title: string, more: Partial<typeof facts>, line: string | RegExp])[] = [
    [
      'nomodeset',
      { commandLine: 'nomodeset', framebuffer: 'VESA VGA' },
      "console 1: 1920x1080 1920x1080 2560x1600 nomodeset is on the kernel's command line: the early picture stays",
    ],
    [
      'a kernel of before the driver',
      { drivers: new Set(), framebuffer: 'VESA VGA' },
      /^console 1: .* kernel 6\.1\.\S+ has no driver for qxl: the early picture stays$/,
    ],
    [
      'video= of somebody',
      { commandLine: 'video=Virtual-1:1280x1024' },
      "console 1: 1920x1080 1280x1024 2560x1600 video=Virtual-1:1280x1024 is on the kernel's command line, and wins over <resolution>",
    ],
    [
      'video= that does not fit',
      { commandLine: 'video=3840x2160' },
      'console 1: 1920x1080 1920x1080 2560x1600 vgamem is 16 MiB; 3840x2160 needs 31.6 MiB',
    ],
    [
      'vga=',
      { commandLine: 'vga=791' },
      "early boot 1: - 1024x768 2560x1600 vga=791 on the kernel's command line is what GRUB hands over, whatever its own settings say",
    ],
    [
      'GRUB_TERMINAL=console',
      { grubFiles: [...facts.grubFiles, { path: '/etc/default/grub.d/95.cfg', text: 'GRUB_TERMINAL=console\n' }] },
      'boot menu 1: - 1920x1080 2560x1600 GRUB_TERMINAL is console: the menu is text',
    ],
    [
      'a drop-in behind ours',
      { grubFiles: [...facts.grubFiles, { path: '/etc/default/grub.d/95.cfg', text: 'GRUB_GFXMODE=800x600\n' }] },
      /^boot menu 1: - 800x600 2560x1600 /,
    ],
    [
      'systemd-boot',
      { bootLoader: 'systemd-boot' },
      'boot menu 1: - - - systemd-boot draws its menu as text, in a size of the firmware (console-mode of loader.conf)',
    ],
  ];
  for (const [title, more, line] of rows) {
    test(`what limits: ${title}`, () => {
      const lines = table(text, [desktop], { ...facts, ...more });
      const isThere = (one: string): boolean => (typeof line === 'string' ? one === line : line.test(one));
      assert.ok(lines.some(isThere), lines.join('\n'));
    });
  }

  test('64 MiB: the lists end, nothing keeps it from more', () => {
    const more = text.replace("vgamem='16384'", "vgamem='65536'").replace("ram='65536'", "ram='262144'");
    assert.notEqual(more, text);
    assert.deepEqual(
      table(more, [desktop]).filter((line) => line.startsWith('console')),
      ['console 1: 1920x1080 1920x1080 4096x2160 '],
    );
  });

  test('16 heads of qxl are the four connectors of its driver', () => {
    const rows = table(text.replace(/ heads='\d+'/, " heads='16'"), [desktop]);
    assert.equal(rows.filter((line) => line.startsWith('console')).length, 4);
  });
});
