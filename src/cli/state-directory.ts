// Where the program keeps what it knows from run to run.
export type StateOptions = { readonly state?: string };

const usualDirectory = '/var/lib/bridgekeeper';

/** `--state DIR`, then the environment, then the usual place. */
export function stateDirectory({ state }: StateOptions): string {
  return state ?? (process.env.BRIDGEKEEPER_STATE || usualDirectory);
}
