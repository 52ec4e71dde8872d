// Exceptions for DHCP (RFC 2131), which stand before the numbered rules: a guest without a lease speaks as 0.0.0.0 to
// everybody, which every address check would deny. Only the first packets of a client, only from ports with guests,
// and answers only from where the policy's DHCP server is.
import { type IpSet, intersectIps, singleIps, unionIps } from '../model/ip-set.ts';
import type { Check, NamedIps, Place } from '../model/rule-list.ts';
import type { SegmentGround } from './behind.ts';
import type { Draft, Input } from './draft.ts';
import { sideIps } from './sides.ts';

const clientPort = 68;
const serverPort = 67;
const unspecified = singleIps([{ family: 4, bits: 0n }]);
const broadcast = singleIps([{ family: 4, bits: 0xffff_ffffn }]);

export function dhcpExceptions(input: Input): readonly Draft[] {
  return input.segments.flatMap((segment) => {
    const servers = dhcpServers(segment, input);
    return servers.length === 0 ? [] : segmentExceptions(segment, servers, input);
  });
}

function dhcpServers(segment: SegmentGround, { policy, names }: Input): IpSet {
  return policy.dhcp === undefined ? [] : sideIps(names.side([policy.dhcp]), segment.hostIps);
}

function segmentExceptions(segment: SegmentGround, servers: IpSet, input: Input): readonly Draft[] {
  const request = (mac?: number): Check => ({
    kind: 'datagrams',
    ...(mac === undefined ? {} : { mac }),
    source: unspecified,
    destination: broadcast,
    sport: clientPort,
    dport: serverPort,
  });
  const answer: Check = {
    kind: 'datagrams',
    source: servers,
    destination: broadcast,
    sport: serverPort,
    dport: clientPort,
  };
  const rule = (id: string, place: Place, check: Check, text: string): Draft => ({
    kind: 'rule',
    id: `${id}/dhcp`,
    numbered: false,
    place,
    check,
    verdict: 'accept',
    log: false,
    text,
    origin: input.policy.dhcp?.span ?? { file: input.policy.file, line: 1, column: 1 },
  });
  const ports = segment.bridges.flatMap((bridge) => bridge.ports);
  const into = (bridge: string, port: string): Place => ({ kind: 'port', bridge, port, direction: 'in' });
  const guests = segment.guests.map(({ name, mac, port }) =>
    rule(`guest/${name}/in`, into(port.bridge, port.name), request(mac), `${name} asks for a lease`),
  );
  const links = ports
    .filter(({ kind }) => kind === 'link')
    .map(({ bridge, name }) =>
      rule(`port/${name}/in/request`, into(bridge, name), request(), 'a guest asks for a lease'),
    );
  const answers = ports
    .filter(({ own, behind }) => intersectIps(own?.ips ?? behind, servers).length > 0)
    .map(({ bridge, name }) => rule(`port/${name}/in/answer`, into(bridge, name), answer, 'the DHCP server answers'));
  return [...guests, ...links, ...answers, ...hostExceptions(segment, servers, request(), answer, rule)];
}

function hostExceptions(
  { attachments }: SegmentGround,
  servers: IpSet,
  request: Check,
  answer: Check,
  rule: (id: string, place: Place, check: Check, text: string) => Draft,
): readonly Draft[] {
  return attachments
    .filter(({ ips }) => intersectIps(ips, servers).length > 0)
    .flatMap(({ ifname, port }) => [
      // what comes in by a bridge device was accepted at its port already, in the same visit: there with its MAC
      ...(port === undefined
        ? []
        : [
            rule(
              `host/${ifname}/in/request`,
              { kind: 'host', ifname, direction: 'in' },
              request,
              'a guest asks for a lease',
            ),
          ]),
      rule(`host/${ifname}/out/answer`, { kind: 'host', ifname, direction: 'out' }, answer, 'the host answers'),
    ]);
}

/**
 * Answers to an address that is about to be leased, and renewals. They stand behind the address checks, for they are
 * plain unicast; the answer is NEW for connection tracking, since its request came from 0.0.0.0.
 */
export function dhcpUnicast(input: Input): readonly Draft[] {
  return input.segments.flatMap((segment) => {
    const servers = dhcpServers(segment, input);
    return servers.length === 0 ? [] : unicastRules(segment, servers, input);
  });
}

function unicastRules(segment: SegmentGround, servers: IpSet, input: Input): readonly Draft[] {
  const guests = unionIps(...segment.guests.map(({ ips }) => ips));
  const where = segment.bridges[0]?.name ?? '';
  const clients = { name: `guests at ${where}`, ips: guests };
  const answering = { name: `DHCP servers at ${where}`, ips: servers };
  const ports = segment.bridges.flatMap((bridge) => bridge.ports).filter(({ kind }) => kind !== 'closed');
  const everybody = unionIps(guests, servers);
  const crossings: readonly (readonly [string, Place, IpSet, IpSet])[] = [
    ...ports.map(({ bridge, name, own, behind, near }): readonly [string, Place, IpSet, IpSet] => [
      own === undefined ? `port/${name}/in` : `port/${name}/guest`,
      { kind: 'port', bridge, port: name, direction: 'in' },
      own?.ips ?? behind,
      own === undefined ? near : everybody,
    ]),
    ...segment.attachments.flatMap(({ ifname, behind, near }): readonly (readonly [string, Place, IpSet, IpSet])[] => [
      [`host/${ifname}/in`, { kind: 'host', ifname, direction: 'in' }, near, behind],
      [`host/${ifname}/out`, { kind: 'host', ifname, direction: 'out' }, behind, near],
    ]),
  ];
  return crossings.flatMap(([id, place, from, to]) => [
    ...unicastRule(`${id}/renewal`, place, [from, clients], [to, answering], 'renew', input),
    ...unicastRule(`${id}/lease`, place, [from, answering], [to, clients], 'lease', input),
  ]);
}

/** Both sides as intersections: the second one is worked out only where the first is not empty. */
function unicastRule(
  id: string,
  place: Place,
  from: readonly [IpSet, NamedIps],
  to: readonly [IpSet, NamedIps],
  what: 'renew' | 'lease',
  { policy }: Input,
): readonly Draft[] {
  const source = intersectIps(from[0], from[1].ips);
  const destination = source.length === 0 ? [] : intersectIps(to[0], to[1].ips);
  if (destination.length === 0) return [];
  const [sport, dport] = what === 'renew' ? [clientPort, serverPort] : [serverPort, clientPort];
  return [
    {
      kind: 'rule',
      id: `${id}/dhcp`,
      numbered: false,
      place,
      check: { kind: 'datagrams', source, destination, sport, dport, whole: { source: from[1], destination: to[1] } },
      verdict: 'accept',
      log: false,
      text: what === 'renew' ? 'a guest renews its lease' : 'the DHCP server answers',
      origin: policy.dhcp?.span ?? { file: policy.file, line: 1, column: 1 },
    },
  ];
}
