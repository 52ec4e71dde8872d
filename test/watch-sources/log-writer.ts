// A syslog daemon and logrotate for tests: a real file that grows, is renamed, copied and emptied, packed.
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type Packing, packingOf, packings } from '../../src/watch/sources/older-copies.ts';

export class LogWriter {
  readonly path: string;
  readonly written: string[] = [];
  #number = 0;

  constructor(path: string) {
    this.path = path;
    writeFileSync(path, '');
  }

  /** The message of a line; unlike all others unless it is `again`. */
  message(again = false): string {
    if (!again || this.#number === 0) this.#number++;
    return `[UFW BLOCK] IN=eth0 OUT= SRC=192.0.2.7 DST=192.0.2.1 LEN=44 TTL=54 ID=${this.#number} PROTO=TCP SPT=1 DPT=2 `;
  }

  line(message: string, second = this.#number % 60): string {
    return `Mar 17 13:21:${String(second).padStart(2, '0')} host kernel: ${message}\n`;
  }

  /** The next line, which somebody else writes. */
  noted(): string {
    return this.line(this.#note(this.message()));
  }

  append(count = 1): void {
    for (let one = 0; one < count; one++) this.appendText(this.noted());
  }

  /** Not as the first line of a file: an emptied file that is byte for byte what it was cannot be told from before. */
  appendAgain(): void {
    if (statSync(this.path).size === 0) this.append();
    this.appendText(this.line(this.#note(this.message(true))));
  }

  /** The beginning of a line now, the rest when the function that it gives is called. */
  appendHalf(): () => void {
    const line = this.line(this.#note(this.message()));
    const half = Math.floor(line.length / 2);
    this.appendText(line.slice(0, half));
    return () => this.appendText(line.slice(half));
  }

  appendText(text: string): void {
    appendFileSync(this.path, text);
  }

  #note(message: string): string {
    this.written.push(message);
    return message;
  }

  /** `rename`, and the daemon opens a new file at once. */
  rotateByCreate(): void {
    this.#shift();
    renameSync(this.path, `${this.path}.1`);
    writeFileSync(this.path, '');
  }

  rotateByCopy(): void {
    this.#shift();
    copyFileSync(this.path, `${this.path}.1`);
    truncateSync(this.path, 0);
  }

  #shift(): void {
    const names = readdirSync(dirname(this.path));
    for (let number = 20; number > 0; number--) {
      for (const ending of ['', ...packings.map((packing) => `.${packing}`)]) {
        const from = `${this.path}.${number}${ending}`;
        if (names.some((name) => from.endsWith(`/${name}`))) renameSync(from, `${this.path}.${number + 1}${ending}`);
      }
    }
  }

  /** Packs an older copy that is not packed yet. */
  pack(number: number, packing: Packing): void {
    const file = `${this.path}.${number}`;
    if (packingOf(file) !== undefined || !existsSync(file)) return;
    writeFileSync(`${file}.${packing}`, packed(readFileSync(file), packing));
    rmSync(file);
  }
}

export function packed(bytes: Buffer, packing: Packing): Buffer {
  switch (packing) {
    case 'gz':
      return gzipSync(bytes);
    case 'zst':
      return zstdCompressSync(bytes);
    case 'xz':
      return execFileSync('xz', ['-c'], { input: bytes });
    default:
      return execFileSync('bzip2', ['-c'], { input: bytes });
  }
}
