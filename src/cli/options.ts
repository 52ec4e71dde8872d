// Options that several commands share, and the numbers that they take.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { LogAction } from '../model/log-event.ts';

/** Runs a command, and keeps its exit code. */
export type Run = (exitCode: Promise<number>) => Promise<void>;

export const ruleFormats = ['table', 'iptables-save', 'iptables-script', 'nft'] as const;

export const shells = ['bash', 'zsh', 'fish'] as const;

export type Shell = (typeof shells)[number];

export const verdicts: readonly LogAction[] = ['deny', 'accept', 'limit', 'audit', 'reject', 'unknown'];

export const outputOption = (choices: readonly string[] = ['text', 'json']): Option =>
  new Option('-o, --output <format>', 'how to print').choices(choices).default('text');

export const numbersOption = (description: string): Option => new Option('--numbers <file>', description);

export const backendOption = (choices: readonly string[], chosen: string): Option =>
  new Option('--backend <name>', 'whose rules').choices(choices).default(chosen);

export const arpOption = (): Option =>
  new Option('--arp-checks <state>', 'bind ARP to ports (nft only)').choices(['on', 'off']);

const directoryArgument = 'holds host.yaml and policy.yaml; without it: this machine and /etc/bridgekeeper';

/** A command about a host and a policy. */
export function about(program: Command, name: string, description: string, formats?: readonly string[]): Command {
  const command = program.command(name).description(description).argument('[directory]', directoryArgument);
  return withFacts(command).addOption(outputOption(formats));
}

/** Where host and policy are, for commands whose arguments are something else. */
export function withFacts(command: Command): Command {
  return command
    .option('--host <file>', 'host facts, as `snapshot` writes them (- for standard input)')
    .option('--policy <file>', 'the policy (- for standard input)');
}

export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('a whole number is wanted');
  return Number(text);
}

export function portNumber(text: string): number {
  const port = wholeNumber(text);
  if (port < 1 || port > 65_535) throw new InvalidArgumentError('ports go from 1 to 65535');
  return port;
}

export function numbers(text: string, earlier: readonly number[] = []): readonly number[] {
  return [...earlier, wholeNumber(text)];
}

export function words(text: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, text];
}
