// ufw's files -> the rules for packets that come in, as ufw's start script would load them (ufw 0.36.2,
// /lib/ufw/ufw-init-functions), and as ufw would write them anew afterwards.
import type { Family } from '../model/ip.ts';
import { type Rules, rulesOf } from './rules.ts';
import type { Policy } from './settings.ts';
import { inputRules, tuplesOf } from './tuple.ts';

/** The texts of before.rules, after.rules and user.rules of one family. */
export type RuleFiles = { readonly before: string; readonly after: string; readonly user: string };

/** What the files say now. */
export function rulesAtStart(files: RuleFiles, policy: Policy, family: Family): Rules {
  return loaded(files, policy, family, files.user);
}

/** What is left when ufw has written user.rules from what it knows: lines that somebody wrote in by hand are gone. */
export function rulesAfterRewrite(files: RuleFiles, policy: Policy, family: Family): Rules {
  const name = family === 4 ? 'ufw' : 'ufw6';
  const rules = tuplesOf(files.user).flatMap((tuple) => inputRules(tuple, family));
  const limits = [`-A ${name}-user-limit -j REJECT`, `-A ${name}-user-limit-accept -j ACCEPT`];
  return loaded(files, policy, family, ['*filter', ...rules, ...limits, 'COMMIT'].join('\n'));
}

function loaded(files: RuleFiles, policy: Policy, family: Family, user: string): Rules {
  const name = family === 4 ? 'ufw' : 'ufw6';
  return rulesOf(family, [frame(name, policy), files.before, files.after, ending(name), user]);
}

/** The built-in chain, and the chains of ufw's own that it passes in this order. */
function frame(name: string, policy: Policy): string {
  const inputs = ['before-logging', 'before', 'after', 'after-logging', 'reject', 'track'].map(
    (part) => `${name}-${part}-input`,
  );
  const users = ['user-input', 'user-limit', 'user-limit-accept', 'skip-to-policy-input'].map(
    (part) => `${name}-${part}`,
  );
  return [
    '*filter',
    `:INPUT ${policy === 'ACCEPT' ? 'ACCEPT' : 'DROP'} [0:0]`,
    ...[...inputs, ...users].map((chain) => `:${chain} - [0:0]`),
    ...inputs.map((chain) => `-A INPUT -j ${chain}`),
    `-A ${name}-skip-to-policy-input -j ${policy}`,
    ...(policy === 'REJECT' ? [`-A ${name}-reject-input -j REJECT`] : []),
    'COMMIT',
  ].join('\n');
}

function ending(name: string): string {
  return `*filter\n-A ${name}-before-input -j ${name}-user-input\nCOMMIT`;
}
