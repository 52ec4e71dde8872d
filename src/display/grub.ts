// What GRUB's settings mean for pictures, and the drop-in that changes them. Our file only adds: it is read after
// /etc/default/grub, no file of the user's is touched, and taking it away is the whole way back.
// Sources: GRUB's manual, "Simple configuration" and "gfxpayload"; Debian's grub-mkconfig reads /etc/default/grub.d/*.cfg
import { parseKernelArgs, printVideoArgument, type VideoArgument, withVideoArguments } from './kernel-args.ts';
import { type Assignment, assignmentsIn, withAssignment } from './shell-assignments.ts';
import { printSize, type Size } from './size.ts';

export const defaultsFile = '/etc/default/grub';
export const dropInFolder = '/etc/default/grub.d';
export const dropInFile = `${dropInFolder}/90-bridgekeeper.cfg`;

export type TextFile = { readonly path: string; readonly text: string };

export type GrubSettings = {
  readonly gfxmode: string | undefined;
  readonly payload: string | undefined;
  /** `console` and `serial` show no picture of any size. */
  readonly terminal: string | undefined;
  readonly commandLine: string;
  /** The part of it that comes last. */
  readonly lastPart: string;
  /** Boot entries lie in files of their own, and the command line does too. */
  readonly bls: boolean;
  /** Which file said it last, by the name of the variable. */
  readonly saidBy: ReadonlyMap<string, string>;
  /** Assignments that only a shell could read. */
  readonly unread: readonly string[];
};

/** @param files /etc/default/grub, and then the drop-ins in the order of their names */
export function grubSettings(files: readonly TextFile[]): GrubSettings {
  const said = files.flatMap(({ path, text }) => assignmentsIn(text).map((one) => ({ path, ...one })));
  const last = new Map(said.map((one) => [one.name, one]));
  const lastOf = (name: string) => last.get(name)?.value;
  return {
    gfxmode: lastOf('GRUB_GFXMODE'),
    payload: lastOf('GRUB_GFXPAYLOAD_LINUX'),
    terminal: lastOf('GRUB_TERMINAL_OUTPUT') ?? lastOf('GRUB_TERMINAL'),
    commandLine: commandLineOf(said),
    lastPart: lastOf('GRUB_CMDLINE_LINUX_DEFAULT') ?? '',
    bls: lastOf('GRUB_ENABLE_BLSCFG') === 'true',
    saidBy: new Map([...last].map(([name, { path }]) => [name, path])),
    unread: said
      .filter(({ value, path }) => value === undefined && path !== dropInFile)
      .map(({ name, path }) => `${path}: ${name}`),
  };
}

/** What every entry gets; our own drop-in appends to it, and is understood. */
function commandLineOf(
  said: readonly { readonly name: string; readonly value: string | undefined; readonly path: string }[],
): string {
  const lastOf = (name: string) => said.findLast((one) => one.name === name && one.path !== dropInFile)?.value ?? '';
  return [lastOf('GRUB_CMDLINE_LINUX'), lastOf('GRUB_CMDLINE_LINUX_DEFAULT')].filter((part) => part !== '').join(' ');
}

export type GrubWish = {
  /** The boot menu's size, which the early framebuffer keeps. */
  readonly menu?: Size;
  /** undefined leaves the command line as it is. */
  readonly video?: readonly VideoArgument[];
};

/** The whole text of our drop-in; two times the same wish is the same text. */
export function dropInText({ menu, video }: GrubWish): string {
  const lines = ['# Written by bridgekeeper; `bridgekeeper display rollback` takes it away.'];
  if (menu !== undefined) lines.push(`GRUB_GFXMODE=${gfxmodeText(menu)}`, 'GRUB_GFXPAYLOAD_LINUX=keep');
  if (video !== undefined && video.length > 0) {
    const words = video.map(printVideoArgument).join(' ');
    lines.push(`GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX ${words}"`);
  }
  return `${lines.join('\n')}\n`;
}

/** What the menu shall be, and what GRUB takes if it cannot be that. */
function gfxmodeText(menu: Size): string {
  return `${printSize(menu)}x32,${printSize(menu)},auto`;
}

/** What a drop-in of ours says, as it is read back; undefined when somebody else wrote in it. */
export function parseDropIn(text: string): GrubWish | undefined {
  const found = assignmentsIn(text);
  const mode = /^(\d+)x(\d+)x32,/.exec(found.find(({ name }) => name === 'GRUB_GFXMODE')?.value ?? '');
  const line = /^GRUB_CMDLINE_LINUX="\$GRUB_CMDLINE_LINUX (.*)"$/m.exec(text)?.[1];
  const wish = {
    ...(mode === null ? {} : { menu: { width: Number(mode[1]), height: Number(mode[2]) } }),
    ...(line === undefined ? {} : { video: parseKernelArgs(line).video }),
  };
  return dropInText(wish) === text ? wish : undefined;
}

/** For distributions that do not read the folder: the same in /etc/default/grub itself, everything else as it was. */
export function inPlaceText(text: string, { menu, video }: GrubWish): string {
  let changed = text;
  if (menu !== undefined) {
    changed = withAssignment(changed, 'GRUB_GFXMODE', gfxmodeText(menu));
    changed = withAssignment(changed, 'GRUB_GFXPAYLOAD_LINUX', 'keep');
  }
  if (video === undefined) return changed;
  const line = assignmentsIn(changed).findLast(({ name }) => name === 'GRUB_CMDLINE_LINUX')?.value ?? '';
  return withAssignment(changed, 'GRUB_CMDLINE_LINUX', withVideoArguments(line, video));
}

/** What is read after the file that we write, and says something else: it wins. @param written the file's path */
export function overriders(files: readonly TextFile[], { menu, video }: GrubWish, written: string): readonly string[] {
  const isLater = ({ path }: TextFile): boolean =>
    path.startsWith(`${dropInFolder}/`) && (written === defaultsFile || path > written);
  const isOurs = ({ name, value }: Assignment): boolean => {
    if (name === 'GRUB_GFXMODE' || name === 'GRUB_GFXPAYLOAD_LINUX') return menu !== undefined;
    // one that only a shell could read may well add to ours, as ours does to others
    return name === 'GRUB_CMDLINE_LINUX' && video !== undefined && value !== undefined;
  };
  return files.filter(isLater).flatMap(({ path, text }) =>
    assignmentsIn(text)
      .filter(isOurs)
      .map(({ name }) => `${path}: ${name}`),
  );
}

/** Whether GRUB's generated configuration holds what was asked for: what `update-grub` really did. */
export function holdsWish(grubCfg: string, { menu, video = [] }: GrubWish): boolean {
  const kernelLines = ownEntries(grubCfg)
    .split('\n')
    .filter((line) => /^\s*linux(?:16|efi)?\s/.test(line));
  const hasVideo = video
    .map(printVideoArgument)
    .every((word) => kernelLines.every((line) => line.split(/\s+/).includes(word)));
  const hasMenu = menu === undefined || grubCfg.includes(`set gfxmode=${gfxmodeText(menu)}`);
  return hasVideo && hasMenu && kernelLines.length > 0;
}

/** Other systems, a test of the memory and entries by hand have kernel lines too, and are told nothing. */
function ownEntries(grubCfg: string): string {
  const begin = grubCfg.indexOf('### BEGIN /etc/grub.d/10_linux ###');
  const end = grubCfg.indexOf('### END /etc/grub.d/10_linux ###', begin);
  return begin < 0 || end < 0 ? grubCfg : grubCfg.slice(begin, end);
}
