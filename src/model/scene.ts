// A host and its surroundings as network namespaces and cables: what the lab builds and the simulator simulates.
import type { Ip, Prefix } from './ip.ts';
import type { Mac } from './mac.ts';

export type SceneInterface = {
  readonly name: string;
  readonly mac: Mac;
  readonly addresses: readonly Prefix[];
  /** The bridge device of the same node that the interface is a port of. */
  readonly master?: string;
  /** The other end of the veth pair; a bridge device has none. Named by both ends. */
  readonly peer?: { readonly node: string; readonly name: string };
};

export type SceneRoute = { readonly to: Prefix; readonly via?: Ip; readonly dev: string };

export type SceneNode = {
  readonly name: string;
  readonly kind: 'host' | 'guest' | 'outside' | 'segment';
  /** Ports stand in the order in which they are enslaved: the kernel floods in the reverse of it. */
  readonly interfaces: readonly SceneInterface[];
  /** Which of the interfaces are bridge devices. */
  readonly bridges: readonly string[];
  readonly routes: readonly SceneRoute[];
  readonly sysctls: Readonly<Record<string, string>>;
};

/** The host comes first. */
export type Scene = { readonly nodes: readonly SceneNode[] };
