// `rules`: the numbered list, as a table or for either back end.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import type { Numbering } from '../compile/numbers.ts';
import { printIptablesSave, printIptablesScript } from '../iptables/print.ts';
import { HostError } from '../model/host-error.ts';
import { printNft } from '../nft/print.ts';
import { exitCodes } from './exit-codes.ts';
import { type InputOptions, readInputs, tellFaults } from './input.ts';
import { type ArpChecks, type Compiled, compileInputs, lower } from './lowering.ts';
import { type Format, print, printJson } from './output.ts';
import { ruleTable } from './rule-table.ts';

export const ruleFormats = ['table', 'iptables-save', 'iptables-script', 'nft'] as const;

export type RulesOptions = InputOptions & {
  readonly format: (typeof ruleFormats)[number];
  readonly arpChecks: ArpChecks;
  readonly numbers?: string;
  readonly output: Format;
};

export async function rules(directory: string | undefined, options: RulesOptions): Promise<number> {
  const inputs = await readInputs(directory, options);
  const compiled = compileInputs(inputs, options.numbers === undefined ? {} : readNumbers(options.numbers));
  const failed = tellFaults(compiled.diagnostics);
  if (compiled.value === undefined) return exitCodes.faults;
  if (options.numbers !== undefined) writeNumbers(options.numbers, compiled.value.numbering);
  if (options.output === 'json') printJson('rules', { entries: compiled.value.list.entries });
  else print(printed(compiled.value, options));
  return failed ? exitCodes.faults : exitCodes.fine;
}

function printed({ list }: Compiled, { format, arpChecks }: RulesOptions): string {
  switch (format) {
    case 'table':
      return ruleTable(list);
    case 'iptables-save':
      return printIptablesSave(lower(list, 'iptables', arpChecks));
    case 'iptables-script':
      return printIptablesScript(lower(list, 'iptables', arpChecks));
    case 'nft':
      return printNft(lower(list, 'nft', arpChecks));
  }
}

const numbersFile = z
  .record(z.string(), z.int().positive())
  .refine((numbers) => new Set(Object.values(numbers)).size === Object.keys(numbers).length, 'a number is given twice');

/** A file that is not there yet begins a numbering; one that cannot be read must not be replaced by a new one. */
function readNumbers(file: string): Numbering {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new HostError('unreadable', `cannot read ${file}: ${(cause as Error).message}`, cause);
  }
  try {
    return numbersFile.parse(JSON.parse(text));
  } catch (cause) {
    throw new HostError('unreadable', `${file} holds no rule numbers; move it away to number the rules anew`, cause);
  }
}

function writeNumbers(file: string, numbering: Numbering): void {
  try {
    writeFileSync(`${file}.new`, `${JSON.stringify(numbering, undefined, 2)}\n`, { flush: true });
    renameSync(`${file}.new`, file);
  } catch (cause) {
    throw new HostError('unwritable', `cannot write ${file}: ${(cause as Error).message}`, cause);
  }
}
