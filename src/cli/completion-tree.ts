// The commands as commander knows them -> what a shell's completion has to know of them.
import type { Argument, Command, Option } from 'commander';

export type Value =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  /** A file, or one of some words that stand for something else. */
  | { readonly kind: 'file'; readonly words: readonly string[] }
  | { readonly kind: 'directory' }
  /** What no shell can know. */
  | { readonly kind: 'other' };

export type CompletedOption = {
  /** `-o`, `--output`. */
  readonly names: readonly string[];
  readonly description: string;
  /** Undefined where it takes none, or may stand without one. */
  readonly value?: Value;
  /** What its value is called. */
  readonly placeholder: string;
  readonly isRepeated: boolean;
};

export type CompletedArgument = {
  readonly name: string;
  readonly value: Value;
  readonly isVariadic: boolean;
};

export type Branch = {
  /** What is typed before, as `display set`; '' is the program alone. */
  readonly path: string;
  readonly name: string;
  readonly description: string;
  readonly options: readonly CompletedOption[];
  readonly args: readonly CompletedArgument[];
  readonly commands: readonly Branch[];
};

/** A word that needs no quotes in any shell: nothing else is completed. */
const plain = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

export function completionTree(program: Command): Branch {
  return branchOf(program, '');
}

/** All of them, those before their parts. */
export function allBranches(branch: Branch): readonly Branch[] {
  return [branch, ...branch.commands.flatMap(allBranches)];
}

function branchOf(command: Command, path: string): Branch {
  const help = command.createHelp();
  const commands = help.visibleCommands(command);
  const names = commands.map((one) => one.name());
  return {
    path,
    name: command.name(),
    description: command.description(),
    options: help.visibleOptions(command).map(optionOf),
    args: help.visibleArguments(command).map(argumentOf),
    commands: commands.map((one) => {
      const branch = branchOf(one, `${path} ${one.name()}`.trim());
      if (one.name() !== 'help') return branch;
      // commander makes it, and does not say what its argument can be
      return { ...branch, args: [{ name: 'command', value: wordsOf(names), isVariadic: false }] };
    }),
  };
}

function wordsOf(words: readonly string[]): Value {
  return { kind: 'words', words: words.filter((word) => plain.test(word)) };
}

function optionOf(option: Option): CompletedOption {
  const { short, long, description, required, argChoices, flags } = option;
  const placeholder = /[<[]([^\]>]+)/.exec(flags)?.[1] ?? '';
  return {
    names: [short, long].filter((name) => name !== undefined),
    description,
    ...(required && { value: argChoices === undefined ? valueCalled(placeholder) : wordsOf(argChoices) }),
    placeholder,
    isRepeated: /several times/.test(description),
  };
}

function argumentOf(argument: Argument): CompletedArgument {
  const { argChoices, variadic } = argument;
  const name = argument.name();
  return {
    name,
    value: argChoices === undefined ? valueCalled(name) : wordsOf(argChoices),
    isVariadic: variadic,
  };
}

function valueCalled(placeholder: string): Value {
  switch (placeholder) {
    case 'file':
    case 'plan':
      return { kind: 'file', words: [] };
    case 'source':
      return { kind: 'file', words: ['kmsg', 'dmesg', 'journal'] };
    case 'directory':
      return { kind: 'directory' };
    default:
      return { kind: 'other' };
  }
}
