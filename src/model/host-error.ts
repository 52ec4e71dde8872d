// What the machine refused: thrown at the edge, caught once in cli/main.ts.

/** `code` is for scripts and tests, `message` says who refused what, `cause` is the original error. */
export class HostError extends Error {
  readonly code: string;

  constructor(code: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'HostError';
    this.code = code;
  }
}
