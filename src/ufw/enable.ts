// Turns ufw on without locking anybody out: looks first, adds what is missing when that is wanted, arms the way back, turns
// on, and reads back what the kernel has.
import type { Access } from '../machine/access.ts';
import { replaceFile } from '../machine/files.ts';
import { type Ran, run } from '../machine/run.ts';
import { HostError } from '../model/host-error.ts';
import type { Family } from '../model/ip.ts';
import {
  type BothRules,
  type Judged,
  judge,
  missingCommands,
  passageThrough,
  type UfwCommand,
  type WayIn,
  waysIn,
} from './lockout.ts';
import {
  type BothLoaded,
  type LoadState,
  loadedRules,
  readLoaded,
  readUfwFiles,
  readUserFiles,
  saveScript,
  type UfwFiles,
  type UserFile,
} from './read-machine.ts';
import { readSshFacts, type SshSnapshot } from './read-sockets.ts';
import { armRollback, confirmPending, disarm } from './rollback.ts';
import type { Rules } from './rules.ts';
import { tuplesOf } from './tuple.ts';
import { turnOff } from './turn-off.ts';
import { rulesAfterRewrite, rulesAtStart } from './would-load.ts';

export type EnablePlan = {
  readonly ssh: SshSnapshot;
  readonly judged: readonly Judged[];
  /** What would open what is closed. */
  readonly missing: readonly UfwCommand[];
  readonly states: Readonly<Record<Family, LoadState>>;
};

/** Touches nothing. @throws HostError 'no-ufw', 'unreadable', 'no-sockets' */
export async function planEnabling(access: Access): Promise<EnablePlan> {
  const ssh = await readSshFacts(access);
  const loaded = await readLoaded(access);
  return { ssh, ...(await judgeFiles(access, ssh)), states: { 4: loaded[4].state, 6: loaded[6].state } };
}

async function judgeFiles(access: Access, ssh: SshSnapshot): Promise<Pick<EnablePlan, 'judged' | 'missing'>> {
  const rules = bothRules(await readUfwFiles(access));
  const judged = judge(waysIn(ssh), rules);
  return { judged, missing: missingCommands(judged, rules) };
}

function bothRules(files: UfwFiles): BothRules {
  const { inputPolicy, ipv6 } = files.settings;
  const of = (family: Family) => ({
    now: rulesAtStart(files[family], inputPolicy, family),
    later: rulesAfterRewrite(files[family], inputPolicy, family),
    tuples: tuplesOf(files[family].user),
  });
  return { 4: of(4), 6: ipv6 ? of(6) : undefined };
}

export function isLockedOut(judged: readonly Judged[]): boolean {
  return judged.some(({ open }) => !open);
}

export function isOn({ states }: EnablePlan): boolean {
  return states[4].kind === 'loaded';
}

/**
 * By ufw itself. When it was of no use, ufw's files are as they were.
 * @throws HostError 'ufw-failed'
 */
export async function addRules(access: Access, plan: EnablePlan): Promise<EnablePlan> {
  const before = await readUserFiles(access);
  try {
    for (const command of plan.missing) await addRule(access, command);
    const after = { ...plan, ...(await judgeFiles(access, plan.ssh)) };
    if (isLockedOut(after.judged)) await putBack(access, before, isOn(plan));
    return after;
  } catch (error) {
    await putBack(access, before, isOn(plan));
    throw error;
  }
}

/** Before 0.36 ufw knows no `prepend`. */
async function addRule(access: Access, command: UfwCommand): Promise<void> {
  const ran = await ufw(access, command);
  if (ran.code === 0) return;
  const second = command[0] === 'prepend' ? await ufw(access, ['insert', '1', ...command.slice(1)]) : ran;
  if (second.code !== 0) throw failure(command, second);
}

async function putBack(access: Access, files: readonly UserFile[], isLoaded: boolean): Promise<void> {
  for (const { path, text } of files) await replaceFile(access, path, Buffer.from(text, 'latin1'));
  if (isLoaded) await ufw(access, ['reload']);
}

export type Enabled = {
  /** Whether it turns itself off again when nobody confirms. */
  readonly waits: boolean;
  /** In which families the filter was read back. */
  readonly families: readonly Family[];
};

/**
 * `confirmSeconds` undefined: nobody is connected who could be cut off. What is read back wrong is turned off at once.
 * @throws HostError 'no-timer', 'ufw-failed' with nothing turned on, 'not-kept' with ufw off again, 'still-on'
 */
export async function enable(access: Access, plan: EnablePlan, confirmSeconds: number | undefined): Promise<Enabled> {
  const token = confirmSeconds === undefined ? undefined : await armRollback(access, confirmSeconds);
  try {
    const families = await turnOn(access, plan, token !== undefined);
    return { waits: token !== undefined, families };
  } catch (error) {
    const result = await turnOff(access, plan.states);
    if (result.off && token !== undefined) await disarm(access, token);
    throw result.off ? offAgain(error) : stillOn(error, result.why, confirmSeconds);
  }
}

/** What was not loaded at all needs no word about it. */
function offAgain(error: unknown): unknown {
  if (!(error instanceof HostError) || error.code !== 'not-kept') return error;
  return new HostError(error.code, `${error.message}; ufw was turned off again`, error);
}

/** The timer runs on: what is not surely off needs its way back. */
function stillOn(error: unknown, why: string, seconds: number | undefined): HostError {
  const first = error instanceof Error ? error.message : `${error}`;
  const later =
    seconds === undefined ? 'nothing turns it off by itself' : `it is turned off again within ${seconds} seconds`;
  return new HostError('still-on', `${first}; ufw may STILL BE ON (${why}); ${later}`, error);
}

/**
 * In one connection: a rule that counts them would soon refuse ours. ufw takes a filter of which only parts are there for
 * a whole one. A machine that dies before the confirmation comes up without the filter: the confirmation turns it on for
 * good.
 */
const turnOnScript = [
  'PATH=$PATH:/usr/sbin:/sbin; [ "$1" = parts ] && ufw disable >&2; ufw --force enable >&2 || exit 1',
  'if [ "$2" = waits ]; then sed -i "s/ENABLED=yes/ENABLED=no/" /etc/ufw/ufw.conf || exit 1; fi',
  `${saveScript}; exit 0`,
].join('; ');

async function turnOn(access: Access, plan: EnablePlan, waits: boolean): Promise<readonly Family[]> {
  const isPartly = plan.states[4].kind === 'parts' || plan.states[6].kind === 'parts';
  const args = [isPartly ? 'parts' : 'whole', waits ? 'waits' : 'stays'];
  const ran = await run(access, 'sh', ['-c', turnOnScript, 'sh', ...args], { timeoutMs: 120_000 });
  if (ran.code !== 0) throw failure(['--force', 'enable'], ran);
  return readBack(plan, loadedRules(ran.stdout.toString('latin1'), ran.said));
}

/** @throws HostError 'not-kept' */
function readBack({ judged, states }: EnablePlan, loaded: BothLoaded): readonly Family[] {
  const families: Family[] = [];
  for (const family of [4, 6] as const) {
    const ways = judged.filter(({ way, finding }) => way.family === family && finding.kind !== 'ipv6-closed');
    const { state, rules } = loaded[family];
    // no IPv6 in this kernel, or closed on purpose
    if (family === 6 && (states[6].kind === 'unknown' || state.kind === 'absent') && ways.length === 0) continue;
    if (state.kind !== 'loaded') throw new HostError('not-kept', notLoaded(family, state));
    for (const { way } of ways) refuseClosed(rules, way);
    families.push(family);
  }
  return families;
}

function notLoaded(family: Family, state: LoadState): string {
  const why = 'why' in state ? `: ${state.why}` : '';
  return `ufw says that it is on, and IPv${family} has no filter of it${why}`;
}

/** Only what leads into ufw's chains: other rules stood there before. */
function refuseClosed(rules: Rules, way: WayIn): void {
  const input = rules.get('filter:INPUT');
  const ours = (input?.rules ?? []).filter(({ target }) => target?.name.startsWith('ufw') ?? false);
  const chains = [...rules].filter(([name]) => name.startsWith('filter:'));
  const own: Rules = new Map([...chains, ['filter:INPUT', { policy: input?.policy ?? '-', rules: ours }]]);
  const passage = passageThrough(own, way);
  if (passage.kind !== 'blocked') return;
  throw new HostError('not-kept', `port ${way.port} in IPv${way.family} is closed after all (${passage.by})`);
}

/**
 * Whoever can say this is not locked out: ufw stays on, also after a restart.
 * @throws HostError 'nothing-pending', 'ufw-failed'
 */
export async function confirmEnabling(access: Access): Promise<void> {
  if (await confirmPending(access)) return;
  const why = 'ufw was not turned on by this program, was confirmed already, or is off again';
  throw new HostError('nothing-pending', `nothing waits for a confirmation: ${why}`);
}

function ufw(access: Access, words: readonly string[]): Promise<Ran> {
  const script = 'PATH=$PATH:/usr/sbin:/sbin; exec ufw "$@"';
  return run(access, 'sh', ['-c', script, 'sh', ...words], { timeoutMs: 120_000 });
}

function failure(words: readonly string[], { code, said, stdout }: Ran): HostError {
  const text = said || stdout.toString('utf8').trim();
  return new HostError('ufw-failed', `'ufw ${words.join(' ')}' ended with ${code}${text === '' ? '' : `: ${text}`}`);
}
