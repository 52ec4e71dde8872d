// A YAML text as a tree in which every key and every value knows its place. Nothing is interpreted here: a number stays
// beside the characters that it was written with.
import type { Diagnostic, Span } from '../model/diagnostic.ts';
import { unreachable } from '../model/unreachable.ts';

/** `source` is what stands in the file; `value` is what YAML 1.2 takes it for. */
export type Scalar = {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
  readonly source: string;
  readonly span: Span;
};

type List = { readonly kind: 'list'; readonly items: readonly Tree[]; readonly span: Span };

/** The span of an entry is that of its key. A key that YAML takes for a number brings the fault that it is as a name. */
export type Entry = {
  readonly key: string;
  readonly span: Span;
  readonly value: Tree;
  readonly notText?: Diagnostic;
};

/** Entries stand in the order of the text; no two have the same key. */
type Mapping = { readonly kind: 'map'; readonly entries: ReadonlyMap<string, Entry>; readonly span: Span };

export type Tree = Scalar | List | Mapping;

export type Path = readonly PropertyKey[];

/** A word and its place. */
export type Located = { readonly text: string; readonly span: Span };

/** The tree as plain data. Maps have no prototype, so that no key of theirs means anything to JavaScript. */
export function plainValue(tree: Tree): unknown {
  switch (tree.kind) {
    case 'scalar':
      return tree.value;
    case 'list':
      return tree.items.map(plainValue);
    case 'map': {
      const plain: Record<string, unknown> = Object.create(null);
      for (const { key, value } of tree.entries.values()) plain[key] = plainValue(value);
      return plain;
    }
    default:
      return unreachable(tree);
  }
}

export function childAt(tree: Tree | undefined, step: PropertyKey): Tree | undefined {
  if (tree?.kind === 'map') return tree.entries.get(String(step))?.value;
  return tree?.kind === 'list' && typeof step === 'number' ? tree.items[step] : undefined;
}

export function treeAt(tree: Tree, path: Path): Tree | undefined {
  return path.reduce<Tree | undefined>(childAt, tree);
}

/** The key at the end of the path, if the path ends in a map. */
export function entryAt(tree: Tree, path: Path): Entry | undefined {
  const parent = treeAt(tree, path.slice(0, -1));
  return parent?.kind === 'map' ? parent.entries.get(String(path.at(-1))) : undefined;
}

/** The entries under a key; none if there is no map. */
export function entriesOf(tree: Tree | undefined): readonly Entry[] {
  return tree?.kind === 'map' ? [...tree.entries.values()] : [];
}

export function itemsOf(tree: Tree | undefined): readonly Tree[] {
  return tree?.kind === 'list' ? tree.items : [];
}

/** The text of a scalar, or of each scalar in a list; what is no text is left out. */
export function wordsOf(tree: Tree | undefined): readonly Located[] {
  if (tree?.kind === 'list') return tree.items.flatMap(wordOf);
  return tree === undefined ? [] : wordOf(tree);
}

export function wordOf(tree: Tree | undefined): readonly Located[] {
  return tree?.kind === 'scalar' && typeof tree.value === 'string' ? [{ text: tree.value, span: tree.span }] : [];
}

/** True only where `true` is written. */
export function isTrue(tree: Tree | undefined): boolean {
  return tree?.kind === 'scalar' && tree.value === true;
}
