// Kernel rule -> the words for it: the number and text of the list rule that it came from.
import { type RuleList, rulesOf } from '../model/rule-list.ts';
import { ruleComment } from '../model/rule-prefix.ts';
import type { Decider } from '../model/trace.ts';

export function ruleNames(list: RuleList): (by: Decider | undefined) => string {
  const byComment = new Map(rulesOf(list).map((rule) => [ruleComment(rule.id), rule]));
  return (by) => {
    if (by === undefined) return 'no rule';
    const rule = by.comment === undefined ? undefined : byComment.get(by.comment);
    if (rule?.number !== undefined) return `RULE ${rule.number} (${rule.text})`;
    if (rule !== undefined) return rule.text;
    const place = `table ${by.family} ${by.table}, chain ${by.chain}`;
    return by.rule === undefined ? `the policy of ${place}` : `${place}, rule ${by.rule + 1}`;
  };
}
