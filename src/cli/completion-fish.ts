// Completion for fish: a line for each command and each option, for where they can stand.
import { allBranches, type Branch, type CompletedOption, type Value } from './completion-tree.ts';

export function fishCompletion(tree: Branch): string {
  const branches = allBranches(tree);
  const paths = branches.flatMap(({ path }) => (path === '' ? [] : [quoted(path)]));
  const valued = branches.flatMap(({ path, options }) =>
    options.flatMap(({ names, value }) =>
      value === undefined ? [] : names.map((name) => quoted(`${path} ${name}`.trim())),
    ),
  );
  return `# Completion of bridgekeeper for fish, printed by \`bridgekeeper completion fish\`.

# The commands that were typed, without options and their values.
function __bridgekeeper_path
    set -l path
    set -l value 0
    for word in (commandline -opc)[2..]
        if test $value = 1
            set value 0
            continue
        end
        switch (string join ' ' -- $path $word)
            case ${paths.join(' ')}
                set -a path $word
            case ${valued.join(' ')}
                set value 1
        end
    end
    string join ' ' -- $path
end

function __bridgekeeper_at
    test "$(__bridgekeeper_path)" = "$argv[1]"
end

complete -c bridgekeeper -f
${branches.flatMap(linesOf).join('\n')}
`;
}

function linesOf({ path, commands, options, args }: Branch): readonly string[] {
  const here = `complete -c bridgekeeper -n ${quoted(`__bridgekeeper_at ${quoted(path)}`)}`;
  return [
    ...commands.map(({ name, description }) => `${here} -a ${name} -d ${quoted(description)}`),
    ...options.map((option) => `${here}${optionWords(option)} -d ${quoted(option.description)}`),
    ...args.flatMap(({ value }) => argumentWords(value).map((words) => `${here} ${words}`)),
  ];
}

function optionWords({ names, value }: CompletedOption): string {
  const forms = names.map((name) => (name.startsWith('--') ? ` -l ${name.slice(2)}` : ` -s ${name.slice(1)}`));
  return forms.join('') + (value === undefined ? '' : ` ${valueWords(value)}`);
}

/** -r: a value is needed, -x: and it is no file, -F: it is one. */
function valueWords(value: Value): string {
  switch (value.kind) {
    case 'words':
      return `-x -a ${quoted(value.words.join(' '))}`;
    case 'file':
      return '-r -F';
    case 'directory':
      return "-x -a '(__fish_complete_directories)'";
    case 'other':
      return '-x';
  }
}

function argumentWords(value: Value): readonly string[] {
  switch (value.kind) {
    case 'words':
      return [`-a ${quoted(value.words.join(' '))}`];
    case 'file':
      return ['-F', ...(value.words.length === 0 ? [] : [`-a ${quoted(value.words.join(' '))}`])];
    case 'directory':
      return ["-a '(__fish_complete_directories)'"];
    case 'other':
      return [];
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll(/['\\]/g, '\\$&')}'`;
}
