// An Explanation as a few columns, for lists of events: rule, policy line, ports with their guests, what is wrong and who
// did it.
import type { Span } from '../model/diagnostic.ts';
import { printIp } from '../model/ip.ts';
import { unreachable } from '../model/unreachable.ts';
import type { Door, Endpoint, Explanation, Finding, Party } from './explanation.ts';

export type AttributedDoor = { readonly port: string; readonly guest?: string };

/** What speaks for an attack or explains why nothing does, of one line. */
export type Doubt = Extract<
  Finding,
  {
    readonly kind:
      | 'redirected'
      | 'relayed'
      | 'forged-source'
      | 'forged-mac'
      | 'forged-arp'
      | 'arp-mismatch'
      | 'flooded'
      | 'rule-gone'
      | 'rule-differs';
  }
>;

export type Attribution = {
  /** The stable id. */
  readonly rule?: string;
  readonly line?: Span;
  readonly bridge?: string;
  readonly from: AttributedDoor;
  readonly to: AttributedDoor;
  readonly doubt?: Doubt['kind'];
  readonly culprit?: string;
  /** A MAC alone says so. */
  readonly suspect?: string;
  readonly victims: readonly string[];
};

export function attributionOf({ findings, culprit, suspect }: Explanation): Attribution {
  const decision = findings.find((one) => one.kind === 'decision');
  const rule = findings.find((one) => one.kind === 'rule');
  const doubts = findings.filter(isDoubt);
  // what names somebody says more than what does not
  const doubt = doubts.find((one) => victimsOf(one).length > 0) ?? doubts[0];
  const bridge = decision?.from.bridge ?? decision?.to.bridge;
  return {
    ...(rule !== undefined && { rule: rule.id, line: rule.origin.span }),
    ...(bridge !== undefined && { bridge }),
    from: attributedDoor(decision?.from),
    to: attributedDoor(decision?.to),
    ...(doubt !== undefined && { doubt: doubt.kind }),
    ...(culprit !== undefined && { culprit: shortName(culprit) }),
    ...(suspect !== undefined && { suspect: shortName(suspect) }),
    victims:
      doubt === undefined
        ? []
        : victimsOf(doubt).map(({ ip, party }) => (party === undefined ? printIp(ip) : shortName(party))),
  };
}

function attributedDoor(door: Door | undefined): AttributedDoor {
  const { name = '', party } = door ?? {};
  return { port: name, ...(party?.kind === 'guest' && { guest: party.name }) };
}

/** As policies call it. */
function shortName(party: Party): string {
  return party.kind === 'host' ? 'host' : party.name;
}

const doubts: Readonly<Record<Doubt['kind'], string>> = {
  redirected: 'redirected',
  relayed: 'relayed',
  'forged-source': 'forged source',
  'forged-mac': 'forged MAC',
  'forged-arp': 'forged ARP',
  'arp-mismatch': 'ARP with two MACs',
  flooded: 'flooded copy',
  'rule-gone': 'no such rule now',
  'rule-differs': 'another rule now',
};

function isDoubt(finding: Finding): finding is Doubt {
  return Object.hasOwn(doubts, finding.kind);
}

/** `redirected: kali2 between kali3 and kali4`; `kali2?` where a MAC alone says so. */
export function doubtText({ doubt, culprit, suspect, victims }: Attribution): string {
  if (doubt === undefined) return '';
  const between = victims.length === 0 ? '' : ` between ${victims.join(' and ')}`;
  if (culprit !== undefined) return `${doubts[doubt]}: ${culprit}${between}`;
  if (suspect !== undefined) return `${doubts[doubt]}: ${suspect}?${between}`;
  return victims.length === 0 ? doubts[doubt] : `${doubts[doubt]}?${between}`;
}

function victimsOf(doubt: Doubt): readonly Endpoint[] {
  switch (doubt.kind) {
    case 'redirected':
    case 'relayed':
      return doubt.victims;
    case 'forged-arp':
      return doubt.told === undefined ? [doubt.claimed] : [doubt.claimed, doubt.told];
    case 'forged-source':
      return [doubt.source];
    case 'forged-mac':
    case 'arp-mismatch':
    case 'flooded':
    case 'rule-gone':
    case 'rule-differs':
      return [];
    default:
      return unreachable(doubt);
  }
}
