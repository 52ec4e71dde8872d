// What `virsh domifaddr --source agent --full` prints -> addresses by MAC. All of it is said by the guest, names of its
// interfaces included: a line of another form is passed over.
import type { Ip } from '../model/ip.ts';
import type { Mac } from '../model/mac.ts';
import { readAddress, readMac, valuesOf } from '../yaml/words.ts';

export type AgentAddress = { readonly mac: Mac; readonly ip: Ip };

/** Nobody has so many; a guest that says so wants to fill our memory. */
const most = 64;

/** Link-local addresses are left out: nobody is known by them. */
export function parseAgentAddresses(text: string): readonly AgentAddress[] {
  const found: AgentAddress[] = [];
  for (const [, mac = '', address = ''] of text.matchAll(row)) {
    if (/^(?:169\.254\.|fe[89ab])/i.test(address)) continue;
    const ips = valuesOf(readAddress(address));
    found.push(...valuesOf(readMac(mac)).flatMap((one) => ips.map((ip) => ({ mac: one, ip }))));
    if (found.length >= most) break;
  }
  return found.slice(0, most);
}

const row = /(?:^| )((?:[0-9a-f]{2}:){5}[0-9a-f]{2}) +ipv[46] +([0-9a-f.:]{2,45})\/\d{1,3} *$/gim;
