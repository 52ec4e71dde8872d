// A session and the sizes wished for -> the programs that set them, with all their arguments: X by modelines of our own,
// GNOME and KDE under Wayland by their own tools. Nothing here is for a shell. What is only set ends with the session; X's
// sizes are kept by a file of xorg.conf.d.
// Sources: xrandr(1), xorg.conf(5); gdctl of mutter 48; kscreen-doctor of KDE
import { unreachable } from '../model/unreachable.ts';
import { cvt, type Modeline, modelineWords } from './cvt.ts';
import type { Connector, Session } from './guest-facts.ts';
import { type Monitor, type Placed, placed } from './monitors.ts';
import { isSameSize, printSize, type Size } from './size.ts';

export type Command = {
  readonly program: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** As whom it runs; sessions are asked as their own user. */
  readonly user: string;
  /** A mode that is already known is no failure. */
  readonly mayFail: boolean;
};

export type SessionStep = {
  readonly commands: readonly Command[];
  readonly keep?: { readonly path: string; readonly text: string };
  /** Nobody has seen the picture of this way: it is only known to be the tool's own. */
  readonly unseen: boolean;
};

const xorgFile = '/etc/X11/xorg.conf.d/90-bridgekeeper.conf';

/** @returns undefined when there are fewer connectors than monitors */
export function sessionStep(
  session: Session,
  connectors: readonly Connector[],
  monitors: readonly Monitor[],
): SessionStep | undefined {
  if (connectors.length < monitors.length) return undefined;
  const outputs = placed(monitors).flatMap((place, at) => {
    const connector = connectors[at];
    return connector === undefined ? [] : [{ ...place, connector }];
  });
  switch (session.kind) {
    case 'x11':
      return { commands: xrandr(session, outputs), keep: { path: xorgFile, text: xorgText(outputs) }, unseen: false };
    case 'wayland':
      return { commands: [waylandCommand(session, outputs)], unseen: true };
    default:
      return unreachable(session.kind);
  }
}

type Output = Placed & { readonly connector: Connector };

function xrandr(session: Session, outputs: readonly Output[]): readonly Command[] {
  const modes = outputs.filter(({ connector, size }) => !connector.modes.some((one) => isSameSize(one, size)));
  const known = new Map(modes.map(({ size }) => [printSize(size), modelineFor(size)]));
  const command = (args: readonly string[], mayFail: boolean): Command => ({
    program: 'xrandr',
    args,
    environment: {
      ...(session.display === undefined ? {} : { DISPLAY: session.display }),
      ...(session.authority === undefined ? {} : { XAUTHORITY: session.authority }),
    },
    user: session.user,
    mayFail,
  });
  const arrangement = outputs.flatMap(({ connector, size, x, y }) => [
    ...['--output', connector.name],
    ...['--mode', known.get(printSize(size))?.name ?? printSize(size)],
    ...['--pos', `${x}x${y}`],
  ]);
  return [
    ...[...known.values()].map((mode) => command(['--newmode', ...modelineWords(mode)], true)),
    ...modes.map(({ connector, size }) =>
      command(['--addmode', connector.name, known.get(printSize(size))?.name ?? ''], true),
    ),
    // one call: half of an arrangement is never shown
    command(arrangement, false),
  ];
}

/** Nothing scans a virtual screen, so the smaller clock does; where the picture is large it is the only one that fits. */
function modelineFor({ width, height }: Size): Modeline {
  return cvt(width, height, 60, 'normal');
}

function xorgText(outputs: readonly Output[]): string {
  const sections = outputs.flatMap(({ connector, size, x, y }) => {
    const mode = modelineFor(size);
    const [name = '', ...timing] = modelineWords(mode);
    return [
      'Section "Monitor"',
      `  Identifier "${connector.name}"`,
      `  Modeline "${name}" ${timing.join(' ')}`,
      `  Option "PreferredMode" "${name}"`,
      `  Option "Position" "${x} ${y}"`,
      'EndSection',
    ];
  });
  return `${['# Written by bridgekeeper; `bridgekeeper display rollback` takes it away.', ...sections].join('\n')}\n`;
}

function waylandCommand(session: Session, outputs: readonly Output[]): Command {
  const environment = {
    XDG_RUNTIME_DIR: `/run/user/${session.uid}`,
    DBUS_SESSION_BUS_ADDRESS: `unix:path=/run/user/${session.uid}/bus`,
  };
  const base = { environment, user: session.user, mayFail: false };
  switch (session.desktop) {
    case 'gnome':
      return { ...base, program: 'gdctl', args: ['set', '--persistent', ...outputs.flatMap(gdctlWords)] };
    case 'kde':
      return { ...base, program: 'kscreen-doctor', args: outputs.flatMap(kscreenWords) };
    case 'other':
      return { ...base, program: 'wlr-randr', args: outputs.flatMap(wlrWords) };
    default:
      return unreachable(session.desktop);
  }
}

function gdctlWords({ connector, size, x, y }: Output, at: number): readonly string[] {
  const primary = at === 0 ? ['--primary'] : [];
  return [
    '--logical-monitor',
    ...primary,
    '--monitor',
    connector.name,
    '--mode',
    `${printSize(size)}@60.000`,
    '--x',
    `${x}`,
    '--y',
    `${y}`,
  ];
}

function kscreenWords({ connector, size, x, y }: Output): readonly string[] {
  const output = `output.${connector.name}`;
  return [`${output}.mode.${printSize(size)}@60`, `${output}.position.${x},${y}`];
}

function wlrWords({ connector, size, x, y }: Output): readonly string[] {
  return ['--output', connector.name, '--mode', printSize(size), '--pos', `${x},${y}`];
}
