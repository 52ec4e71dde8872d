// Numbers and addresses in network byte order, read from and written to places in a frame.
import type { Ip } from '../model/ip.ts';
import type { Mac } from '../model/mac.ts';

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function readMac(view: DataView, at: number): Mac {
  return view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2);
}

export function writeMac(view: DataView, at: number, mac: Mac): void {
  view.setUint16(at, Math.floor(mac / 2 ** 32));
  view.setUint32(at + 2, mac % 2 ** 32);
}

export function readIp4(view: DataView, at: number): Ip {
  return { family: 4, bits: BigInt(view.getUint32(at)) };
}

export function writeIp4(view: DataView, at: number, ip: Ip): void {
  view.setUint32(at, Number(ip.bits));
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
