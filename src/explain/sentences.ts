// An Explanation in plain sentences: short, concrete, in the trade's words. Facts are made elsewhere.
import type { Span } from '../model/diagnostic.ts';
import { printIp } from '../model/ip.ts';
import { printMac } from '../model/mac.ts';
import { unreachable } from '../model/unreachable.ts';
import type { Basis, Door, Endpoint, Explanation, Finding, Origin, Sender } from './explanation.ts';
import { sameParty } from './explanation.ts';
import { doorName, endpointName, packetTo, partyName, partyPlace, suspectName, victimName } from './names.ts';

type Of<Kind extends Finding['kind']> = Extract<Finding, { readonly kind: Kind }>;

export function explanationText({ findings }: Explanation): readonly string[] {
  return findings.flatMap(sentences);
}

function sentences(finding: Finding): readonly string[] {
  switch (finding.kind) {
    case 'unreadable':
      return [unreadable(finding)];
    case 'ambiguous':
      return ['Where its prefix ends cannot be told from the line, so no culprit is named.'];
    case 'partial':
      return ['The kernel could not read all of the packet.'];
    case 'other-host':
      return [`The line is from ${finding.said}, and the host file describes ${finding.known}.`];
    case 'decision':
      return [decision(finding)];
    case 'packet':
      return [packet(finding)];
    case 'arp':
      return [arp(finding)];
    case 'no-ip':
      return [noIp(finding)];
    case 'rule':
      return [rule(finding)];
    case 'rule-gone':
      return [`No rule has the number ${finding.number} now: it was another list of rules that wrote this line.`];
    case 'rule-differs':
      return [
        `RULE ${finding.number} is another one now (${finding.text}; ${place(finding.origin.span)}): it was another list of rules that wrote this line.`,
      ];
    case 'foreign-rule':
      return [foreign(finding)];
    case 'unknown-doors':
      return [unknownDoors(finding)];
    case 'redirected':
      return redirected(finding);
    case 'relayed':
      return relayed(finding);
    case 'forged-source':
      return [forgedSource(finding)];
    case 'forged-mac':
      return [forgedMac(finding)];
    case 'no-address-yet':
      return [noAddressYet(finding)];
    case 'forged-arp':
      return forgedArp(finding);
    case 'arp-mismatch':
      return [
        `The frame comes from ${printMac(finding.frame)}, but the ARP packet in it says ${printMac(finding.payload)}: a sign of ARP spoofing.`,
      ];
    case 'flooded':
      return [flooded(finding)];
    case 'no-mac':
      return ['The line has no MAC addresses, so it cannot be told for whom the frame was.'];
    case 'nested':
      return ['The packet quoted in the ICMP error is what its sender wrote; nothing is concluded from it.'];
    default:
      return unreachable(finding);
  }
}

function unreadable({ why, fields }: Of<'unreadable'>): string {
  const which = fields.length === 0 ? '' : ` (${fields.join(', ')})`;
  return why === 'damaged'
    ? `The line is damaged${which}: it is no evidence, and no culprit is named.`
    : `The line ends too early${which}: it is no evidence, and no culprit is named.`;
}

const verbs: Readonly<Record<Of<'decision'>['action'], string>> = {
  deny: 'Stopped',
  reject: 'Rejected',
  limit: 'Stopped, as too much of its kind,',
  accept: 'Let through',
  audit: 'Seen',
  unknown: 'Seen',
};

function decision({ action, rule: number, prefix, from, to }: Of<'decision'>): string {
  const by = number !== undefined ? ` by RULE ${number}` : prefix === '' ? '' : ` by '${prefix}'`;
  return `${verbs[action]}${by}${way(from, to)}.`;
}

function way(from: Door, to: Door): string {
  if (from.bridge !== undefined && from.bridge === to.bridge)
    return ` on bridge ${from.bridge}, on the way from port ${from.name} to port ${to.name}`;
  if (to.role === 'itself') return `, on the way from ${doorOnBridge(from)} to the host`;
  if (from.role === 'itself') return `, on the way from the host out by ${to.name}`;
  return `, on the way from ${doorOnBridge(from)} to ${doorOnBridge(to)}`;
}

function doorOnBridge(door: Door): string {
  if (door.bridge === undefined) return doorName(door);
  return `port ${door.name} of ${door.bridge}`;
}

function packet({ from, sender, source, destination, packet: kind }: Of<'packet'>): string {
  return sent(packetTo(kind, destination), from, sender, source);
}

function sent(what: string, from: Door, sender: Sender | undefined, source: Endpoint | undefined): string {
  if (sender === undefined) return `It reads: ${what}, from ${endpointName(source)}.`;
  switch (sender.kind) {
    case 'party':
      return sameParty(sender.party, source?.party)
        ? `${capital(partyName(sender.party))} sent it${ownDoor(from)}: ${what}, from its own address ${addressOnly(source)}.`
        : `It came from ${partyName(sender.party)}${ownDoor(from)}, as if from ${endpointName(source)}: ${what}.`;
    case 'behind':
      return `It came in by ${doorName(from)}, with source ${endpointName(source)}${byMac(sender, source)}: ${what}.`;
    case 'unknown':
      return `It came in by ${doorName(from)}, with source ${endpointName(source)}: ${what}.`;
    default:
      return unreachable(sender);
  }
}

function ownDoor({ role, name }: Door): string {
  if (role === 'guest') return `, by its port ${name}`;
  return role === 'host' ? `, by port ${name}` : '';
}

function addressOnly(source: Endpoint | undefined): string {
  return source === undefined ? '' : printIp(source.ip);
}

/** Said only where it adds something. */
function byMac(
  { mac, byMac: owner }: Extract<Sender, { readonly kind: 'behind' }>,
  source: Endpoint | undefined,
): string {
  if (mac === undefined || (owner !== undefined && sameParty(owner, source?.party))) return '';
  return owner === undefined
    ? ` and source MAC ${printMac(mac)}, which the host file does not know`
    : ` and the MAC of ${partyName(owner)}`;
}

function arp({ from, sender, operation, source, senderMac, destination }: Of<'arp'>): string {
  const card = senderMac === undefined ? 'a MAC that cannot be read' : printMac(senderMac);
  const what =
    operation === 2
      ? `ARP reply that tells ${endpointName(destination)}: ${endpointName(source)} is at ${card}`
      : operation === 1
        ? `ARP request for ${endpointName(destination)}, which says that ${endpointName(source)} is at ${card}`
        : 'ARP packet';
  if (sender === undefined) return `It reads: ${what}.`;
  const by =
    sender.kind === 'party'
      ? `${capital(partyName(sender.party))} sent it${ownDoor(from)}`
      : `It came in by ${doorName(from)}`;
  return `${by}: ${what}.`;
}

function noIp({ type }: Of<'no-ip'>): string {
  return type === undefined
    ? 'The line tells nothing of the packet.'
    : `It was no IP packet: Ethernet type 0x${type.toString(16).padStart(4, '0')}.`;
}

function rule({ number, verdict, text, basis, origin }: Of<'rule'>): string {
  const what = verdict === 'accept' ? 'accepts' : 'denies';
  return `RULE ${number} ${what} here: ${text}. It ${follows(basis, origin)}.`;
}

function follows(basis: Basis, { span, line }: Origin): string {
  const at = line === undefined ? place(span) : `${place(span)}: ${line}`;
  switch (basis.kind) {
    case 'permission':
      return `is the policy's line ${at}`;
    case 'binding':
      return `follows from the binding of port ${basis.port} to guest ${basis.guest}, ${at}`;
    case 'port':
      return `follows from what is behind port ${basis.port}, ${at}`;
    case 'interface':
      return `follows from where the host's ${basis.ifname} leads, ${at}`;
    case 'rest':
      return basis.allowed
        ? `stands at the end of the list; ${at} allows such connections, so this packet began none, or the policy is newer than the line`
        : `stands at the end of the list: no line of ${span.file} allows the packet`;
    default:
      return unreachable(basis);
  }
}

function place({ file, line, column }: Span): string {
  return `${file}:${line}:${column}`;
}

function foreign({ prefix, firewall }: Of<'foreign-rule'>): string {
  if (firewall !== undefined) return `This is ${firewall}'s line: no rule of ours wrote it.`;
  return prefix === '' ? 'The line has no prefix: no rule of ours wrote it.' : 'No rule of ours wrote this line.';
}

function unknownDoors({ names }: Of<'unknown-doors'>): string {
  const which = names.map((name) => `'${name}'`).join(' and ');
  return `The host file knows no ${which}: the line is about another host, or the host has changed since.`;
}

function redirected(finding: Of<'redirected'>): readonly string[] {
  const { attacker, certain, learned, mac, meant, evidence, victims } = finding;
  if (!certain) return unknownCard(finding);
  const who = attacker.kind === 'party' ? partyName(attacker.party) : `somebody behind ${attacker.door.name}`;
  const looks = evidence === 'mac' ? 'It may be' : 'It looks like';
  const since = learned ? ', as an earlier line shows' : '';
  return [
    `${looks} a packet redirected by ARP spoofing: it is meant for ${victimName(meant)}, but its destination MAC ${printMac(mac)} is that of ${who}${since}.`,
    `${evidence === 'mac' ? 'The attacker may be' : 'Attacker:'} ${suspectName(attacker)}. Victims: ${victims.map(victimName).join(' and ')}.`,
    witness(finding, who),
  ];
}

/** Nobody knows whose the MAC is. */
function unknownCard({ attacker, mac, meant, victims }: Of<'redirected'>): readonly string[] {
  const who = attacker.kind === 'party' ? partyName(attacker.party) : '';
  return [
    `It may be a packet redirected by ARP spoofing: it is meant for ${victimName(meant)}, but the host file does not know its destination MAC ${printMac(mac)}.`,
    attacker.kind === 'party'
      ? `If ${who} has this MAC now, ${who} is the attacker; if nobody has it, this is a flooded copy.`
      : `Who has this MAC behind ${attacker.door.name} is the attacker; if nobody has it, this is a flooded copy.`,
    `Victims of an attack: ${victims.map(victimName).join(' and ')}.`,
  ];
}

/** Why it is more than a MAC, or that it is no more. */
function witness({ evidence, sender }: Of<'redirected'>, who: string): string {
  switch (evidence) {
    case 'mac': {
      const by = sender === undefined ? 'whoever sent the frame' : `${partyName(sender)}, who sent the frame,`;
      return `Up to now a MAC alone says so, and ${by} chose it: one such frame is enough to accuse ${who}.`;
    }
    case 'host':
      return 'The host itself sent it there, as ARP told it.';
    case 'own-port':
      return `Earlier lines show that ${who} has sent, by its own port, what claims to come from a victim.`;
    case 'senders':
      return `Earlier lines show others who sent ${who} what was not for it.`;
    default:
      return unreachable(evidence);
  }
}

function relayed({ attacker, ttl, victims }: Of<'relayed'>): readonly string[] {
  return [
    `It looks like the second half of an ARP spoofing attack: TTL ${ttl} says that it was sent on once, by a machine that is neither its source nor its destination.`,
    `Attacker: ${partyPlace(attacker)}. Victims: ${victims.map(victimName).join(' and ')}.`,
  ];
}

function forgedSource({ door, by, source }: Of<'forged-source'>): string {
  const whose = source.party === undefined ? 'not its own' : `that of ${partyName(source.party)}`;
  return by === undefined
    ? `The source address is forged: ${endpointName(source)} is not behind ${door.name}. Who sent it cannot be told from here.`
    : `The source address is forged: it is ${whose}. Culprit: ${partyPlace(by)}.`;
}

function forgedMac({ by, mac, owner }: Of<'forged-mac'>): string {
  const whose = owner === undefined ? 'not that of its card' : `that of ${partyName(owner)}`;
  return `The source MAC ${printMac(mac)} is ${whose}. Culprit: ${partyPlace(by)}.`;
}

function noAddressYet({ by, ip }: Of<'no-address-yet'>): string {
  if (ip.bits !== 0n) return `${printIp(ip)} is an address that a machine gives itself; the policy gives it to nobody.`;
  return `${capital(by === undefined ? 'the sender' : partyName(by))} has no address yet: ${printIp(ip)} is nobody's.`;
}

function forgedArp({ by, claimed, mac, told }: Of<'forged-arp'>): readonly string[] {
  const to = told === undefined || sameParty(told.party, claimed.party) ? '' : ` and ${victimName(told)}`;
  const who = by === undefined ? 'Who sent it cannot be told from here' : `Attacker: ${partyPlace(by)}`;
  return [
    `It claims the address of ${victimName(claimed)} for the MAC ${printMac(mac)}: this is ARP spoofing.`,
    `${who}. Victims: ${victimName(claimed)}${to}.`,
  ];
}

function flooded({ mac, owner, door }: Of<'flooded'>): string {
  const whose = owner === undefined ? '' : ` of ${partyName(owner)}`;
  return `It is a flooded copy: its destination MAC ${printMac(mac)}${whose} is not behind ${door.name}. No alarm.`;
}

/** Names stay as they are. */
function capital(text: string): string {
  return text.startsWith('the ') ? `The ${text.slice(4)}` : text;
}
