import { TARGET_NAMES } from '@mirage-ts/config/targets'
import { parseArgs } from '@mirage-ts/core/boot-args'
import type { Command } from '../command.ts'
import { UsageError } from '../errors.ts'
import { COMMON } from '../options.ts'

/** `mirage completion`: the words of the command for a shell. */
export function createCompletion(commands: () => readonly Command[]): Command {
  return {
    name: 'completion',
    summary: 'print a script that completes commands and options in bash or zsh',
    details: `In bash: source <(mirage completion bash). In zsh, after compinit: source <(mirage completion zsh).`,
    argument: 'bash|zsh',
    options: {},
    async run({ words, output }) {
      const parsed = parseArgs(COMMON, words)
      const shell = parsed.tag === 'args' ? parsed.rest[0] : undefined
      if (shell === 'bash') output.print(bash(commands()))
      else if (shell === 'zsh') output.print(zsh(commands()))
      else throw new UsageError('Name the shell: mirage completion bash, or zsh')
      return 0
    },
  }
}

function optionsOf(command: Command): string {
  return Object.keys({ ...command.options, ...COMMON })
    .map((name) => `--${name}`)
    .join(' ')
}

function bash(commands: readonly Command[]): string {
  const cases = commands.map((command) => `      ${command.name}) words="${optionsOf(command)}" ;;`).join('\n')
  return `# Completion of mirage for bash.
_mirage() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="${[...commands.map(({ name }) => name), 'help'].join(' ')}"
  elif [ "$before" = -t ] || [ "$before" = --target ]; then
    words="${TARGET_NAMES.join(' ')}"
  elif [ "\${current:0:1}" = - ]; then
    case "\${COMP_WORDS[1]}" in
${cases}
    esac
  fi
  if [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -o filenames -F _mirage mirage`
}

function zsh(commands: readonly Command[]): string {
  const names = commands.map(({ name, summary }) => `    '${name}:${summary.replaceAll("'", '')}'`).join('\n')
  const cases = commands.map((command) => `    ${command.name}) compadd -- ${optionsOf(command)} ;;`).join('\n')
  return `#compdef mirage
# Completion of mirage for zsh.
_mirage() {
  local -a commands
  commands=(
${names}
    'help:show what a command does'
  )
  if (( CURRENT == 2 )); then
    _describe command commands
  elif [[ \${words[CURRENT-1]} == (-t|--target) ]]; then
    compadd ${TARGET_NAMES.join(' ')}
  elif [[ \${words[CURRENT]} == -* ]]; then
    case \${words[2]} in
${cases}
    esac
  else
    _files
  fi
}
compdef _mirage mirage`
}
