import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { dropInText } from '../../src/display/grub.ts';
import { type GuestFacts, guestFacts, readSections } from '../../src/display/guest-facts.ts';
import { parseMonitor } from '../../src/display/monitors.ts';
import { type Aim, type DisplayFacts, type DisplayPlan, planDisplay, type Wish } from '../../src/display/plan.ts';
import { givenFacts } from './given-facts.ts';

const definition = (model: string, firmware = '') => `<domain type='kvm'>
  <name>web</name><uuid>0b6c1a52-6d9b-4d51-9a35-64f1f5d0a001</uuid><memory>1048576</memory><os${firmware}/>
  <devices>
    <video>
      ${model}
    </video>
  </devices>
</domain>`;

const qxl = "<model type='qxl' ram='65536' vram='65536' vgamem='16384' heads='1'/>";
const virtio = "<model type='virtio' heads='1'/>";

const debian: GuestFacts = {
  release: '6.1.0-1-amd64',
  commandLine: 'root=/dev/vda1 ro quiet',
  framebuffer: 'qxldrmfb',
  framebufferSize: { width: 1024, height: 768 },
  connectors: [1, 2].map((at) => ({
    card: 0,
    name: `Virtual-${at}`,
    connected: at === 1,
    modes: [{ width: 1024, height: 768 }],
  })),
  drivers: new Set(['qxl', 'virtio-gpu', 'bochs']),
  bootLoader: 'grub',
  grubFiles: [{ path: '/etc/default/grub', text: 'GRUB_CMDLINE_LINUX=""\n' }],
  readsDropIns: true,
  sessions: [],
  xorgFile: undefined,
  vdagent: false,
  activeConsole: 'tty1',
  gettys: [1],
  leftOut: 0,
};

const mode = (width: number, height: number) => ({ id: `${width}x${height}@60`, size: { width, height }, hz: 60 });
const outputs = [
  {
    name: 'Virtual-1',
    modes: [mode(1024, 768), mode(1280, 800)],
    shown: { size: { width: 1024, height: 768 }, x: 0, y: 0, mode: '1024x768@60' },
    monitor: { vendor: 'RHT', product: 'QEMU', serial: '0' },
  },
] as const;
const gnome = {
  compositor: {
    tool: 'gdctl',
    outputs,
    kept: { path: '/home/ann/.config/monitors.xml', user: 'ann', text: undefined },
  },
  kind: 'wayland',
  desktop: 'gnome',
  user: 'ann',
  uid: 1000,
  display: undefined,
  authority: undefined,
  outputs: [],
} as const;
const x11 = {
  kind: 'x11',
  desktop: 'other',
  user: 'ann',
  uid: 1000,
  display: ':0',
  authority: '/home/ann/.Xauthority',
  outputs: [],
} as const;

function factsOf(model: string, more: Partial<DisplayFacts> = {}, firmware = ''): DisplayFacts {
  return givenFacts(definition(model, firmware), { guest: debian, ...more });
}

function wishOf(words: string, aims: readonly Aim[], more: Partial<Wish> = {}): Wish {
  const monitors = words.split(' ').map((word) => parseMonitor(word) ?? assert.fail(word));
  return { monitors, aims: new Set(aims), via: 'auto', inPlace: false, ...more };
}

/** Each step by a word, and everything that is not possible or remarkable. */
function shown({ steps, impossible, notes }: DisplayPlan): readonly string[] {
  return [
    ...steps.map((step) => (step.kind === 'guest-file' ? `file ${step.path}` : step.kind)),
    ...impossible.map(({ aim, reason }) => `${aim}: ${reason}`),
    ...notes.map((note) => `note: ${note}`),
  ];
}

const guest = (more: Partial<GuestFacts>): Partial<DisplayFacts> => ({ guest: { ...debian, ...more } });
/** No driver has taken over. */
const early = (more: Partial<GuestFacts>) => guest({ framebuffer: 'VESA VGA', ...more });
const grubText = (text: string) => guest({ grubFiles: [{ path: '/etc/default/grub', text }] });
const menuOnly = /^note: GRUB alone sets the boot menu only: .* takes over, the console is (?:1024x768|1280x800),/;
const dropIn = 'file /etc/default/grub.d/90-bridgekeeper.cfg';

const small = { width: 800, height: 600 };
const ourWord = dropInText({ video: [{ connector: 'Virtual-1', size: small, forced: undefined }] });

const rows: readonly (readonly [title: string, facts: DisplayFacts, wish: Wish, plan: readonly (string | RegExp)[]])[] =
  [
    ['console: the definition alone', factsOf(qxl), wishOf('1920x1080', ['tty']), ['definition']],
    ['boot menu: GRUB alone', factsOf(qxl), wishOf('1920x1080', ['grub']), [dropIn, menuOnly]],
    ['both', factsOf(qxl), wishOf('1920x1080', ['grub', 'tty']), ['definition', dropIn, menuOnly]],
    [
      'a guest that must not be touched from outside',
      factsOf(qxl),
      wishOf('1920x1080', ['tty'], { via: 'guest' }),
      [dropIn],
    ],
    [
      'two heads: the guest is told of the second',
      factsOf(qxl),
      wishOf('1920x1080 1280x1024', ['tty']),
      ['definition', dropIn],
    ],
    [
      'virtio, with a GRUB that can be told',
      factsOf(virtio),
      wishOf('1920x1080 1280x1024', ['tty']),
      ['definition', dropIn],
    ],
    [
      'virtio, from outside: a device each, and consoles are dark there',
      factsOf(virtio),
      wishOf('1920x1080 1280x1024', ['tty'], { via: 'host' }),
      ['definition', /^note: text consoles show on the first device only/],
    ],
    [
      'a menu that SeaBIOS does not know',
      factsOf(qxl),
      wishOf('1366x768', ['grub']),
      [/^grub: the firmware offers no 1366x768 on qxl; it would be 640x480/],
    ],
    [
      'a menu beyond virtio-vga',
      factsOf(virtio),
      wishOf('2560x1440', ['grub']),
      [/^grub: the firmware offers no 2560x1440 on virtio/],
    ],
    [
      'a menu that is text',
      factsOf(qxl, grubText('GRUB_TERMINAL=console\n')),
      wishOf('1024x768', ['grub']),
      [/^grub: GRUB_TERMINAL is console: the boot menu is text/],
    ],
    [
      "UEFI: GRUB's setting, out of the firmware's list",
      factsOf(virtio, {}, " firmware='efi'"),
      wishOf('1920x1080', ['grub']),
      [dropIn, menuOnly],
    ],
    [
      'UEFI on virtio: nothing beyond the list, which the device has no say in',
      factsOf(virtio, {}, " firmware='efi'"),
      wishOf('2560x1440', ['grub']),
      [/^grub: the firmware offers no 2560x1440 on virtio; it would be 1280x800/],
    ],
    [
      "UEFI on vga: a size of no list is the device's own",
      factsOf("<model type='vga' vram='16384' heads='1'/>", {}, " firmware='efi'"),
      wishOf('1600x1000', ['grub']),
      ['definition', dropIn],
    ],
    [
      'a menu beyond the memory: the same plan brings the memory',
      factsOf(qxl),
      wishOf('3840x2160', ['grub', 'tty']),
      ['definition', dropIn, menuOnly],
    ],
    [
      'the kernel was told another size: the definition alone would not do',
      factsOf(qxl, guest({ commandLine: 'quiet video=1280x800' })),
      wishOf('1920x1080', ['tty']),
      ['definition', dropIn],
    ],
    [
      'the same from outside alone',
      factsOf(qxl, guest({ commandLine: 'quiet video=1280x800' })),
      wishOf('1920x1080', ['tty'], { via: 'host' }),
      [/^tty: the guest's kernel was told video=1280x800, which is more than <resolution>/],
    ],
    [
      'it was told the same size',
      factsOf(qxl, guest({ commandLine: 'quiet video=1920x1080' })),
      wishOf('1920x1080', ['tty'], { via: 'host' }),
      ['definition'],
    ],
    [
      'words that come behind ours',
      factsOf(qxl, grubText('GRUB_CMDLINE_LINUX_DEFAULT="quiet video=Virtual-1:800x600"\n')),
      wishOf('1920x1080', ['tty'], { via: 'guest' }),
      [/^tty: GRUB_CMDLINE_LINUX_DEFAULT says video=Virtual-1:800x600, which is read last and wins/],
    ],
    [
      'in place, where a drop-in is read later',
      factsOf(
        qxl,
        guest({
          grubFiles: [
            { path: '/etc/default/grub', text: '' },
            { path: '/etc/default/grub.d/10-cloud.cfg', text: 'GRUB_GFXMODE=800x600\n' },
          ],
        }),
      ),
      wishOf('1024x768', ['grub'], { inPlace: true }),
      [/^grub: .*10-cloud.cfg: GRUB_GFXMODE is read later, and wins/],
    ],
    [
      'UEFI, a size of no list: the device has it as its own',
      factsOf("<model type='bochs'/>", {}, " firmware='efi'"),
      wishOf('1910x1070', ['grub']),
      ['definition', dropIn],
    ],
    [
      'a VGA in a width of no whole eights',
      factsOf("<model type='vga'/>"),
      wishOf('1366x768', ['tty']),
      [/^tty: a VGA draws widths of whole eights, and would show 1360x768; virtio, qxl and bochs show 1366x768/],
    ],
    [
      'a menu in 4K: the memory for it comes first',
      factsOf("<model type='vga'/>"),
      wishOf('3840x2160', ['grub']),
      ['definition', dropIn, menuOnly],
    ],
    [
      'the same from inside alone',
      factsOf("<model type='vga'/>"),
      wishOf('3840x2160', ['grub'], { via: 'guest' }),
      [/^grub: the firmware offers no 3840x2160 on vga; it would be 800x600/],
    ],
    [
      'bochs-display draws its menu in its own size',
      factsOf("<model type='bochs'/>"),
      wishOf('1024x768', ['grub']),
      ['definition', dropIn],
    ],
    [
      'the same from inside alone',
      factsOf("<model type='bochs'/>"),
      wishOf('1024x768', ['grub'], { via: 'guest' }),
      [/^grub: the firmware draws on bochs in 1280x800 only/],
    ],
    [
      'our own word, which the kernel has not read yet: it is told anew',
      factsOf(qxl, guest({ grubFiles: [{ path: '/etc/default/grub.d/90-bridgekeeper.cfg', text: ourWord }] })),
      wishOf('1920x1080', ['tty']),
      ['definition', dropIn],
    ],
    [
      'in place, where our own drop-in is read later',
      factsOf(
        qxl,
        guest({ grubFiles: [{ path: '/etc/default/grub.d/90-bridgekeeper.cfg', text: dropInText({ menu: small }) }] }),
      ),
      wishOf('1024x768', ['grub'], { inPlace: true }),
      [/90-bridgekeeper.cfg: GRUB_GFXMODE is read later/, /90-bridgekeeper.cfg: GRUB_GFXPAYLOAD_LINUX is read later/],
    ],
    [
      'systemd-boot',
      factsOf(qxl, guest({ bootLoader: 'systemd-boot' })),
      wishOf('1024x768', ['grub']),
      [/^grub: the guest boots by systemd-boot/],
    ],
    [
      'BLS',
      factsOf(qxl, grubText('GRUB_ENABLE_BLSCFG=true\n')),
      wishOf('1024x768', ['grub']),
      [/^grub: boot entries are files of their own \(BLS\)/],
    ],
    [
      'a folder that is not read',
      factsOf(qxl, guest({ readsDropIns: false })),
      wishOf('1024x768', ['grub']),
      [/^grub: this GRUB does not read .*--in-place/],
    ],
    [
      'in place',
      factsOf(qxl, guest({ readsDropIns: false })),
      wishOf('1024x768', ['grub'], { inPlace: true }),
      ['file /etc/default/grub'],
    ],
    [
      'in place, where only a shell knows',
      factsOf(qxl, grubText('GRUB_CMDLINE_LINUX="$MORE"\n')),
      wishOf('1024x768', ['grub'], { inPlace: true }),
      [/^grub: \/etc\/default\/grub makes these settings by a shell/],
    ],
    [
      'a drop-in of ours that somebody changed',
      factsOf(
        qxl,
        guest({ grubFiles: [{ path: '/etc/default/grub.d/90-bridgekeeper.cfg', text: 'GRUB_GFXMODE=1x1\n' }] }),
      ),
      wishOf('1024x768', ['grub']),
      [/^grub: .*90-bridgekeeper.cfg was changed by somebody else/],
    ],
    [
      'a drop-in that is read later',
      factsOf(qxl, guest({ grubFiles: [{ path: '/etc/default/grub.d/99-late.cfg', text: 'GRUB_GFXMODE=800x600\n' }] })),
      wishOf('1024x768', ['grub']),
      [/^grub: .*99-late.cfg: GRUB_GFXMODE is read later, and wins/],
    ],
    [
      'a command line that is read later, for a size that the kernel is told',
      factsOf(
        qxl,
        guest({ grubFiles: [{ path: '/etc/default/grub.d/99-late.cfg', text: 'GRUB_CMDLINE_LINUX=quiet\n' }] }),
      ),
      wishOf('1024x768', ['tty'], { via: 'guest' }),
      [/^tty: .*99-late.cfg: GRUB_CMDLINE_LINUX is read later, and wins/],
    ],
    [
      'kernel 3.16 with virtio: only GRUB decides',
      factsOf(virtio, early({ release: '3.16.0-11-amd64', drivers: new Set(['qxl', 'cirrus']), sessions: [x11] })),
      wishOf('1920x1080', ['tty', 'desktop']),
      [
        dropIn,
        /^note: kernel 3\.16\.0-11-amd64 has no driver for virtio: only GRUB decides, and the early picture stays/,
      ],
    ],
    [
      'the same, from outside alone',
      factsOf(virtio, early({ release: '3.16.0-11-amd64', drivers: new Set(['qxl']) })),
      wishOf('1920x1080', ['tty'], { via: 'host' }),
      [/^tty: kernel 3\.16\.0-11-amd64 has no driver for virtio: only GRUB decides the size, and --via host keeps out/],
    ],
    [
      'the same, on two monitors',
      factsOf(virtio, early({ drivers: new Set(['qxl']) })),
      wishOf('800x600 800x600', ['tty']),
      [/^tty: .* has no driver for virtio: all monitors show the one early picture/],
    ],
    [
      'the same, in a size that its firmware does not have',
      factsOf(virtio, early({ drivers: new Set(['qxl']) })),
      wishOf('2560x1440', ['tty']),
      [/^grub: the firmware offers no 2560x1440 on virtio/, /^note: .* has no driver for virtio: only GRUB decides/],
    ],
    [
      'nomodeset',
      factsOf(qxl, early({ commandLine: 'quiet nomodeset' })),
      wishOf('1920x1080', ['tty']),
      [dropIn, /^note: nomodeset is on the kernel's command line: only GRUB decides/],
    ],
    [
      'nomodeset in 4K: the memory for the early picture too',
      factsOf(qxl, early({ commandLine: 'nomodeset' })),
      wishOf('3840x2160', ['tty']),
      ['definition', dropIn, /^note: nomodeset /],
    ],
    [
      'a driver that is kept away',
      factsOf(qxl, early({ commandLine: 'modprobe.blacklist=qxl' })),
      wishOf('1920x1080', ['tty']),
      [dropIn, /^note: modprobe\.blacklist keeps the driver qxl away: only GRUB decides/],
    ],
    [
      'vga=, where the early picture is all',
      factsOf(qxl, early({ commandLine: 'nomodeset vga=791' })),
      wishOf('1920x1080', ['tty']),
      [/^tty: nomodeset .*: vga=791 on the kernel's command line is what GRUB hands over/],
    ],
    [
      'vga= on UEFI, where GRUB takes no notice of it',
      factsOf(qxl, early({ commandLine: 'nomodeset vga=791' }), " firmware='efi'"),
      wishOf('1920x1080', ['tty']),
      [dropIn, /^note: nomodeset /],
    ],
    [
      'vga=, where a driver comes',
      factsOf(qxl, guest({ commandLine: 'vga=791' })),
      wishOf('1920x1080', ['tty']),
      ['definition'],
    ],
    [
      'systemd-boot, for a size that the kernel is told',
      factsOf(qxl, guest({ bootLoader: 'systemd-boot' })),
      wishOf('1024x768', ['tty'], { via: 'guest' }),
      [/^tty: the guest boots by systemd-boot: .*kernel arguments are in \/etc\/kernel\/cmdline/],
    ],
    [
      'a guest that says nothing',
      factsOf(qxl, { guest: undefined, silence: 'no agent' }),
      wishOf('1920x1080', ['grub', 'tty']),
      ['definition', 'grub: the guest cannot be asked: no agent'],
    ],
    ['transient', factsOf(qxl, { transient: true }), wishOf('1920x1080', ['tty']), [/^tty: the domain is transient/]],
    [
      'managed save',
      factsOf(qxl, { managedSave: true }),
      wishOf('1920x1080', ['tty']),
      [/^tty: its memory is saved.*managedsave-remove 0b6c/],
    ],
    [
      'snapshots with memory',
      factsOf(qxl, { memorySnapshots: ['a"b'] }),
      wishOf('1920x1080', ['tty']),
      [/^tty: snapshots with memory \("a\\"b"\)/],
    ],
    [
      'X: by modelines, and kept',
      factsOf(qxl, guest({ sessions: [x11] })),
      wishOf('1680x1050', ['desktop']),
      ['session', 'file /etc/X11/xorg.conf.d/90-bridgekeeper.conf'],
    ],
    [
      'X in 4K: room for it first',
      factsOf(qxl, guest({ sessions: [x11] })),
      wishOf('3840x2160', ['desktop']),
      ['definition', 'session', /^file/],
    ],
    [
      'X in 4K, from inside alone',
      factsOf(qxl, guest({ sessions: [x11] })),
      wishOf('3840x2160', ['desktop'], { via: 'guest' }),
      [
        /^desktop: 3840x2160 needs 31.6 MiB, and qxl has 16 MiB for a picture; it would need ram 128 MiB, .*vgamem 32 MiB/,
      ],
    ],
    [
      'GNOME: its own tool, and its own file',
      factsOf(virtio, guest({ sessions: [gnome] })),
      wishOf('1280x800', ['desktop']),
      ['session', 'file /home/ann/.config/monitors.xml'],
    ],
    [
      'its log-in screen too',
      factsOf(
        virtio,
        guest({ sessions: [gnome], greeter: { path: '/gdm/monitors.xml', user: 'gdm', text: undefined } }),
      ),
      wishOf('1280x800', ['desktop']),
      ['session', /^file \/home/, 'file /gdm/monitors.xml'],
    ],
    [
      'GNOME, in a size that the kernel does not list: the device has it first',
      factsOf(virtio, guest({ sessions: [gnome] })),
      wishOf('1680x1050', ['desktop']),
      ['definition', /^note: GNOME offers no 1680x1050 .*mutter takes no modelines.*arranged after the restart/],
    ],
    [
      'the same from inside alone',
      factsOf(virtio, guest({ sessions: [gnome] })),
      wishOf('1680x1050', ['desktop'], { via: 'guest' }),
      [/^desktop: GNOME offers no 1680x1050 .*mutter takes no modelines/],
    ],
    [
      'GNOME that does not answer',
      factsOf(virtio, guest({ sessions: [{ ...gnome, compositor: { tool: 'DisplayConfig', outputs: undefined } }] })),
      wishOf('1280x800', ['desktop']),
      [/^desktop: GNOME does not say which modes it has/],
    ],
    [
      "no session: the next one takes the console's",
      factsOf(qxl),
      wishOf('1280x1024', ['desktop']),
      [/^note: no desktop session runs/],
    ],
    [
      'a viewer that overrides',
      factsOf(qxl, {
        ...guest({ sessions: [x11], vdagent: true }),
        viewing: { spice: 1, vnc: 0, agentListens: false },
      }),
      wishOf('1680x1050', ['desktop']),
      ['session', /^file/, /^note: a SPICE viewer is connected/],
    ],
    [
      'three monitors on two connectors',
      factsOf(virtio, guest({ sessions: [x11] })),
      wishOf('800x600 800x600 800x600', ['desktop'], { via: 'guest' }),
      [/^desktop: the guest has 2 connectors for 3 monitors/],
    ],
    [
      'three monitors: first the heads, then the session',
      factsOf(virtio, guest({ sessions: [x11] })),
      wishOf('800x600 800x600 800x600', ['desktop']),
      ['definition', /^note: the guest has 2 connectors as yet/],
    ],
  ];

describe('a wish, and what it takes', () => {
  for (const [title, facts, wish, plan] of rows) {
    test(title, () => {
      const lines = shown(planDisplay(facts, wish));
      assert.equal(lines.length, plan.length, lines.join('\n'));
      for (const [at, line] of lines.entries()) {
        const wanted = plan[at] ?? '';
        if (typeof wanted === 'string') assert.equal(line, wanted);
        else assert.match(line, wanted);
      }
    });
  }
});

describe("a session's programs", () => {
  const commandsOf = (facts: DisplayFacts, words: string) =>
    planDisplay(facts, wishOf(words, ['desktop'])).steps.flatMap((step) =>
      step.kind === 'session' ? step.step.commands : [],
    );

  test('X: a mode of its own, and one call for the whole arrangement', () => {
    const commands = commandsOf(factsOf(qxl, guest({ sessions: [x11] })), '1024x768 1280x1024@right');
    assert.deepEqual(
      commands.map(({ args, environment }) => [args.join(' '), environment.DISPLAY]),
      [
        ['--newmode 1280x1024_60.00 109.00 1280 1368 1496 1712 1024 1027 1034 1063 -hsync +vsync', ':0'],
        ['--addmode Virtual-2 1280x1024_60.00', ':0'],
        ['--output Virtual-1 --mode 1024x768 --pos 0x0 --output Virtual-2 --mode 1280x1024_60.00 --pos 1024x0', ':0'],
      ],
    );
  });
});

describe('what a guest says', () => {
  const said = (text: string) => guestFacts(readSections(text.replaceAll('@', 'feed'), 'feed'));

  test('connectors, modes once each, and the rest counted', () => {
    const facts = said(
      '@ connectors\ncard0-Virtual-1 connected 1024x768 1024x768 800x600 $(reboot) 99999999x1\ncard0-HDMI-A-1 connected 1x1\n../../etc connected\n',
    );
    assert.deepEqual(facts.connectors, [
      {
        card: 0,
        name: 'Virtual-1',
        connected: true,
        modes: [
          { width: 1024, height: 768 },
          { width: 800, height: 600 },
        ],
      },
    ]);
    assert.equal(facts.leftOut, 4);
  });

  for (const [title, text] of [
    ['a session with a display for a shell', '@ sessions\nx11 gnome ann 1000 :0;reboot /home/ann/.Xauthority\n'],
    ['a user that is an option', '@ sessions\nx11 gnome -x 1000 :0 -\n'],
    ['a file elsewhere', '@ grub-files\n/etc/default/grub.d/../../shadow eA==\n/etc/shadow eA==\n'],
    ['a file that is no Base64', '@ grub-files\n/etc/default/grub ????\n'],
    ['a release with escapes', '@ release\n\u001b[2J6.1\n'],
    ['a console of another kind', '@ console\ntty1;reboot\n'],
    ['a section that nobody asked for', '@ __proto__\nx\n'],
    ['nothing', ''],
    ['a mebibyte of one line', `@ connectors\n${'x'.repeat(1 << 20)}\n`],
    ['a million lines', `@ connectors\n${'card0-Virtual-1 connected 800x600\n'.repeat(100_000)}`],
  ] as const) {
    test(`${title}: left out`, () => {
      const facts = said(text);
      assert.deepEqual([facts.sessions, facts.grubFiles, facts.release, facts.activeConsole], [[], [], '', undefined]);
      assert.ok(facts.connectors.length <= 16);
    });
  }
});
