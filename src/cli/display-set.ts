// `display plan` and `display set`.
import { createPatch } from 'diff';
import { type LiveDisplay, readDisplay } from '../display/live/display-facts.ts';
import { readJournal } from '../display/live/journal.ts';
import { performPlan } from '../display/live/perform.ts';
import { assertStillSo, readPlan, type SavedPlan, writePlan } from '../display/live/saved-plan.ts';
import type { Monitor } from '../display/monitors.ts';
import { type Aim, type DisplayPlan, planDisplay, type Step, untoldReason, type Wish } from '../display/plan.ts';
import { predictConsole, screenshots } from '../display/predict.ts';
import type { Size } from '../display/size.ts';
import { bootOf } from '../display/stages.ts';
import { withoutSecrets } from '../display/without-secrets.ts';
import { HostError } from '../model/host-error.ts';
import { unreachable } from '../model/unreachable.ts';
import { aloneWith } from './display-alone.ts';
import { assertOfLibvirt } from './display-guest.ts';
import type { GuestOptions } from './display-inspect.ts';
import { type Pending, pendingNeeds } from './display-pending.ts';
import { restarted } from './display-restart.ts';
import { escaped } from './escaped.ts';
import { exitCodes } from './exit-codes.ts';
import { print, printJson, tell } from './output.ts';
import { type StateOptions, stateDirectory } from './state-directory.ts';

export type WishOptions = GuestOptions & {
  readonly monitor?: readonly Monitor[];
  readonly for?: ReadonlySet<Aim>;
  readonly via: Wish['via'];
  readonly inPlace?: boolean;
  /** Where `plan` keeps it. */
  readonly out?: string;
};

export async function displayPlan(name: string, options: WishOptions): Promise<number> {
  const wish = wishOf(options);
  assertOfLibvirt(name);
  const live = await readDisplay(name, options.access);
  const plan = planDisplay(live.facts, wish);
  // what cannot be done is not kept for later
  if (options.out !== undefined && plan.impossible.length === 0)
    writePlan(options.out, live, wish, plan, planText(plan));
  if (options.output === 'json') printJson('display-plan', { ...plan, steps: plan.steps.map(shownStep) });
  else print(planText(plan));
  return plan.impossible.length > 0 ? exitCodes.refused : exitCodes.fine;
}

function shownStep(step: Step): Step {
  if (step.kind !== 'definition') return step;
  return { ...step, before: withoutSecrets(step.before), after: withoutSecrets(step.after) };
}

/** @throws HostError 'usage' */
function wishOf({ monitor = [], for: aims, via, inPlace = false }: WishOptions): Wish {
  if (monitor.length === 0) throw new HostError('usage', 'which size? --monitor 1920x1080 says it');
  return { monitors: monitor, aims: aims ?? new Set(['grub', 'tty', 'desktop']), via, inPlace };
}

/** @throws HostError 'usage' where options say a wish as well */
function savedPlan(file: string, { monitor, for: aims, via, inPlace }: WishOptions): SavedPlan {
  if (monitor !== undefined || aims !== undefined || via !== 'auto' || inPlace === true)
    throw new HostError(
      'usage',
      'a saved plan says what is wished: --plan takes no --monitor, --for, --via or --in-place',
    );
  return readPlan(file);
}

function planText({ steps, impossible, notes }: DisplayPlan): string {
  const lines = [
    ...steps.map(shownStep).flatMap(stepLines),
    ...impossible.map(({ aim, reason }) => `impossible (${aim}): ${reason}`),
    ...notes.map((note) => `note: ${note}`),
  ];
  return lines.length === 0
    ? 'nothing to do: it is so already'
    : lines.map((line) => line.split('\n').map(escaped).join('\n')).join('\n');
}

function stepLines(step: Step): readonly string[] {
  const head = `${stepName(step)}: ${step.why} (takes effect with: ${step.needs})`;
  switch (step.kind) {
    case 'definition':
      return [head, patch('definition', step.before, step.after)];
    case 'guest-file':
      return [head, patch(step.path, step.before ?? '', step.after)];
    case 'session':
      return [head, ...step.step.commands.map(({ program, args }) => `  ${[program, ...args].join(' ')}`)];
    default:
      return unreachable(step);
  }
}

function stepName(step: Step): string {
  switch (step.kind) {
    case 'definition':
      return "the domain's definition";
    case 'guest-file':
      return step.path;
    case 'session':
      return `the ${step.session.kind} session of ${step.session.user}`;
    default:
      return unreachable(step);
  }
}

function patch(name: string, before: string, after: string): string {
  const lines = createPatch(name, before, after, '', '', { context: 2 }).split('\n').slice(4);
  return lines
    .filter((line) => line !== '')
    .map((line) => `  ${line}`)
    .join('\n');
}

export type SetOptions = WishOptions & StateOptions & { readonly restart?: boolean; readonly plan?: string };

export async function displaySet(name: string, options: SetOptions): Promise<number> {
  const saved = options.plan === undefined ? undefined : savedPlan(options.plan, options);
  const wish = saved?.wish ?? wishOf(options);
  return aloneWith(name, 'display set', options, (uuid) => setOn(uuid, wish, options, saved));
}

async function setOn(uuid: string, wish: Wish, options: SetOptions, saved: SavedPlan | undefined): Promise<number> {
  const state = stateDirectory(options);
  const live = await readDisplay(uuid, options.access);
  const plan = planDisplay(live.facts, wish);
  if (saved !== undefined) assertStillSo(options.plan ?? '', saved, live, plan);
  if (plan.impossible.length > 0) {
    tell(planText({ ...plan, steps: [] }));
    return exitCodes.refused;
  }
  const untold = untoldReason(live.facts, plan.steps);
  if (untold !== undefined) throw new HostError('only-read', `${untold}; --via host changes the definition alone`);
  const expected = expectedPictures(live, wish);
  const done = await performPlan(state, live, plan, expected);
  const pending = pendingNeeds(live.facts, plan.steps, readJournal(state, uuid)?.entries ?? []);
  const outcome = pending !== 'nothing' ? 'restart-pending' : plan.steps.length === 0 ? 'nothing-to-do' : 'done';
  if (options.restart === true && outcome === 'restart-pending') {
    const hasSession = wish.aims.has('desktop') && (live.facts.guest?.sessions.length ?? 0) > 0;
    return restarted(uuid, { wish, expected, hasSession }, options);
  }
  if (options.output === 'json')
    printJson('display-set', { outcome, changed: done.changed, needs: pending, notes: plan.notes });
  else tellOutcome(outcome, done.changed, pending, plan);
  return exitCodes.fine;
}

/** What the screenshots will be: one for each monitor, or the box around all. Of the menu nothing is left by then. */
function expectedPictures({ facts }: LiveDisplay, { monitors, aims }: Wish): readonly Size[] {
  const [device] = facts.domain.devices.filter(({ primary }) => primary);
  if (device !== undefined && !aims.has('tty') && !aims.has('desktop')) {
    return [predictConsole(device, 'Virtual-1', bootOf(facts.domain, device, facts.guest)).size];
  }
  return screenshots(device, monitors);
}

function tellOutcome(outcome: string, changed: number, pending: Pending, { notes }: DisplayPlan): void {
  if (outcome === 'nothing-to-do') print('nothing to do: it is so already');
  else
    print(
      `${changed === 0 ? 'nothing' : changed} changed${pending === 'nothing' ? '' : `; takes effect with: ${pending} (--restart does it)`}`,
    );
  for (const note of notes) tell(`note: ${note}`);
}
