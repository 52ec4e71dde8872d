// Lines of the log, and a site to hold them against: what the tests of explanations begin with.
import assert from 'node:assert/strict';
import { Explainer } from '../../src/explain/explainer.ts';
import type { Explanation } from '../../src/explain/explanation.ts';
import { Site } from '../../src/explain/site.ts';
import type { Span } from '../../src/model/diagnostic.ts';
import type { LogEvent } from '../../src/model/log-event.ts';
import { parseLogLine } from '../../src/watch/parse-line.ts';
import { compiledFrom, exampleTexts, factsOf, type Texts } from '../support/compiled.ts';

export function siteOf(texts: Texts): Site {
  const facts = factsOf(texts);
  const files: Readonly<Record<string, readonly string[]>> = {
    'host.yaml': texts.host.split('\n'),
    'policy.yaml': texts.policy.split('\n'),
  };
  const lineText = ({ file, line }: Span): string | undefined => files[file]?.[line - 1];
  return new Site(facts.policy, facts.host, compiledFrom(facts).list, lineText);
}

export const exampleSite = siteOf(exampleTexts());

export function eventOf(text: string): LogEvent {
  const event = parseLogLine(Buffer.from(text, 'latin1'));
  assert.ok(event !== undefined, text);
  return event;
}

/** The last line's, with what the earlier ones showed. */
export function explained(lines: readonly string[], site: Site = exampleSite): Explanation {
  const explainer = new Explainer(site);
  const last = lines.map((line) => explainer.explain(eventOf(line))).at(-1);
  assert.ok(last !== undefined);
  return last;
}

function culpritName({ culprit }: Explanation): string | undefined {
  return culprit?.kind === 'host' ? 'host' : culprit?.name;
}

/** With a question mark where a MAC alone says so. */
export function namedBy(explanation: Explanation): string | undefined {
  const { suspect } = explanation;
  if (suspect === undefined) return culpritName(explanation);
  return `${suspect.kind === 'host' ? 'host' : suspect.name}?`;
}
