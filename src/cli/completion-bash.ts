// Completion for bash, without any help of other files. Where files are meant readline completes, which knows quotes and ~.
import { allBranches, type Branch, type CompletedOption, type Value } from './completion-tree.ts';

export function bashCompletion(tree: Branch): string {
  const branches = allBranches(tree);
  return `# Completion of bridgekeeper for bash, printed by \`bridgekeeper completion bash\`.
_bridgekeeper() {
  local cur=\${COMP_WORDS[COMP_CWORD]} path='' option='' word index place=0
  local commands options valued kind words
  COMPREPLY=()
  _bridgekeeper_at ''
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    if [[ -n $option ]]; then
      # bash takes the = of --option=value for a word
      [[ $word == = ]] || option=''
    elif [[ $valued == *" $word "* ]]; then
      option=$word
    elif [[ $word != -* && " $commands " == *" $word "* ]]; then
      path="\${path:+$path }$word"
      place=0
      _bridgekeeper_at "$path"
    elif [[ $word != -* ]]; then
      ((place++))
    fi
  done
  [[ -z $option || $cur != = ]] || cur=''
  if [[ -n $option ]]; then
    _bridgekeeper_value "$path" "$option"
  elif [[ $cur == -* ]]; then
    kind=words words=$options
  elif [[ -n $commands ]]; then
    kind=words words=$commands
  else
    _bridgekeeper_argument "$path" "$place"
  fi
  if [[ -n $words ]]; then mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur"); fi
  # nothing found: readline completes it
  case $kind in
    file) compopt -o default 2>/dev/null ;;
    directory) compopt -o dirnames 2>/dev/null ;;
  esac
}

_bridgekeeper_at() {
  commands='' options='' valued=' '
  case $1 in
${branches.map(placeCase).join('\n')}
  esac
}

_bridgekeeper_value() {
  kind='' words=''
  case "$1 $2" in
${branches.flatMap((branch) => branch.options.flatMap((option) => valueCase(branch, option))).join('\n')}
  esac
}

_bridgekeeper_argument() {
  kind='' words=''
  case "$1 $2" in
${branches.flatMap(argumentCases).join('\n')}
  esac
}

complete -F _bridgekeeper bridgekeeper
`;
}

function placeCase({ path, commands, options }: Branch): string {
  const valued = options.filter(({ value }) => value !== undefined);
  return `    '${path}')
      commands='${commands.map(({ name }) => name).join(' ')}'
      options='${namesOf(options)}'
      valued=' ${namesOf(valued)} '
      ;;`;
}

function namesOf(options: readonly CompletedOption[]): string {
  return options.flatMap(({ names }) => names).join(' ');
}

function valueCase({ path }: Branch, { names, value }: CompletedOption): readonly string[] {
  if (value === undefined || value.kind === 'other') return [];
  return [`    ${names.map((name) => `'${path} ${name}'`).join(' | ')}) ${settings(value)} ;;`];
}

function argumentCases({ path, args }: Branch): readonly string[] {
  return args.flatMap(({ value, isVariadic }, index) => {
    if (value.kind === 'other') return [];
    return [`    '${path} '${isVariadic ? '*' : index}) ${settings(value)} ;;`];
  });
}

function settings(value: Exclude<Value, { kind: 'other' }>): string {
  const words = value.kind === 'directory' ? '' : value.words.join(' ');
  return `kind=${value.kind} words='${words}'`;
}
