// The files of a guest that cannot be asked -> the sections that its shell would have printed, as far as files know. What they
// hold is as hostile as what a guest says, and goes the same way: `guestFacts` believes it by the same rules.
import { defaultsFile, dropInFolder } from './grub.ts';
import type { Sections } from './guest-facts.ts';
import { xorgFile } from './session-step.ts';

export type GuestRoot = {
  /** `root:/mnt`, `image:/var/lib/…`. */
  readonly way: string;
  /** A plain file's bytes; undefined where there is none, or a larger one than `mostFileBytes`. Links stay in the root. */
  readonly read: (path: string) => Promise<Buffer | undefined>;
  /** The names in a folder, at most `mostNames`; none where there is no folder. */
  readonly list: (path: string) => Promise<readonly string[]>;
};

export const mostFileBytes = 1 << 20;
export const mostNames = 4_096;

/** Names that a file of ours may have in a guest; anything else is not asked for. */
const plainName = /^[A-Za-z0-9_][A-Za-z0-9_.+~-]{0,127}$/;

/** Where kernels keep their display drivers, below drivers/gpu/drm. */
const driverFolders = ['bochs', 'cirrus', 'qxl', 'tiny', 'virtio', 'vmwgfx'];

/** @throws HostError as the root's own reading */
export async function offlineSections(root: GuestRoot): Promise<Sections> {
  const text = async (path: string) => (await root.read(path))?.toString('utf8');
  const grubCfg = (await text('/boot/grub/grub.cfg')) ?? (await text('/boot/grub2/grub.cfg'));
  const boot = bootEntry(grubCfg ?? '') ?? (await blsEntry(root));
  const release = boot?.release ?? (await newestRelease(root));
  return new Map([
    ['release', release === undefined ? [] : [release]],
    ['command-line', boot === undefined ? [] : [boot.commandLine]],
    ['drivers', release === undefined ? [] : await driversOf(root, release)],
    ['boot-loader', await bootLoaderLines(root, grubCfg !== undefined)],
    ['grub-files', await grubFileLines(root)],
    ['xorg-file', await encodedLines(root, xorgFile)],
  ]);
}

type BootEntry = { readonly release: string | undefined; readonly commandLine: string };

/** The first kernel that GRUB's configuration boots: its default, as long as nobody chose another one. */
function bootEntry(grubCfg: string): BootEntry | undefined {
  const found = /^[ \t]*linux(?:16|efi)?[ \t]+(\S+)[ \t]*(.*)$/m.exec(grubCfg);
  return found === null ? undefined : { release: releaseIn(found[1] ?? ''), commandLine: found[2] ?? '' };
}

function releaseIn(kernel: string): string | undefined {
  return /\/vmlinu[xz]-([\w.+~-]{1,64})$/.exec(kernel)?.[1];
}

/** Boot entries that are files of their own; the last one by name is the newest. */
async function blsEntry(root: GuestRoot): Promise<BootEntry | undefined> {
  const folder = '/boot/loader/entries';
  const name = (await root.list(folder)).findLast((one) => plainName.test(one) && one.endsWith('.conf'));
  const text = name === undefined ? undefined : (await root.read(`${folder}/${name}`))?.toString('utf8');
  if (text === undefined) return undefined;
  const wordsOf = (key: string) => new RegExp(`^${key}[ \\t]+(.*)$`, 'm').exec(text)?.[1] ?? '';
  return { release: releaseIn(wordsOf('linux')), commandLine: wordsOf('options') };
}

async function newestRelease(root: GuestRoot): Promise<string | undefined> {
  const names = (await root.list('/lib/modules')).filter((name) => plainName.test(name));
  return names.toSorted((one, other) => one.localeCompare(other, 'en', { numeric: true })).at(-1);
}

async function driversOf(root: GuestRoot, release: string): Promise<readonly string[]> {
  const base = `/lib/modules/${release}`;
  const files: string[] = [];
  for (const folder of driverFolders) files.push(...(await root.list(`${base}/kernel/drivers/gpu/drm/${folder}`)));
  const builtIn = (await root.read(`${base}/modules.builtin`))?.toString('latin1') ?? '';
  const names = [...files, ...builtIn.split('\n').filter((line) => line.includes('/drm/'))];
  return names.flatMap((name) => /(?:^|\/)([a-z0-9_-]+)\.ko(?:\.\w+)?$/.exec(name)?.[1] ?? []);
}

/** In the words of the question to a guest that answers. */
async function bootLoaderLines(root: GuestRoot, hasGrub: boolean): Promise<readonly string[]> {
  const has = async (path: string) => (await root.read(path)) !== undefined;
  const loaders = ['/boot/efi/loader/loader.conf', '/boot/loader/loader.conf', '/efi/loader/loader.conf'];
  const found: string[] = hasGrub ? ['grub'] : [];
  for (const loader of loaders) if (await has(loader)) found.push('systemd-boot');
  const makers = ['/usr/sbin/grub-mkconfig', '/usr/sbin/grub2-mkconfig', '/usr/bin/grub-mkconfig'];
  for (const maker of makers) {
    const text = (await root.read(maker))?.toString('latin1');
    if (text?.includes('default/grub.d') === true) found.push('drop-ins');
  }
  return found;
}

async function grubFileLines(root: GuestRoot): Promise<readonly string[]> {
  const names = (await root.list(dropInFolder)).filter((name) => plainName.test(name) && name.endsWith('.cfg'));
  const lines: string[] = [];
  for (const path of [defaultsFile, ...names.map((name) => `${dropInFolder}/${name}`)]) {
    lines.push(...(await encodedLines(root, path)).map((encoded) => `${path} ${encoded}`));
  }
  return lines;
}

async function encodedLines(root: GuestRoot, path: string): Promise<readonly string[]> {
  const bytes = await root.read(path);
  return bytes === undefined ? [] : [bytes.toString('base64')];
}
