// Where the program keeps what it knows from run to run.
import { HostError } from '../model/host-error.ts';

export type StateOptions = { readonly state?: string };

const usualDirectory = '/var/lib/bridgekeeper';

/** `--state DIR`, then the environment, then the usual place. @throws HostError 'usage' when DIR is empty */
export function stateDirectory({ state }: StateOptions): string {
  // a script's variable that is not set must not move the store to another place
  if (state === '') throw new HostError('usage', '--state wants the name of a directory');
  return state ?? (process.env.BRIDGEKEEPER_STATE || usualDirectory);
}
