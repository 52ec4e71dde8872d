// What a guest says about its own pictures -> facts. All of it comes from the guest, and is hostile: names of connectors,
// modes and drivers have a fixed form, lists have a length, and whatever is otherwise is left out and counted.
import type { TextFile } from './grub.ts';
import { base64Text, greeterOf, type OwnedFile, type Session, sessionsOf } from './session-facts.ts';
import { parseSize, type Size } from './size.ts';

export type Connector = {
  /** `Virtual-1`. */
  readonly name: string;
  readonly card: number;
  readonly connected: boolean;
  /** Distinct ones, in the driver's order. */
  readonly modes: readonly Size[];
};

export type BootLoader = 'grub' | 'systemd-boot' | 'none';

export type GuestFacts = {
  readonly release: string;
  /** Another one after every start of the guest. */
  readonly bootId?: string | undefined;
  readonly commandLine: string;
  /** `qxldrmfb`, `bochs-drmdrmfb`, `VESA VGA`; undefined where no framebuffer is. */
  readonly framebuffer: string | undefined;
  /** Of the text consoles, also while a session covers them. */
  readonly framebufferSize: Size | undefined;
  readonly connectors: readonly Connector[];
  /** Display drivers that this kernel has as modules or built in. */
  readonly drivers: ReadonlySet<string>;
  readonly bootLoader: BootLoader;
  /** /etc/default/grub and its drop-ins, in the order in which they are read. */
  readonly grubFiles: readonly TextFile[];
  readonly readsDropIns: boolean;
  /** Users' own before the greeters' and a bare X server's. */
  readonly sessions: readonly Session[];
  /** What keeps X's sizes for the next session; undefined where it is not there. */
  readonly xorgFile: string | undefined;
  /** What GNOME's own log-in screen starts with; undefined without one. */
  readonly greeter?: OwnedFile | undefined;
  /** spice-vdagent runs: a client's window may decide the size. */
  readonly vdagent: boolean;
  readonly activeConsole: string | undefined;
  /** Numbers of consoles on which somebody can log in. */
  readonly gettys: readonly number[];
  /** How many of its words were none of those that can be. */
  readonly leftOut: number;
};

/** Sections by their names, as `readSections` gives them. */
export type Sections = ReadonlyMap<string, readonly string[]>;

const mostLines = 4_096;
const mostModes = 256;
const mostConnectors = 16;

/** @param text what the fixed script printed; the mark was made for this run, and nobody in the guest could know it */
export function readSections(text: string, mark: string): Sections {
  const sections = new Map<string, readonly string[]>();
  for (const part of text.split(`${mark} `).slice(1)) {
    const [name = '', ...lines] = part.split('\n', mostLines);
    if (/^[a-z-]+$/.test(name))
      sections.set(
        name,
        lines.map((line) => line.trimEnd()).filter((line) => line !== ''),
      );
  }
  return sections;
}

export function guestFacts(sections: Sections): GuestFacts {
  const linesOf = (name: string) => sections.get(name) ?? [];
  const first = (name: string) => linesOf(name)[0];
  const connectors = linesOf('connectors').map(connectorOf);
  const framebuffer = first('framebuffer');
  const activeConsole = /^tty\d{1,2}$/.exec(first('console') ?? '')?.[0];
  return {
    release: /^[\w.+~-]{1,64}$/.exec(first('release') ?? '')?.[0] ?? '',
    bootId: /^[0-9a-f-]{36}$/.exec(first('boot-id') ?? '')?.[0],
    commandLine: printableWords(first('command-line') ?? ''),
    framebuffer: framebuffer === undefined ? undefined : printableWords(framebuffer).slice(0, 64),
    framebufferSize: parseSize((first('framebuffer-size') ?? '').replace(',', 'x')),
    connectors: connectors.flatMap((one) => one.connector ?? []).slice(0, mostConnectors),
    drivers: new Set(names(linesOf('drivers')).map((name) => name.replaceAll('_', '-'))),
    bootLoader: bootLoaderOf(linesOf('boot-loader')),
    grubFiles: linesOf('grub-files').flatMap((line) => fileOf(line)),
    readsDropIns: linesOf('boot-loader').includes('drop-ins'),
    sessions: sessionsOf(linesOf('sessions')),
    xorgFile: base64Text(first('xorg-file') ?? '-'),
    greeter: linesOf('greeter').flatMap(greeterOf)[0],
    vdagent: linesOf('vdagent').includes('runs'),
    activeConsole,
    gettys: linesOf('gettys').flatMap((line) => (/^tty\d{1,2}$/.test(line) ? [Number(line.slice(3))] : [])),
    leftOut: connectors.reduce((sum, { leftOut }) => sum + leftOut, 0),
  };
}

function printableWords(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '').slice(0, 4_096);
}

function names(lines: readonly string[]): readonly string[] {
  return lines.filter((line) => /^[a-z0-9_-]{1,32}$/.test(line)).slice(0, 64);
}

/** `card0-Virtual-1 connected 1024x768 800x600`. */
function connectorOf(line: string): { readonly connector?: Connector; readonly leftOut: number } {
  const [place = '', status = '', ...words] = line.split(' ');
  const found = /^card(\d{1,3})-(Virtual-[0-9]{1,3})$/.exec(place);
  if (found === null) return { leftOut: 1 };
  const sizes = words.filter((word) => /^[0-9]{3,5}x[0-9]{3,5}$/.test(word));
  const distinct = [...new Set(sizes)].slice(0, mostModes).flatMap((word) => parseSize(word) ?? []);
  return {
    connector: { card: Number(found[1]), name: found[2] ?? '', connected: status === 'connected', modes: distinct },
    leftOut: words.length - sizes.length,
  };
}

function bootLoaderOf(lines: readonly string[]): BootLoader {
  if (lines.includes('grub')) return 'grub';
  return lines.includes('systemd-boot') ? 'systemd-boot' : 'none';
}

/** A path and the file's bytes in Base64: what is in the file cannot be taken for anything else. */
function fileOf(line: string): readonly TextFile[] {
  const [path = '', encoded = ''] = line.split(' ');
  const text = base64Text(encoded);
  if (!/^\/etc\/default\/grub(?:\.d\/[\w.-]{1,128}\.cfg)?$/.test(path) || text === undefined) return [];
  return [{ path, text }];
}
