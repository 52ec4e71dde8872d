// `check`: policy and host facts, every fault at once.
import { type Diagnostic, hasErrors, inTextOrder, printDiagnostic } from '../model/diagnostic.ts';
import { rulesOf } from '../model/rule-list.ts';
import { exitCodes } from './exit-codes.ts';
import { type InputOptions, readInputs } from './input.ts';
import { compileInputs } from './lowering.ts';
import { type Format, print, printJson } from './output.ts';

export async function check(
  directory: string | undefined,
  options: InputOptions & { readonly output: Format },
): Promise<number> {
  const compiled = compileInputs(await readInputs(directory, options));
  const diagnostics = inTextOrder(compiled.diagnostics);
  if (options.output === 'json') {
    printJson('check', {
      diagnostics,
      rules: compiled.value === undefined ? null : rulesOf(compiled.value.list).length,
    });
  } else {
    for (const diagnostic of diagnostics) print(printDiagnostic(diagnostic));
    print(summary(diagnostics, compiled.value === undefined ? undefined : rulesOf(compiled.value.list).length));
  }
  return hasErrors(diagnostics) ? exitCodes.faults : exitCodes.fine;
}

function summary(diagnostics: readonly Diagnostic[], rules: number | undefined): string {
  const count = (severity: Diagnostic['severity']): number =>
    diagnostics.filter((one) => one.severity === severity).length;
  const outcome = rules === undefined ? 'no rules can be made' : `${rules} rules`;
  return `${count('error')} errors, ${count('warning')} warnings: ${outcome}`;
}
