// Many ports, each with a chain of its own -> chains that find the right one by its name in a few steps instead of
// asking for every port in turn. Each step is a goto: behind the port's chain, evaluation goes on after the jump into
// the tree.
import type { Match } from '../model/match.ts';
import { type Chain, goTo, type KernelRule } from '../model/ruleset.ts';

export type PortTree = {
  /** Jump here; who is no port of the tree comes back. */
  readonly root: string;
  readonly chains: readonly Chain[];
};

/** So many names are asked for one by one: a further chain would cost more than it saves. */
const fewNames = 6;

/**
 * @param chainOf the chain of each port
 * @param prefix of the tree's own chain names
 * @param otherwise the chain for names that are not in the tree; without it they come back
 */
export function portTree(
  end: 'in' | 'out',
  chainOf: ReadonlyMap<string, string>,
  prefix: string,
  otherwise?: string,
): PortTree {
  const last: readonly KernelRule[] = otherwise === undefined ? [] : [{ body: [goTo(otherwise)] }];
  const chains: Chain[] = [];
  const grow = (stem: string, names: readonly string[]): string => {
    const name = `${prefix}.${stem}`;
    const rules = names.length <= fewNames ? names.map(leaf) : branches(stem, names);
    chains.push({ name, rules: [...rules, ...last] });
    return name;
  };
  const leaf = (port: string): KernelRule => ({ body: [at(end, port), goTo(chainOf.get(port) ?? '')] });
  const branches = (stem: string, names: readonly string[]): readonly KernelRule[] => {
    const groups = [...Map.groupBy(names, (name) => name.charAt(stem.length)).values()];
    return groups.map((group) => {
      const [only] = group;
      if (only !== undefined && group.length === 1) return leaf(only);
      const longer = commonStem(group);
      return { body: [at(end, `${longer}*`), goTo(grow(longer, group))] };
    });
  };
  const root = grow('', [...chainOf.keys()].toSorted());
  return { root, chains };
}

function at(end: 'in' | 'out', name: string): Match {
  return { kind: 'physdev', end, negated: false, name };
}

/** The longest beginning that all names have; one of them may be no longer than that. */
function commonStem(names: readonly string[]): string {
  const [first = '', ...others] = names;
  let length = first.length;
  for (const name of others) while (!name.startsWith(first.slice(0, length))) length--;
  return first.slice(0, length);
}
