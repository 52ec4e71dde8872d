// A scene as input of `ip -batch -`: what each node creates, then what each node sets up. Pure text.
// A veth pair is made once, by the end that comes first, with its other end born in the namespace of the other node.
import { printIp, printPrefix } from '../model/ip.ts';
import { printMac } from '../model/mac.ts';
import type { Scene, SceneInterface, SceneNode, SceneRoute } from '../model/scene.ts';

/** `create` of all nodes must have run before any `setUp`. One command a line. */
export type Batch = { readonly create: readonly string[]; readonly setUp: readonly string[] };

/** An interface and its place in the scene. */
type End = { readonly node: string; readonly self: SceneInterface; readonly place: number };

type Ends = ReadonlyMap<string, End>;

/** `pids`: a process in the namespace of each node. @throws Error for a cable whose ends do not name each other */
export function ipBatches(scene: Scene, pids: ReadonlyMap<string, number>): ReadonlyMap<string, Batch> {
  const ends = endsOf(scene);
  return new Map(
    scene.nodes.map((node) => [node.name, { create: creation(node, ends, pids), setUp: setUp(node) }] as const),
  );
}

const endKey = (node: string, name: string) => `${node} ${name}`;

function endsOf(scene: Scene): Ends {
  const all = scene.nodes.flatMap(({ name, interfaces }) => interfaces.map((self) => ({ node: name, self })));
  return new Map(all.map(({ node, self }, place) => [endKey(node, self.name), { node, self, place }]));
}

function creation(node: SceneNode, ends: Ends, pids: ReadonlyMap<string, number>): readonly string[] {
  return node.interfaces.flatMap((self) => {
    const link = `link add name ${self.name} address ${printMac(self.mac)}`;
    if (node.bridges.includes(self.name)) return [`${link} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`];
    const own = endKey(node.name, self.name);
    const other = otherEnd(own, self, ends);
    if (other.place < (ends.get(own)?.place ?? 0)) return [];
    const where = other.node === node.name ? '' : ` netns ${pids.get(other.node)}`;
    return [`${link} type veth peer name ${other.self.name} address ${printMac(other.self.mac)}${where}`];
  });
}

function otherEnd(own: string, { peer }: SceneInterface, ends: Ends): End {
  if (peer === undefined) throw new Error(`${own} is neither a bridge nor the end of a cable`);
  const other = ends.get(endKey(peer.node, peer.name));
  const back = other?.self.peer;
  if (other !== undefined && back !== undefined && endKey(back.node, back.name) === own) return other;
  throw new Error(`the cable of ${own} does not lead back from ${peer.node} ${peer.name}`);
}

function setUp(node: SceneNode): readonly string[] {
  return [
    ...node.interfaces.flatMap(({ name, master }) =>
      master === undefined ? [] : [`link set dev ${name} master ${master}`],
    ),
    ...node.interfaces.flatMap(({ name, addresses }) =>
      addresses.map((address) => `address add ${printPrefix(address)} dev ${name}`),
    ),
    'link set dev lo up',
    ...node.interfaces.map(({ name }) => `link set dev ${name} up`),
    ...node.routes.map((route) => `route add ${printRoute(route)}`),
  ];
}

function printRoute({ to, via, dev }: SceneRoute): string {
  return [printPrefix(to), ...(via === undefined ? [] : ['via', printIp(via)]), 'dev', dev].join(' ');
}
