// nft where it may have the rules of thousands of guests before it: it asks for its memory in pieces of some octets, and where page
// faults are dear, as in a virtual machine, half of its time are those.
import type { Access } from '../../machine/access.ts';
import { type Ran, run } from '../../machine/run.ts';

/**
 * Memory in large pages, where the kernel has them for who asks for them (glibc manual, Memory Allocation Tunables; Linux
 * Documentation/admin-guide/mm/transhuge.rst). Another libc passes it over. bin/bridgekeeper-boot has the same.
 */
export const largePages = 'GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.top_pad=4194304';

const timeoutMs = 120_000;

export function runNft(access: Access, args: readonly string[]): Promise<Ran> {
  return run(access, 'env', [largePages, 'nft', ...args], { timeoutMs });
}
