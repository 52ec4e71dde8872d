// `completion`: a script that teaches a shell the commands, their options and the values that these can have.
import type { Command } from 'commander';
import { unreachable } from '../model/unreachable.ts';
import { bashCompletion } from './completion-bash.ts';
import { fishCompletion } from './completion-fish.ts';
import { completionTree } from './completion-tree.ts';
import { zshCompletion } from './completion-zsh.ts';
import { exitCodes } from './exit-codes.ts';
import type { Shell } from './options.ts';
import { print } from './output.ts';

export function completionScript(program: Command, shell: Shell): string {
  const tree = completionTree(program);
  switch (shell) {
    case 'bash':
      return bashCompletion(tree);
    case 'zsh':
      return zshCompletion(tree);
    case 'fish':
      return fishCompletion(tree);
    default:
      return unreachable(shell);
  }
}

export function completion(program: Command, shell: Shell): number {
  print(completionScript(program, shell));
  return exitCodes.fine;
}
