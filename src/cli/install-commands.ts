// The commands `install` and `uninstall`, and their options.
import { type Command, Option } from 'commander';
import { backendOption, outputOption, type Run } from './options.ts';

function aboutInstallation(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .addOption(
      new Option('--root <directory>', 'below this directory, as for a package; nothing is started or stopped'),
    )
    .option('--dry-run', 'show every file and command, and change nothing')
    .option('--yes', 'do not ask')
    .addOption(outputOption());
}

export function addInstallCommands(program: Command, run: Run): void {
  aboutInstallation(program, 'install', 'put units, settings, hook, man pages and the command in place')
    .option('--prefix <directory>', 'copy the program to PREFIX/lib/bridgekeeper, instead of running it from here')
    .addOption(backendOption(['nft', 'iptables'], 'nft'))
    .option('--force', "overwrite others' and edited files, and keep copies of them")
    .action((options) => run(import('./install.ts').then(({ install }) => install(program, options))));
  aboutInstallation(program, 'uninstall', 'take away what install put there, and put back what was there before')
    .option('--keep-rules', 'leave the loaded rules in the kernel, until the next boot')
    .option('--purge', 'also what was edited, the policy, the state and the kept events')
    .action((options) => run(import('./install.ts').then(({ uninstall }) => uninstall(options))));
}
