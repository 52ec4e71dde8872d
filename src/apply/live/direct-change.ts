// Changes of our tables without `nft`, for who has somebody to carry them.
import type { TableChange } from '../../netlink/transaction.ts';

/**
 * In one transaction; false when that is not possible, and nothing was changed.
 * @throws HostError 'tool-failed' when it is not known what became of it
 */
export type DirectChange = (changes: readonly TableChange[]) => Promise<boolean>;

export const never: DirectChange = () => Promise.resolve(false);
