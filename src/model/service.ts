// What a service asks of the first packet of a connection, as conditions that both back ends print.
import { exactly } from './field.ts';
import { field, type Match, notField, type TcpFlagsMatch } from './match.ts';
import type { Service } from './policy.ts';
import { unreachable } from './unreachable.ts';

export const protocolNumbers = { icmp: 1, tcp: 6, udp: 17 } as const;

/** A TCP connection begins with SYN alone; a packet from the middle of an unknown flow is no beginning. */
const synOnly: TcpFlagsMatch = {
  kind: 'tcp-flags',
  negated: false,
  mask: ['fin', 'syn', 'rst', 'ack'],
  flags: ['syn'],
};

/** The packet belongs to the service when all conditions of one of the alternatives hold. */
export function serviceMatches(service: Service): readonly (readonly Match[])[] {
  switch (service.kind) {
    case 'any':
      return [[notField('meta l4proto', exactly(protocolNumbers.tcp))], [protocol(protocolNumbers.tcp), synOnly]];
    case 'icmp': {
      const code = service.code === undefined ? [] : [field('icmp code', exactly(service.code))];
      return [[protocol(protocolNumbers.icmp), field('icmp type', exactly(service.type)), ...code]];
    }
    case 'tcp':
      return [[protocol(protocolNumbers.tcp), dport(service), synOnly]];
    case 'udp':
      return [[protocol(protocolNumbers.udp), dport(service)]];
    case 'protocol':
      return [[protocol(service.protocol)]];
    default:
      return unreachable(service);
  }
}

function protocol(number: number): Match {
  return field('meta l4proto', exactly(number));
}

function dport({ dport: { first, last } }: Extract<Service, { kind: 'tcp' | 'udp' }>): Match {
  return field('th dport', { first: BigInt(first), last: BigInt(last) });
}
