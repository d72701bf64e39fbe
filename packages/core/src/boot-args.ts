/**
 * Arguments of a machine: typed options read from a list of words, a raw kernel command line or the query of a page's address.
 * Every platform's boot uses this parser, and so does the `mirage` command itself.
 *
 * An option is `--name=value` or `--name value`; one whose type is a flag may stand alone. When an option is given twice
 * the last one counts, so that a script can append to a command line; values of a list add up.
 */
import type { Ipv4, Ipv4Cidr, Mac, Port } from '@mirage-ts/signatures/addresses'
import type { Duration } from '@mirage-ts/signatures/time'
import { parseIpv4, parseIpv4Cidr, parseMac } from './addresses.ts'
import { parseDecimal, parseHexadecimal } from './digits.ts'
import { parseLogLevels } from './log.ts'
import { nearest } from './suggest.ts'

/** How the text of an option becomes a value. */
export interface ArgType<T> {
  /** What is expected, to end the sentence "expected ...": `a port, 0 to 65535`. */
  readonly wanted: string
  /** The value, or `undefined` when the text is malformed. */
  parse(text: string): T | undefined
  /** Stands for the value in help: `PORT`. */
  readonly meta: string
  /** What the option means without a value; an option that needs one leaves it out. */
  readonly alone?: string
  /** The option may be given several times, and its values are joined with commas. */
  readonly isList?: boolean
}

/** An option: its type, what it is when not given, and its help. */
export interface ArgKey<T> {
  readonly type: ArgType<T>
  /** As it would be typed; an option without default is `undefined` when not given. */
  readonly default?: string
  readonly doc: string
  /** Heading in help; `OPTIONS` when left out. */
  readonly section?: string
  /** A one-letter synonym, as in `-v`. */
  readonly short?: string
}

/** Options by name. */
export type ArgKeys = Readonly<Record<string, ArgKey<unknown>>>

/** The values of `Keys`: a key with a default always has one. */
export type Args<Keys extends ArgKeys> = {
  readonly [Name in keyof Keys]: Keys[Name] extends { readonly type: ArgType<infer T>; readonly default: string }
    ? T
    : Keys[Name] extends { readonly type: ArgType<infer T> }
      ? T | undefined
      : never
}

/** What came of parsing. */
export type ParsedArgs<Keys extends ArgKeys> =
  | { readonly tag: 'args'; readonly args: Args<Keys>; readonly rest: string[] }
  | { readonly tag: 'help' }
  | { readonly tag: 'error'; readonly message: string }

/** Any text. */
export const string: ArgType<string> = { wanted: 'text', meta: 'TEXT', parse: (text) => text }

/** Numbers of more digits are too large in any case. */
const ANY_COUNT = 1000

/** A whole number, decimal or `0x` hexadecimal. */
export const int: ArgType<number> = {
  wanted: 'a whole number',
  meta: 'N',
  parse(text) {
    const isNegative = text.charCodeAt(0) === HYPHEN
    const digits = isNegative ? text.slice(1) : text
    const isHexadecimal = digits.startsWith('0x') || digits.startsWith('0X')
    const value = isHexadecimal ? parseHexadecimal(digits.slice(2), ANY_COUNT) : parseDecimal(digits, ANY_COUNT)
    if (value === undefined || !Number.isSafeInteger(value)) return undefined
    return isNegative ? -value : value
  },
}

/** A number, with or without decimals. */
export const float: ArgType<number> = {
  wanted: 'a number like 0.25',
  meta: 'NUMBER',
  parse(text) {
    const digits = text.startsWith('-') ? text.slice(1) : text
    return isDecimal(digits) ? Number(text) : undefined
  },
}

/** `true` or `false`; alone it means `true`. */
export const bool: ArgType<boolean> = {
  wanted: 'true or false',
  meta: 'BOOL',
  alone: 'true',
  parse: (text) => (text === 'true' ? true : text === 'false' ? false : undefined),
}

/** One of a few words. */
export function oneOf<const Word extends string>(...words: readonly Word[]): ArgType<Word> {
  return {
    wanted: `one of ${words.join(', ')}`,
    meta: words.join('|'),
    parse: (text) => words.find((word) => word === text),
  }
}

/** Several values separated by commas; the option may also be repeated. */
export function listOf<T>(type: ArgType<T>): ArgType<readonly T[]> {
  return {
    wanted: `a comma-separated list, each ${type.wanted}`,
    meta: `${type.meta},...`,
    isList: true,
    parse(text) {
      const values: T[] = []
      for (const part of text === '' ? [] : text.split(',')) {
        const value = type.parse(part)
        if (value === undefined) return undefined
        values.push(value)
      }
      return values
    },
  }
}

/** An IPv4 address. */
export const ipv4Address: ArgType<Ipv4> = { wanted: 'an IPv4 address like 10.0.0.1', meta: 'IP', parse: parseIpv4 }

/** An IPv4 address with the length of its network's prefix. */
export const ipv4Cidr: ArgType<Ipv4Cidr> = {
  wanted: 'an IPv4 address with its prefix length like 10.0.0.2/24',
  meta: 'IP/BITS',
  parse: parseIpv4Cidr,
}

/** An Ethernet address. */
export const macAddress: ArgType<Mac> = {
  wanted: 'an Ethernet address like 02:00:00:00:00:01',
  meta: 'MAC',
  parse: parseMac,
}

/** A TCP or UDP port. */
export const port: ArgType<Port> = {
  wanted: 'a port, 0 to 65535',
  meta: 'PORT',
  parse(text) {
    const value = parseDecimal(text, 5)
    return value !== undefined && value <= 65535 ? (value as Port) : undefined
  },
}

const DURATION_US: Readonly<Record<string, number>> = { us: 1, ms: 1e3, s: 1e6, m: 60e6, h: 3600e6, d: 86400e6 }

/** A span of time with its unit: `500ms`, `1.5s`, `2h`. */
export const duration: ArgType<Duration> = {
  wanted: 'a duration with its unit (us, ms, s, m, h, d) like 500ms',
  meta: 'DURATION',
  parse: (text) => parseQuantity(text, DURATION_US) as Duration | undefined,
}

const SIZE_BYTES: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  // As numbers, not powers: an expression would be computed when an image starts, even one without sizes.
  KiB: 1024,
  MiB: 1_048_576,
  GiB: 1_073_741_824,
}

/** A number of octets, with or without a unit: `4096`, `64KiB`, `1.5MB`. */
export const byteSize: ArgType<number> = {
  wanted: 'a number of bytes like 4096, 64KiB or 10MB',
  meta: 'SIZE',
  parse: (text) => parseQuantity(text, SIZE_BYTES),
}

/** Log levels per source, as `createLog` takes them: `*:info,tcp:debug`. */
export const logLevels: ArgType<string> = {
  wanted: 'levels (quiet, error, warn, info, debug) of log sources like *:info,tcp:debug',
  meta: 'LEVELS',
  parse: (text) => (typeof parseLogLevels(text) === 'string' ? undefined : text),
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  let end = 0
  while (end < text.length && isDigitOrDot(text.charCodeAt(end))) end++
  const digits = text.slice(0, end)
  const unit = text.slice(end)
  if (!isDecimal(digits) || !Object.hasOwn(units, unit)) return undefined
  const value = Number(digits) * (units[unit] as number)
  return Number.isSafeInteger(value) ? value : undefined
}

/** True of digits with or without a decimal point between them. */
function isDecimal(text: string): boolean {
  const dot = text.indexOf('.')
  if (dot < 0) return parseDecimal(text, ANY_COUNT) !== undefined
  return (
    parseDecimal(text.slice(0, dot), ANY_COUNT) !== undefined &&
    parseDecimal(text.slice(dot + 1), ANY_COUNT) !== undefined
  )
}

function isDigitOrDot(c: number): boolean {
  return (c >= 0x30 && c <= 0x39) || c === 0x2e
}

/** Reads the options of `keys` out of `words`. Words that are no options are `rest`; `--` ends the options. */
export function parseArgs<const Keys extends ArgKeys>(keys: Keys, words: readonly string[]): ParsedArgs<Keys> {
  const texts: Record<string, string | undefined> = {}
  const rest: string[] = []
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? ''
    if (word === '--') {
      rest.push(...words.slice(i + 1))
      break
    }
    if (word.charCodeAt(0) !== HYPHEN || word === '-') {
      rest.push(word)
      continue
    }
    if (word === '--help' || word === '-h') return { tag: 'help' }
    const equals = word.indexOf('=')
    const option = equals < 0 ? word : word.slice(0, equals)
    const name = nameOf(keys, option)
    const type = name === undefined ? undefined : keys[name]?.type
    if (name === undefined || type === undefined) return { tag: 'error', message: unknownOption(keys, option) }
    let text = equals < 0 ? type.alone : word.slice(equals + 1)
    if (text === undefined) {
      text = words[++i]
      if (text === undefined) return { tag: 'error', message: `Option ${option} needs a value: ${type.wanted}` }
    }
    if (type.parse(text) === undefined) {
      return { tag: 'error', message: `Cannot read ${option}${equals < 0 ? ' ' : '='}${text}: expected ${type.wanted}` }
    }
    const before = type.isList ? texts[name] : undefined
    texts[name] = before === undefined ? text : `${before},${text}`
  }
  const args: Record<string, unknown> = {}
  for (const name in keys) {
    const key = keys[name]
    const text = texts[name] ?? key?.default
    args[name] = text === undefined ? undefined : key?.type.parse(text)
  }
  return { tag: 'args', args: args as Args<Keys>, rest }
}

function nameOf(keys: ArgKeys, option: string): string | undefined {
  if (option.startsWith('--')) return Object.hasOwn(keys, option.slice(2)) ? option.slice(2) : undefined
  return Object.keys(keys).find((name) => keys[name]?.short === option.slice(1))
}

function unknownOption(keys: ArgKeys, option: string): string {
  const near = nearest(option.slice(option.startsWith('--') ? 2 : 1), [...Object.keys(keys), 'help'])
  return `Unknown option ${option}${near === undefined ? '; --help lists them all' : `; did you mean --${near}?`}`
}

/** The options of `keys` as help text: one line each with its doc and default, grouped by section. */
export function helpText(keys: ArgKeys): string {
  const rows = Object.entries(keys).map(([name, key]) => {
    const short = key.short === undefined ? '' : `-${key.short}, `
    const value = key.type.alone === undefined ? `=${key.type.meta}` : ''
    const preset = key.default === undefined || key.default === key.type.parse('false')?.toString() ? '' : key.default
    const doc = preset === '' ? key.doc : `${key.doc} (default ${preset})`
    return { section: key.section ?? 'OPTIONS', option: `${short}--${name}${value}`, doc }
  })
  rows.push({ section: 'OPTIONS', option: '--help', doc: 'print this text' })
  const width = Math.min(32, Math.max(...rows.map((row) => row.option.length)))
  const sections: string[] = []
  for (const { section } of rows) if (!sections.includes(section)) sections.push(section)
  sections.sort((a, b) => rank(a) - rank(b))
  return sections
    .map((section) => {
      const lines = rows.filter((row) => row.section === section).map((row) => line(row.option, row.doc, width))
      return `${section}\n${lines.join('')}`
    })
    .join('\n')
}

/** The application's own options come first, the common ones last. */
function rank(section: string): number {
  return section === 'OPTIONS' ? 2 : section === 'LOG AND MONITORING' ? 1 : 0
}

function line(option: string, doc: string, width: number): string {
  return option.length > width ? `  ${option}\n  ${' '.repeat(width)}  ${doc}\n` : `  ${option.padEnd(width)}  ${doc}\n`
}

/**
 * Splits a raw kernel command line into words at white space; single or double quotes keep white space in a word, and a
 * backslash takes the next character as it is (inside single quotes it is an ordinary character).
 */
export function splitCommandLine(text: string): string[] {
  const words: string[] = []
  let start = -1
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c === DOUBLE_QUOTE || c === SINGLE_QUOTE || c === BACKSLASH) return splitQuoted(text)
    if (!isSpace(c)) {
      if (start < 0) start = i
    } else if (start >= 0) {
      words.push(text.slice(start, i))
      start = -1
    }
  }
  if (start >= 0) words.push(text.slice(start))
  return words
}

const HYPHEN = 0x2d
const DOUBLE_QUOTE = 0x22
const SINGLE_QUOTE = 0x27
const BACKSLASH = 0x5c

/** No regular expression: its compiler would run at every start of an image. */
/**
 * The words that the query of a page's address stands for, with or without its `?`: `port=8080&verbose` is
 * `--port=8080 --verbose` (application/x-www-form-urlencoded, URL standard §5). Text that is not encoded right is taken as it is.
 */
export function splitQuery(query: string): string[] {
  const pairs = (query.startsWith('?') ? query.slice(1) : query).split('&')
  return pairs.filter((pair) => pair !== '').map((pair) => `--${pair.split('=').map(decodeForm).join('=')}`)
}

function decodeForm(text: string): string {
  const spaced = text.split('+').join(' ')
  try {
    return decodeURIComponent(spaced)
  } catch {
    return spaced
  }
}

function isSpace(c: number): boolean {
  return c === 0x20 || (c >= 0x09 && c <= 0x0d)
}

/** {@link splitCommandLine} of a text with quotes or backslashes in it. */
function splitQuoted(text: string): string[] {
  const words: string[] = []
  let word: string | undefined
  let quote = ''
  for (let i = 0; i < text.length; i++) {
    const c = text[i] ?? ''
    if (c === '\\' && quote !== "'" && i + 1 < text.length) word = (word ?? '') + text[++i]
    else if (quote !== '' && c === quote) quote = ''
    else if (quote === '' && (c === '"' || c === "'")) {
      quote = c
      word ??= ''
    } else if (quote === '' && isSpace(c.charCodeAt(0))) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? '') + c
  }
  if (word !== undefined) words.push(word)
  return words
}

/** Quotes a word so that {@link splitCommandLine} gives it back as one. */
export function quoteWord(word: string): string {
  return word !== '' && !/[\s"'\\]/.test(word) ? word : `"${word.replace(/["\\]/g, '\\$&')}"`
}
