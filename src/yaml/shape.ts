// The shape of a file, declared once with zod: it checks the plain data, and editors get it as JSON Schema. Here zod's
// issues become our diagnostics, each at the key or value that it is about.
import { z } from 'zod';
import { type Diagnostic, error, type Span } from '../model/diagnostic.ts';
import { suggestion } from '../model/nearest.ts';
import { notText } from './parse-tree.ts';
import { quoted } from './quoted.ts';
import { entryAt, type Path, plainValue, type Tree, treeAt } from './tree.ts';
import { diagnosticOf, type Fault, type Read } from './words.ts';

/** For editors: what they show beside the word, and what they complain about while it is typed. */
export type About = { readonly description: string; readonly pattern?: string; readonly examples?: readonly string[] };

/** Text that `read` accepts. */
export function word(read: (text: string) => Read<unknown>, about: About): z.ZodType<string> {
  return z
    .string()
    .superRefine((text, context) => {
      const result = read(text);
      if ('fault' in result) context.addIssue({ code: 'custom', params: { fault: result.fault } });
    })
    .meta({ ...about });
}

/** One, or a list of at least one. */
export function oneOrMore<T extends z.ZodType>(item: T): z.ZodUnion<[T, z.ZodArray<T>]> {
  return z.union([item, z.array(item).min(1)]);
}

/** A fault and the path of the key or value that it is about. */
export type ShapeFault = { readonly path: Path; readonly diagnostic: Diagnostic };

/** Everything about the tree that does not fit the shape; each fault once. */
export function shapeFaults(schema: z.ZodType, tree: Tree): readonly ShapeFault[] {
  const result = schema.safeParse(plainValue(tree));
  if (result.success) return [];
  return result.error.issues.flatMap((issue) => issueFaults(issue, [], schema, tree));
}

type Issue = z.core.$ZodIssue;

function issueFaults(issue: Issue, base: Path, schema: z.ZodType, tree: Tree): readonly ShapeFault[] {
  const path = [...base, ...issue.path];
  switch (issue.code) {
    case 'unrecognized_keys':
      return unknownKeys(issue.keys, path, schema, tree);
    case 'invalid_union':
      return unionFaults(issue.errors, path, schema, tree);
    case 'invalid_type':
      return [{ path, diagnostic: typeFault([issue.expected], path, tree) }];
    case 'too_small':
      return [{ path, diagnostic: error('empty-side', `${subject(path)} must name at least one`, spanAt(path, tree)) }];
    case 'custom':
      return [{ path, diagnostic: customFault(issue, path, tree) }];
    default:
      return [{ path, diagnostic: error('wrong-type', `${subject(path)}: ${issue.message}`, spanAt(path, tree)) }];
  }
}

function customFault(issue: Issue, path: Path, tree: Tree): Diagnostic {
  const { fault } = (issue as unknown as { readonly params: { readonly fault: Fault } }).params;
  return diagnosticOf(fault, spanAt(path, tree));
}

function unknownKeys(keys: readonly string[], path: Path, schema: z.ZodType, tree: Tree): readonly ShapeFault[] {
  const known = keysAt(schema, path);
  return keys.map((key) => {
    const entry = entryAt(tree, [...path, key]);
    const hint = suggestion(key, known) ?? commaHint(entry?.value) ?? `known here: ${known.join(', ')}`;
    const span = entry?.span ?? spanAt(path, tree);
    return { path, diagnostic: error('unknown-key', `unknown key ${quoted(key)}`, span, { hint }) };
  });
}

/** In `{ service: http, https }` the second service has become a key without a value. */
function commaHint(value: Tree | undefined): string | undefined {
  const empty = value?.kind === 'scalar' && value.value === null && value.source === '';
  return empty ? 'a comma inside { } ends the value; write [a, b] for several' : undefined;
}

/** The branch that the author meant: the one whose outermost type fits. */
function unionFaults(
  branches: readonly (readonly Issue[])[],
  path: Path,
  schema: z.ZodType,
  tree: Tree,
): readonly ShapeFault[] {
  const outermost = (issue: Issue) => issue.code === 'invalid_type' && issue.path.length === 0;
  const meant = branches.find((issues) => !issues.some(outermost));
  if (meant !== undefined) return meant.flatMap((issue) => issueFaults(issue, path, schema, tree));
  const expected = branches.flat().flatMap((issue) => (issue.code === 'invalid_type' ? [issue.expected] : []));
  return [{ path, diagnostic: typeFault(expected, path, tree) }];
}

function typeFault(expected: readonly string[], path: Path, tree: Tree): Diagnostic {
  const actual = treeAt(tree, path);
  if (actual === undefined) {
    const owner = path.slice(0, -1);
    const message = `${ownerName(owner)} has no ${quoted(String(path.at(-1)))}`;
    return error('missing-key', message, entryAt(tree, owner)?.span ?? spanAt(owner, tree));
  }
  const named = actual.kind === 'scalar' && actual.value !== null && typeof actual.value !== 'string';
  if (named && expected.includes('string')) return notText(actual.source, actual.value, actual.span);
  const wanted = [...new Set(expected.map((type) => typeNames[type] ?? type))].join(' or ');
  const message = `${subject(path)} must be ${wanted}, but is ${describe(actual)}`;
  const hint = typeHint(expected, actual);
  return error('wrong-type', message, wordSpan(path, tree, actual), hint === undefined ? {} : { hint });
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  array: 'a list',
  object: 'a map',
  record: 'a map',
  boolean: 'true or false',
  number: 'a number',
};

function describe(tree: Tree): string {
  if (tree.kind !== 'scalar') return tree.kind === 'list' ? 'a list' : 'a map';
  if (tree.value === null) return 'empty';
  return typeof tree.value === 'string' ? `the text ${quoted(tree.value)}` : quoted(tree.source);
}

function typeHint(expected: readonly string[], actual: Tree): string | undefined {
  if (actual.kind === 'scalar' && actual.value === null) {
    if (expected.includes('record')) return 'leave the key out, or write {}';
    return expected.includes('array') && !expected.includes('string') ? 'leave the key out, or write []' : undefined;
  }
  if (!expected.includes('boolean') || actual.kind !== 'scalar') return undefined;
  if (/^(?:yes|on|y|1)$/i.test(actual.source)) return 'write true';
  return /^(?:no|off|n|0)$/i.test(actual.source) ? 'write false' : undefined;
}

/** An empty value has no place of its own worth showing: its key has. */
function wordSpan(path: Path, tree: Tree, actual: Tree): Span {
  const empty = actual.kind === 'scalar' && actual.source === '' && actual.value === null;
  return (empty ? entryAt(tree, path)?.span : undefined) ?? actual.span;
}

function spanAt(path: Path, tree: Tree): Span {
  return treeAt(tree, path)?.span ?? tree.span;
}

function subject(path: Path): string {
  const last = path.at(-1);
  if (last === undefined) return 'the file';
  return typeof last === 'number' ? `item ${last + 1} of ${subject(path.slice(0, -1))}` : quoted(String(last));
}

function ownerName(path: Path): string {
  return path.length === 0 ? 'the file' : subject(path);
}

/** The keys that a map at this path may have. */
function keysAt(schema: z.ZodType, path: Path): readonly string[] {
  const at = path.reduce<unknown>((outer, step) => innerSchema(outer, step), schema);
  const object = unwrapped(at);
  return object instanceof z.ZodObject ? Object.keys(object.shape) : [];
}

function innerSchema(schema: unknown, step: PropertyKey): unknown {
  const outer = unwrapped(schema);
  if (outer instanceof z.ZodObject) return outer.shape[String(step)];
  if (outer instanceof z.ZodRecord) return outer.valueType;
  return outer instanceof z.ZodArray ? outer.element : undefined;
}

function unwrapped(schema: unknown): unknown {
  return schema instanceof z.ZodOptional ? unwrapped(schema.unwrap()) : schema;
}
