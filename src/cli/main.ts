// The commands, their options, and the one place where what the machine refused becomes a message and an exit code.
import { Command, InvalidArgumentError, Option } from 'commander';
import { HostError } from '../model/host-error.ts';
import { check } from './check.ts';
import { exitCodes } from './exit-codes.ts';
import { init } from './init.ts';
import { Interrupted, lab } from './lab.ts';
import { tell } from './output.ts';
import { ruleFormats, rules } from './rules.ts';
import { simulate } from './simulate.ts';
import { snapshot } from './snapshot.ts';

const outputOption = (): Option =>
  new Option('-o, --output <format>', 'how to print').choices(['text', 'json']).default('text');

const backendOption = (choices: readonly string[], chosen: string): Option =>
  new Option('--backend <name>', 'whose rules').choices(choices).default(chosen);

const arpOption = (): Option =>
  new Option('--arp-checks <state>', 'bind ARP to ports (nft only)').choices(['on', 'off']);

/** A command about a host and a policy. */
function about(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .argument('[directory]', 'holds host.yaml and policy.yaml; without it: this machine and /etc/bridgekeeper')
    .option('--host <file>', 'host facts, as `snapshot` writes them (- for standard input)')
    .option('--policy <file>', 'the policy (- for standard input)')
    .addOption(outputOption());
}

function makeProgram(run: (exitCode: Promise<number>) => Promise<void>): Command {
  const program = new Command('bridgekeeper')
    .description('Keeps the guests of a virtualization host from impersonating each other.')
    .version('0.1.0')
    .showSuggestionAfterError()
    .exitOverride();
  about(program, 'check', 'name every fault of policy and host').action((directory, options) =>
    run(check(directory, options)),
  );
  program
    .command('init')
    .description('write a first policy for this machine, with comments')
    .option('--host <file>', 'for the host of this file instead (- for standard input)')
    .option('--write <file>', 'into this file, if there is none yet, instead of printing it')
    .addOption(outputOption())
    .action((options) => run(init(options)));
  program
    .command('snapshot')
    .description("write this machine's bridges, ports, links, addresses and guests as host.yaml")
    .option('--agent <guest>', "also ask this guest's agent for its addresses; may be given several times", words)
    .addOption(outputOption())
    .action((options) => run(snapshot(options)));
  about(program, 'rules', 'print the numbered rules')
    .addOption(new Option('--format <format>', 'table, or the text for a tool').choices(ruleFormats).default('table'))
    .addOption(arpOption().default('on'))
    .option('--numbers <file>', 'keep the rule numbers in this file')
    .action((directory, options) => run(rules(directory, options)));
  about(program, 'simulate', "show one packet's way, or an attack, without touching anything")
    .option('--from <machine>', 'who sends')
    .option('--to <machine>', 'to whom: a machine or an address')
    .option('--icmp', 'a ping (the default)')
    .option('--tcp <port>', 'a TCP connection', portNumber)
    .option('--udp <port>', 'a UDP datagram', portNumber)
    .option('--attack <number>', 'an attack by ARP spoofing', wholeNumber)
    .addOption(backendOption(['nft', 'iptables'], 'nft'))
    .addOption(arpOption().default('off'))
    .action((directory, options) => run(simulate(directory, options)));
  about(program, 'lab', 'build the host in network namespaces and attack it on the real kernel')
    .addOption(backendOption(['nft', 'iptables', 'both'], 'nft'))
    .addOption(arpOption())
    .option('--without <number>', 'leave this rule out of what is loaded', wholeNumber)
    .option('--attack <number>', 'only this attack; may be given several times', numbers)
    .option('--no-flows', 'do not try the connections that the policy speaks of')
    .option('--rules', 'print the numbered rules first')
    .action((directory, options) => run(lab(directory, options)));
  return program;
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('a whole number is wanted');
  return Number(text);
}

function portNumber(text: string): number {
  const port = wholeNumber(text);
  if (port < 1 || port > 65_535) throw new InvalidArgumentError('ports go from 1 to 65535');
  return port;
}

function words(text: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, text];
}

function numbers(text: string, earlier: readonly number[] = []): readonly number[] {
  return [...earlier, wholeNumber(text)];
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

function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return exitCodes.interrupted;
  if (error instanceof HostError) {
    tell(`bridgekeeper: ${error.message}`);
    return exitCodes.refused;
  }
  const { code, exitCode } = error as { readonly code?: string; readonly exitCode?: number };
  if (code?.startsWith('commander.')) return exitCode === 0 ? exitCodes.fine : exitCodes.refused;
  throw error;
}
