// Could this rule have written this line? Numbers change when they are not kept, and a line of yesterday must not be tied
// to a rule of today that says something else.
import { containsIp } from '../model/ip-set.ts';
import { type LogEvent, portIn, portOut } from '../model/log-event.ts';
import type { Check, Flow, ListRule, Place } from '../model/rule-list.ts';
import { unreachable } from '../model/unreachable.ts';
import { belongsTo } from './service-of.ts';

export function ruleFits({ place, check, verdict }: ListRule, event: LogEvent, bridgeOf: BridgeOf): boolean {
  return verdictFits(verdict, event) && placeFits(place, event, bridgeOf) && checkFits(check, event);
}

type BridgeOf = (port: string) => string | undefined;

function verdictFits(verdict: ListRule['verdict'], { action }: LogEvent): boolean {
  return action === verdict;
}

/** Rules of the bridge family have the port in IN or OUT and never name the bridge device. */
function placeFits(place: Place, event: LogEvent, bridgeOf: BridgeOf): boolean {
  switch (place.kind) {
    case 'port':
      return (place.direction === 'in' ? portIn(event) : portOut(event)) === place.port;
    case 'host':
      return place.direction === 'in'
        ? event.iif === place.ifname || (event.oif === '' && bridgeOf(event.iif) === place.ifname)
        : event.oif === place.ifname || (event.iif === '' && bridgeOf(event.oif) === place.ifname);
    case 'everywhere':
      return true;
    default:
      return unreachable(place);
  }
}

/** What cannot be read speaks against nothing. */
function checkFits(check: Check, event: LogEvent): boolean {
  const { src, dst } = event.packet ?? {};
  if (src === undefined || src === null || dst === undefined || dst === null) return true;
  switch (check.kind) {
    case 'destination-not':
      return !containsIp(check.ips, dst) && (check.source === undefined || containsIp(check.source, src));
    case 'source-is':
      return containsIp(check.ips, src);
    case 'source-not': {
      const { own, destination } = check;
      const otherMac = own.mac !== undefined && event.mac?.source !== own.mac;
      return (!containsIp(own.ips, src) || otherMac) && (destination === undefined || containsIp(destination, dst));
    }
    case 'new-flows':
      return check.flows.some((flow) => flowFits(flow, event));
    case 'datagrams':
      return containsIp(check.source, src) && containsIp(check.destination, dst);
    case 'known-flow':
    case 'everything':
      return true;
    default:
      return unreachable(check);
  }
}

function flowFits({ source, destination, service }: Flow, { packet }: LogEvent): boolean {
  if (packet?.src === undefined || packet.src === null || packet.dst === undefined || packet.dst === null) return true;
  return containsIp(source, packet.src) && containsIp(destination, packet.dst) && belongsTo(service, packet);
}
