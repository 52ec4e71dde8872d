// Host and policy for commands that also work without. Where there are none, what reads them is not even loaded.
import { existsSync } from 'node:fs';
import { HostError } from '../model/host-error.ts';
import { tell } from './output.ts';
import type { KnownSite, SiteOptions } from './site.ts';

export const livePolicy = '/etc/bridgekeeper/policy.yaml';

/** What nobody asked for may be missing. @throws HostError when what was asked for cannot be read */
export async function siteAtHand(directory: string | undefined, options: SiteOptions): Promise<KnownSite | undefined> {
  const { host, policy, numbers } = options;
  const isAsked = [directory, host, policy, numbers].some((one) => one !== undefined);
  if (!isAsked && !existsSync(livePolicy)) return undefined;
  const { readSite } = await import('./site.ts');
  if (isAsked) return readSite(directory, options);
  try {
    return await readSite(undefined, {});
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    if (error.code !== 'unreadable') tell(`lines are not explained: ${error.message}`);
    return undefined;
  }
}
