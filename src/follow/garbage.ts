// Reading and compiling a large host leaves much garbage behind, and V8 is in no hurry with it; beside guests memory is for
// the guests.

type Collector = (options?: { readonly type: 'major'; readonly flavor: 'last-resort' }) => void;

/** Only where Node was started with `--expose-gc`, as bin/bridgekeeper does it. Takes some tens of milliseconds. */
export function collectGarbage(): void {
  (globalThis as { readonly gc?: Collector }).gc?.({ type: 'major', flavor: 'last-resort' });
}
