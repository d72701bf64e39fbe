/**
 * The scripts that complete command lines. They know the commands and their options; the keys of the application at hand they
 * ask for (`mirage completion words`), once for each state of its config.ts.
 */
import { TARGET_NAMES } from '@mirage-ts/config/targets'
import type { Command } from './command.ts'
import { COMMON } from './options.ts'

/** Options with few values, and those. */
const VALUES: Readonly<Record<string, readonly string[]>> = { target: TARGET_NAMES }

function optionsOf(command: Command): string {
  return Object.keys({ ...command.options, ...COMMON })
    .map((name) => `--${name}`)
    .join(' ')
}

/** Commands whose options the configure-time keys are too. */
function withKeys(commands: readonly Command[]): string {
  return commands
    .filter(({ options }) => 'target' in options)
    .map(({ name }) => name)
    .join('|')
}

/** What both shells do alike: `_mirage_ask` sets `_mirage_words` to the lines of `mirage completion words`. */
const ASK = `_mirage_ask() {
  local file=config.ts before= word
  for word in "$@"; do
    case "$before" in -f|--file) file="$word" ;; esac
    case "$word" in --file=*) file="\${word#--file=}" ;; esac
    before="$word"
  done
  local state
  state="$PWD $file $(stat -c '%Y %s' -- "$file" 2>/dev/null || stat -f '%m %z' -- "$file" 2>/dev/null)"
  if [ "$state" != "$_mirage_state" ]; then
    _mirage_state="$state"
    _mirage_words="$("$1" completion words --file="$file" 2>/dev/null)"
  fi
}
_mirage_state= _mirage_words=`

/** For bash: \`source <(mirage completion bash)\`. */
export function bashCompletion(commands: readonly Command[]): string {
  const cases = commands.map((command) => `    ${command.name}) options="${optionsOf(command)}" ;;`).join('\n')
  const values = Object.entries(VALUES).map(([name, words]) => `    --${name}) words="${words.join(' ')}" ;;`)
  return `# Completion of mirage for bash.
${ASK}
_mirage() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" command="\${COMP_WORDS[1]}"
  local words="" options="" stage=configure i kind name rest
  # bash takes --key=word for three words.
  [ "$current" = = ] && current=""
  [ "$before" = = ] && before="\${COMP_WORDS[COMP_CWORD-2]}"
  [ "$before" = -t ] && before=--target
  for ((i = 1; i < COMP_CWORD; i++)); do [ "\${COMP_WORDS[i]}" = -- ] && stage=boot; done
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${[...commands.map(({ name }) => name), 'help'].join(' ')}" -- "$current"))
    return
  fi
  if [ "$stage" = configure ]; then
    case "$before" in
${values.join('\n')}
    esac
    case "$command" in
${cases}
    esac
    [ -z "$words" ] && [ "\${current:0:1}" = - ] && words="$options"
  fi
  case "$command" in ${withKeys(commands)})
    _mirage_ask "\${COMP_WORDS[@]}"
    while read -r kind name rest; do
      [ "$kind" = "$stage" ] || continue
      # An option of the command may be called like a key.
      case " $options " in *" --$name "*) continue ;; esac
      if [ "--$name" = "$before" ]; then words="$rest"
      elif [ "\${current:0:1}" = - ]; then words="$words --$name"; fi
    done <<< "$_mirage_words"
  esac
  if [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -o filenames -F _mirage mirage`
}

/** For zsh, after compinit: \`source <(mirage completion zsh)\`. */
export function zshCompletion(commands: readonly Command[]): string {
  const names = commands.map(({ name, summary }) => `    '${name}:${summary.replaceAll("'", '')}'`).join('\n')
  const cases = commands.map((command) => `      ${command.name}) options=(${optionsOf(command)}) ;;`).join('\n')
  const values = Object.entries(VALUES).map(([name, words]) => `      --${name}) offered=(${words.join(' ')}) ;;`)
  return `#compdef mirage
# Completion of mirage for zsh.
${ASK}
_mirage() {
  local current="\${words[CURRENT]}" before="\${words[CURRENT-1]}" stage=configure kind name rest
  local -a commands options offered
  commands=(
${names}
    'help:show what a command does'
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  if [[ $current == --*=* ]]; then
    before="\${current%%=*}"
    compset -P '*='
    current="\${current#*=}"
  fi
  [[ $before == -t ]] && before=--target
  (( \${words[(I)--]} > 0 && \${words[(I)--]} < CURRENT )) && stage=boot
  if [[ $stage == configure ]]; then
    case $before in
${values.join('\n')}
    esac
    case \${words[2]} in
${cases}
    esac
    [[ $#offered -eq 0 && $current == -* ]] && offered=($options)
  fi
  case \${words[2]} in ${withKeys(commands)})
    _mirage_ask "\${words[@]}"
    while read -r kind name rest; do
      [[ $kind == $stage ]] || continue
      # An option of the command may be called like a key.
      (( \${options[(Ie)--$name]} > 0 )) && continue
      if [[ --$name == $before ]]; then offered=(\${=rest})
      elif [[ $current == -* ]]; then offered+=(--$name); fi
    done <<< "$_mirage_words"
  esac
  if (( $#offered > 0 )); then compadd -- $offered; else _files; fi
}
compdef _mirage mirage`
}
