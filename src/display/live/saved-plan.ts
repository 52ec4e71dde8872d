// A plan in a file, to be looked at and carried out later. The file says what is wished and what that was planned on, as sums:
// it holds neither passwords nor anything that would be run. The steps are planned anew and must come out the same.
import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { HostError } from '../../model/host-error.ts';
import type { DisplayPlan, Wish } from '../plan.ts';
import { changedParts, planBasis } from '../plan-basis.ts';
import type { LiveDisplay } from './display-facts.ts';

const size = z.strictObject({ width: z.int().min(16).max(32_767), height: z.int().min(16).max(32_767) });
const sum = z.string().regex(/^[0-9a-f]{64}$/);

const shape = z.strictObject({
  version: z.literal(1),
  kind: z.literal('saved-display-plan'),
  guest: z.strictObject({ uuid: z.string() }),
  wish: z.strictObject({
    monitors: z
      .array(z.strictObject({ size, side: z.enum(['right', 'left', 'above', 'below']) }))
      .min(1)
      .max(16),
    aims: z.array(z.enum(['grub', 'tty', 'desktop'])).min(1),
    via: z.enum(['auto', 'host', 'guest']),
    inPlace: z.boolean(),
  }),
  basis: z.record(z.string().max(512), sum),
  steps: sum,
  /** As it was shown: for people only. */
  text: z.array(z.string()),
});

export type SavedPlan = Omit<z.infer<typeof shape>, 'wish'> & { readonly wish: Wish };

const mostBytes = 16 << 20;

/** @param text of the plan, as it was shown. @throws HostError 'unwritable' */
export function writePlan(file: string, live: LiveDisplay, wish: Wish, plan: DisplayPlan, text: string): void {
  const saved: z.infer<typeof shape> = {
    version: 1,
    kind: 'saved-display-plan',
    guest: { uuid: live.uuid },
    wish: { ...wish, monitors: [...wish.monitors], aims: [...wish.aims] },
    basis: Object.fromEntries(sumsOf(planBasis(live.facts))),
    steps: sumOf(JSON.stringify(plan.steps)),
    text: text.split('\n'),
  };
  try {
    writeFileSync(file, `${JSON.stringify(saved, undefined, 2)}\n`, { mode: 0o600 });
  } catch (cause) {
    throw new HostError('unwritable', `cannot write ${file}: ${(cause as Error).message}`, cause);
  }
}

/** @throws HostError 'unreadable' when it is none of this program */
export function readPlan(file: string): SavedPlan {
  try {
    if (statSync(file).size > mostBytes) throw new Error('it is too large for a plan');
    const { wish, ...saved } = shape.parse(JSON.parse(readFileSync(file, 'utf8')));
    return { ...saved, wish: { ...wish, aims: new Set(wish.aims) } };
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause) : (cause as Error).message;
    throw new HostError('unreadable', `${file} is no saved plan: ${why}`, cause);
  }
}

/**
 * @param plan what the same wish needs now; one that needs nothing any more is carried out
 * @throws HostError 'plan-outdated' with everything that has changed since
 */
export function assertStillSo(file: string, saved: SavedPlan, live: LiveDisplay, plan: DisplayPlan): void {
  if (saved.guest.uuid !== live.uuid)
    throw new HostError('plan-outdated', `the plan of ${file} is for another guest: ${saved.guest.uuid}`);
  if (plan.steps.length === 0 && plan.impossible.length === 0) return;
  const changed = changedParts(new Map(Object.entries(saved.basis)), sumsOf(planBasis(live.facts)));
  if (changed.length === 0 && saved.steps === sumOf(JSON.stringify(plan.steps))) return;
  const what = changed.length === 0 ? 'this program plans other steps now' : `changed since: ${changed.join(', ')}`;
  throw new HostError('plan-outdated', `the plan of ${file} is outdated (${what}); nothing was done, plan again`);
}

function sumsOf(basis: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...basis].map(([part, text]) => [part, sumOf(text)]));
}

function sumOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
