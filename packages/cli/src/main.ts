/** The `mirage` command: finds the command asked for, runs it, and shows what went wrong in a sentence. */
import { helpText } from '@mirage-ts/core/boot-args'
import type { Command } from './command.ts'
import { build } from './commands/build.ts'
import { clean } from './commands/clean.ts'
import { createCompletion } from './commands/completion.ts'
import { configure } from './commands/configure.ts'
import { describe } from './commands/describe.ts'
import { dev } from './commands/dev.ts'
import { disk } from './commands/disk.ts'
import { doctor } from './commands/doctor.ts'
import { init } from './commands/init.ts'
import { inspect } from './commands/inspect.ts'
import { query } from './commands/query.ts'
import { run } from './commands/run.ts'
import { symbolize } from './commands/symbolize.ts'
import { UserError } from './errors.ts'
import { COMMON, peek, splitWords, unknownCommand } from './options.ts'
import { createOutput, PROCESS_STREAMS, type Streams } from './output.ts'

const COMMANDS: readonly Command[] = [
  init,
  configure,
  build,
  run,
  dev,
  describe,
  query,
  inspect,
  symbolize,
  disk,
  doctor,
  clean,
  createCompletion(() => COMMANDS),
]

/** Runs a command line and returns the exit status: 0 done, 1 failed, 2 wrong command line. */
export async function mirage(argv: readonly string[], streams: Streams = PROCESS_STREAMS): Promise<number> {
  const { own, boot } = splitWords(argv)
  const isVerbose = own.includes('-v') || own.includes('--verbose')
  const output = createOutput(streams, { isVerbose, isQuiet: own.includes('-q') || own.includes('--quiet') })
  try {
    const [name, ...words] = own
    if (name === undefined || name === 'help' || name === '--help' || name === '-h')
      return help(
        words.find((word) => !word.startsWith('-')),
        streams,
      )
    const command = COMMANDS.find((candidate) => candidate.name === name)
    if (command === undefined) throw unknownCommand(name, [...COMMANDS.map((known) => known.name), 'help'])
    if (words.includes('--help') || words.includes('-h')) return help(name, streams)
    return await command.run({
      words,
      boot,
      file: peek(words, 'file', 'f') ?? 'config.ts',
      isDryRun: words.includes('--dry-run'),
      output,
    })
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    streams.error(`${error.message}\n`)
    if (isVerbose && error.cause instanceof Error) streams.error(`${error.cause.stack}\n`)
    return error.status
  }
}

function help(name: string | undefined, streams: Streams): number {
  const command = COMMANDS.find((candidate) => candidate.name === name)
  if (command !== undefined) {
    const { summary, details, argument, options } = command
    const usage = argument === undefined ? command.name : `${command.name} ${argument}`
    const keys = 'target' in options ? 'The configure-time keys of config.ts are options too.\n' : ''
    streams.out(`mirage ${usage}: ${summary}\n\n${details}\n${keys}\n${helpText({ ...options, ...COMMON })}`)
    return 0
  }
  if (name !== undefined)
    throw unknownCommand(
      name,
      COMMANDS.map((known) => known.name),
    )
  const list = COMMANDS.map((known) => `  ${known.name.padEnd(10)}  ${known.summary}\n`).join('')
  streams.out(`mirage: build a unikernel from TypeScript

USAGE
  mirage COMMAND [options] [-- arguments of the unikernel]

COMMANDS
${list}  ${'help'.padEnd(10)}  show this, or with the name of a command what it does and its options

EXIT STATUS
  0  done
  1  it failed: the message says where and why
  2  the command line is wrong
  mirage run ends with the status of the unikernel.
`)
  return 0
}
