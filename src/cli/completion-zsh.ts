// Completion for zsh: a function for each command, for _arguments (zshcompsys(1)).
import {
  allBranches,
  type Branch,
  type CompletedArgument,
  type CompletedOption,
  type Value,
} from './completion-tree.ts';

export function zshCompletion(tree: Branch): string {
  return `#compdef bridgekeeper
# Completion of bridgekeeper for zsh, printed by \`bridgekeeper completion zsh\`.

${allBranches(tree).map(functionOf).join('\n\n')}

if [[ $funcstack[1] == _bridgekeeper ]]; then
  _bridgekeeper "$@"
else
  compdef _bridgekeeper bridgekeeper
fi
`;
}

function functionName(path: string): string {
  return ['_bridgekeeper', ...path.split(' ').filter((word) => word !== '')].join('_').replaceAll('-', '_');
}

function functionOf(branch: Branch): string {
  const { path, options, args, commands } = branch;
  const specs = options.map(optionSpec);
  if (commands.length === 0)
    return functionWith(path, argumentsCall('_arguments', [...specs, ...args.map(argumentSpec)]));
  return functionWith(
    path,
    `  local curcontext=$curcontext state line
  typeset -A opt_args
${argumentsCall('_arguments -C', [...specs, "'1: :->command'", "'*:: :->rest'"])}
  case $state in
    command)
      local -a commands=(
${commands.map(({ name, description }) => `        ${quoted(`${name}:${description}`)}`).join('\n')}
      )
      _describe -t commands command commands
      ;;
    rest)
      case $words[1] in
${commands.map(({ name, path: inner }) => `        ${name}) ${functionName(inner)} ;;`).join('\n')}
      esac
      ;;
  esac`,
  );
}

function functionWith(path: string, body: string): string {
  return `${functionName(path)}() {\n${body}\n}`;
}

function argumentsCall(call: string, specs: readonly string[]): string {
  return [`  ${call}`, ...specs.map((spec) => `    ${spec}`)].join(' \\\n');
}

function optionSpec({ names, description, value, placeholder, isRepeated }: CompletedOption): string {
  const end = `[${inSpec(description)}]${value === undefined ? '' : `:${inSpec(placeholder)}:${actionOf(value)}`}`;
  const forms = names.map((name) => (value === undefined ? name : `${name}${name.startsWith('--') ? '=' : '+'}`));
  if (isRepeated) return forms.length === 1 ? quoted(`*${forms[0]}${end}`) : `'*'{${forms.join(',')}}${quoted(end)}`;
  return forms.length === 1
    ? quoted(`${forms[0]}${end}`)
    : `${quoted(`(${names.join(' ')})`)}{${forms.join(',')}}${quoted(end)}`;
}

function argumentSpec({ name, value, isVariadic }: CompletedArgument, index: number): string {
  // a message about one that nobody can know would keep zsh from completing an option in its place
  const action = value.kind === 'other' ? '{:}' : actionOf(value);
  return quoted(`${isVariadic ? '*' : index + 1}:${inSpec(name)}:${action}`);
}

function actionOf(value: Value): string {
  switch (value.kind) {
    case 'words':
      return `(${value.words.join(' ')})`;
    case 'file':
      return value.words.length === 0
        ? '_files'
        : `_alternative "words:word:(${value.words.join(' ')})" "files:file:_files"`;
    case 'directory':
      return '_files -/';
    case 'other':
      return ' ';
  }
}

/** Signs that mean something in a spec. */
function inSpec(text: string): string {
  return text.replaceAll(/[\\:[\]]/g, '\\$&');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
