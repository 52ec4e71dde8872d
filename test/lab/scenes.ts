// Scenes for the tests of the lab: linked bridges on a host, guests 192.168.50.11 and up in turn behind them.
import { type Prefix, parsePrefix } from '../../src/model/ip.ts';
import type { Scene, SceneInterface, SceneNode } from '../../src/model/scene.ts';

function prefix(text: string): Prefix {
  const value = parsePrefix(text);
  if (value === undefined) throw new Error(`${text} is no prefix`);
  return value;
}

export const guestName = (index: number) => `guest${index}`;
export const guestMac = (index: number) => 0x0200_0000_0100 + index;
export const guestAddress = (index: number) => `192.168.50.${11 + index}`;

/** Guest i is on bridge i modulo `bridges`; bridge b is cabled to bridge b + 1 by `l<b>a` and `l<b>b`. */
export function linkedBridges(bridges: number, guests: number, sysctls: Readonly<Record<string, string>> = {}): Scene {
  const links = range(bridges - 1).flatMap((index) => cable(index));
  const ports = range(guests).map((index) => port(index, `tbr${index % bridges}`));
  const host: SceneNode = {
    name: 'host',
    kind: 'host',
    interfaces: [...range(bridges).map(bridge), ...links, ...ports],
    bridges: range(bridges).map((index) => `tbr${index}`),
    routes: [],
    sysctls,
  };
  return { nodes: [host, ...range(guests).map(guest)] };
}

const range = (length: number) => Array.from({ length }, (_, index) => index);

function bridge(index: number): SceneInterface {
  const addresses = index === 0 ? [prefix('192.168.50.1/24')] : [];
  return { name: `tbr${index}`, mac: 0x0200_0000_0000 + index, addresses };
}

function cable(index: number): readonly SceneInterface[] {
  const [a, b] = [`l${index}a`, `l${index}b`];
  const mac = 0x0200_0000_0200 + 2 * index;
  return [
    { name: a, mac, addresses: [], master: `tbr${index}`, peer: { node: 'host', name: b } },
    { name: b, mac: mac + 1, addresses: [], master: `tbr${index + 1}`, peer: { node: 'host', name: a } },
  ];
}

function port(index: number, master: string): SceneInterface {
  const peer = { node: guestName(index), name: 'eth0' };
  return { name: `vk${index}`, mac: 0x0200_0000_0300 + index, addresses: [], master, peer };
}

function guest(index: number): SceneNode {
  const eth0 = {
    name: 'eth0',
    mac: guestMac(index),
    addresses: [prefix(`${guestAddress(index)}/24`)],
    peer: { node: 'host', name: `vk${index}` },
  };
  const via = prefix('192.168.50.1');
  const routes = [{ to: prefix('0.0.0.0/0'), via, dev: 'eth0' }];
  return { name: guestName(index), kind: 'guest', interfaces: [eth0], bridges: [], routes, sysctls: {} };
}
