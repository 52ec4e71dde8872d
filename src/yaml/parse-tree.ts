// YAML text -> tree with places. Reports syntax errors, duplicate keys, keys that are no text, and aliases that grow
// without end; arbitrary text never throws. After a syntax error there is no tree: what follows would be guesses.
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Pair, parseDocument } from 'yaml';
import { type Checked, type Diagnostic, error, hasErrors, inTextOrder, type Span } from '../model/diagnostic.ts';
import { printable, quoted } from './quoted.ts';
import type { Entry, Scalar, Tree } from './tree.ts';

const largestText = 1 << 20;
const deepest = 32;
const mostAliasNodes = 10_000;

/** `value` is missing after syntax errors and for an empty file; other faults leave a tree without the faulty parts. */
export function parseTree(text: string, file: string): Checked<Tree> {
  const body = text.startsWith('\ufeff') ? text.slice(1) : text;
  const refused = refusal(body, file);
  if (refused !== undefined) return { diagnostics: [refused] };
  const lines = new LineCounter();
  const document = parseDocument(body, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    logLevel: 'error',
  });
  const spanAt = (offset: number): Span => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const faults = syntaxFaults(document, spanAt);
  if (hasErrors(faults)) return { diagnostics: faults };
  if (document.contents === null) return { diagnostics: [error('syntax', 'the file is empty', spanAt(0))] };
  const walk: Walk = { spanAt, diagnostics: [], anchors: new Map(), expanding: [], aliasNodes: 0 };
  const value = treeOf(document.contents, walk, spanAt(0), 0);
  const { diagnostics } = walk;
  return diagnostics.some(({ code }) => code === 'syntax') ? { diagnostics } : { value, diagnostics };
}

function refusal(text: string, file: string): Diagnostic | undefined {
  const start = { file, line: 1, column: 1 };
  if (text.length > largestText) return error('syntax', 'the file is larger than 1 MiB', start);
  const before = text.slice(0, Math.max(0, text.indexOf('\ufffd'))).split('\n');
  if (!text.includes('\ufffd')) return undefined;
  const place = { file, line: before.length, column: (before.at(-1) ?? '').length + 1 };
  return error('syntax', 'the file is not UTF-8 text', place, { hint: 'save it as UTF-8' });
}

/** One fault a line: the parser goes on after an error, and what it finds in the same line is an echo. */
function syntaxFaults(document: Document.Parsed, spanAt: (offset: number) => Span): readonly Diagnostic[] {
  const found = [...document.errors, ...document.warnings];
  const exhausted = found.filter(({ code }) => code === 'RESOURCE_EXHAUSTION').slice(0, 1);
  const faults = (exhausted.length > 0 ? exhausted : found).map(({ code, message, pos }) =>
    error('syntax', syntaxMessages[code] ?? printable(message, 200), spanAt(pos[0])),
  );
  const byLine = Map.groupBy(inTextOrder(faults), ({ span }) => span.line);
  return [...byLine.values()].flatMap(([first]) => first ?? []);
}

/** The parser's words, where they speak of its own API or not to an administrator. */
const syntaxMessages: Readonly<Record<string, string>> = {
  BLOCK_AS_IMPLICIT_KEY: "a second ': ' in one line; put the value in quotes if it is part of it",
  MULTIPLE_DOCS: 'the file holds more than one YAML document',
  RESOURCE_EXHAUSTION: 'the file is nested too deeply',
  TAB_AS_INDENT: 'a tab is used as indentation; YAML wants spaces',
  TAG_RESOLVE_FAILED: 'this YAML tag means nothing here',
};

type Walk = {
  readonly spanAt: (offset: number) => Span;
  readonly diagnostics: Diagnostic[];
  readonly anchors: Map<string, unknown>;
  /** Anchors that are being expanded: an alias of one of them would never end. */
  readonly expanding: unknown[];
  aliasNodes: number;
};

/** `place` is where the value of a key without a value would stand. */
function treeOf(node: unknown, walk: Walk, place: Span, depth: number): Tree {
  const span = spanOf(node, walk) ?? place;
  if (depth > deepest) return refuse(walk, 'the file is nested too deeply', span);
  if (walk.expanding.length > 0 && ++walk.aliasNodes > mostAliasNodes) return refuseOnce(walk, span);
  if (isAlias(node)) return expansion(node.source, walk, span, depth);
  if (hasAnchor(node)) walk.anchors.set(node.anchor, node);
  if (isMap(node)) return { kind: 'map', entries: entriesOf(node.items, walk, span, depth), span };
  if (isSeq(node)) {
    return { kind: 'list', items: node.items.map((item) => treeOf(item, walk, span, depth + 1)), span };
  }
  return isScalar(node) ? scalarOf(node.value, node.source, span) : nothing(span);
}

function spanOf(node: unknown, { spanAt }: Walk): Span | undefined {
  const range = (node as { readonly range?: readonly number[] | null } | null)?.range;
  return range?.[0] === undefined ? undefined : spanAt(range[0]);
}

function hasAnchor(node: unknown): node is { readonly anchor: string } {
  return typeof node === 'object' && node !== null && 'anchor' in node && typeof node.anchor === 'string';
}

function scalarOf(value: unknown, source: string | undefined, span: Span): Scalar {
  const plain = value === null || typeof value === 'number' || typeof value === 'boolean' ? value : String(value);
  return { kind: 'scalar', value: plain, source: source ?? String(value), span };
}

function nothing(span: Span): Scalar {
  return { kind: 'scalar', value: null, source: '', span };
}

function refuse(walk: Walk, message: string, span: Span): Tree {
  walk.diagnostics.push(error('syntax', message, span));
  return nothing(span);
}

function refuseOnce(walk: Walk, span: Span): Tree {
  return walk.aliasNodes === mostAliasNodes + 1 ? refuse(walk, 'aliases expand to too much', span) : nothing(span);
}

/** What an alias stands for, in the place of the alias. */
function expansion(name: string, walk: Walk, span: Span, depth: number): Tree {
  const anchored = walk.anchors.get(name);
  if (anchored === undefined) return refuse(walk, `no anchor ${quoted(name)} stands before this alias`, span);
  if (walk.expanding.includes(anchored)) return refuse(walk, `alias ${quoted(name)} contains itself`, span);
  walk.expanding.push(anchored);
  const tree = treeOf(anchored, walk, span, depth);
  walk.expanding.pop();
  return { ...tree, span };
}

/** The first of several entries with the same key counts. */
function entriesOf(pairs: readonly Pair[], walk: Walk, place: Span, depth: number): ReadonlyMap<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const { key: node, value } of pairs) {
    const span = spanOf(node, walk) ?? place;
    const key = keyOf(node, span, walk);
    if (key === undefined) continue;
    const first = entries.get(key.key);
    if (first !== undefined) walk.diagnostics.push(duplicateKey(key.key, span, first.span));
    else entries.set(key.key, { ...key, span, value: treeOf(value, walk, span, depth + 1) });
  }
  return entries;
}

function duplicateKey(name: string, span: Span, first: Span): Diagnostic {
  const related = [{ message: 'the first one', span: first }];
  return error('duplicate-key', `the key ${quoted(name)} stands twice in the same map`, span, { related });
}

/** A key stands for what was written, also where YAML would take it for a number. */
function keyOf(node: unknown, span: Span, walk: Walk): Pick<Entry, 'key' | 'notText'> | undefined {
  if (hasAnchor(node)) walk.anchors.set(node.anchor, node);
  if (isScalar(node) && typeof node.value === 'string') return { key: node.value };
  if (!isScalar(node) || node.source === undefined || node.source === '') {
    walk.diagnostics.push(error('not-text', 'a key must be a single word', span));
    return undefined;
  }
  return { key: node.source, notText: notText(node.source, node.value, span) };
}

/** YAML reads 0777 as the number 777 and 1e3 as 1000: what is meant as text must be quoted. */
export function notText(source: string, value: unknown, span: Span): Diagnostic {
  const read = String(value) === source ? `the ${kindOf(value)} ${source}` : `the ${kindOf(value)} ${String(value)}`;
  const message = `YAML reads ${quoted(source)} as ${printable(read, 80)}, but text is wanted here`;
  return error('not-text', message, span, { hint: `put it in quotes: "${printable(source, 60)}"` });
}

function kindOf(value: unknown): string {
  if (value === null) return 'empty value';
  return typeof value === 'boolean' ? 'truth value' : 'number';
}
