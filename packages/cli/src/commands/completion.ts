import { declaredKeys } from '@mirage-ts/config/graph'
import { parseArgs } from '@mirage-ts/core/boot-args'
import type { Command } from '../command.ts'
import { bashCompletion, zshCompletion } from '../completion-scripts.ts'
import { UsageError } from '../errors.ts'
import { COMMON } from '../options.ts'
import { loadUnikernel, openProject } from '../project.ts'

/** `mirage completion`: the words of the command for a shell. */
export function createCompletion(commands: () => readonly Command[]): Command {
  return {
    name: 'completion',
    summary: 'print a script that completes commands, options and keys in bash or zsh',
    details: `In bash: source <(mirage completion bash). In zsh, after compinit: source <(mirage completion zsh). The script asks for
the keys of the config.ts at hand, with mirage completion words, when it has changed.`,
    argument: 'bash|zsh|words',
    options: {},
    async run({ words, file, output }) {
      const parsed = parseArgs(COMMON, words)
      const wanted = parsed.tag === 'args' ? parsed.rest[0] : undefined
      if (wanted === 'bash') output.print(bashCompletion(commands()))
      else if (wanted === 'zsh') output.print(zshCompletion(commands()))
      else if (wanted === 'words') output.print(await keyWords(file))
      else throw new UsageError('Name the shell: mirage completion bash, or zsh')
      return 0
    },
  }
}

/** A line for each key: its stage, its name, and the words that it takes, if they are few. */
async function keyWords(file: string): Promise<string> {
  const { unikernel } = await loadUnikernel(openProject(file))
  const { configure, boot } = declaredKeys(unikernel)
  const lines = [...configure].flatMap(({ name, words, shorthands }) => [
    ['configure', name, ...words],
    ...[...shorthands.keys()].map((flag) => ['configure', flag]),
  ])
  lines.push(...[...boot].map(({ name }) => ['boot', name]))
  return [...new Set(lines.map((line) => line.join(' ')))].join('\n')
}
