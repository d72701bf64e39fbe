/** The options of the command line, and which command has which. */
import type { Unikernel } from '@mirage-ts/config'
import { type DeclaredKeys, declaredKeys } from '@mirage-ts/config/graph'
import { TARGET_NAMES } from '@mirage-ts/config/targets'
import { type ArgKeys, bool, int, listOf, oneOf, parseArgs, string } from '@mirage-ts/core/boot-args'
import { nearest } from '@mirage-ts/core/suggest'
import { UsageError } from './errors.ts'

/** Options of every command. */
export const COMMON: ArgKeys = {
  file: { type: string, short: 'f', default: 'config.ts', doc: 'the configuration', section: 'COMMON OPTIONS' },
  verbose: { type: bool, short: 'v', default: 'false', doc: 'show each step and its time', section: 'COMMON OPTIONS' },
  quiet: { type: bool, short: 'q', default: 'false', doc: 'show errors only', section: 'COMMON OPTIONS' },
}

/** Of the commands that change files. */
export const DRY_RUN: ArgKeys = {
  'dry-run': { type: bool, default: 'false', doc: 'say which files would be written or removed, and do nothing' },
}

/** Of the commands whose output is data. */
export const JSON_OPTION: ArgKeys = {
  json: { type: bool, default: 'false', doc: 'print JSON' },
}

/** The choice of a target, of every command that has one. */
export const TARGET: ArgKeys = {
  target: { type: oneOf(...TARGET_NAMES), short: 't', doc: 'what to build for; remembered, at first unix' },
}

/** Options of `mirage run`. */
export const RUN: ArgKeys = {
  net: {
    type: listOf(string),
    doc: 'attach a network: NAME=tap:INTERFACE or NAME=stream:SOCKET; without NAME= the first one',
  },
  block: { type: listOf(string), doc: 'attach a block device: NAME=FILE; without NAME= the first one' },
  port: {
    type: listOf(string),
    doc: 'virtio: forward a TCP port of this machine to the unikernel, as in 8080:80 or NAME=8080:53/udp',
  },
  mem: { type: int, default: '32', doc: 'virtio and spt: memory in MiB' },
  machine: {
    type: oneOf('microvm', 'q35'),
    default: 'microvm',
    doc: 'virtio: the machine that QEMU is: microvm, which starts fastest, or q35, a PC with PCI',
  },
  kvm: { type: bool, default: 'false', doc: 'virtio: run on the processor itself, through /dev/kvm' },
  restart: { type: bool, default: 'false', doc: 'start the unikernel again when it asks for that, instead of ending' },
}

/** The words before `--`, which are the command's, and those after it, which are the unikernel's. */
export function splitWords(words: readonly string[]): { readonly own: string[]; readonly boot: string[] } {
  const at = words.indexOf('--')
  return at < 0 ? { own: [...words], boot: [] } : { own: words.slice(0, at), boot: words.slice(at + 1) }
}

/** The value of one option, read before the others are known. */
export function peek(words: readonly string[], name: string, short: string): string | undefined {
  for (const [i, word] of words.entries()) {
    if (word === `--${name}` || word === `-${short}`) return words[i + 1]
    for (const head of [`--${name}=`, `-${short}=`]) if (word.startsWith(head)) return word.slice(head.length)
  }
  return undefined
}

/** What was given on a command line. */
export interface Given {
  /** Parsed options by name. */
  readonly values: Readonly<Record<string, unknown>>
  /** Words of configure-time keys. */
  readonly words: ReadonlyMap<string, string>
  /** Words that are no options. */
  readonly rest: readonly string[]
}

/**
 * Reads `words` as the options of a command, `known`, and the configure-time keys of `unikernel`, and up to `restCount`
 * words beside them.
 */
export function readOptions(words: readonly string[], known: ArgKeys, unikernel: Unikernel, restCount: number): Given {
  const { configure, boot } = declaredKeys(unikernel)
  const choices: Record<string, ArgKeys[string]> = {}
  for (const key of configure) {
    // Which of its words are possible is for the graph to say; a flag may stand alone.
    const { alone } = key.type.arg
    const type = alone === undefined ? string : { ...string, alone }
    if (!Object.hasOwn(known, key.name)) choices[key.name] = { type, doc: key.doc }
    for (const flag of key.shorthands.keys()) choices[flag] = { type: bool, doc: key.doc }
  }
  const parsed = parseArgs({ ...COMMON, ...known, ...choices }, words)
  if (parsed.tag === 'help') throw new UsageError('Ask for help with: mirage help COMMAND')
  if (parsed.tag === 'error') throw new UsageError(`${parsed.message}${bootHint(words, boot)}`)
  if (parsed.rest.length > restCount) throw new UsageError(`Unexpected argument ${parsed.rest[restCount]}`)
  const values: Record<string, unknown> = parsed.args
  const given = new Map<string, string>()
  for (const { name, shorthands } of configure) {
    // An option of the command may be called like a key, as --net of mirage run is.
    const word = Object.hasOwn(choices, name) || name === 'target' ? values[name] : undefined
    if (typeof word === 'string') given.set(name, word)
    for (const [flag, meant] of shorthands) {
      if (values[flag] !== true) continue
      if ((given.get(name) ?? meant) !== meant) {
        throw new UsageError(`Cannot choose --${flag} and --${name} ${given.get(name)}: give one of them`)
      }
      given.set(name, meant)
    }
  }
  return { values, words: given, rest: parsed.rest }
}

/** A boot argument in front of `--` is a common slip. */
function bootHint(words: readonly string[], keys: DeclaredKeys['boot']): string {
  const given = words.map((word) => word.replace(/^--/, '').replace(/=.*$/, ''))
  const slip = [...keys].find((key) => given.includes(key.name))?.name
  if (slip === undefined) return ''
  return `\n--${slip} is an argument of the unikernel: give it after --, as in mirage run -- --${slip}=...`
}

/** "Unknown command biuld; did you mean build?" */
export function unknownCommand(word: string, commands: readonly string[]): UsageError {
  const near = nearest(word, commands)
  return new UsageError(
    `Unknown command ${word}${near === undefined ? '; mirage help lists them' : `; did you mean ${near}?`}`,
  )
}
