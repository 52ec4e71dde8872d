// The number in a line's prefix -> the rule, and the line of the policy or the fact of the host that it follows from.
import type { Span } from '../model/diagnostic.ts';
import { containsIp } from '../model/ip-set.ts';
import type { LogEvent } from '../model/log-event.ts';
import type { Permission } from '../model/policy.ts';
import type { ListRule } from '../model/rule-list.ts';
import type { Basis, Finding, Firewall, Origin } from './explanation.ts';
import { ruleFits } from './rule-fits.ts';
import { belongsTo } from './service-of.ts';
import type { Site } from './site.ts';

export function ruleFindings(event: LogEvent, site: Site): readonly Finding[] {
  const { rule: number, prefix } = event;
  if (number === undefined) return [{ kind: 'foreign-rule', prefix: prefix.trim(), firewall: firewallOf(prefix) }];
  const entry = site.entry(number);
  if (entry === undefined || entry.kind === 'heading') return [{ kind: 'rule-gone', number }];
  const { text, id, verdict } = entry;
  if (!ruleFits(entry, event, (port) => site.place(port).door.bridge))
    return [
      { kind: 'rule-differs', number, text: `${verdict.toUpperCase()} ${text}`, origin: originOf(entry.origin, site) },
    ];
  const permission = permissionFor(entry, event, site);
  const origin = originOf(permission?.span ?? entry.origin, site);
  return [{ kind: 'rule', number, id, verdict, text, basis: basisOf(entry, permission, site), origin }];
}

function originOf(span: Span, site: Site): Origin {
  return { span, line: site.lineText(span)?.trim() };
}

function basisOf({ place, check, verdict }: ListRule, permission: Permission | undefined, site: Site): Basis {
  if (verdict === 'accept') return { kind: 'permission' };
  switch (place.kind) {
    case 'everywhere':
      return { kind: 'rest', allowed: permission !== undefined };
    case 'host':
      return { kind: 'interface', ifname: place.ifname };
    default: {
      const { party } = site.place(place.port).door;
      const isBound = party?.kind === 'guest' && check.kind !== 'everything';
      return isBound ? { kind: 'binding', guest: party.name, port: place.port } : { kind: 'port', port: place.port };
    }
  }
}

/**
 * Border ports and interfaces of the host have one rule for all lines of the policy, and the last rule denies also what
 * belongs to no flow: which line speaks of this packet?
 */
function permissionFor(
  { check, id, place }: ListRule,
  { packet, iif, oif }: LogEvent,
  site: Site,
): Permission | undefined {
  const src = packet?.src ?? undefined;
  const dst = packet?.dst ?? undefined;
  // a guest's port has a rule for each line
  if ((check.kind !== 'new-flows' && check.kind !== 'everything') || id.startsWith('guest/')) return undefined;
  if (place.kind === 'port' && check.kind === 'everything') return undefined;
  if (packet === undefined || src === undefined || dst === undefined) return undefined;
  return site.permissions.find(
    ({ permission: { via, services }, from, to }) =>
      (via === undefined || via.name === iif || via.name === oif) &&
      containsIp(from, src) &&
      containsIp(to, dst) &&
      services.some((service) => belongsTo(service, packet)),
  )?.permission;
}

const firewalls: readonly (readonly [pattern: RegExp, firewall: Firewall])[] = [
  [/^\[UFW /, 'ufw'],
  [
    /^(?:FINAL_(?:REJECT|DROP)|STATE_INVALID_DROP|rpfilter_DROP|filter_\S+_(?:REJECT|DROP)|(?:IN|FWD)\S*_(?:REJECT|DROP)): ?$/,
    'firewalld',
  ],
  [/(?:^| )policy (?:DROP|REJECT|ACCEPT): ?$/, 'Proxmox'],
  [/^Shorewall:/, 'Shorewall'],
  [/^SFW2-/, 'SuSEfirewall2'],
];

function firewallOf(prefix: string): Firewall | undefined {
  return firewalls.find(([pattern]) => pattern.test(prefix))?.[1];
}
