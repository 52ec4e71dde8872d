// Synthetic hosts for the benchmarks: n guests on ten bridges in a row, the host behind the first one. Addresses are
// scattered, so that no two of them merge into a range.
import { stringify } from 'yaml';
import type { Span } from '../src/model/diagnostic.ts';
import type { Host, Port } from '../src/model/host.ts';
import { printIpSet } from '../src/model/ip-set.ts';
import type { NameRef, Policy } from '../src/model/policy.ts';
import { printHost } from '../src/topology/print-host.ts';

const span: Span = { file: 'bench', line: 1, column: 1 };
const bridgeCount = 10;
const firstMac = 0x5254_0000_0000;

export type Size = { readonly host: Host; readonly policy: Policy };

/** The same as files. */
export function textsOf({ host, policy }: Size): { readonly host: string; readonly policy: string } {
  const guests = policy.guests.map(({ name, addresses }) => [name, { ip: printIpSet(addresses) }] as const);
  const names = (refs: readonly NameRef[]) => refs.map(({ name }) => name);
  const allow = policy.allow.map(({ from, to, services, log }) => ({
    from: names(from),
    to: names(to),
    service: services.map(({ name }) => name),
    log,
  }));
  return { host: printHost(host), policy: stringify({ guests: Object.fromEntries(guests), allow }) };
}

export function hostOf(guests: number): Size {
  const each = Math.ceil(guests / bridgeCount);
  const bridges = Array.from({ length: bridgeCount }, (_, index) => {
    const bridge = `br${index}`;
    const taps = Array.from({ length: each }, (_tap, at): Port => {
      const number = index * each + at;
      return { name: `v${number}`, bridge, guest: `g${number}`, mac: firstMac + number, uplink: false, span };
    });
    return { name: bridge, stp: false, ports: [...taps, ...linksOf(index, bridge)], span };
  });
  const address = { family: 4 as const, bits: 0x0a00_0001n, length: 8 };
  const own = { name: 'h1', peer: 'h0', mac: firstMac - 1, addresses: [address], span };
  return {
    host: { name: 'bench', bridges, interfaces: [own], routes: [], sysctls: {}, guests: [] },
    policy: policyOf(each * bridgeCount),
  };
}

function linksOf(index: number, bridge: string): readonly Port[] {
  const port = (name: string, peer: string): Port => ({ name, peer, bridge, uplink: false, span });
  return [
    ...(index === 0 ? [port('h0', 'h1')] : [port(`l${index - 1}b`, `l${index - 1}a`)]),
    ...(index === bridgeCount - 1 ? [] : [port(`l${index}a`, `l${index}b`)]),
  ];
}

function policyOf(guests: number): Policy {
  const ref = (name: string) => ({ name, span });
  const address = (index: number) => BigInt(0x0a01_0000 + 2 * index);
  return {
    guests: Array.from({ length: guests }, (_, index) => ({
      name: `g${index}`,
      addresses: [{ family: 4 as const, first: address(index), last: address(index) }],
      addressesFrom: [],
      span,
    })),
    outside: [],
    groups: [],
    allow: [
      {
        id: 'ping',
        from: [ref('guests')],
        to: [ref('guests'), ref('host')],
        services: [{ kind: 'icmp', name: 'ping', type: 8 }],
        log: true,
        span,
      },
      {
        id: 'web',
        from: [ref('guests')],
        to: [ref('g0')],
        services: [{ kind: 'tcp', name: 'http', dport: { first: 80, last: 80 } }],
        log: false,
        span,
      },
    ],
    dhcp: ref('host'),
    guestPorts: [],
    namelessPorts: [],
    file: 'bench',
  };
}
