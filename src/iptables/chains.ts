// The chains of our own as they grow: the three that the base chains jump to, and the small ones that they share.
import type { IpSet } from '../model/ip-set.ts';
import type { Match } from '../model/match.ts';
import { type Chain, goTo, type KernelRule } from '../model/ruleset.ts';
import { portTree } from './port-tree.ts';

/** A list of destinations that several ports share; behind it the port decides which rule it is. */
type SharedList = {
  readonly name: string;
  readonly destinations: readonly (readonly Match[])[];
  readonly targets: Map<string, KernelRule>;
};

export class Chains {
  readonly #rules: Map<string, KernelRule[]>;
  readonly #lists = new Map<IpSet, SharedList[]>();
  #listCount = 0;

  /** From so many on the rules of all ports share one list of destinations, or n guests need n times n rules. */
  readonly manyDestinations: number;

  constructor(names: readonly string[], manyDestinations: number) {
    this.manyDestinations = manyDestinations;
    this.#rules = new Map(names.map((name) => [name, []]));
  }

  append(chain: string, rule: KernelRule): void {
    this.#rules.get(chain)?.push(rule);
  }

  /** The chain of this name, made at first use. */
  once(name: string, rules: () => readonly KernelRule[]): string {
    if (!this.#rules.has(name)) this.#rules.set(name, [...rules()]);
    return name;
  }

  add({ name, rules }: Chain): void {
    this.#rules.set(name, [...rules]);
  }

  /**
   * A chain that comes back unless the packet goes to one of these destinations, and then does what is said for the
   * port it came in by. A port with several rules for the same destinations uses several such chains.
   */
  towards(port: string, ips: IpSet, destinations: readonly (readonly Match[])[], target: KernelRule): string {
    const lists = this.#lists.get(ips) ?? [];
    this.#lists.set(ips, lists);
    const free = lists.find(({ targets }) => !targets.has(port)) ?? this.#newList(lists, destinations);
    free.targets.set(port, target);
    return free.name;
  }

  #newList(lists: SharedList[], destinations: SharedList['destinations']): SharedList {
    const list: SharedList = { name: `bk-to-all-${++this.#listCount}`, destinations, targets: new Map() };
    lists.push(list);
    return list;
  }

  all(): readonly Chain[] {
    const own = [...this.#rules].map(([name, rules]) => ({ name, rules }));
    return [...own, ...[...this.#lists.values()].flat().flatMap(listChains)];
  }
}

function listChains({ name, destinations, targets }: SharedList): readonly Chain[] {
  const single = new Map([...targets].map(([port, target], index) => [port, { chain: `${name}-${index}`, target }]));
  const tree = portTree('in', new Map([...single].map(([port, { chain }]) => [port, chain])), name);
  return [
    { name, rules: destinations.map((matches) => ({ body: [...matches, goTo(tree.root)] })) },
    ...tree.chains,
    ...[...single.values()].map(({ chain, target }) => ({ name: chain, rules: [target] })),
  ];
}
