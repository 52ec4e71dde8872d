// Lines of the log, and a site to hold them against: what the tests of explanations begin with.
import assert from 'node:assert/strict';
import { explainEvent } from '../../src/explain/explain.ts';
import type { Explanation } from '../../src/explain/explanation.ts';
import { SeenMacs } from '../../src/explain/seen-macs.ts';
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
  const seen = new SeenMacs(site);
  const events = lines.map(eventOf);
  for (const event of events) seen.learn(event);
  const last = events.at(-1);
  assert.ok(last !== undefined);
  return explainEvent(last, site, { seen });
}

export function culpritName({ culprit }: Explanation): string | undefined {
  return culprit?.kind === 'host' ? 'host' : culprit?.name;
}
