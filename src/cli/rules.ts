// `rules`: the numbered list, as a table or for either back end.
import { printIptablesSave, printIptablesScript } from '../iptables/print.ts';
import type { Entry } from '../model/rule-list.ts';
import { printNft } from '../nft/print.ts';
import { exitCodes } from './exit-codes.ts';
import { type InputOptions, readInputs, tellFaults } from './input.ts';
import { type ArpChecks, type Compiled, compileInputs, lower } from './lowering.ts';
import { readNumbers, writeNumbers } from './numbers-file.ts';
import type { ruleFormats } from './options.ts';
import { type Format, print, printJson } from './output.ts';
import { ruleTable } from './rule-table.ts';

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
  if (options.output === 'json') printJson('rules', { entries: compiled.value.list.entries.map(plainEntry) });
  else print(printed(compiled.value, options));
  return failed ? exitCodes.faults : exitCodes.fine;
}

/** What the rule says; what a back end may ask instead is no part of it. */
function plainEntry(entry: Entry): object {
  if (entry.kind === 'heading') return entry;
  const { check } = entry;
  switch (check.kind) {
    case 'new-flows': {
      const flows = check.flows.map(({ source, destination, service }) => ({ source, destination, service }));
      return { ...entry, check: { ...check, flows } };
    }
    case 'datagrams': {
      const { whole: _instead, ...plain } = check;
      return { ...entry, check: plain };
    }
    default:
      return entry;
  }
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
