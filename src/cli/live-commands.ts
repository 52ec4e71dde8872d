// The commands that look at the rules of the live host, and those that change them.
import { type Command, Option } from 'commander';
import { apply } from './apply.ts';
import { confirm, rollback } from './confirm.ts';
import { arpOption, backendOption, outputOption, type Run, withFacts } from './options.ts';
import { diff, plan } from './plan.ts';
import { seconds } from './seconds.ts';
import { status } from './status.ts';

const stateOption = (): Option =>
  new Option('--state <directory>', 'where to keep what was loaded (BRIDGEKEEPER_STATE, /var/lib/bridgekeeper)');

const hostOption = (): Option => new Option('--host <file>', 'host facts, instead of asking this machine');

/** About the rules that a policy wants of this host. */
function aboutRules(program: Command, name: string, description: string): Command {
  return withFacts(program.command(name).description(description))
    .addOption(backendOption(['nft', 'iptables'], 'nft'))
    .addOption(arpOption().default('on'))
    .addOption(stateOption())
    .addOption(outputOption());
}

function aboutState(program: Command, name: string, description: string): Command {
  return program.command(name).description(description).addOption(stateOption()).addOption(outputOption());
}

/** For what loads other rules. */
function withConfirmation(command: Command): Command {
  const words = 'until the previous rules come back (60s; at a local console: no confirmation)';
  return command
    .addOption(new Option('--confirm <time>', words).argParser(seconds))
    .option('--no-confirm', 'keep the rules at once')
    .option('--wait', 'wait for the confirmation or the rollback, also without a terminal')
    .option('--allow-lockout', 'also if it cuts off the SSH connection that this came by');
}

export function addLiveCommands(program: Command, run: Run): void {
  aboutRules(program, 'plan', 'show what apply would change on this host')
    .option('--out <file>', 'save the plan, for apply')
    .action((options) => run(plan(options)));
  aboutRules(program, 'diff', 'show the difference between the loaded rules and those of the policy').action(
    (options) => run(diff(options)),
  );
  withConfirmation(aboutRules(program, 'apply', 'load the rules; the previous ones come back unless this is confirmed'))
    .argument('[plan]', 'a plan that was saved by plan --out')
    .option('--dry-run', 'say what would be done')
    .action((file, options) => run(apply(file, options)));
  aboutState(program, 'confirm', 'keep the rules that wait for it').action((options) => run(confirm(options)));
  withConfirmation(aboutState(program, 'rollback', 'take back the change that waits, or else go to the rules before'))
    .addOption(hostOption())
    .action((options) => run(rollback(options)));
  aboutState(program, 'status', 'show what is loaded, what waits, what was counted, and what somebody else changed')
    .addOption(hostOption())
    .action((options) => run(status(options)));
}
