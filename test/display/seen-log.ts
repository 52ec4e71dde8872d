// What the commands said and which pictures were seen, as a page of the documentation. What is written there must be what is
// seen now; only times and the kernel's number differ.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Ran } from '../support/namespace.ts';

/** Guests are of this machine's release. */
const release = /^PRETTY_NAME="(?:Debian GNU\/Linux )?([^"(]*?) ?(?:\(.*\))?"$/m.exec(textOf('/etc/os-release'))?.[1];

const head = `# Displays as seen

What the commands said about a whole Debian ${release} under libvirt, and the sizes of the pictures that were seen. \`npm run test:guest\`
does all of this again and compares; \`UPDATE_GOLDEN=1 npm run test:guest\` writes this page anew. Times are those of an emulated
processor, and of whatever else the machine did.
`;

export class SeenLog {
  readonly #lines: string[] = [head];

  section(title: string): void {
    this.#lines.push(`\n## ${title}\n`);
  }

  command(argv: readonly string[], { code, stdout, stderr }: Ran, ms: number): void {
    const said = `${stdout}${stderr}`.trimEnd();
    this.#lines.push(
      `\n\`\`\`\n$ bridgekeeper display ${argv.join(' ')}\n${said}\n\`\`\`\n\nExit code ${code}, ${(ms / 1000).toFixed(1)} s.\n`,
    );
  }

  sighting(what: string, size: string): void {
    this.#lines.push(`\nThe picture ${what}: ${size}.\n`);
  }

  /** Written with UPDATE_GOLDEN=1, else compared, where the page is of the same release. */
  finish(path: string): void {
    const text = this.#lines.join('');
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(path, text);
    const page = textOf(path);
    if (page === '' || page.startsWith(head)) assert.equal(timeless(text), timeless(page));
  }
}

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

function timeless(text: string): string {
  return text.replace(/, \d+\.\d s\.$/gm, '').replace(/\b\d+\.\d+\.\d+-\d+-amd64\b/g, 'amd64');
}
