// The commands about the kernel's firewall log.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Happening } from '../follow/happening.ts';
import {
  about,
  numbersOption,
  outputOption,
  portNumber,
  type Run,
  verdicts,
  wholeNumber,
  withFacts,
} from './options.ts';

const loadedNumbers = 'where `rules` keeps the numbers of the rules that are loaded';

export function addLogCommands(program: Command, run: Run): void {
  addWatch(program, run);
  addEvents(program, run);
  addExplain(program, run);
}

const stateOption = (): Option =>
  new Option('--state <directory>', 'where events are kept ($BRIDGEKEEPER_STATE, else /var/lib/bridgekeeper)');

const accessOption = (): Option =>
  new Option('--access <way>', 'ssh:HOST: of another machine, where nothing is installed');

function addWatch(program: Command, run: Run): void {
  const command = program
    .command('watch')
    .description('show every firewall line once, from all sources that work here, and keep it')
    .argument('[source...]', 'kmsg, dmesg, journal, FILE, ulogd:FILE, ssh:HOST or - for standard input');
  withFacts(command)
    .addOption(numbersOption(loadedNumbers))
    .addOption(stateOption())
    .addOption(accessOption())
    .option('--store', 'keep also what comes by standard input')
    .option('--no-store', 'keep nothing')
    .addOption(outputOption())
    .action((sources, options) => run(import('./watch.ts').then(({ watch }) => watch(sources, options))));
}

/** Each kind of what `serve` records. */
const recorded: Readonly<Record<Happening['kind'], true>> = {
  drift: true,
  port: true,
  fault: true,
  policy: true,
  generation: true,
  trouble: true,
  following: true,
  ended: true,
};

const kindOption = (): Option => {
  const kinds = ['event', 'gap', ...Object.keys(recorded)];
  return new Option('--kind <kind>', 'of this kind, as `serve` records them; may be given several times')
    .choices(kinds)
    .argParser((kind: string, earlier: readonly string[] = []): readonly string[] => {
      if (!kinds.includes(kind)) throw new InvalidArgumentError(`Allowed choices are ${kinds.join(', ')}.`);
      return [...earlier, kind];
    });
};

function addEvents(program: Command, run: Run): void {
  about(program, 'events', 'show what was kept of the firewall log, and what `serve` recorded', ['text', 'json', 'csv'])
    .addOption(numbersOption(loadedNumbers))
    .addOption(stateOption())
    .option('--since <time>', '30m, 2h, 7d, today, yesterday, a date, or a date and a time')
    .option('--until <time>', 'as --since')
    .option('--rule <number>', 'of this rule', wholeNumber)
    .option('--port <name>', 'in or out by this bridge port or interface')
    .option('--guest <name>', 'at the port of this guest, or from or to its addresses')
    .option('--address <address>', 'from or to this address or prefix')
    .addOption(new Option('--verdict <verdict>', 'of this verdict').choices(verdicts))
    .option('--prefix <text>', 'with this prefix')
    .option('--dport <port>', 'to this port', portNumber)
    .addOption(kindOption())
    .option('--follow', 'go on with what comes')
    .option('--stats', 'totals by rule, source and target port')
    .action((directory, options) => run(import('./events.ts').then(({ events }) => events(directory, options))));
}

function addExplain(program: Command, run: Run): void {
  const command = program
    .command('explain')
    .description('say in plain sentences what a line of the firewall log means')
    .usage('[options] [directory] [line...]')
    .argument('[line...]', 'from any source; without one they come by standard input');
  withFacts(command)
    .addOption(numbersOption(loadedNumbers))
    .addOption(outputOption())
    .action((words, options) => run(import('./explain.ts').then(({ explain }) => explain(words, options))));
}
