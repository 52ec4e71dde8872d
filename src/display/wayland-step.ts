// A Wayland session and the sizes wished for -> what its compositor is told, by its own tool, as the session's user on its bus.
// No compositor here takes a timing of one's own: a size that it does not offer has to come into its list from below.
// Sources: gdctl(1) of mutter 48; org.gnome.Mutter.DisplayConfig.xml; kscreen-doctor of libkscreen; wlr-randr(1)
import { type CompositorMode, type CompositorOutput, modeOfSize, offeredText } from './compositor.ts';
import type { Monitor, Placed } from './monitors.ts';
import { placed } from './monitors.ts';
import { type KeptMonitor, monitorsText } from './monitors-file.ts';
import type { Compositor, OwnedFile, Session } from './session-facts.ts';
import type { Command } from './session-step.ts';
import { isSameSize, printSize, type Size } from './size.ts';

/**
 * GNOME before 48 has no program of its own. The number of its state, which every change has to name, is asked for at once before.
 * 1 is: until the session ends. The way that lasts (2) is taken back after 20 seconds unless somebody at the screen agrees to it
 * (`request_persistent_confirmation` in mutter's meta-monitor-manager.c), so a file does the lasting.
 */
const displayConfig =
  'c=org.gnome.Mutter.DisplayConfig; p=/org/gnome/Mutter/DisplayConfig; ' +
  's=$(busctl --user --json=short call $c $p $c GetCurrentState | tr "[," "\\n\\n" | sed -n 3p); ' +
  '[ "$s" -ge 0 ] && exec busctl --user call $c $p $c ApplyMonitorsConfig "uua(iiduba(ssa{sv}))a{sv}" "$s" 1 "$@"';

type Ask = Placed & { readonly output: CompositorOutput; readonly mode: CompositorMode };

export type WaylandRefusal = {
  readonly text: string;
  /** The size could be put into the kernel's list, from which the compositor takes it. */
  readonly isUnlisted: boolean;
};

/** Why the session cannot be told so; undefined where it can. */
export function waylandRefusal(
  { desktop, compositor }: Session,
  monitors: readonly Monitor[],
): WaylandRefusal | undefined {
  if (desktop === 'other') return undefined;
  const outputs = compositor?.outputs;
  if (outputs === undefined) return { text: silenceText(desktop), isUnlisted: false };
  const name = names[desktop];
  if (outputs.length < monitors.length) {
    const text = `${name} has ${outputs.length} of the ${monitors.length} monitors`;
    return { text, isUnlisted: false };
  }
  const unlisted = outputs.flatMap((output, at) => {
    const size = monitors[at]?.size;
    return size === undefined || modeOfSize(output, size) !== undefined ? [] : [unlistedText(desktop, output, size)];
  });
  return unlisted[0] === undefined ? undefined : { text: unlisted[0], isUnlisted: true };
}

const names = { gnome: 'GNOME', kde: 'KDE' };

function silenceText(desktop: 'gnome' | 'kde'): string {
  const tool = desktop === 'gnome' ? "mutter's DisplayConfig" : 'kscreen-doctor';
  return `${names[desktop]} does not say which modes it has: ${tool} did not answer on the session's bus`;
}

function unlistedText(desktop: 'gnome' | 'kde', output: CompositorOutput, size: Size): string {
  const takes =
    desktop === 'gnome' ? "mutter takes no modelines of one's own" : "KWin is given no modes of one's own from here";
  const way = '<resolution> at the host or video= for the kernel puts it into the list';
  return `${names[desktop]} offers no ${printSize(size)} on ${output.name} (but ${offeredText(output)}), and ${takes}: ${way}`;
}

/** None where it is so already. @throws nothing: what cannot be is `waylandRefusal`'s */
export function waylandCommands(session: Session, monitors: readonly Monitor[]): readonly Command[] {
  const { asks, off } = asked(session.compositor, monitors);
  const isThere = ({ size, x, y, output: { shown } }: Ask) =>
    shown !== undefined && isSameSize(shown.size, size) && shown.x === x && shown.y === y;
  if (asks.length === 0 || (asks.every(isThere) && off.every(({ shown }) => shown === undefined))) return [];
  return [arranging(session, asks, off)];
}

/** What makes it so again as it is now; none where that is not known. */
export function waylandUndo(session: Session): readonly Command[] {
  const outputs = session.compositor?.outputs ?? [];
  const asks = outputs.flatMap((output) => {
    const mode = output.modes.find(({ id }) => id === output.shown?.mode);
    if (output.shown === undefined || mode === undefined) return [];
    const { size, x, y } = output.shown;
    return [{ size, x, y, side: 'right' as const, output, mode }];
  });
  const off = outputs.filter(({ shown }) => shown === undefined);
  return asks.length === 0 ? [] : [{ ...arranging(session, asks, off), mayFail: true }];
}

function asked(
  compositor: Compositor | undefined,
  monitors: readonly Monitor[],
): { readonly asks: readonly Ask[]; readonly off: readonly CompositorOutput[] } {
  const outputs = compositor?.outputs ?? [];
  const asks = placed(monitors).flatMap((place, at) => {
    const output = outputs[at];
    const mode = output === undefined ? undefined : modeOfSize(output, place.size);
    return output === undefined || mode === undefined ? [] : [{ ...place, output, mode }];
  });
  return { asks, off: outputs.slice(monitors.length) };
}

function arranging(session: Session, asks: readonly Ask[], off: readonly CompositorOutput[]): Command {
  const base = { environment: busEnvironment(session), user: session.user, mayFail: false };
  switch (session.compositor?.tool) {
    case 'gdctl':
      // those that are not named go off
      return { ...base, program: 'gdctl', args: ['set', ...asks.flatMap(gdctlWords)] };
    case 'kscreen-doctor':
      return { ...base, program: 'kscreen-doctor', args: [...asks.flatMap(kscreenWords), ...off.map(kscreenOff)] };
    default: {
      const words = [`${asks.length}`, ...asks.flatMap(displayConfigWords), '0'];
      return { ...base, program: '/bin/sh', args: ['-c', displayConfig, 'sh', ...words] };
    }
  }
}

/** Programs of a session find it by its bus. */
function busEnvironment({ uid }: Session): Readonly<Record<string, string>> {
  return { XDG_RUNTIME_DIR: `/run/user/${uid}`, DBUS_SESSION_BUS_ADDRESS: `unix:path=/run/user/${uid}/bus` };
}

function gdctlWords({ output, mode, x, y }: Ask, at: number): readonly string[] {
  const primary = at === 0 ? ['--primary'] : [];
  const place = ['--x', `${x}`, '--y', `${y}`];
  return ['--logical-monitor', ...primary, ...place, '--monitor', output.name, '--mode', mode.id];
}

/** (iiduba(ssa{sv})): place, scale, no turning, whether it is the primary one, one monitor with its mode. */
function displayConfigWords({ output, mode, x, y }: Ask, at: number): readonly string[] {
  return [`${x}`, `${y}`, '1', '0', at === 0 ? 'true' : 'false', '1', output.name, mode.id, '0'];
}

function kscreenWords({ output, mode, x, y }: Ask): readonly string[] {
  const name = `output.${output.name}`;
  return [`${name}.enable`, `${name}.mode.${mode.id}`, `${name}.position.${x},${y}`];
}

function kscreenOff({ name }: CompositorOutput): string {
  return `output.${name}.disable`;
}

/** GNOME's file for the next session of the file's user; undefined where there is none to write. */
export function keptText(session: Session, monitors: readonly Monitor[], file: OwnedFile): string | undefined {
  const { asks, off } = asked(session.compositor, monitors);
  const shown: readonly KeptMonitor[] = asks;
  return session.desktop === 'gnome' && asks.length === monitors.length
    ? monitorsText(file.text, shown, off)
    : undefined;
}

/** wlroots' compositors, which are asked nothing before. */
export function wlrCommands(
  session: Session,
  outputs: readonly string[],
  monitors: readonly Monitor[],
): readonly Command[] {
  const words = placed(monitors).flatMap(({ size, x, y }, at) => {
    const name = outputs[at];
    return name === undefined ? [] : ['--output', name, '--mode', printSize(size), '--pos', `${x},${y}`];
  });
  return [
    { program: 'wlr-randr', args: words, environment: busEnvironment(session), user: session.user, mayFail: false },
  ];
}
