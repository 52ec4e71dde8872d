// `display plan`, `display set` and `display rollback`.
import { createPatch } from 'diff';
import { displayOf, type LiveDisplay, readDisplay } from '../display/live/display-facts.ts';
import { performPlan, rollBack } from '../display/live/perform.ts';
import { verifyPictures } from '../display/live/verify.ts';
import { definition, shutDown, start } from '../display/live/virsh.ts';
import type { Monitor } from '../display/monitors.ts';
import { type Aim, type DisplayPlan, planDisplay, type Step, type Wish } from '../display/plan.ts';
import { screenshots } from '../display/predict.ts';
import { printSize, type Size } from '../display/size.ts';
import { HostError } from '../model/host-error.ts';
import { unreachable } from '../model/unreachable.ts';
import type { GuestOptions } from './display-inspect.ts';
import { escaped } from './escaped.ts';
import { exitCodes } from './exit-codes.ts';
import { print, printJson, tell } from './output.ts';
import { type StateOptions, stateDirectory } from './state-directory.ts';

export type WishOptions = GuestOptions & {
  readonly monitor?: readonly Monitor[];
  readonly for?: ReadonlySet<Aim>;
  readonly via: Wish['via'];
  readonly inPlace?: boolean;
};

export async function displayPlan(name: string, options: WishOptions): Promise<number> {
  const wish = wishOf(options);
  const { facts } = await readDisplay(name, options.access);
  const plan = planDisplay(facts, wish);
  if (options.output === 'json') printJson('display-plan', plan);
  else print(planText(plan));
  return plan.impossible.length > 0 ? exitCodes.refused : exitCodes.fine;
}

/** @throws HostError 'usage' */
function wishOf({ monitor = [], for: aims, via, inPlace = false }: WishOptions): Wish {
  if (monitor.length === 0) throw new HostError('usage', 'which size? --monitor 1920x1080 says it');
  return { monitors: monitor, aims: aims ?? new Set(['grub', 'tty', 'desktop']), via, inPlace };
}

function planText({ steps, impossible, notes }: DisplayPlan): string {
  const lines = [
    ...steps.flatMap(stepLines),
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

export type SetOptions = WishOptions & StateOptions & { readonly restart?: boolean };

export async function displaySet(name: string, options: SetOptions): Promise<number> {
  const wish = wishOf(options);
  const state = stateDirectory(options);
  const live = await readDisplay(name, options.access);
  const plan = planDisplay(live.facts, wish);
  if (plan.impossible.length > 0) {
    tell(planText({ ...plan, steps: [] }));
    return exitCodes.refused;
  }
  const expected = expectedPictures(live, wish);
  const done = await performPlan(state, live, plan, expected);
  const pending = pendingNeeds(live, plan);
  const outcome = plan.steps.length === 0 ? 'nothing-to-do' : pending === 'nothing' ? 'done' : 'restart-pending';
  if (options.restart === true && outcome === 'restart-pending') return restarted(name, live, plan, expected, options);
  if (options.output === 'json')
    printJson('display-set', { outcome, changed: done.changed, needs: pending, notes: plan.notes });
  else tellOutcome(outcome, done.changed, pending, plan);
  return exitCodes.fine;
}

/** What the screenshots will be: one for each monitor, or the box around all. */
function expectedPictures({ facts }: LiveDisplay, { monitors }: Wish): readonly Size[] {
  const [device] = facts.domain.devices.filter(({ primary }) => primary);
  const sizes = monitors.map(({ size }) => size);
  return device === undefined ? sizes : screenshots(device, sizes);
}

type Pending = 'nothing' | 'guest reboot' | 'cold restart';

function pendingNeeds({ facts }: LiveDisplay, { steps }: DisplayPlan): Pending {
  if (facts.running === undefined) return 'nothing';
  if (steps.some(({ needs }) => needs === 'cold restart')) return 'cold restart';
  return steps.some(({ needs }) => needs === 'guest reboot') ? 'guest reboot' : 'nothing';
}

function tellOutcome(outcome: string, changed: number, pending: Pending, { notes }: DisplayPlan): void {
  if (outcome === 'nothing-to-do') print('nothing to do: it is so already');
  else print(`${changed} changed${pending === 'nothing' ? '' : `; takes effect with: ${pending} (--restart does it)`}`);
  for (const note of notes) tell(`note: ${note}`);
}

/** Shut down gently, started again, and looked at. */
async function restarted(
  name: string,
  live: LiveDisplay,
  plan: DisplayPlan,
  expected: readonly Size[],
  options: SetOptions,
): Promise<number> {
  tell('shutting the guest down');
  await shutDown(live.uuid, 120);
  await start(live.uuid);
  tell('started; waiting for its display');
  const again = await answering(name, options);
  const later = plan.steps.filter(({ kind }) => kind === 'session');
  if (later.length > 0) {
    const rest = planDisplay(again.facts, { ...wishOf(options), aims: new Set<Aim>(['desktop']), via: 'guest' });
    await performPlan(stateDirectory(options), again, rest, expected);
  }
  const { outcome, sizes } = await verifyPictures(again, expected);
  if (options.output === 'json') printJson('display-set', { outcome, pictures: sizes, expected, notes: plan.notes });
  else print(`${outcome.replaceAll('-', ' ')}: ${sizes.map(printSize).join(', ')}`);
  return outcome === 'as-expected' ? exitCodes.fine : exitCodes.verificationFailed;
}

/** An agent is there some time before everything else; a guest without one is not waited for. */
async function answering(name: string, options: SetOptions): Promise<LiveDisplay> {
  for (const deadline = Date.now() + 240_000; ; ) {
    const live = await readDisplay(name, 'auto');
    const hasAgent = live.facts.domain.agentChannel;
    if (live.guest !== undefined || !hasAgent || Date.now() > deadline)
      return options.access === 'auto' ? live : readDisplay(name, options.access);
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

export async function displayRollback(name: string, options: GuestOptions & StateOptions): Promise<number> {
  const live = await readDisplay(name, options.access);
  const undone = await rollBack(stateDirectory(options), live);
  const running = live.facts.running;
  const restarts =
    running !== undefined &&
    JSON.stringify(displayOf(await definition(live.uuid, 'inactive')).devices.map(withoutPlace)) !==
      JSON.stringify(running.devices.map(withoutPlace));
  if (options.output === 'json')
    printJson('display-rollback', { undone, needs: restarts ? 'cold restart' : 'nothing' });
  else
    print(
      undone === 0
        ? 'nothing was set on this guest'
        : `${undone} undone${restarts ? '; takes effect with: cold restart' : ''}`,
    );
  return exitCodes.fine;
}

function withoutPlace({
  modelStart: _start,
  modelEnd: _end,
  ...device
}: LiveDisplay['facts']['domain']['devices'][number]): object {
  return device;
}
