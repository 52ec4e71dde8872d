// Host -> a first policy.yaml, commented, for an administrator to go on from. It states what the host's own administrator
// has said; what could not be found out is marked NOT FOUND OUT, and is closed. Everything else in it is a comment, on one
// line whatever somebody named his guest.
import type { Host, Port } from '../model/host.ts';
import { type Ip, printIp } from '../model/ip.ts';
import { printMac } from '../model/mac.ts';
import type { Hints } from '../topology/hints.ts';
import { type Card, guestCards } from './cards.ts';
import { type Surroundings, surroundingsOf } from './surroundings.ts';
import { yamlWord } from './yaml-word.ts';

/** `hints` are shown beside what was not found out. `client` is where the administrator's SSH session comes from. */
export type Beside = { readonly hints: Hints; readonly ssh?: { readonly client: Ip; readonly server: Ip } };

export function firstPolicy(host: Host, beside: Beside): string {
  const cards = guestCards(host);
  const around = surroundingsOf(host, cards, beside.ssh);
  return [
    ...heading(host),
    ...guestLines(host, cards, beside.hints),
    ...section('outside', 'machines and networks that are no guests, and what leads to them', around.outside),
    ...allowLines(around, cards),
    ...(around.dhcp === undefined ? [] : ['', ...around.dhcp]),
    ...guestPorts(host),
    '',
  ].join('\n');
}

const notFound = 'NOT FOUND OUT';

function heading(host: Host): readonly string[] {
  return [
    `# A first policy for ${host.name}, as \`bridgekeeper init\` found it. Read all of it before you use it:`,
    '# the addresses are those that the guests should have, and what no line under `allow` allows will be denied.',
    `# What could not be found out is marked ${notFound}; ports of such guests stay closed. What is only known from`,
    '# hearsay (neighbour table, forwarding table, the inside of a namespace) can be a lie, and stands in comments only.',
    '#',
    '# This host:',
    ...host.bridges.flatMap((bridge) => bridgeLines(host, bridge.name, bridge.ports)),
    ...(host.bridges.length === 0 ? ['#   it has no bridge'] : []),
  ];
}

function bridgeLines(host: Host, name: string, ports: readonly Port[]): readonly string[] {
  const own = host.interfaces.find((one) => one.name === name);
  const addresses = (own?.addresses ?? []).map((one) => `${printIp(one)}/${one.length}`);
  const ofHost = addresses.length === 0 ? '' : `, with the host's address ${addresses.join(', ')}`;
  return [`#   bridge ${name}${ofHost}`, ...ports.map((port) => `#     ${port.name}: ${leadsTo(port)}`)];
}

function leadsTo({ peer, uplink, guest, mac }: Port): string {
  if (uplink) return 'leads outside';
  if (peer !== undefined) return `is cabled to ${peer}`;
  const card = mac === undefined ? '' : `, MAC ${printMac(mac)}`;
  return guest === undefined ? `${notFound} what is behind it${card}` : `guest ${guest}${card}`;
}

function section(key: string, about: string, lines: readonly string[]): readonly string[] {
  if (lines.length === 0) return [];
  const empty = lines.every((line) => line.trimStart().startsWith('#'));
  return [
    '',
    `${key}:${empty ? ' {}' : ''} # ${about}${empty ? '; with the first of them take {} away' : ''}`,
    ...lines,
  ];
}

function guestLines(host: Host, cards: readonly Card[], hints: Hints): readonly string[] {
  const strangers = host.bridges.flatMap(({ ports }) => ports.filter(isStranger));
  const lines = [
    ...cards.flatMap((card) => cardLines(card, hints)),
    ...strangers.flatMap((port) => strangerLines(port, hints)),
  ];
  if (lines.length === 0) return ['', 'guests: {} # none was found'];
  return section('guests', 'who is behind the ports, and which addresses each may have', lines);
}

function isStranger({ guest, peer, uplink }: Port): boolean {
  return guest === undefined && peer === undefined && !uplink;
}

function cardLines(card: Card, hints: Hints): readonly string[] {
  const hint = hintLines(card.port, hints);
  const taken = card.taken.map((ip) => `  #   it was also given ${printIp(ip)}, which somebody else has`);
  const ips = card.ips.map(({ ip }) => printIp(ip));
  const [first = '', second] = ips;
  if (ips.length === 0) {
    return [`  # ${entry(card, 'ADDRESS')} # ${notFound} its address: ${placeOf(card)}`, ...taken, ...hint];
  }
  const sources = [...new Set(card.ips.map(({ source }) => sourceNames[source]))].join(' and ');
  return [
    `  ${entry(card, second === undefined ? first : `[${ips.join(', ')}]`)} # ${placeOf(card)}; by ${sources}`,
    ...taken,
  ];
}

const sourceNames = { reservation: 'the DHCP reservation', filter: 'its filterref', agent: 'its agent' };

function entry({ name, pin }: Card, ip: string): string {
  const pinned = pin === undefined ? '' : 'mac' in pin ? `, mac: "${pin.mac}"` : `, port: ${yamlWord(pin.port)}`;
  return `${yamlWord(name)}: { ip: ${ip}${pinned} }`;
}

function placeOf({ port, bridge, mac }: Card): string {
  const card = mac === undefined ? '' : `, MAC ${printMac(mac)}`;
  if (port === undefined) return `it does not run; card on ${bridge ?? 'no bridge'}${card}`;
  return `port ${port}${bridge === undefined ? '' : ` of ${bridge}`}${card}`;
}

function strangerLines(port: Port, hints: Hints): readonly string[] {
  const pin = port.mac === undefined ? `port: ${yamlWord(port.name)}` : `mac: "${printMac(port.mac)}"`;
  return [
    `  # NAME: { ip: ADDRESS, ${pin} } # ${notFound} who is behind port ${port.name} of ${port.bridge}`,
    ...hintLines(port.name, hints),
  ];
}

function hintLines(port: string | undefined, hints: Hints): readonly string[] {
  const hint = hints.get(port ?? '');
  if (hint === undefined) return [];
  const { macs, heard, inside } = hint;
  return [
    ...(macs.length === 0 ? [] : [`  #   hearsay: frames came from ${macs.map(printMac).join(', ')}`]),
    ...(heard.length === 0 ? [] : [`  #   hearsay: the neighbour table has ${heard.map(printIp).join(', ')}`]),
    ...(inside.length === 0 ? [] : [`  #   hearsay: inside of its namespace is ${inside.map(printIp).join(', ')}`]),
  ];
}

function allowLines({ allow, suggestions }: Surroundings, cards: readonly Card[]): readonly string[] {
  const guests = cards.length > 0 ? ['  - { from: guests, to: guests, service: ping }'] : [];
  const lines = [...guests, ...allow];
  return [
    '',
    `allow:${lines.every((line) => line.trimStart().startsWith('#')) ? ' []' : ''} # who may open connections to whom; replies are included`,
    ...lines,
    '  # more, as examples:',
    ...suggestions.map((line) => `  # ${line}`),
  ];
}

/** Names of taps come and go: a pattern closes them from their first moment on. It must not fit anything else. */
function guestPorts({ bridges, interfaces }: Host): readonly string[] {
  const ports = bridges.flatMap((bridge) => bridge.ports);
  const others = [...ports.filter(({ peer, uplink }) => uplink || peer !== undefined), ...interfaces];
  const patterns = ['vnet', 'tap'].filter(
    (start) => ports.some(({ name }) => name.startsWith(start)) && !others.some(({ name }) => name.startsWith(start)),
  );
  if (patterns.length === 0) return [];
  const list = patterns.map((start) => `${start}*`).join(', ');
  return ['', `guest-ports: [${list}] # closed until a guest is known behind them, also before they exist`];
}
