// A guest whose kernel has no driver for its display, or must not use it (virtio before Linux 4.2, nomodeset, a blacklist): its
// console and its desktop keep the picture that GRUB left, so GRUB is the one knob, whatever stage is meant.
import { parseKernelArgs } from './kernel-args.ts';
import type { Aim, DisplayFacts, PlanPart, Wish } from './plan.ts';
import { bootOf, isDisplayDriver } from './stages.ts';

export type ForGrub = {
  /** What is left to be planned; undefined where nothing of it can be. */
  readonly wish: Wish | undefined;
  readonly part: PlanPart;
};

export function wishWithoutDriver(facts: DisplayFacts, wish: Wish): ForGrub {
  const [stage] = (['tty', 'desktop'] as const).filter((aim) => wish.aims.has(aim));
  if (stage === undefined || !isDriverless(facts)) return { wish, part: {} };
  const why = `no display driver of the kernel binds here${reasonOf(facts)}`;
  if (wish.via === 'host') return impossible(stage, `${why}: GRUB decides, and that is in the guest`);
  if (wish.monitors.length > 1) return impossible(stage, `${why}: there is one picture, and no second monitor`);
  return {
    wish: { ...wish, aims: new Set<Aim>(['grub']) },
    part: { notes: [`${why}: console and desktop keep the size that GRUB sets`] },
  };
}

function impossible(aim: Aim, reason: string): ForGrub {
  return { wish: undefined, part: { impossible: [{ aim, reason }] } };
}

function isDriverless({ domain, guest }: DisplayFacts): boolean {
  const device = domain.devices.find(({ primary }) => primary);
  if (device === undefined || guest === undefined || isDisplayDriver(guest.framebuffer)) return false;
  return !bootOf(domain, device, guest).driver;
}

function reasonOf({ guest }: DisplayFacts): string {
  return parseKernelArgs(guest?.commandLine ?? '').nomodeset ? ' (nomodeset)' : '';
}
