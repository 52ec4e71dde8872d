// `explain`: lines of the firewall log in plain sentences: who sent what, what he claimed, which rule decided by which line
// of the policy, and whether it looks like an attack.
import { statSync } from 'node:fs';
import type { Explanation } from '../explain/explanation.ts';
import { explanationText } from '../explain/sentences.ts';
import { HostError } from '../model/host-error.ts';
import type { LogEvent } from '../model/log-event.ts';
import { parseLogLine } from '../watch/parse-line.ts';
import { unescapedSyslog } from '../watch/sources/escapes.ts';
import { isJournalJson, journalJsonEntry } from '../watch/sources/journal-json.ts';
import { LineHeads } from '../watch/sources/line-head.ts';
import { escaped } from './escaped.ts';
import { exitCodes } from './exit-codes.ts';
import { explanationJson, unexplainedJson } from './explanation-json.ts';
import { inputLines } from './input-lines.ts';
import { type Format, tell } from './output.ts';
import { printLines } from './print-lines.ts';
import { type KnownSite, readSite, type SiteOptions, siteAtHand, unknownSite } from './site.ts';

export type ExplainOptions = SiteOptions & { readonly output: Format };

/** The first word is a directory if there is one of this name; the others are lines, else they come by standard input. */
export async function explain(words: readonly string[], options: ExplainOptions): Promise<number> {
  const { directory, lines } = split(words);
  const isPiped = lines.length === 0;
  if (isPiped && (options.host === '-' || options.policy === '-'))
    throw new HostError('usage', 'standard input cannot be the lines and also the host or the policy');
  const known = await siteFor(directory, options);
  if (known === undefined) return exitCodes.faults;
  const explainer = new LineExplainer(known);
  const count = isPiped
    ? await explainInput(explainer, options.output)
    : await explainAll(lines, explainer, options.output);
  return count === 0 || known.faulty ? exitCodes.faults : exitCodes.fine;
}

/** Where nobody spoke of a policy and none is there, a line still says who and what. */
async function siteFor(directory: string | undefined, options: ExplainOptions): Promise<KnownSite | undefined> {
  const { host, policy, numbers } = options;
  if ([directory, host, policy, numbers].some((one) => one !== undefined)) return readSite(directory, options);
  return (await siteAtHand(undefined, {})) ?? unknownSite();
}

function split([first, ...rest]: readonly string[]): { directory: string | undefined; lines: readonly string[] } {
  if (first === undefined) return { directory: undefined, lines: [] };
  return isDirectory(first) ? { directory: first, lines: rest } : { directory: undefined, lines: [first, ...rest] };
}

/** A whole line of a log is too long for a path, and no fault. */
function isDirectory(word: string): boolean {
  try {
    return statSync(word).isDirectory();
  } catch {
    return false;
  }
}

async function explainAll(lines: readonly string[], explainer: LineExplainer, output: Format): Promise<number> {
  let explained = 0;
  for (const text of lines) {
    const line = Buffer.from(text);
    const one = explainer.explain(line);
    if (one === undefined) tell(`'${escaped(text)}' is no line of the firewall log`);
    else explained++;
    await show(line, one, output, lines.length > 1);
  }
  return explained;
}

/** Of a whole log most lines are of other kinds: they are counted, not shown. */
async function explainInput(explainer: LineExplainer, output: Format): Promise<number> {
  let explained = 0;
  let others = 0;
  for await (const line of inputLines(process.stdin)) {
    const one = explainer.explain(line);
    if (one === undefined) {
      if (line.length > 0) others++;
      continue;
    }
    explained++;
    await show(line, one, output, true);
  }
  if (explained === 0) tell(`none of ${others} lines is a line of the firewall log`);
  else if (others > 0) tell(`${others} other lines are no lines of the firewall log`);
  return explained;
}

async function show(line: Buffer, one: Explained | undefined, output: Format, withLine: boolean): Promise<void> {
  if (output === 'json') {
    await printLines([
      one === undefined ? unexplainedJson(line.toString()) : explanationJson(one.event, one.explanation),
    ]);
  } else if (one !== undefined) {
    const sentences = explanationText(one.explanation).map(escaped);
    await printLines(
      withLine ? [escaped(one.event.raw.trim()), ...sentences.map((text) => `  ${text}`), ''] : sentences,
    );
  }
}

type Explained = { readonly event: LogEvent; readonly explanation: Explanation };

class LineExplainer {
  readonly #known: KnownSite;
  readonly #heads = new LineHeads({ notAfter: Date.now });

  constructor(known: KnownSite) {
    this.#known = known;
  }

  explain(line: Buffer): Explained | undefined {
    const { explainer, prefixes, isUnknown } = this.#known;
    const { text, saidHost } = isJournalJson(line) ? journalledText(line) : this.#headless(line);
    const event = parseLogLine(text, prefixes);
    if (event === undefined) return undefined;
    const explanation = explainer.explain(event, saidHost);
    return { event, explanation: isUnknown === true ? withoutHost(explanation) : explanation };
  }

  #headless(line: Buffer): Headless {
    const { from } = this.#heads.read(line);
    return { text: unescapedSyslog(line.subarray(from)), saidHost: hostIn(line.toString('latin1', 0, from)) };
  }
}

type Headless = { readonly text: Buffer; readonly saidHost: string | undefined };

/** Of `journalctl -o json`. */
function journalledText(line: Buffer): Headless {
  const { MESSAGE, _HOSTNAME } = journalJsonEntry(line) ?? {};
  return { text: MESSAGE ?? Buffer.alloc(0), saidHost: _HOSTNAME?.toString('utf8') };
}

/** Without what a line lacks in a host of which there are no facts. */
function withoutHost(explanation: Explanation): Explanation {
  const isAboutHost = (kind: string): boolean =>
    ['other-host', 'unknown-doors', 'rule-gone', 'rule-differs'].includes(kind);
  return { ...explanation, findings: explanation.findings.filter(({ kind }) => !isAboutHost(kind)) };
}

/** Before the tag stands the machine. */
function hostIn(head: string): string | undefined {
  return /(?:^|\s)([A-Za-z0-9][A-Za-z0-9.:_-]{0,254}) kernel: ?(?:\[|$)/.exec(head)?.[1];
}
