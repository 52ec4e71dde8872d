// One machine of the kill test: a kernel whose lines reach a ring, a journal, kern.log and ufw.log, or only some of them,
// while logrotate works on the files. Knows what was sent and who was shown it.
import { appendFileSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packings } from '../../src/watch/sources/older-copies.ts';
import type { Random } from '../kernel/random.ts';
import { LogWriter } from '../watch-sources/log-writer.ts';
import { journalEntry } from './recorded-sources.ts';

export const sourceNames = ['kmsg', 'journal', 'kern.log', 'ufw.log'] as const;
type SourceName = (typeof sourceNames)[number];

export type Sent = { readonly text: string; readonly shown: readonly SourceName[] };

export type WorldCounts = {
  repeats: number;
  create: number;
  copy: number;
  pack: number;
  half: number;
  unstamped: number;
};

export class KillWorld {
  readonly directory: string;
  readonly sent: Sent[] = [];
  readonly #random: Random;
  readonly #counts: WorldCounts;
  readonly #files: Readonly<Record<'kern.log' | 'ufw.log', LogWriter>>;
  /** imklog keeps the kernel's stamp; on Ubuntu 24.04 nothing does. */
  readonly #isStamped: boolean;
  readonly #wholeSeconds: boolean;
  #sequence = 0;
  #us = 0;
  #finish: (() => void) | undefined;

  constructor(directory: string, random: Random, counts: WorldCounts) {
    mkdirSync(directory);
    this.directory = directory;
    this.#random = random;
    this.#counts = counts;
    this.#isStamped = random.chance(0.6);
    this.#wholeSeconds = random.chance(0.5);
    if (!this.#isStamped) counts.unstamped++;
    for (const name of ['kmsg', 'journal']) writeFileSync(join(directory, name), '');
    this.#files = {
      'kern.log': new LogWriter(join(directory, 'kern.log')),
      'ufw.log': new LogWriter(join(directory, 'ufw.log')),
    };
  }

  /** Something that happens on such a machine. */
  act(): void {
    const random = this.#random;
    const file = this.#files[random.pick(['kern.log', 'ufw.log'] as const)];
    const what = random.between(0, 11);
    if (what < 8) for (let count = random.between(1, 5); count > 0; count--) this.speak();
    else if (what === 8) this.#halfLine();
    else if (what === 9) this.#rotate('create', () => file.rotateByCreate());
    else if (what === 10) this.#rotate('copy', () => file.rotateByCopy());
    else this.#rotate('pack', () => file.pack(random.between(1, 3), random.pick(packings)));
  }

  /** Ends with a line that all sources show. */
  end(): void {
    this.#wholeLine();
    this.#say(this.#message(), sourceNames);
  }

  speak(): void {
    this.#wholeLine();
    const again = this.sent.at(-1);
    if (again !== undefined && this.#mayRepeat() && this.#random.chance(0.2)) {
      this.#counts.repeats++;
      // without stamps, lines that some sources do not show cannot be told from those that they do
      this.#say(again.text, this.#isStamped ? this.#someSources() : sourceNames);
    } else this.#say(this.#message(), this.#someSources());
  }

  /** An emptied file whose first line is what it was before cannot be told from before. */
  #mayRepeat(): boolean {
    const isShownToAll = this.#isStamped || this.sent.at(-1)?.shown.length === sourceNames.length;
    return isShownToAll && Object.values(this.#files).every(({ path }) => statSync(path).size > 0);
  }

  #someSources(): readonly SourceName[] {
    const some = this.#random.some(sourceNames, 0.8);
    return some.length > 0 ? some : ['ufw.log'];
  }

  #message(): string {
    const number = this.sent.length;
    return `[UFW BLOCK] IN=eth0 OUT= SRC=192.0.2.7 DST=192.0.2.1 LEN=44 TOS=0x00 PREC=0x00 TTL=54 ID=${number} PROTO=UDP SPT=1 DPT=2 LEN=24 `;
  }

  #say(text: string, shown: readonly SourceName[]): void {
    this.#us = Math.max(this.#us + 1, Date.now() * 1000);
    this.sent.push({ text, shown });
    const record = shown.includes('kmsg') ? text : 'usb 1-1: new device';
    this.#append('kmsg', `4,${this.#sequence++},${this.#us},-;${record}\n`);
    if (shown.includes('journal')) {
      const { size } = statSync(join(this.directory, 'journal'));
      this.#append('journal', journalEntry(size, this.#us, text));
    }
    for (const name of ['kern.log', 'ufw.log'] as const) {
      if (shown.includes(name)) this.#files[name].appendText(this.#line(text));
    }
  }

  #append(name: string, text: string): void {
    appendFileSync(join(this.directory, name), text);
  }

  /** As rsyslog writes them, in one of its two forms. */
  #line(text: string): string {
    const seconds = `${Math.floor(this.#us / 1_000_000)}`.padStart(5);
    const stamp = this.#isStamped ? `[${seconds}.${String(this.#us % 1_000_000).padStart(6, '0')}] ` : '';
    const date = new Date(Math.floor(this.#us / 1000));
    if (!this.#wholeSeconds) return `${date.toISOString()} host kernel: ${stamp}${text}\n`;
    const [, month = '', day = '', , time = ''] = /^\w+ (\w+) (\d+) (\d+) ([\d:]+)/.exec(date.toString()) ?? [];
    return `${month} ${String(Number(day)).padStart(2)} ${time} host kernel: ${stamp}${text}\n`;
  }

  /** The first half now, the rest with the next word. */
  #halfLine(): void {
    this.#wholeLine();
    this.#us = Math.max(this.#us + 1, Date.now() * 1000);
    this.#counts.half++;
    const text = this.#message();
    const file = this.#files['kern.log'];
    const line = this.#line(text);
    file.appendText(line.slice(0, 60));
    this.sent.push({ text, shown: ['kern.log'] });
    this.#finish = () => file.appendText(line.slice(60));
  }

  #wholeLine(): void {
    this.#finish?.();
    this.#finish = undefined;
  }

  #rotate(what: 'create' | 'copy' | 'pack', act: () => void): void {
    this.#wholeLine();
    this.#counts[what]++;
    act();
  }
}
