// What every source gives: records, gaps and findings, in batches that end at a place where reading can go on.
// A source never throws for what it meets on the machine: what is missing or refused is a Finding.

/** Who vouches for a line: 3 the kernel, 2 local text of root's syslog daemon, 1 open text, 0 foreign. */
export type Trust = 0 | 1 | 2 | 3;

export type SourceRecord = {
  readonly kind: 'record';
  readonly trust: Trust;
  /** Boot id without dashes. Without it the wall clock minus the stamp names the boot. */
  readonly epoch?: string;
  /** Microseconds of the kernel's clock, which counts from boot. */
  readonly us?: number;
  /** Milliseconds since 1970. */
  readonly wall?: number;
  /** The true time is up to so many milliseconds after `wall`: 999 where a source has whole seconds. */
  readonly wallSpan?: number;
  /** Of the kernel's ring: one number, one record. */
  readonly sequence?: number;
  /** 0 is the kernel; programs cannot write with it. */
  readonly facility?: number;
  /** Written once for several equal lines (`message repeated N times`). */
  readonly folded?: true;
  /** The kernel's text without what the source puts before it. Bytes, since interface names need not be UTF-8. */
  readonly text: Uint8Array;
};

/** `notCovered` is time in which nobody looked; nothing need have been lost in it. */
export type Lost = { readonly exact: number } | { readonly atLeast: number } | 'unknown' | 'notCovered';

export type GapReason =
  | 'overrun'
  | 'hole'
  | 'reboot'
  | 'no-overlap'
  | 'missed'
  | 'vacuumed'
  | 'truncated'
  | 'rotated-away'
  | 'daemon'
  | 'backlog'
  | 'disk-full'
  | 'retention';

/** A point in a source: as much of it as is known. */
export type Point = {
  readonly wall?: number;
  readonly epoch?: string;
  readonly us?: number;
  readonly sequence?: number;
};

export type Gap = {
  readonly kind: 'gap';
  readonly lost: Lost;
  readonly reason: GapReason;
  readonly between: { readonly after?: Point; readonly before?: Point };
  /** What the daemon said, where one spoke of loss. */
  readonly said?: string;
};

/** What the user should know of a source: that it is not there, refused, silent. */
export type Finding = { readonly kind: 'finding'; readonly code: string; readonly message: string };

export type SourceItem = SourceRecord | Gap | Finding;

/** Where to go on reading: JSON, and read back with distrust. */
export type Cursor = Readonly<Record<string, unknown>>;

/** One step of a source. Its items and its cursor are stored together or not at all. */
export type Batch = {
  readonly items: readonly SourceItem[];
  readonly cursor?: Cursor;
  /**
   * From here on the source may show again what it has shown: it lost its place, or has none. Its lines count as those
   * of another witness then, and what is known already stays one event.
   */
  readonly reread?: boolean;
};

export type Source = {
  /** As the user names it: `kmsg`, `journal`, `file:/var/log/kern.log`. */
  readonly name: string;
  /** The machine the lines are about; '' is this one. Lines of two machines are never the same event. */
  readonly host: string;
  /** One that nobody named, and that was not there when it was looked for: it says nothing of that until it comes. */
  readonly isAbsent?: true;
  /** Goes on after `cursor` and ends when the source does or the signal comes. */
  readonly batches: (cursor: Cursor | undefined, signal: AbortSignal) => AsyncIterable<Batch>;
};

export function finding(code: string, message: string): Finding {
  return { kind: 'finding', code, message };
}

/** Every netfilter line has it; what has not is not worth the way through the pipeline. */
export function mayBeLogLine(text: Buffer): boolean {
  return text.includes('IN=', 0, 'latin1');
}

/** Waits, or ends early when the signal comes. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
