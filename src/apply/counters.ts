// What the kernel counted, by rules of the list: the packets that each of them decided since it was loaded.
import { type ListRule, type RuleList, rulesOf } from '../model/rule-list.ts';
import { ruleComment } from '../model/rule-prefix.ts';

export type Count = { readonly packets: number; readonly bytes: number };

export type RuleCount = Count & { readonly rule: ListRule };

/** Every rule of the list that counts, in its order. */
export function ruleCounts(list: RuleList, counts: ReadonlyMap<string, Count>): readonly RuleCount[] {
  return rulesOf(list).flatMap((rule) => {
    const count = counts.get(ruleComment(rule.id));
    return count === undefined ? [] : [{ rule, ...count }];
  });
}

type Listed = { readonly rule?: { readonly comment?: unknown; readonly expr?: unknown } };

/** From the objects of `nft -j list table`: several kernel rules of one comment are added up. */
export function nftCounts(objects: readonly unknown[]): ReadonlyMap<string, Count> {
  const counts = new Map<string, Count>();
  for (const object of objects) {
    const { comment, expr } = (object as Listed).rule ?? {};
    if (typeof comment !== 'string' || !Array.isArray(expr)) continue;
    for (const one of expr as readonly { readonly counter?: Partial<Count> | null }[]) {
      const { packets = 0, bytes = 0 } = one.counter ?? {};
      if (one.counter != null) add(counts, comment, { packets, bytes });
    }
  }
  return counts;
}

/**
 * From `iptables-save -c`, where every kernel rule counts. Of a rule that logs, the chain with the log line and the
 * verdict counts the packets: those of its first rule were only sent there.
 */
export function iptablesCounts(saved: string): ReadonlyMap<string, Count> {
  const counts = new Map<string, Count>();
  for (const line of saved.split('\n')) {
    const [, packets, bytes, target] = /^\[(\d+):(\d+)\] -A bk-\S+ .*-j (ACCEPT|DROP)\b/.exec(line) ?? [];
    const comment = /--comment (?:"([^"]*)"|(\S+))/.exec(line);
    if (target === undefined || comment === null) continue;
    add(counts, comment[1] ?? comment[2] ?? '', { packets: Number(packets), bytes: Number(bytes) });
  }
  return counts;
}

function add(counts: Map<string, Count>, comment: string, { packets, bytes }: Count): void {
  const before = counts.get(comment) ?? { packets: 0, bytes: 0 };
  counts.set(comment, { packets: before.packets + packets, bytes: before.bytes + bytes });
}
