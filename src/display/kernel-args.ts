// What of a kernel's command line decides pictures. The last word of a kind wins, as the kernel reads them.
// Sources: Documentation/fb/modedb.rst and admin-guide/kernel-parameters.txt of Linux
import { parseSize, type Size } from './size.ts';

/** `video=Virtual-1:1920x1080e`. */
export type VideoArgument = {
  /** undefined is for every connector. */
  readonly connector: string | undefined;
  readonly size: Size;
  /** `e`: as if a monitor were there; `d`: as if none were. */
  readonly forced: 'on' | 'off' | undefined;
};

export type KernelArgs = {
  readonly video: readonly VideoArgument[];
  /** No display driver of the kernel binds. */
  readonly nomodeset: boolean;
  /** `vga=`, which GRUB takes for its payload. */
  readonly vga: string | undefined;
  readonly blacklisted: ReadonlySet<string>;
};

export function parseKernelArgs(line: string): KernelArgs {
  const words = line.split(/\s+/).filter((word) => word !== '');
  const valuesOf = (name: string) =>
    words.filter((word) => word.startsWith(`${name}=`)).map((word) => word.slice(name.length + 1));
  return {
    video: valuesOf('video').flatMap((value) => videoArgument(value) ?? []),
    nomodeset: words.includes('nomodeset'),
    vga: valuesOf('vga').at(-1),
    blacklisted: new Set(valuesOf('modprobe.blacklist').flatMap((value) => value.split(','))),
  };
}

/** undefined for what names drivers of framebuffers, or what the kernel would not understand either. */
function videoArgument(value: string): VideoArgument | undefined {
  const found =
    /^(?:(?<connector>[A-Za-z]+-(?:[A-Z]-)?\d+):)?(?<size>\d+x\d+)(?:M?R?)(?:-\d+)?(?:@\d+)?[im]*(?<forced>[eDd]?)$/.exec(
      value,
    );
  const size = parseSize(found?.groups?.size ?? '');
  if (size === undefined) return undefined;
  return { connector: found?.groups?.connector, size, forced: forces[found?.groups?.forced ?? ''] };
}

const forces: Readonly<Record<string, 'on' | 'off'>> = { e: 'on', D: 'on', d: 'off' };

/** The size that one connector is told, if any. */
export function sizeFor({ video }: KernelArgs, connector: string): VideoArgument | undefined {
  return (
    video.findLast((argument) => argument.connector === connector) ??
    video.findLast(({ connector: name }) => name === undefined)
  );
}

/** The line with exactly these `video=` words for connectors, in place of those that it had. */
export function withVideoArguments(line: string, wanted: readonly VideoArgument[]): string {
  const others = line.split(/\s+/).filter((word) => word !== '' && !isReplaced(word));
  return [...others, ...wanted.map(printVideoArgument)].join(' ');
}

function isReplaced(word: string): boolean {
  return word.startsWith('video=') && videoArgument(word.slice('video='.length)) !== undefined;
}

export function printVideoArgument({ connector, size, forced }: VideoArgument): string {
  const letter = forced === undefined ? '' : forced === 'on' ? 'e' : 'd';
  return `video=${connector === undefined ? '' : `${connector}:`}${size.width}x${size.height}${letter}`;
}
