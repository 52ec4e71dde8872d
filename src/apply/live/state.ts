// The directory in which the program keeps what it must know from run to run: generations of rules, which of them is
// confirmed, the journal of a change that waits, the numbers of rules. Every file appears whole or not at all.
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import type { Numbering } from '../../compile/numbers.ts';
import { writeDurably } from '../../machine/write-durably.ts';
import { HostError } from '../../model/host-error.ts';
import { closedPorts } from '../../nft/closed.ts';
import { printNft } from '../../nft/print.ts';
import { printHost } from '../../topology/print-host.ts';
import { bootStep } from '../loaded.ts';
import type { PlanDigests } from '../plan.ts';
import type { Manner, Target } from '../target.ts';
import { digest } from './digest.ts';

/** Rules as they were loaded at one time, with what they were made from. */
export type Generation = Manner & {
  readonly id: number;
  /** As the user named it, for messages. */
  readonly policyFile: string;
  readonly policyDigest: string;
  readonly hostDigest: string;
  readonly rulesDigest: string;
  /** Milliseconds since 1970. */
  readonly loadedAt: number;
};

/** What lies beside: the policy and the host file as texts, and the rules as their tool reads them at boot. */
export type GenerationTexts = { readonly policy: string; readonly host: string; readonly rules: string };

const generationFile = z.object({
  version: z.literal(1),
  id: z.int().positive(),
  backend: z.enum(['nft', 'iptables']),
  arp: z.enum(['bound', 'unchecked']),
  policyFile: z.string(),
  policyDigest: z.string(),
  hostDigest: z.string(),
  rulesDigest: z.string(),
  loadedAt: z.number(),
});

/** Enough to look back at; older ones are removed. */
const keptGenerations = 20;

function rulesFileName({ backend }: Pick<Manner, 'backend'>): string {
  return `rules.${backend}`;
}

/** Of the directory; they sort by age. */
export function generationName(id: number): string {
  return String(id).padStart(6, '0');
}

export function generationDirectory(state: string, id: number): string {
  return join(state, 'generations', generationName(id));
}

export function pendingDirectory(state: string): string {
  return join(state, 'pending');
}

/** @throws HostError 'unwritable' */
export function makeStateDirectory(state: string): void {
  writing(state, () => mkdirSync(join(state, 'generations'), { recursive: true, mode: 0o750 }));
}

/** @throws HostError 'unwritable', 'needs-root' */
export function writing<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM')
      throw new HostError('unwritable', `cannot write ${path}: ${message}`, cause);
    const hint = 'that needs root: run it with sudo, or name another directory with --state';
    throw new HostError('needs-root', `cannot write ${path}: ${hint}`, cause);
  }
}

/** Ids of generations, the oldest first. */
export function generationIds(state: string): readonly number[] {
  const directory = join(state, 'generations');
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/** @param tried the generation of the journal, which may be gone: somebody may still wait for what becomes of it */
export function nextGenerationId(state: string, tried = 0): number {
  return Math.max(generationIds(state).at(-1) ?? 0, tried) + 1;
}

type Kept = {
  readonly id: number;
  readonly digests: Pick<PlanDigests, 'policy' | 'host'>;
  /** Of a generation that goes on, when it began. */
  readonly loadedAt?: number;
};

/** @throws HostError 'unwritable' */
export function keepGeneration(
  state: string,
  { backend, arp, policy, policyText, host, list, ruleset, numbering }: Target,
  { id, digests, loadedAt = Date.now() }: Kept,
): void {
  const texts = { policy: policyText, host: printHost(host), rules: bootStep(ruleset).text };
  const generation: Generation = {
    id,
    backend,
    arp,
    policyFile: policy.file,
    policyDigest: digests.policy,
    hostDigest: digests.host,
    rulesDigest: digest(texts.rules),
    loadedAt,
  };
  writeNumbering(state, numbering);
  // for sh, which reads neither YAML nor JSON
  const bridges = list.ground.bridges.map(({ name }) => `${name}\n`).join('');
  writeGeneration(state, generation, texts, { 'closed.nft': printNft(closedPorts(list)), bridges });
}

function writeGeneration(
  state: string,
  generation: Generation,
  texts: GenerationTexts,
  forBoot: Readonly<Record<string, string>>,
): void {
  const directory = generationDirectory(state, generation.id);
  writing(directory, () => {
    mkdirSync(directory, { recursive: true, mode: 0o750 });
    writeDurably(join(directory, 'policy.yaml'), texts.policy);
    writeDurably(join(directory, 'host.yaml'), texts.host);
    writeDurably(join(directory, rulesFileName(generation)), texts.rules);
    for (const [name, text] of Object.entries(forBoot)) writeDurably(join(directory, name), text);
    writeDurably(
      join(directory, 'generation.json'),
      `${JSON.stringify({ version: 1, ...generation }, undefined, 2)}\n`,
    );
    syncDirectory(join(state, 'generations'));
    removeContinuations(directory);
  });
}

/** They are part of what was written just now. */
function removeContinuations(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (name.startsWith('since-')) rmSync(join(directory, name), { recursive: true, force: true });
  }
}

/** @throws HostError 'unreadable' */
export function readGeneration(state: string, id: number): Generation & { readonly texts: GenerationTexts } {
  const directory = generationDirectory(state, id);
  try {
    const text = (name: string): string => readFileSync(join(directory, name), 'utf8');
    const { version: _, ...generation } = generationFile.parse(JSON.parse(text('generation.json')));
    const texts = { policy: text('policy.yaml'), host: text('host.yaml'), rules: text(rulesFileName(generation)) };
    return { ...generation, texts };
  } catch (cause) {
    throw new HostError('unreadable', `cannot read ${directory}: ${(cause as Error).message}`, cause);
  }
}

/** The generation that is loaded at boot; undefined when there is none yet. */
export function confirmedId(state: string): number | undefined {
  try {
    return Number(basename(readlinkSync(join(state, 'confirmed'))));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new HostError('unreadable', `cannot read ${state}/confirmed: ${(cause as Error).message}`, cause);
  }
}

/** @throws HostError 'unwritable' */
export function setConfirmed(state: string, id: number): void {
  const link = join(state, 'confirmed');
  writing(link, () => {
    rmSync(`${link}.new`, { force: true });
    symlinkSync(join('generations', generationName(id)), `${link}.new`);
    renameSync(`${link}.new`, link);
    syncDirectory(state);
  });
  removeOldGenerations(state);
}

export function removeGeneration(state: string, id: number): void {
  rmSync(generationDirectory(state, id), { recursive: true, force: true });
}

function removeOldGenerations(state: string): void {
  const confirmed = confirmedId(state);
  const old = generationIds(state).slice(0, -keptGenerations);
  for (const id of old) if (id !== confirmed) removeGeneration(state, id);
}

/** Renames and new names are on the disk when this comes back. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Of all its files, about; 0 when it cannot be read. */
export function generationBytes(state: string, id: number): number {
  const directory = generationDirectory(state, id);
  const names = existsSync(directory) ? readdirSync(directory) : [];
  return names.reduce((sum, name) => sum + (statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0), 0);
}

/** What the generation says of itself, without the texts. @throws HostError 'unreadable' */
export function readGenerationFile(state: string, id: number): Generation {
  const file = join(generationDirectory(state, id), 'generation.json');
  try {
    const { version: _, ...generation } = generationFile.parse(JSON.parse(readFileSync(file, 'utf8')));
    return generation;
  } catch (cause) {
    throw new HostError('unreadable', `cannot read ${file}: ${(cause as Error).message}`, cause);
  }
}

const numbersFile = z.record(z.string(), z.int().positive());

/** @throws HostError 'unreadable': numbering anew would make old log lines lie */
export function readNumbering(state: string): Numbering {
  const file = join(state, 'numbers.json');
  if (!existsSync(file)) return {};
  try {
    return { ...numbersFile.parse(JSON.parse(readFileSync(file, 'utf8'))), ...readMoreNumbers(state) };
  } catch (cause) {
    throw new HostError('unreadable', `${file} holds no rule numbers; move it away to number the rules anew`, cause);
  }
}

/** @throws HostError 'unwritable' */
function writeNumbering(state: string, numbering: Numbering): void {
  const file = join(state, 'numbers.json');
  writing(file, () => {
    writeDurably(file, `${JSON.stringify(numbering, undefined, 2)}\n`);
    rmSync(moreNumbers(state), { force: true });
  });
}

/** A line for each step that made new rules: all numbers are too many to write for a single guest. */
function moreNumbers(state: string): string {
  return join(state, 'numbers.more');
}

/** @throws HostError 'unwritable' */
export function addNumbers(state: string, fresh: Numbering): void {
  const file = moreNumbers(state);
  writing(file, () => {
    const fd = openSync(file, 'a', 0o640);
    try {
      // a line that was broken off ends here, and is none
      writeFileSync(fd, `\n${JSON.stringify(fresh)}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    syncDirectory(state);
  });
}

/** What was broken off was never loaded. */
function readMoreNumbers(state: string): Numbering {
  const file = moreNumbers(state);
  if (!existsSync(file)) return {};
  const lines = readFileSync(file, 'utf8').split('\n');
  return Object.assign({}, ...lines.map(numbersOfLine));
}

function numbersOfLine(line: string): Numbering {
  try {
    return numbersFile.parse(JSON.parse(line));
  } catch {
    return {};
  }
}
