// The command `doctor` and its options.
import { type Command, Option } from 'commander';
import { fixNames } from '../doctor/verdict.ts';
import { outputOption, type Run } from './options.ts';

export function addDoctorCommand(program: Command, run: Run): void {
  program
    .command('doctor')
    .description('say which way of the firewall log is broken here, why, and what mends it')
    .option('--access <way>', 'ssh:HOST: of another machine, where nothing is installed')
    .option('--probe', 'log one packet by a rule that is taken away again, and look where its line arrives')
    .addOption(new Option('--fix <name>', 'show a fix that was called for, and make it').choices(fixNames))
    .option('--undo [id]', 'take a fix back: the latest one, or that of the id')
    .option('--yes', 'make the fix without asking')
    .option('--state <directory>', 'where changes are kept ($BRIDGEKEEPER_STATE, else /var/lib/bridgekeeper)')
    .addOption(outputOption())
    .action((options) => run(import('./doctor.ts').then(({ doctor }) => doctor(options))));
}
