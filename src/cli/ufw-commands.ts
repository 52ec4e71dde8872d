// The commands about ufw.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { outputOption, type Run } from './options.ts';

const accessOption = (): Option =>
  new Option('--access <way>', 'ssh:HOST: on another machine, where only sh is needed');

export function addUfwCommands(program: Command, run: Run): void {
  const ufw = program.command('ufw').description('turn ufw on without locking anybody out; its start-up errors');
  ufw
    .command('check')
    .description("say which of ufw's start-up errors are harmless, whether it filters, and what its log leaves out")
    .argument('[file]', 'a log that holds its start (- for standard input); without it: the journal of this boot')
    .addOption(accessOption())
    .option('--fix', 'comment out exactly the lines that cause the errors and cannot work here')
    .option('--yes', 'do not ask')
    .option('--undo [id]', 'put back what --fix changed, the latest or this one')
    .option('--state <directory>', 'where backups are kept ($BRIDGEKEEPER_STATE, else /var/lib/bridgekeeper)')
    .addOption(outputOption())
    .action((file, options) => run(import('./ufw.ts').then(({ ufwCheck }) => ufwCheck(file, options))));
  ufw
    .command('enable')
    .description('turn ufw on, unless that would close SSH')
    .option('--allow-ssh', 'add the rules that are missing first')
    .addOption(accessOption())
    .option('--yes', 'do not ask')
    .option(
      '--confirm <time>',
      'turn it off again unless `ufw confirm` comes in this time: 60s, 5m (60s over SSH)',
      duration,
    )
    .addOption(outputOption())
    .action((options) => run(import('./ufw.ts').then(({ ufwEnable }) => ufwEnable(options))));
  ufw
    .command('confirm')
    .description('keep ufw on')
    .addOption(accessOption())
    .addOption(outputOption())
    .action((options) => run(import('./ufw.ts').then(({ ufwConfirm }) => ufwConfirm(options))));
}

/** In seconds, from one to an hour. */
function duration(text: string): number {
  const match = /^(\d{1,4})(s|m)?$/.exec(text);
  const seconds = match === null ? 0 : Number(match[1]) * (match[2] === 'm' ? 60 : 1);
  if (seconds < 1 || seconds > 3_600) throw new InvalidArgumentError('60s or 5m, at most an hour, is wanted');
  return seconds;
}
