// A wish, a domain and what its guest said -> the steps that fulfil it, in their order, with the whole text of everything
// that changes; and what is impossible, with the fact that makes it so. Pure: nothing is asked or changed here.
import type { DomainDisplay } from './domain-video.ts';
import { earlyOnlyReason, vgaPayload } from './early-picture.ts';
import type { GrubWish } from './grub.ts';
import type { GuestFacts } from './guest-facts.ts';
import { parseKernelArgs } from './kernel-args.ts';
import { menuNeedsOwnSize } from './menu-device.ts';
import type { Monitor } from './monitors.ts';
import { desktopPart } from './plan-desktop.ts';
import { grubPart } from './plan-grub.ts';
import { hostPart, layoutOf } from './plan-host.ts';
import { predictConsole } from './predict.ts';
import type { Session } from './session-facts.ts';
import type { SessionStep } from './session-step.ts';
import { isSameSize, printSize } from './size.ts';
import { bootOf, type Needs, type StageRow } from './stages.ts';
import { isOverridden, type Viewing, viewerRow } from './viewer.ts';

export type Aim = 'grub' | 'tty' | 'desktop';

export type Wish = {
  readonly monitors: readonly Monitor[];
  readonly aims: ReadonlySet<Aim>;
  readonly via: 'auto' | 'host' | 'guest';
  /** Edit /etc/default/grub itself, where its folder is not read. */
  readonly inPlace: boolean;
};

/** What is known of the guest: its definition for the next start, and the one that it runs with. */
export type DisplayFacts = {
  readonly definition: string;
  readonly domain: DomainDisplay;
  readonly running: DomainDisplay | undefined;
  /** undefined: the guest could not be asked, and `silence` says why. */
  readonly guest: GuestFacts | undefined;
  readonly silence: string | undefined;
  /** `image:FILE`: the guest's files were read where nobody inside can be told anything. */
  readonly readFrom?: string | undefined;
  readonly transient: boolean;
  readonly managedSave: boolean;
  readonly memorySnapshots: readonly string[];
  readonly viewing: Viewing;
  /** What `virsh domcapabilities` lists. */
  readonly modelsHere: ReadonlySet<string>;
};

/** Whether its next start brings other display devices than it runs with. */
export function isPending({ domain, running }: DisplayFacts): boolean {
  const devices = (of: DomainDisplay): string =>
    JSON.stringify(of.devices.map(({ place: _place, ...device }) => device));
  return running !== undefined && devices(domain) !== devices(running);
}

export type Step =
  | {
      readonly kind: 'definition';
      readonly before: string;
      readonly after: string;
      readonly needs: Needs;
      readonly why: string;
    }
  | {
      readonly kind: 'guest-file';
      readonly path: string;
      /** undefined: there is none. */
      readonly before: string | undefined;
      readonly after: string;
      /** Whose the file is, and as whom it is written; root without it. */
      readonly user?: string;
      readonly afterwards: 'update-grub' | 'nothing';
      readonly grub: GrubWish | undefined;
      readonly needs: Needs;
      readonly why: string;
    }
  | {
      readonly kind: 'session';
      readonly session: Session;
      readonly step: SessionStep;
      readonly needs: Needs;
      readonly why: string;
    };

export type Impossible = { readonly aim: Aim; readonly reason: string };

export type DisplayPlan = {
  readonly steps: readonly Step[];
  readonly impossible: readonly Impossible[];
  readonly notes: readonly string[];
  /** The last stage: what whoever looks does to all of this. */
  readonly viewer: StageRow;
};

export type PlanPart = Partial<DisplayPlan>;

export function planDisplay(facts: DisplayFacts, wish: Wish): DisplayPlan {
  const early = earlyOnlyReason(facts.domain, facts.guest);
  const parts = early === undefined || isMenuOnly(wish) ? usualParts(facts, wish) : earlyParts(facts, wish, early);
  const steps = parts.flatMap((part: PlanPart) => part.steps ?? []);
  const untold = untoldReason(facts, steps);
  return {
    steps,
    impossible: parts.flatMap(({ impossible = [] }: PlanPart) => impossible),
    notes: [...parts.flatMap(({ notes = [] }: PlanPart) => notes), ...(untold === undefined ? [] : [untold])],
    viewer: viewerRow(facts.viewing, facts.guest),
  };
}

function usualParts(facts: DisplayFacts, wish: Wish): readonly PlanPart[] {
  const menu = grubPart(facts, wish);
  const driver = menu.impossible === undefined ? driverNotes(facts, wish) : [];
  const notes = { notes: [...driver, ...notesOf(facts, wish)] };
  return [hostPart(facts, wish), menu, desktopPart(facts, wish), notes];
}

function isMenuOnly({ aims }: Wish): boolean {
  return !aims.has('tty') && !aims.has('desktop');
}

/** Without a driver console and session have what GRUB hands over: its menu's size, once for all monitors. */
function earlyParts(facts: DisplayFacts, wish: Wish, reason: string): readonly PlanPart[] {
  const aim: Aim = wish.aims.has('tty') ? 'tty' : 'desktop';
  const impossible = (why: string): readonly PlanPart[] => [{ impossible: [{ aim, reason: `${reason}: ${why}` }] }];
  if (wish.monitors.length > 1) return impossible('all monitors show the one early picture');
  if (wish.via === 'host') return impossible('only GRUB decides the size, and --via host keeps out of the guest');
  const vga = vgaPayload(parseKernelArgs(facts.guest?.commandLine ?? ''), facts.domain.firmware);
  if (vga !== undefined) return impossible(vga.text);
  const menu: Wish = { ...wish, aims: new Set<Aim>(['grub']) };
  const notes = [`${reason}: only GRUB decides, and the early picture stays for console and session`];
  return [hostPart(facts, menu), grubPart(facts, menu), { notes }];
}

/** Why these steps cannot be done now: they are for the guest itself, and it was only read. */
export function untoldReason({ readFrom }: DisplayFacts, steps: readonly Step[]): string | undefined {
  if (readFrom === undefined || steps.every(({ kind }) => kind === 'definition')) return undefined;
  return `the guest was only read (${readFrom}): its files and its GRUB are changed while it runs, by its agent or ssh`;
}

function notesOf(facts: DisplayFacts, wish: Wish): readonly string[] {
  const { viewing, guest } = facts;
  const { aims } = wish;
  const dark =
    aims.has('tty') && wish.monitors.length > 1 && layoutOf(facts, wish.via) === 'devices' && isVirtio(facts);
  const overridden = isOverridden(viewing, guest) && aims.has('desktop');
  return [
    ...(overridden
      ? [
          "a SPICE viewer is connected, and the guest's spice-vdagent fits the desktop to its window when the viewer resizes: that overrides this size",
        ]
      : []),
    ...(dark ? ['text consoles show on the first device only; the others light up with a desktop'] : []),
  ];
}

/** Why GRUB alone will not do, which is what every recipe says it does. */
function driverNotes(facts: DisplayFacts, wish: Wish): readonly string[] {
  const { domain, guest } = facts;
  const { aims, monitors, via } = wish;
  const [device] = domain.devices.filter(({ primary }) => primary);
  const menu = monitors[0]?.size;
  if (!aims.has('grub') || device === undefined || guest === undefined || menu === undefined) return [];
  const boot = bootOf(domain, device, guest);
  const { size } = predictConsole(device, 'Virtual-1', boot);
  // the console has the size then that the device is given for the menu
  if (via !== 'guest' && menuNeedsOwnSize(facts, wish)) return [];
  if (!boot.driver || isSameSize(size, menu)) return [];
  return [
    `GRUB alone sets the boot menu only: when the kernel's driver for ${device.model} takes over, the console is ${printSize(size)}, whatever GRUB was told; <resolution> at the host or video= for the kernel decides that`,
  ];
}

function isVirtio({ domain }: DisplayFacts): boolean {
  return domain.devices.some(({ model, primary }) => primary && model === 'virtio');
}
