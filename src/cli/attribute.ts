// Events that are shown or printed, tied to rule, policy line, port and guest where host and policy are at hand.
import { attributionOf } from '../explain/attribution.ts';
import type { PrintedEvent } from './event-text.ts';
import type { KnownSite } from './site.ts';

export type Attribute = (printed: PrintedEvent) => PrintedEvent;

const unattributed: Attribute = (printed) => printed;

/** Events of another machine are held against this site only when the host file is of this name. */
export function attributeBy(known: KnownSite | undefined): Attribute {
  if (known === undefined) return unattributed;
  const { site, explainer } = known;
  return (printed) => {
    const { host, event } = printed;
    if (host !== '' && host !== site.hostName) return printed;
    return { ...printed, meaning: attributionOf(explainer.explain(event)) };
  };
}
