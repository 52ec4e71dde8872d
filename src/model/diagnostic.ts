// What is wrong with what the user wrote: data with a position, never an exception, and all of it at once.

/** A place in a text. `line` and `column` count from 1; columns count UTF-16 units, as editors do. */
export type Span = {
  readonly file: string;
  readonly line: number;
  readonly column: number;
};

export type Severity = 'error' | 'warning';

export type Related = { readonly message: string; readonly span: Span };

/** `code` names a paragraph of docs/diagnostics.md. */
export type Diagnostic = {
  readonly code: DiagnosticCode;
  readonly severity: Severity;
  readonly message: string;
  readonly span: Span;
  readonly hint?: string;
  readonly related?: readonly Related[];
};

/** A value, if there was enough to make one, and everything that was wrong on the way. */
export type Checked<T> = {
  readonly value?: T;
  readonly diagnostics: readonly Diagnostic[];
};

/** Every code that a diagnostic may carry; test/docs.test.ts holds docs/diagnostics.md against this list. */
export const diagnosticCodes = [
  'syntax',
  'duplicate-key',
  'unknown-key',
  'missing-key',
  'wrong-type',
  'not-text',
  'bad-name',
  'reserved-name',
  'duplicate-name',
  'bad-address',
  'bad-mac',
  'bad-service',
  'bad-port-range',
  'unknown-name',
  'group-cycle',
  'duplicate-address',
  'duplicate-mac',
  'empty-side',
  'bad-interface',
  'unknown-interface',
  'unknown-port',
  'unbound-port',
  'guest-without-port',
  'port-conflict',
  'mac-conflict',
  'peer-mismatch',
  'bridge-loop',
  'no-way',
  'no-address',
  'bad-definition',
  'libvirt-refused',
  'unsupported',
] as const;

export type DiagnosticCode = (typeof diagnosticCodes)[number];

type Details = { readonly hint?: string; readonly related?: readonly Related[] };

export function error(code: DiagnosticCode, message: string, span: Span, details: Details = {}): Diagnostic {
  return { code, severity: 'error', message, span, ...details };
}

export function warning(code: DiagnosticCode, message: string, span: Span, details: Details = {}): Diagnostic {
  return { code, severity: 'warning', message, span, ...details };
}

export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some((diagnostic) => diagnostic.severity === 'error');
}

/** `file:line:col: error[code]: message`, then the hint and the related places on lines of their own. */
export function printDiagnostic(diagnostic: Diagnostic): string {
  const { severity, code, message, span, hint, related = [] } = diagnostic;
  return [
    `${printSpan(span)}: ${severity}[${code}]: ${message}`,
    ...(hint === undefined ? [] : [`  hint: ${hint}`]),
    ...related.map((place) => `  ${printSpan(place.span)}: ${place.message}`),
  ].join('\n');
}

function printSpan(span: Span): string {
  return `${span.file}:${span.line}:${span.column}`;
}

/** In the order of the text, so that a reader can go down the file. */
export function inTextOrder(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return diagnostics.toSorted(
    (a, b) => a.span.file.localeCompare(b.span.file) || a.span.line - b.span.line || a.span.column - b.span.column,
  );
}
