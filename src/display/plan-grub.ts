// GRUB's part of a plan: the boot menu's size and the kernel's own, as a drop-in or in place, or what keeps GRUB from it.
import {
  defaultsFile,
  dropInFile,
  dropInText,
  type GrubWish,
  grubSettings,
  inPlaceText,
  overriders,
  parseDropIn,
} from './grub.ts';
import type { GuestFacts } from './guest-facts.ts';
import { parseKernelArgs, printVideoArgument, sizeFor, type VideoArgument } from './kernel-args.ts';
import { menuDevice } from './menu-device.ts';
import type { Monitor } from './monitors.ts';
import type { Aim, DisplayFacts, PlanPart, Wish } from './plan.ts';
import { layoutOf } from './plan-host.ts';
import { predictMenu } from './predict.ts';
import { isSameSize, printSize, type Size } from './size.ts';
import { bootOf } from './stages.ts';

export function grubPart(facts: DisplayFacts, wish: Wish): PlanPart {
  const wanted = grubWish(facts, wish);
  if (wanted === undefined) return {};
  const { guest } = facts;
  const aim: Aim = wish.aims.has('grub') ? 'grub' : 'tty';
  const reasons =
    guest === undefined
      ? [`the guest cannot be asked: ${facts.silence ?? 'nobody says why'}`]
      : bootLoaderRefusals(guest, wish);
  if (guest === undefined || reasons.length > 0) return { impossible: reasons.map((reason) => ({ aim, reason })) };
  const path = wish.inPlace ? defaultsFile : dropInFile;
  const later = overriders(guest.grubFiles, wanted, path).map((where) => `${where} is read later, and wins`);
  const refusals = [...menuRefusals(facts, wanted, wish), ...later, ...laterWords(guest, wanted)];
  if (refusals.length > 0) return { impossible: refusals.map((reason) => ({ aim, reason })) };
  const before = guest.grubFiles.find((file) => file.path === path)?.text;
  if (!wish.inPlace && before !== undefined && parseDropIn(before) === undefined) {
    return { impossible: [{ aim, reason: `${path} was changed by somebody else` }] };
  }
  const after = wish.inPlace
    ? inPlaceText(before ?? '', wanted)
    : dropInText({ ...(before === undefined ? {} : parseDropIn(before)), ...wanted });
  if (after === before) return {};
  const why =
    wanted.menu === undefined
      ? "the kernel's own size for its consoles"
      : 'the boot menu, and what is shown until the display driver comes';
  return {
    steps: [
      { kind: 'guest-file', path, before, after, afterwards: 'update-grub', grub: wanted, needs: 'guest reboot', why },
    ],
  };
}

function grubWish(facts: DisplayFacts, wish: Wish): GrubWish | undefined {
  const { aims, via, monitors } = wish;
  const menu = aims.has('grub') ? monitors[0]?.size : undefined;
  const asksKernel = aims.has('tty') && (via === 'guest' || isToldOtherwise(facts, wish));
  const video = asksKernel ? monitors.map(videoArgument) : secondHeads(facts, wish);
  if (menu === undefined && video === undefined) return undefined;
  return { ...(menu === undefined ? {} : { menu }), ...(video === undefined ? {} : { video }) };
}

/** What the kernel was told is more than what its display says; also what we told it, which it may not have read yet. */
function isToldOtherwise({ guest }: DisplayFacts, { monitors, via }: Wish): boolean {
  if (guest === undefined || via === 'host') return false;
  const ours = parseDropIn(guest.grubFiles.find(({ path }) => path === dropInFile)?.text ?? '')?.video ?? [];
  const args = parseKernelArgs(guest.commandLine);
  return [args, { ...args, video: ours }].some((told) =>
    monitors.some(({ size }, at) => !isSameSize(sizeFor(told, `Virtual-${at + 1}`)?.size ?? size, size)),
  );
}

/** GRUB puts the user's own last words behind ours. */
function laterWords(guest: GuestFacts, { video = [] }: GrubWish): readonly string[] {
  const last = parseKernelArgs(grubSettings(guest.grubFiles).lastPart).video;
  return last
    .filter(({ connector, size }) => video.some((one) => one.connector === connector && !isSameSize(one.size, size)))
    .map((word) => `GRUB_CMDLINE_LINUX_DEFAULT says ${printVideoArgument(word)}, which is read last and wins`);
}

function videoArgument({ size }: Monitor, at: number): VideoArgument {
  return { connector: `Virtual-${at + 1}`, size, forced: at === 0 ? undefined : 'on' };
}

/** Heads of one device are dark until a viewer asks for them, or the kernel is told that they are there. */
function secondHeads(facts: DisplayFacts, { aims, monitors, via }: Wish): readonly VideoArgument[] | undefined {
  const [device] = facts.domain.devices.filter(({ primary }) => primary);
  const isOneDevice = device?.model === 'qxl' || (device?.model === 'virtio' && layoutOf(facts, via) === 'heads');
  return aims.has('tty') && monitors.length > 1 && isOneDevice ? monitors.map(videoArgument) : undefined;
}

function bootLoaderRefusals(guest: GuestFacts, { inPlace }: Wish): readonly string[] {
  const settings = grubSettings(guest.grubFiles);
  switch (guest.bootLoader) {
    case 'systemd-boot':
      return [
        'the guest boots by systemd-boot: its menu has no size of its own (console-mode of loader.conf takes what the firmware has), and kernel arguments are in /etc/kernel/cmdline (kernel-install add)',
      ];
    case 'none':
      return ['no boot loader was found in the guest'];
    case 'grub': {
      const found: string[] = [];
      if (settings.bls)
        found.push(
          'boot entries are files of their own (BLS): grubby --update-kernel=ALL --args=… sets kernel arguments there',
        );
      if (!guest.readsDropIns && !inPlace)
        found.push('this GRUB does not read /etc/default/grub.d: --in-place edits /etc/default/grub');
      if (inPlace && settings.unread.some((where) => /GRUB_(?:GFXMODE|GFXPAYLOAD_LINUX|CMDLINE_LINUX)$/.test(where))) {
        found.push('/etc/default/grub makes these settings by a shell; nobody but a shell knows what they are');
      }
      return found;
    }
    default:
      return [];
  }
}

function menuRefusals(facts: DisplayFacts, { menu }: GrubWish, wish: Wish): readonly string[] {
  const refusal = menu === undefined ? undefined : menuRefusal(facts, menu, wish);
  return refusal === undefined ? [] : [refusal];
}

function menuRefusal(facts: DisplayFacts, menu: Size, wish: Wish): string | undefined {
  const [device] = facts.domain.devices.filter(({ primary }) => primary);
  const terminal = facts.guest === undefined ? undefined : grubSettings(facts.guest.grubFiles).terminal;
  if (terminal !== undefined && !/\bgfxterm\b/.test(terminal))
    return `GRUB_TERMINAL is ${terminal}: the boot menu is text`;
  if (device === undefined) return undefined;
  const boot = { ...bootOf(facts.domain, device, facts.guest), gfxmode: menu };
  const { size, limit } = predictMenu(menuDevice(facts, wish, device, menu), boot);
  return isSameSize(size, menu)
    ? undefined
    : `${limit?.text ?? 'the firmware has no such mode'}; it would be ${printSize(size)}`;
}
