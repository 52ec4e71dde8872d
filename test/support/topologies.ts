// Hosts of other shapes than the example's, as texts: what is behind which port, and which rules follow.
import type { Texts } from './compiled.ts';

const mac = (last: number) => `52:54:00:00:00:${String(last).padStart(2, '0')}`;

/** What libvirt sets up: the host has its address on the bridge device and routes from there. */
const oneBridge: Texts = {
  host: `
host: one
bridges:
  virbr0:
    ports:
      vnet0: { guest: web, mac: ${mac(10)} }
      vnet1: { guest: db, mac: ${mac(11)} }
interfaces:
  virbr0: { mac: ${mac(1)}, addresses: [192.168.122.1/24] }
  enp1s0: { mac: ${mac(2)}, addresses: [198.51.100.10/24] }
sysctls: { net.ipv4.ip_forward: 1 }
`,
  policy: `
guests: { web: { ip: 192.168.122.11 }, db: { ip: [192.168.122.12, 192.168.122.13] } }
outside: { relay: { ip: 198.51.100.25, behind: enp1s0 } }
allow:
  - { from: web, to: db, service: postgresql }
  - { from: db, to: relay, service: smtp }
  - { from: host, to: guests, service: ping }
dhcp: none
`,
};

/** Three bridges one after the other; the host by a cable at the last. */
const row: Texts = {
  host: `
host: row
bridges:
  br1:
    ports: { g1: { guest: a, mac: ${mac(10)} }, l12: { peer: l21 } }
  br2:
    ports: { l21: { peer: l12 }, g2: { guest: b, mac: ${mac(11)} }, l23: { peer: l32 } }
  br3:
    ports: { l32: { peer: l23 }, g3: { guest: c, mac: ${mac(12)} }, h1: { peer: h2 } }
interfaces:
  h2: { mac: ${mac(1)}, peer: h1, addresses: [10.0.0.1/24] }
`,
  policy: `
guests: { a: { ip: 10.0.0.11 }, b: { ip: 10.0.0.12 }, c: { ip: 10.0.0.13 } }
allow:
  - { from: a, to: c, service: ssh }
  - { from: guests, to: host, service: ping }
dhcp: none
`,
};

/** Three bridges around a fourth one that has no guests of its own. */
const star: Texts = {
  host: `
host: star
bridges:
  hub:
    ports: { x1: { peer: u1 }, x2: { peer: u2 }, x3: { peer: u3 } }
  br1:
    ports: { u1: { peer: x1 }, g1: { guest: a, mac: ${mac(10)} } }
  br2:
    ports: { u2: { peer: x2 }, g2: { guest: b, mac: ${mac(11)} } }
  br3:
    ports: { u3: { peer: x3 }, g3: { guest: c, mac: ${mac(12)} }, h1: { peer: h2 } }
interfaces:
  h2: { mac: ${mac(1)}, peer: h1, addresses: [10.0.0.1/24] }
`,
  policy: `
guests: { a: { ip: 10.0.0.11 }, b: { ip: 10.0.0.22 }, c: { ip: 10.0.0.33 } }
allow: [{ from: a, to: [b, host], service: ping }]
dhcp: none
`,
};

/** The guests are in the office network itself: outside machines behind an uplink, one of them by its port. */
const uplink: Texts = {
  host: `
host: office
bridges:
  br0:
    ports:
      eno1: { uplink: true }
      tap1: { guest: a, mac: ${mac(10)} }
      tap2: { guest: b, mac: ${mac(11)} }
interfaces:
  br0: { mac: ${mac(1)}, addresses: [10.0.0.5/24] }
  enp2s0: { mac: ${mac(2)}, addresses: [172.16.0.5/24] }
`,
  policy: `
guests: { a: { ip: 10.0.0.10 }, b: { ip: 10.0.0.11 } }
outside:
  nas: { ip: 10.0.0.200, behind: eno1 }
  lan: { ip: 10.0.0.0/24, behind: br0 }
  store: { ip: 172.16.0.9, behind: enp2s0 }
allow:
  - { from: a, to: nas, service: ssh }
  - { from: lan, to: guests, service: http }
  - { from: guests, to: store, service: https }
dhcp: none
`,
};

/** The same with a line for anybody: behind the uplink is who is nowhere else. */
const anybody: Texts = { ...uplink, policy: uplink.policy.replace('from: lan, to: guests', 'from: any, to: guests') };

/** Two libvirt networks; the host routes between them. */
const routed: Texts = {
  host: `
host: routed
bridges:
  virbr0:
    ports: { vnet0: { guest: a, mac: ${mac(10)} } }
  virbr1:
    ports: { vnet1: { guest: b, mac: ${mac(11)} } }
interfaces:
  virbr0: { mac: ${mac(1)}, addresses: [192.168.100.1/24] }
  virbr1: { mac: ${mac(2)}, addresses: [192.168.101.1/24] }
sysctls: { net.ipv4.ip_forward: 1 }
`,
  policy: `
guests: { a: { ip: 192.168.100.10 }, b: { ip: 192.168.101.10 } }
allow:
  - { from: a, to: b, service: ssh, log: true }
  - { from: guests, to: host, service: ping }
dhcp: none
`,
};

/** Two linked bridges, each with an uplink of its own into the same outside. */
const twoUplinks: Texts = {
  host: `
host: double
bridges:
  br0:
    ports: { eno1: { uplink: true }, tap1: { guest: a, mac: ${mac(10)} }, l01: { peer: l10 } }
  br1:
    ports: { eno2: { uplink: true }, tap2: { guest: b, mac: ${mac(11)} }, l10: { peer: l01 } }
`,
  policy: `
guests: { a: { ip: 10.0.0.10 }, b: { ip: 10.0.0.11 } }
outside: { nas: { ip: 10.0.0.200, behind: br0 } }
allow:
  - { from: guests, to: any, service: https }
  - { from: nas, to: guests, service: ssh }
dhcp: none
`,
};

export const topologies = { oneBridge, row, star, uplink, anybody, routed, twoUplinks } as const;

export type TopologyName = keyof typeof topologies;
