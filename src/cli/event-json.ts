// Events and gaps as JSON, one line each, versioned: `version` changes when a reader of an older form could be misled.
import { type Ip, printIp } from '../model/ip.ts';
import type { LogArp, LogEvent, LogMac, LogPacket } from '../model/log-event.ts';
import { type Mac, printMac } from '../model/mac.ts';
import type { Point } from '../watch/sources/source.ts';
import { escapedJson } from './escaped.ts';
import type { PrintedEvent, PrintedGap } from './event-text.ts';

export function eventJson(printed: PrintedEvent): string {
  const { id, host, epoch, us, wall, wallSpan, trust, sources, folded, event, path, meaning } = printed;
  const { mac, tunnel, arp, packet, inner } = event;
  // a function that JSON.stringify calls for each of 80 fields costs twice as much as all of this
  const json = JSON.stringify({
    version: 1,
    kind: 'event',
    id,
    time: isoTime(wall),
    timeSpanMs: wallSpan !== undefined && wallSpan > 0 ? wallSpan : undefined,
    us,
    boot: epoch,
    host,
    trust,
    sources,
    folded: folded === true ? true : undefined,
    ...event,
    mac: mac && plainMac(mac),
    tunnel: tunnel && plainTunnel(tunnel),
    arp: arp && plainArp(arp),
    packet: packet && plainPacket(packet),
    inner: inner && plainPacket(inner),
    path,
    meaning,
  });
  return escapedJson(json);
}

function plainMac({ source, destination, type, vlan }: LogMac): object {
  return { source: printMac(source), destination: printMac(destination), type, vlan };
}

function plainTunnel({ from, to }: NonNullable<LogEvent['tunnel']>): object {
  return { from: printIp(from), to: printIp(to) };
}

function plainArp(arp: LogArp): object {
  const { senderMac, senderIp, targetMac, targetIp } = arp;
  return {
    ...arp,
    senderMac: macText(senderMac),
    senderIp: ipText(senderIp),
    targetMac: macText(targetMac),
    targetIp: ipText(targetIp),
  };
}

function plainPacket(packet: LogPacket): object {
  const { src, dst, gateway } = packet;
  return { ...packet, src: ipText(src), dst: ipText(dst), gateway: ipText(gateway) };
}

function macText(mac: Mac | null | undefined): string | null | undefined {
  return mac === null || mac === undefined ? mac : printMac(mac);
}

function ipText(ip: Ip | null | undefined): string | null | undefined {
  return ip === null || ip === undefined ? ip : printIp(ip);
}

export function gapJson(gap: PrintedGap): string {
  const { host, source, lost, reason, between, said, delivered, healed } = gap;
  const point = (one: Point | undefined): object | undefined =>
    one && { time: isoTime(one.wall), boot: one.epoch, us: one.us, sequence: one.sequence };
  const after = point(between.after);
  const before = point(between.before);
  const json = JSON.stringify({
    version: 1,
    kind: 'gap',
    host,
    source,
    lost,
    reason,
    said,
    after,
    before,
    delivered,
    healed,
  });
  return escapedJson(json);
}

let lastWall: number | undefined;
let lastTime: string | undefined;

/** Sources with whole seconds give many lines the same time. */
export function isoTime(wall: number | undefined): string | undefined {
  if (wall !== lastWall) {
    lastWall = wall;
    lastTime = wall === undefined ? undefined : new Date(wall).toISOString();
  }
  return lastTime;
}
