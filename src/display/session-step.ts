// A session and the sizes wished for -> the programs that set them, with all their arguments: X by modelines of our own,
// Wayland by the compositor's own tool. What is only set ends with the session; X's sizes are kept by a file of xorg.conf.d.
// Sources: xrandr(1), xorg.conf(5)
import { unreachable } from '../model/unreachable.ts';
import type { Output } from './arrangement.ts';
import { cvt, type Modeline, modelineWords } from './cvt.ts';
import type { Connector } from './guest-facts.ts';
import { type Monitor, type Placed, placed } from './monitors.ts';
import type { Session } from './session-facts.ts';
import { isSameSize, printSize, type Size } from './size.ts';
import { waylandCommands, wlrCommands } from './wayland-step.ts';

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

export const xorgFile = '/etc/X11/xorg.conf.d/90-bridgekeeper.conf';

/**
 * @param connectors the kernel's; X has names of its own where it says so
 * @returns undefined when there are fewer connectors than monitors
 */
export function sessionStep(
  session: Session,
  connectors: readonly Connector[],
  monitors: readonly Monitor[],
): SessionStep | undefined {
  const known: readonly Known[] = session.outputs.length > 0 ? session.outputs : connectors.map(asOutput);
  if (known.length < monitors.length) return undefined;
  const asks = placed(monitors).flatMap((place, at) => {
    const output = known[at];
    return output === undefined ? [] : [{ ...place, output }];
  });
  const others = known.slice(monitors.length);
  switch (session.kind) {
    case 'x11':
      return {
        commands: isArranged(asks, others) ? [] : xrandr(session, asks, others),
        keep: { path: xorgFile, text: xorgText(asks) },
        unseen: false,
      };
    case 'wayland':
      return {
        commands:
          session.desktop === 'other'
            ? wlrCommands(
                session,
                known.map(({ name }) => name),
                monitors,
              )
            : waylandCommands(session, monitors),
        unseen: true,
      };
    default:
      return unreachable(session.kind);
  }
}

type Known = Pick<Output, 'name' | 'modes' | 'shown'>;

function asOutput({ name, modes }: Connector): Known {
  return { name, modes: modes.map(printSize), shown: undefined };
}

type Ask = Placed & { readonly output: Known };

function isArranged(asks: readonly Ask[], others: readonly Known[]): boolean {
  const isThere = ({ size, x, y, output: { shown } }: Ask) =>
    shown !== undefined && isSameSize(shown.size, size) && shown.x === x && shown.y === y;
  return asks.every(isThere) && others.every(({ shown }) => shown === undefined);
}

function xrandr(session: Session, asks: readonly Ask[], others: readonly Known[]): readonly Command[] {
  const command = (args: readonly string[], mayFail: boolean): Command => ({
    program: 'xrandr',
    args,
    environment: sessionEnvironment(session),
    user: session.user,
    mayFail,
  });
  const added = asks.filter(({ output, size }) => listedMode(output, size) === undefined);
  const modelines = new Map(added.map(({ size }) => [printSize(size), modelineFor(size)]));
  const arrangement = asks.flatMap(({ output, size, x, y }) => [
    ...['--output', output.name],
    ...['--mode', listedMode(output, size) ?? modelineFor(size).name],
    ...['--pos', `${x}x${y}`],
  ]);
  const off = others.filter(({ shown }) => shown !== undefined).flatMap(({ name }) => ['--output', name, '--off']);
  return [
    ...[...modelines.values()].map((mode) => command(['--newmode', ...modelineWords(mode)], true)),
    ...added.map(({ output, size }) => command(['--addmode', output.name, modelineFor(size).name], true)),
    // one call: half of an arrangement is never shown
    command([...arrangement, ...off], false),
  ];
}

/** What a session's programs are told by a display manager. */
export function sessionEnvironment({ display, authority }: Session): Readonly<Record<string, string>> {
  return {
    ...(display === undefined ? {} : { DISPLAY: display }),
    ...(authority === undefined ? {} : { XAUTHORITY: authority }),
  };
}

/** A mode of the driver's, or one of ours from earlier. */
function listedMode({ modes }: Known, size: Size): string | undefined {
  return [printSize(size), modelineFor(size).name].find((name) => modes.includes(name));
}

/** Nothing scans a virtual screen: its timing is only a form that X asks for. */
function modelineFor({ width, height }: Size): Modeline {
  return cvt(width, height, 60, 'normal');
}

function xorgText(asks: readonly Ask[]): string {
  const sections = asks.flatMap(({ output, size, x, y }) => {
    const mode = modelineFor(size);
    const [name = '', ...timing] = modelineWords(mode);
    return [
      'Section "Monitor"',
      `  Identifier "${output.name}"`,
      `  Modeline "${name}" ${timing.join(' ')}`,
      `  Option "PreferredMode" "${name}"`,
      `  Option "Position" "${x} ${y}"`,
      'EndSection',
    ];
  });
  return `${['# Written by bridgekeeper; `bridgekeeper display rollback` takes it away.', ...sections].join('\n')}\n`;
}
