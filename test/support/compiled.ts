// Host and policy as texts, or the two-bridge example, compiled: what most tests of lists and rulesets begin with.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Compiled, compile } from '../../src/compile/compile.ts';
import { type Checked, printDiagnostic } from '../../src/model/diagnostic.ts';
import type { Host } from '../../src/model/host.ts';
import type { Policy } from '../../src/model/policy.ts';
import type { RuleList } from '../../src/model/rule-list.ts';
import { parsePolicy } from '../../src/policy/parse-policy.ts';
import { parseHost } from '../../src/topology/host-file.ts';

export type Texts = { readonly host: string; readonly policy: string };

export type Facts = { readonly host: Host; readonly policy: Policy };

const exampleFolder = join(import.meta.dirname, '..', '..', 'examples', 'two-bridge');

export function exampleTexts(): Texts {
  const text = (name: string) => readFileSync(join(exampleFolder, name), 'utf8');
  return { host: text('host.yaml'), policy: text('policy.yaml') };
}

/** Both files without a fault that would leave nothing to compile. */
export function factsOf({ host, policy }: Texts): Facts {
  return { host: checkedValue(parseHost(host, 'host.yaml')), policy: checkedValue(parsePolicy(policy, 'policy.yaml')) };
}

export function example(): Facts {
  return factsOf(exampleTexts());
}

/** Everything that parsing and compiling say, one line each, without hints. */
export function faultsOf(texts: Texts): readonly string[] {
  const host = parseHost(texts.host, 'host.yaml');
  const policy = parsePolicy(texts.policy, 'policy.yaml');
  const compiled =
    host.value === undefined || policy.value === undefined ? { diagnostics: [] } : compile(policy.value, host.value);
  return [...policy.diagnostics, ...host.diagnostics, ...compiled.diagnostics].map(
    (diagnostic) => printDiagnostic(diagnostic).split('\n')[0] ?? '',
  );
}

export function compiledFrom({ host, policy }: Facts): Compiled {
  return checkedValue(compile(policy, host));
}

export function listOf(texts: Texts): RuleList {
  return compiledFrom(factsOf(texts)).list;
}

function checkedValue<T>({ value, diagnostics }: Checked<T>): T {
  assert.ok(value !== undefined, diagnostics.map(printDiagnostic).join('\n'));
  return value;
}
