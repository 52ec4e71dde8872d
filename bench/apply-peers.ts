// What one would take instead: rules that are written by hand, with a chain for each guest, and rules that are added one by one,
// as a program does that calls the tool for each.
import { exactly } from '../src/model/field.ts';
import { printMac } from '../src/model/mac.ts';
import { printValue } from '../src/nft/values.ts';
import { hostOf } from './hosts.ts';

type Guest = { readonly port: string; readonly mac: string; readonly ip: string };

export function guestsOf(count: number, bridges: number): readonly Guest[] {
  const { host, policy } = hostOf(count, bridges);
  const ports = host.bridges.flatMap((bridge) => bridge.ports).filter(({ guest }) => guest !== undefined);
  return ports.map(({ name, mac = 0 }, index) => ({
    port: name,
    mac: printMac(mac),
    ip: printValue('ipv4_addr', exactly(policy.guests[index]?.addresses[0]?.first ?? 0n)),
  }));
}

/** The least that one would write: address and ARP checks with a log line, in and out, found by a map of ports. */
export function handWritten(guests: readonly Guest[]): string {
  const chains = guests.map(
    ({ port, mac, ip }) => `  chain in-${port} {
    ether saddr != ${mac} goto denied-${port}
    ether type ip ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept
    ether type ip ip saddr ${ip} accept
    ether type arp arp operation { request, reply } arp saddr ether ${mac} arp saddr ip ${ip} accept
    goto denied-${port}
  }
  chain out-${port} {
    ether type ip ip daddr != { ${ip}, 255.255.255.255 } goto denied-${port}
    ether type ip ip saddr ${ip} goto denied-${port}
    ether type { ip, arp } accept
    goto denied-${port}
  }
  chain denied-${port} {
    limit rate 20/second burst 100 packets log prefix "DENY ${port} "
    counter drop
  }
`,
  );
  const map = (way: 'in' | 'out') => guests.map(({ port }) => `"${port}" : goto ${way}-${port}`).join(', ');
  return `add table bridge hand
delete table bridge hand
table bridge hand {
${chains.join('')}  map ins { type ifname : verdict; elements = { ${map('in')} }; }
  map outs { type ifname : verdict; elements = { ${map('out')} }; }
  chain prerouting { type filter hook prerouting priority -300; policy accept; iifname vmap @ins; }
  chain forward { type filter hook forward priority -200; policy accept; oifname vmap @outs; }
}
`;
}

/** As libvirt does for a filter that stops spoofing: a chain and its rules for each guest, each by a command of its own. */
export function oneByOne(guests: readonly Guest[]): string {
  return guests
    .map(({ port, mac, ip }) =>
      [
        `-N I-${port} -P DROP`,
        `-A I-${port} -s ! ${mac} -j DROP`,
        `-A I-${port} -p IPv4 --ip-src 0.0.0.0 --ip-proto udp --ip-dport 67 -j ACCEPT`,
        `-A I-${port} -p IPv4 --ip-src ${ip} -j ACCEPT`,
        `-A I-${port} -p ARP --arp-ip-src ${ip} --arp-mac-src ${mac} -j ACCEPT`,
        `-A FORWARD -i ${port} -j I-${port}`,
        `-A INPUT -i ${port} -j I-${port}`,
      ]
        .map((words) => `ebtables ${words}\n`)
        .join(''),
    )
    .join('');
}
