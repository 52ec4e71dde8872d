// What a guest's processes and its X servers and compositors say -> its sessions: whose, by which tool each is told sizes, and how
// it is arranged now. All of it is hostile: every line has a form, and what has another one is left out.
import { type Output, outputsOf } from './arrangement.ts';
import { type CompositorOutput, kscreenOutputs, mutterOutputs } from './compositor.ts';

export type Session = {
  readonly kind: 'x11' | 'wayland';
  readonly desktop: 'gnome' | 'kde' | 'other';
  readonly user: string;
  readonly uid: number;
  /** `:0`; of X and XWayland. */
  readonly display: string | undefined;
  readonly authority: string | undefined;
  /** As X itself names and arranges them; none where it did not say. */
  readonly outputs: readonly Output[];
  /** What the compositor says, of those that were asked. */
  readonly compositor?: Compositor;
};

export type Compositor = {
  readonly tool: 'gdctl' | 'DisplayConfig' | 'kscreen-doctor';
  /** undefined: it does not say which it has. */
  readonly outputs: readonly CompositorOutput[] | undefined;
  /** What GNOME starts the next session of this user with. */
  readonly kept?: OwnedFile;
};

/** A file that belongs to one user, and is written as that one; its text is undefined where it is not there. */
export type OwnedFile = { readonly path: string; readonly user: string; readonly text: string | undefined };

/** undefined for what is none, or has no end. */
export function base64Text(encoded: string): string | undefined {
  const isOne = encoded.length <= 1_000_000 && /^[A-Za-z0-9+/]*={0,2}$/.test(encoded);
  return isOne ? Buffer.from(encoded, 'base64').toString('utf8') : undefined;
}

/** Lines of sessions; behind one of a display that was not asked before, what its xrandr said. One display is one session. */
export function sessionsOf(lines: readonly string[]): readonly Session[] {
  const sessions = lines.flatMap((line, at) =>
    sessionOf(line).map((session) => ({ ...session, ...compositorOf(session, linesBehind(lines, at, detail)) })),
  );
  const outputs = new Map<string | undefined, readonly Output[]>();
  for (const [at, line] of lines.entries()) {
    const display = sessionOf(line)[0]?.display;
    if (display === undefined || outputs.get(display)?.length) continue;
    outputs.set(display, outputsOf(linesBehind(lines, at, said)));
  }
  const best = sessions.toSorted((one, other) => rank(one) - rank(other));
  const first = best.filter((one, at) => best.findIndex((other) => isSameSession(one, other)) === at);
  return first.map((session) => ({ ...session, outputs: outputs.get(session.display) ?? [] }));
}

/** What xrandr said, and what else is known of a session, stand behind its line. */
const said = '| ';
const detail = '> ';

function linesBehind(lines: readonly string[], at: number, mark: string): readonly string[] {
  const rest = lines.slice(at + 1);
  const end = rest.findIndex((line) => !line.startsWith(said) && !line.startsWith(detail));
  const own = rest.slice(0, end < 0 ? rest.length : end);
  return own.filter((line) => line.startsWith(mark)).map((line) => line.slice(mark.length));
}

/** Only of a session that was asked: one compositor has several processes. */
function compositorOf({ user, desktop }: Session, details: readonly string[]): { readonly compositor?: Compositor } {
  const after = (word: string) => details.find((line) => line.startsWith(`${word} `))?.slice(word.length + 1);
  const [mutter, kscreen] = [after('mutter'), after('kscreen')];
  if (desktop === 'kde' && kscreen !== undefined)
    return { compositor: { tool: 'kscreen-doctor', outputs: kscreenOutputs(kscreen) } };
  if (desktop !== 'gnome' || mutter === undefined) return {};
  const tool = details.includes('gdctl') ? 'gdctl' : 'DisplayConfig';
  const kept = monitorsFile(after('monitors') ?? '', user);
  return { compositor: { tool, outputs: mutterOutputs(mutter), ...(kept === undefined ? {} : { kept }) } };
}

/** A path and the file in Base64, or `-` where there is none. */
function monitorsFile(line: string, user: string): OwnedFile | undefined {
  const found = /^(\/[\w./-]{1,200}\/\.config\/monitors\.xml) ([A-Za-z0-9+/=]*|-)$/.exec(line);
  if (found === null || /\/\.\.?\//.test(found[1] ?? '')) return undefined;
  return { path: found[1] ?? '', user, text: found[2] === '-' ? undefined : base64Text(found[2] ?? '') };
}

/** `/var/lib/gdm3/.config/monitors.xml Debian-gdm -`. */
export function greeterOf(line: string): readonly OwnedFile[] {
  const found = /^(\/var\/lib\/gdm3?\/\.config\/monitors\.xml) ([A-Za-z_][A-Za-z0-9_-]{0,31}) (\S+)$/.exec(line);
  const file = found === null ? undefined : monitorsFile(`${found[1]} ${found[3]}`, found[2] ?? '');
  return file === undefined ? [] : [file];
}

/** Users begin at 1000 everywhere. */
function rank({ uid, desktop }: Session): number {
  return (uid >= 1000 ? 0 : uid > 0 ? 2 : 4) + (desktop === 'other' ? 1 : 0);
}

function isSameSession(one: Session, other: Session): boolean {
  return one.display === other.display && (one.display !== undefined || one.uid === other.uid);
}

/** `x11 gnome alice 1000 :0 /run/user/1000/gdm/Xauthority`; `-` where there is none. */
function sessionOf(line: string): readonly Session[] {
  const found =
    /^(x11|wayland) (gnome|kde|other) ([a-z_][a-z0-9_-]{0,31}\$?) (\d{1,10}) (:\d{1,5}(?:\.\d)?|-) (\/[\w./:-]{1,255}|-)$/.exec(
      line,
    );
  if (found === null) return [];
  const [, kind = '', desktop = '', user = '', uid = '', display = '-', authority = '-'] = found;
  return [
    {
      kind: kind === 'x11' ? 'x11' : 'wayland',
      desktop: desktop === 'gnome' || desktop === 'kde' ? desktop : 'other',
      user,
      uid: Number(uid),
      display: display === '-' ? undefined : display,
      authority: authority === '-' ? undefined : authority,
      outputs: [],
    },
  ];
}
