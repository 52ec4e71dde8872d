// One word of `service:` -> what a packet must be: a name, `tcp/8080`, `udp/5000-5010`, `icmp/3/4`, `proto/47`, `any`.

import { suggestion } from '../model/nearest.ts';
import type { PortRange, Service } from '../model/policy.ts';
import { quoted } from '../yaml/quoted.ts';
import { type Read, wrong } from '../yaml/words.ts';
import { icmpNames, portNames, protocolNames } from './service-names.ts';

export const anyService: Service = { kind: 'any', name: 'any' };

/** A name may stand for several services: `dns` is TCP and UDP. */
export function readService(text: string): Read<readonly Service[]> {
  const [kind = '', ...numbers] = text.split('/');
  if (numbers.length === 0) return namedService(text);
  switch (kind) {
    case 'tcp':
    case 'udp':
      return portService(kind, text, numbers.join('/'));
    case 'icmp':
      return icmpService(text, numbers);
    case 'proto':
      return protocolService(text, numbers.join('/'));
    default:
      return wrong('bad-service', `${quoted(text)} is not a service`, servicesHint);
  }
}

const servicesHint = 'write a name such as https, or tcp/8080, udp/5000-5010, icmp/8, proto/47, any';

/** Names and the beginnings of the other forms, for suggestions and editors. */
export const serviceNames: readonly string[] = [
  'any',
  ...Object.keys(portNames),
  ...Object.keys(icmpNames),
  ...Object.keys(protocolNames),
];

const named: ReadonlyMap<string, readonly Service[]> = new Map([
  ['any', [anyService]],
  ...Object.entries(portNames).map(([name, { tcp, udp }]): [string, readonly Service[]] => [
    name,
    [...onePort('tcp', name, tcp), ...onePort('udp', name, udp)],
  ]),
  ...Object.entries(icmpNames).map(([name, [type, code]]): [string, readonly Service[]] => [
    name,
    [{ kind: 'icmp', name, type, ...(code === undefined ? {} : { code }) }],
  ]),
  ...Object.entries(protocolNames).map(([name, protocol]): [string, readonly Service[]] => [
    name,
    [{ kind: 'protocol', name, protocol }],
  ]),
]);

function onePort(kind: 'tcp' | 'udp', name: string, port: number | undefined): readonly Service[] {
  return port === undefined ? [] : [{ kind, name, dport: { first: port, last: port } }];
}

function namedService(text: string): Read<readonly Service[]> {
  const services = named.get(text);
  if (services !== undefined) return { value: services };
  const hint = /^\d+$/.test(text) ? `write tcp/${text} or udp/${text}` : suggestion(text, serviceNames);
  return wrong('bad-service', `no service is named ${quoted(text)}`, hint ?? servicesHint);
}

function portService(kind: 'tcp' | 'udp', name: string, text: string): Read<readonly Service[]> {
  const dport = portRange(text);
  if (dport !== undefined) return { value: [{ kind, name, dport }] };
  const hint = /[,/]/.test(text)
    ? `write a list: [${text
        .split(/[,/]/)
        .map((port) => `${kind}/${port.trim()}`)
        .join(', ')}]`
    : portHint(text, kind);
  return wrong('bad-port-range', `${quoted(name)} has no valid port or range of ports`, hint);
}

/** Ports from 1 to 65535, without leading zeros. */
function portRange(text: string): PortRange | undefined {
  if (!/^[1-9]\d{0,4}(?:-[1-9]\d{0,4})?$/.test(text)) return undefined;
  const [first = 0, last = first] = text.split('-').map(Number);
  return first <= last && last <= 65_535 ? { first, last } : undefined;
}

function portHint(text: string, kind: string): string {
  const port = portNames[text]?.[kind === 'tcp' ? 'tcp' : 'udp'];
  return port === undefined ? 'ports go from 1 to 65535, and a range from the lower to the higher' : `write ${text}`;
}

function icmpService(name: string, numbers: readonly string[]): Read<readonly Service[]> {
  const [type, code, ...rest] = numbers.map(octet);
  const valid = type !== undefined && rest.length === 0 && (numbers.length === 1 || code !== undefined);
  if (valid) return { value: [{ kind: 'icmp', name, type, ...(code === undefined ? {} : { code }) }] };
  return wrong('bad-service', `${quoted(name)} is not icmp/TYPE or icmp/TYPE/CODE`, 'both are numbers from 0 to 255');
}

function octet(text: string): number | undefined {
  const value = /^(?:0|[1-9]\d{0,2})$/.test(text) ? Number(text) : 256;
  return value <= 255 ? value : undefined;
}

/** TCP, UDP and ICMP have forms of their own, which know what the first packet of a connection is. */
const ownForms: Readonly<Record<number, string>> = { 1: 'icmp/8', 6: 'tcp/1-65535', 17: 'udp/1-65535' };

function protocolService(name: string, text: string): Read<readonly Service[]> {
  const protocol = octet(text);
  if (protocol === undefined) {
    return wrong('bad-service', `${quoted(name)} is not proto/NUMBER`, 'the number goes from 0 to 255');
  }
  const form = ownForms[protocol];
  if (form === undefined) return { value: [{ kind: 'protocol', name, protocol }] };
  return wrong('bad-service', `${quoted(name)} is a protocol with a form of its own`, `write for example ${form}`);
}
