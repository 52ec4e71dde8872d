// The end of every exhaustive `switch`: a new case of a union makes the calls of this function fail to compile.

/** @throws Error always; reaching it is a bug of ours (exit code 70) */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
