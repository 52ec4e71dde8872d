// Does a logged packet belong to a service of the policy? What the line does not tell speaks against nothing.
import type { LogPacket } from '../model/log-event.ts';
import type { Service } from '../model/policy.ts';
import { protocolNumbers } from '../model/service.ts';
import { unreachable } from '../model/unreachable.ts';

export function belongsTo(service: Service, packet: LogPacket): boolean {
  const { protocol, dport, icmpType, icmpCode } = packet;
  switch (service.kind) {
    case 'any':
      return true;
    case 'icmp':
      return (
        is(protocol, protocolNumbers.icmp) &&
        is(icmpType, service.type) &&
        (service.code === undefined || is(icmpCode, service.code))
      );
    case 'tcp':
    case 'udp':
      return is(protocol, protocolNumbers[service.kind]) && within(dport, service.dport.first, service.dport.last);
    case 'protocol':
      return is(protocol, service.protocol);
    default:
      return unreachable(service);
  }
}

function is(value: number | null | undefined, wanted: number): boolean {
  return within(value, wanted, wanted);
}

function within(value: number | null | undefined, first: number, last: number): boolean {
  return value === undefined || value === null || (first <= value && value <= last);
}
