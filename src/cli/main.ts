// The commands, their options, and the one place where what the machine refused becomes a message and an exit code. A
// command is loaded when it is called: `watch` runs for ever, and all the others would stay in memory beside it.
import { Argument, Command, Option } from 'commander';
import { HostError } from '../model/host-error.ts';
import { addDisplayCommand } from './display-commands.ts';
import { addDoctorCommand } from './doctor-command.ts';
import { exitCodes } from './exit-codes.ts';
import { addInstallCommands } from './install-commands.ts';
import { Interrupted } from './interrupted.ts';
import { addLiveCommands } from './live-commands.ts';
import { addLogCommands } from './log-commands.ts';
import {
  about,
  arpOption,
  backendOption,
  numbers,
  numbersOption,
  outputOption,
  portNumber,
  type Run,
  ruleFormats,
  shells,
  wholeNumber,
  words,
} from './options.ts';
import { tell } from './output.ts';
import { addUfwCommands } from './ufw-commands.ts';

function makeProgram(run: Run): Command {
  const program = new Command('bridgekeeper')
    .description('Keeps the guests of a virtualization host from impersonating each other.')
    .version('0.1.0')
    .showSuggestionAfterError()
    .exitOverride();
  about(program, 'check', 'name every fault of policy and host').action((directory, options) =>
    run(import('./check.ts').then(({ check }) => check(directory, options))),
  );
  program
    .command('init')
    .description('write a first policy for this machine, with comments')
    .option('--host <file>', 'for the host of this file instead (- for standard input)')
    .option('--write <file>', 'into this file, if there is none yet, instead of printing it')
    .addOption(outputOption())
    .action((options) => run(import('./init.ts').then(({ init }) => init(options))));
  program
    .command('snapshot')
    .description("write this machine's bridges, ports, links, addresses and guests as host.yaml")
    .option('--agent <guest>', "also ask this guest's agent for its addresses; may be given several times", words)
    .addOption(outputOption())
    .action((options) => run(import('./snapshot.ts').then(({ snapshot }) => snapshot(options))));
  about(program, 'rules', 'print the numbered rules')
    .addOption(new Option('--format <format>', 'table, or the text for a tool').choices(ruleFormats).default('table'))
    .addOption(arpOption().default('on'))
    .addOption(numbersOption('keep the rule numbers in this file'))
    .action((directory, options) => run(import('./rules.ts').then(({ rules }) => rules(directory, options))));
  about(program, 'simulate', "show one packet's way, or an attack, without touching anything")
    .option('--from <machine>', 'who sends')
    .option('--to <machine>', 'to whom: a machine or an address')
    .option('--icmp', 'a ping (the default)')
    .option('--tcp <port>', 'a TCP connection', portNumber)
    .option('--udp <port>', 'a UDP datagram', portNumber)
    .option('--attack <number>', 'an attack by ARP spoofing', wholeNumber)
    .addOption(backendOption(['nft', 'iptables'], 'nft'))
    .addOption(arpOption().default('off'))
    .action((directory, options) => run(import('./simulate.ts').then(({ simulate }) => simulate(directory, options))));
  about(program, 'lab', 'build the host in network namespaces and attack it on the real kernel')
    .addOption(backendOption(['nft', 'iptables', 'both'], 'nft'))
    .addOption(arpOption())
    .option('--without <number>', 'leave this rule out of what is loaded', wholeNumber)
    .option('--attack <number>', 'only this attack; may be given several times', numbers)
    .option('--no-flows', 'do not try the connections that the policy speaks of')
    .option('--rules', 'print the numbered rules first')
    .action((directory, options) => run(import('./lab.ts').then(({ lab }) => lab(directory, options))));
  addLogCommands(program, run);
  addDoctorCommand(program, run);
  addUfwCommands(program, run);
  addLiveCommands(program, run);
  addInstallCommands(program, run);
  addDisplayCommand(program, run);
  program
    .command('completion')
    .description('print a script that lets a shell complete commands, options and their values')
    .addArgument(new Argument('<shell>', 'whose').choices(shells))
    .action((shell) => run(import('./completion.ts').then(({ completion }) => completion(program, shell))));
  return program;
}

/** Runs one command line and gives its exit code; only bugs of ours come out as exceptions. */
export async function main(argv: readonly string[]): Promise<number> {
  let exitCode: number = exitCodes.fine;
  const program = makeProgram(async (running) => {
    exitCode = await running;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    return exitCodeOf(error);
  }
}

/** What the machine refused is 2 but for these. */
const codesOfErrors: Readonly<Record<string, number>> = {
  'read-back': exitCodes.verificationFailed,
  'rolled-back': exitCodes.rolledBack,
  lockout: exitCodes.lockedOut,
  'display-undone': exitCodes.rolledBack,
  'display-drift': exitCodes.drift,
  'plan-outdated': exitCodes.drift,
};

function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return exitCodes.interrupted;
  if (error instanceof HostError) {
    tell(`bridgekeeper: ${error.message}`);
    return codesOfErrors[error.code] ?? exitCodes.refused;
  }
  const { code, exitCode } = error as { readonly code?: string; readonly exitCode?: number };
  if (code?.startsWith('commander.')) return exitCode === 0 ? exitCodes.fine : exitCodes.refused;
  throw error;
}
