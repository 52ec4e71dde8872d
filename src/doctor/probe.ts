// A probe of the log path: which rule it is, where its line should be, and what the shell saw.
import { randomBytes } from 'node:crypto';
import type { Access } from '../machine/access.ts';
import { failureText, run } from '../machine/run.ts';
import { HostError } from '../model/host-error.ts';
import type { Facts } from './facts.ts';
import { levelNames } from './journald-settings.ts';
import { type Backend, type LogRule, usualLevel } from './log-rules.ts';
import { nftPriority, probeScript, removeScript } from './probe-script.ts';
import type { Sightings } from './sightings.ts';

/** Seconds; the whole has to stay below five. */
const lookSeconds = 2;
const timeoutMs = 60_000;

/** @throws HostError 'cannot-probe' when the machine does not answer */
export async function probe(access: Access, facts: Facts): Promise<Sightings> {
  const digits = randomBytes(4).toString('hex');
  const nonce = `BKPROBE-${digits}`;
  const plan = probePlan(facts);
  const none = {
    nonce,
    refusal: undefined,
    counter: undefined,
    overrun: false,
    priority: plan?.priority ?? 0,
    seen: new Map(),
  };
  if (facts.uid !== 0) return { ...none, unsent: 'only root may add a rule' };
  if (plan === undefined) return { ...none, unsent: 'there is neither nft nor iptables' };
  const port = 20_000 + (Number.parseInt(digits, 16) % 10_000);
  const settings = [plan.program, plan.family, digits, plan.mark, plan.level, `${port}`, plan.group];
  const args = ['-c', probeScript, 'sh', removeScript, ...settings, `${lookSeconds}`, ...plan.places];
  const ran = await run(access, 'sh', args, { timeoutMs });
  const lines = ran.stdout.toString('utf8').split('\n');
  if (!lines.includes('done')) throw new HostError('cannot-probe', failureText(access, ['sh'], ran));
  return { ...none, ...sightings(lines, nonce) };
}

function sightings(lines: readonly string[], nonce: string): Omit<Sightings, 'priority'> {
  const said = (word: string): string | undefined =>
    lines.find((line) => line.startsWith(`${word} `))?.slice(word.length + 1);
  const refused = said('refused');
  const counter = said('counter');
  const seen = new Map<string, number>();
  for (const line of lines) {
    const [, count, place] = /^seen (\d+) (.+)$/.exec(line) ?? [];
    // a busy ring pushes it out between two looks
    if (place !== undefined) seen.set(place, Math.max(Number(count), seen.get(place) ?? 0));
  }
  const refusal = said('unsent');
  // a packet that a chain drops is refused to its sender too; of other complaints the program is the reason
  const wasRefused = refusal === undefined || /not permitted|Permission denied|unreachable|refused/i.test(refusal);
  const impossible = wasRefused ? undefined : `no program here could send a packet (${refusal})`;
  const unsent = refused ?? impossible ?? (counter === undefined ? 'its rule was taken away' : undefined);
  const overrun = said('overrun') !== undefined;
  const count = counter === undefined ? undefined : Number(counter);
  return { nonce: said('nonce') ?? nonce, unsent, refusal, overrun, counter: count, seen };
}

type Plan = {
  readonly program: string;
  readonly family: 'ip' | 'ip6';
  readonly level: string;
  readonly group: string;
  readonly priority: number;
  /** Of the prefix: ufw's, or none. */
  readonly mark: 'ufw' | '-';
  readonly places: readonly string[];
};

/** As the user's rules do it: their back end, family, level, group, and ufw's mark where they are ufw's. */
function probePlan(facts: Facts): Plan | undefined {
  const { log, tools } = facts.rules;
  const model = log.find(({ group }) => group === undefined) ?? log[0];
  const family = log.length > 0 && log.every((rule) => rule.family === 'ip6') ? 'ip6' : 'ip';
  const backend = probeBackend(model?.backend, tools);
  if (backend === 'nft' ? !tools.nft : !tools.iptables) return undefined;
  const group = log.find((rule) => rule.group !== undefined)?.group;
  const level = model?.level ?? usualLevel;
  return {
    program: programOf(backend, family),
    family,
    level: (backend === 'nft' ? nftLevel(level) : undefined) ?? `${level}`,
    group: group === undefined ? '-' : `${group}`,
    priority: backend === 'nft' ? nftPriority : 0,
    mark: isUfw(log) ? 'ufw' : '-',
    places: placesOf(facts),
  };
}

/**
 * Rules of today's iptables are nf_tables' rules: nft can put its own beside them, where iptables would make a chain OUTPUT
 * that was not there.
 */
function probeBackend(rules: Backend | undefined, { nft }: { readonly nft: boolean }): Backend {
  if (rules === 'iptables-legacy') return rules;
  return nft ? 'nft' : 'iptables';
}

/** nft's own word for one level is unlike syslog's. */
function nftLevel(level: number): string | undefined {
  return level === 4 ? 'warn' : levelNames[level];
}

function programOf(backend: Backend, family: 'ip' | 'ip6'): string {
  if (backend === 'nft') return 'nft';
  const name = family === 'ip' ? 'iptables' : 'ip6tables';
  return backend === 'iptables' ? name : `${name}-legacy`;
}

function isUfw(log: readonly LogRule[]): boolean {
  return log.some(({ prefix }) => prefix.includes('[UFW '));
}

/** Where a line can be found by asking; files that nobody writes are not waited for. */
function placesOf({ ring, journal, syslog, nflog, rules }: Facts): readonly string[] {
  const ufw = isUfw(rules.log);
  const targets = syslog.daemons.some(({ name }) => name === 'rsyslogd')
    ? syslog.rsyslog.targets
    : syslog.daemons.length > 0 || syslog.collector
      ? syslog.files.map(({ path }) => path)
      : [];
  const kernelFiles = ['/var/log/kern.log', '/var/log/syslog', '/var/log/messages', '/var/log/firewall'];
  return [
    ...(ring.dmesg === 'readable' ? ['dmesg'] : []),
    ...(ring.kmsg === 'readable' ? ['kmsg'] : []),
    ...(journal.running ? ['journal'] : []),
    ...targets.filter((path) => kernelFiles.includes(path) || (ufw && path === '/var/log/ufw.log')),
    ...(rules.log.some(({ group }) => group !== undefined) ? nflog.config.files.map(({ path }) => path) : []),
  ];
}
