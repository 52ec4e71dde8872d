// The machine's answers -> facts: one connection for all questions, and one more for each round of configuration files
// that other configuration files name.

import { randomBytes } from 'node:crypto';
import type { Access } from '../machine/access.ts';
import { failureText, run } from '../machine/run.ts';
import { HostError } from '../model/host-error.ts';
import { type Answers, answers, filesOf, linesOf } from './answers.ts';
import type { Facts, SyslogFacts } from './facts.ts';
import { type ConfigFile, journaldSettings } from './journald-settings.ts';
import { includeScript, questions, script } from './questions.ts';
import { machineClues, networkFacts, ringFacts, ruleFacts, serviceFacts } from './read-answers.ts';
import { journalFacts, nflogFacts, processesOf, syslogFacts } from './read-daemons.ts';
import { rsyslogConfig } from './rsyslog-config.ts';

const timeoutMs = 60_000;

const markBytes = 12;

/** @throws HostError 'cannot-ask' when the machine does not answer */
export async function gather(access: Access): Promise<Facts> {
  const all = await ask(access, script(questions));
  const [uid = '', now = '', uptime = '', boot = ''] = linesOf(all, 'who');
  const clock = { now: Number(now), uptime: Number(uptime.split(' ')[0]), boot: boot.replaceAll('-', '') };
  const machine = machineClues(all);
  return {
    uid: Number(uid),
    machine,
    ring: ringFacts(all, clock.uptime),
    network: networkFacts(all, machine.kernelThreads),
    rules: ruleFacts(all),
    journal: { ...journalFacts(all, clock), settings: journaldSettings(filesOf(all.get('journald') ?? '')) },
    syslog: await withRsyslog(access, all, syslogFacts(all, clock)),
    nflog: nflogFacts(all, await ulogdFiles(access, all)),
    services: serviceFacts(all),
  };
}

async function ask(access: Access, script: string, args: readonly string[] = []): Promise<Answers> {
  // a letter first: awk would compare numbers by their value
  const mark = `m${randomBytes(markBytes).toString('hex')}`;
  const ran = await run(access, 'sh', ['-c', script, 'sh', mark, ...args], { timeoutMs });
  const found = answers(ran.stdout);
  if (found === undefined) throw new HostError('cannot-ask', failureText(access, ['sh'], ran));
  return found;
}

const usualRsyslog = '/etc/rsyslog.conf';
const usualIncludes = '/etc/rsyslog.d/*.conf';
const mostRounds = 3;

async function withRsyslog(access: Access, all: Answers, facts: Omit<SyslogFacts, 'rsyslog'>): Promise<SyslogFacts> {
  const known = filesOf(all.get('rsyslog') ?? '');
  const main = optionOf(all, 'rsyslogd', '-f') ?? usualRsyslog;
  let files = main === usualRsyslog ? known.filter(({ path }) => path === main) : await filesLike(access, [main]);
  const asked = new Set([main]);
  for (let round = 0; round < mostRounds; round++) {
    const wanted = rsyslogConfig(files).includes.filter((pattern) => !asked.has(pattern));
    if (wanted.length === 0) break;
    for (const pattern of wanted) asked.add(pattern);
    if (wanted.includes(usualIncludes)) files = [...files, ...known.filter(({ path }) => path !== usualRsyslog)];
    files = [
      ...files,
      ...(await filesLike(
        access,
        wanted.filter((pattern) => pattern !== usualIncludes),
      )),
    ];
  }
  return { ...facts, rsyslog: rsyslogConfig(files) };
}

async function ulogdFiles(access: Access, all: Answers): Promise<readonly ConfigFile[]> {
  const named = optionOf(all, 'ulogd', '-c') ?? optionOf(all, 'ulogd', '--configfile');
  return named === undefined ? filesOf(all.get('ulogd') ?? '') : filesLike(access, [named]);
}

/** What a running daemon was given behind an option. */
function optionOf(all: Answers, name: string, option: string): string | undefined {
  const [found] = processesOf(all).filter((one) => one.name === name);
  const words = found?.command.split(' ') ?? [];
  const at = words.indexOf(option);
  return at < 0 ? undefined : words[at + 1];
}

async function filesLike(access: Access, patterns: readonly string[]): Promise<readonly ConfigFile[]> {
  const plain = patterns.filter((pattern) => /^\/[A-Za-z0-9_@%+=:,./*?[\]{}~-]+$/.test(pattern));
  if (plain.length === 0) return [];
  const found = await ask(access, includeScript, plain);
  return filesOf(found.get('files') ?? '');
}
