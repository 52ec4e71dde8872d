// Host and policy of a command that runs for long: read again when their files have changed, and only when lines are to be
// tied to them. A version with faults does not take the place of one that could be used.
import { statSync } from 'node:fs';
import { HostError } from '../model/host-error.ts';
import { type Attribute, attributeBy } from './attribute.ts';
import { inputFiles } from './input.ts';
import { tell } from './output.ts';
import { type KnownSite, readSite, type SiteOptions, siteAtHand } from './site.ts';

/** No policy is changed more often. */
const lookEveryMs = 1_000;

export class CurrentSite {
  readonly #directory: string | undefined;
  readonly #options: SiteOptions;
  /** None of standard input: that is read once. */
  readonly #files: readonly string[];
  #known: KnownSite | undefined;
  #attribute: Attribute;
  #identity: string;
  #lookAt: number;
  #looking: Promise<void> | undefined;

  /** @throws HostError when what was asked for cannot be read; later that is only told */
  static async read(directory: string | undefined, options: SiteOptions): Promise<CurrentSite> {
    const files = filesOf(directory, options);
    const identity = identityOf(files);
    return new CurrentSite(directory, options, files, identity, await siteAtHand(directory, options));
  }

  private constructor(
    directory: string | undefined,
    options: SiteOptions,
    files: readonly string[],
    identity: string,
    known: KnownSite | undefined,
  ) {
    this.#directory = directory;
    this.#options = options;
    this.#files = files;
    this.#identity = identity;
    this.#known = known;
    this.#attribute = attributeBy(known);
    this.#lookAt = performance.now() + lookEveryMs;
  }

  /** By what is known at this moment. */
  readonly attribute: Attribute = (printed) => this.#attribute(printed);

  /** Before lines are tied to names; costs nothing when it was asked a moment ago. */
  async refresh(): Promise<void> {
    if (this.#looking === undefined && performance.now() < this.#lookAt) return;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
      this.#lookAt = performance.now() + lookEveryMs;
    });
    await this.#looking;
  }

  async #look(): Promise<void> {
    const identity = identityOf(this.#files);
    if (identity === this.#identity) return;
    this.#identity = identity;
    const known = await this.#reread();
    if (known === undefined) return;
    this.#known = known;
    this.#attribute = attributeBy(known);
    tell('host and policy have changed, and were read again');
  }

  async #reread(): Promise<KnownSite | undefined> {
    const instead = this.#known === undefined ? 'lines are not explained' : 'what was read before stays in use';
    try {
      const known = await readSite(this.#directory, this.#options);
      if (known === undefined) tell(`host and policy have changed, and have faults: ${instead}`);
      return known;
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      tell(`host and policy have changed: ${error.message}; ${instead}`);
      return undefined;
    }
  }
}

function filesOf(directory: string | undefined, options: SiteOptions): readonly string[] {
  const { policy, host } = inputFiles(directory, options);
  if (policy === '-' || host === '-') return [];
  return [policy, host, options.numbers].filter((file) => file !== undefined);
}

/** An editor writes a file anew, or puts another one in its place. */
function identityOf(files: readonly string[]): string {
  return files.map(fileIdentity).join(' ');
}

function fileIdentity(file: string): string {
  try {
    const facts = statSync(file, { bigint: true, throwIfNoEntry: false });
    return facts === undefined ? 'absent' : [facts.dev, facts.ino, facts.size, facts.mtimeNs].join(':');
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}
