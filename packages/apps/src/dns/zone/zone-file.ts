/**
 * Zone files (RFC 1035 §5): records, `$ORIGIN`, `$TTL` (RFC 2308 §4), `$INCLUDE`, and BIND's `$GENERATE`.
 *
 * An error is a sentence that begins with the file and the line. Reading does no I/O: what `$INCLUDE` names is asked for.
 */

import type { Rr } from '../wire/message.ts'
import { isName, type Name, nameToString, parseName } from '../wire/name.ts'
import { parseRdata, parseTtl, type Word } from '../wire/rdata-text.ts'
import { CLASS, isMetaType, parseClass, parseType, TYPE, typeToString } from '../wire/types.ts'

const MAX_INCLUDE_DEPTH = 10
const MAX_GENERATED_COUNT = 65_536

/** A word without quotes. Octets above 127 are ordinary, one that looks like a no-break space too. */
const PLAIN = /(?:[^ \t\r\n;()"\\]|\\[^\r\n])+/y

export interface ZoneFileOptions {
  /** How messages call the file. */
  readonly file: string
  /** What `@` is, and where names that are not absolute continue, until `$ORIGIN` says otherwise. */
  readonly origin: Name
  /** The text of another file as `$INCLUDE` names it, or `undefined` when there is none. Without this, none can be. */
  readonly include?: (file: string) => Promise<string | undefined>
}

/** A file that cannot be used; `message` begins with `FILE:LINE:`. */
export class ZoneFileError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ZoneFileError'
  }
}

/** Reads `text`, one character for each octet, into records in the order of the file. Throws a {@link ZoneFileError}. */
export async function parseZoneFile(text: string, options: ZoneFileOptions): Promise<Rr[]> {
  const rrs: Rr[] = []
  await readZoneFile(text, options, (rr) => {
    rrs.push(rr)
    return undefined
  })
  return rrs
}

/** Like {@link parseZoneFile}, but `take` gets the records one by one; a sentence that it returns is an error of that line. */
export async function readZoneFile(
  text: string,
  options: ZoneFileOptions,
  take: (rr: Rr) => string | undefined,
): Promise<void> {
  const { origin } = options
  const state: State = { origin, owner: undefined, ttl: undefined, lastTtl: undefined, class: undefined }
  await new FileParser(text, options.file, state, options.include, take, 0).run()
}

interface State {
  origin: Name
  /** Of the record before: for lines that begin with white space. */
  owner: Name | undefined
  /** Of `$TTL`. */
  ttl: number | undefined
  /** Of the record before, or the minimum of the SOA: for files without `$TTL`. */
  lastTtl: number | undefined
  /** Of all records; `undefined` before the first. */
  class: number | undefined
}

/** One logical line: with parentheses it may span several. */
interface Entry {
  readonly line: number
  /** True when it begins with white space: its owner is that of the record before. */
  readonly isIndented: boolean
  readonly words: readonly Word[]
}

class FileParser {
  private readonly text: string
  private readonly file: string
  private readonly state: State
  private readonly include: ZoneFileOptions['include']
  private readonly take: (rr: Rr) => string | undefined
  private readonly depth: number
  private pos = 0
  /** Of `pos`, from 1. */
  private line = 1

  constructor(
    text: string,
    file: string,
    state: State,
    include: ZoneFileOptions['include'],
    take: (rr: Rr) => string | undefined,
    depth: number,
  ) {
    this.text = text
    this.file = file
    this.state = state
    this.include = include
    this.take = take
    this.depth = depth
  }

  async run(): Promise<void> {
    for (let entry = this.nextEntry(); entry !== undefined; entry = this.nextEntry()) {
      const [first] = entry.words
      if (first === undefined) continue
      if (entry.isIndented || first.isQuoted || !first.text.startsWith('$')) this.record(entry)
      else await this.directive(first.text.toUpperCase(), entry)
    }
  }

  private fail(line: number, what: string): never {
    throw new ZoneFileError(`${this.file}:${line}: ${what}`)
  }

  /** The next line that is not empty. */
  private nextEntry(): Entry | undefined {
    const { text } = this
    while (this.pos < text.length) {
      const line = this.line
      const char = text.charAt(this.pos)
      const isIndented = char === ' ' || char === '\t'
      const words = this.plainLine() ?? this.entryWords(line)
      if (words.length > 0) return { line, isIndented, words }
    }
    return undefined
  }

  /** The words of a line that has only words and spaces, as most lines of large files are; `undefined` for any other. */
  private plainLine(): Word[] | undefined {
    const { text, pos } = this
    const end = text.indexOf('\n', pos)
    if (end < 0) return undefined
    const line = text.slice(pos, end)
    if (/[;()"\\]/.test(line)) return undefined
    this.pos = end + 1
    this.line++
    const words: Word[] = []
    for (const word of line.match(/[^ \t\r]+/g) ?? []) words.push({ text: word, isQuoted: false })
    return words
  }

  /** The words up to the end of the line, or of the line on which the last parenthesis is closed. */
  private entryWords(firstLine: number): Word[] {
    const { text } = this
    const words: Word[] = []
    let openLine = 0
    let depth = 0
    while (this.pos < text.length) {
      const char = text.charAt(this.pos)
      if (char === '\n') {
        this.pos++
        this.line++
        if (depth === 0) return words
      } else if (char === ' ' || char === '\t' || char === '\r') {
        this.pos++
      } else if (char === ';') {
        const end = text.indexOf('\n', this.pos)
        this.pos = end < 0 ? text.length : end
      } else if (char === '(') {
        if (depth++ === 0) openLine = this.line
        this.pos++
      } else if (char === ')') {
        if (depth-- === 0) this.fail(this.line, 'expected a ( before this )')
        this.pos++
      } else if (char === '"') {
        words.push(this.quotedWord())
      } else {
        words.push(this.plainWord())
      }
    }
    if (depth > 0) this.fail(openLine || firstLine, 'expected a ) for this (')
    return words
  }

  private quotedWord(): Word {
    const { text } = this
    const { line } = this
    let end = this.pos + 1
    while (end < text.length && text[end] !== '"') {
      if (text[end] === '\n') this.fail(line, 'expected a " at the end of this string')
      end += text[end] === '\\' ? 2 : 1
    }
    if (end >= text.length) this.fail(line, 'expected a " at the end of this string')
    const word = { text: text.slice(this.pos + 1, end), isQuoted: true }
    this.pos = end + 1
    return word
  }

  private plainWord(): Word {
    PLAIN.lastIndex = this.pos
    const [plain] = PLAIN.exec(this.text) ?? this.fail(this.line, 'expected a character after this \\')
    this.pos += plain.length
    // A value in quotes belongs to the word that it follows: key="value".
    const quoted = this.text[this.pos] === '"' ? this.quotedWord().text : ''
    return { text: plain + quoted, isQuoted: false }
  }

  private async directive(name: string, { line, words }: Entry): Promise<void> {
    const args = words.slice(1).map((word) => word.text)
    const [first = ''] = args
    switch (name) {
      case '$ORIGIN':
        if (args.length !== 1) this.fail(line, 'expected $ORIGIN NAME')
        this.state.origin = this.name(line, first)
        return
      case '$TTL': {
        const ttl = parseTtl(first)
        if (args.length !== 1 || ttl === undefined) this.fail(line, `expected $TTL TIME, got ${JSON.stringify(first)}`)
        this.state.ttl = ttl
        return
      }
      case '$INCLUDE':
        if (args.length < 1 || args.length > 2) this.fail(line, 'expected $INCLUDE FILE [ORIGIN]')
        return await this.includeFile(line, first, args[1])
      case '$GENERATE':
        this.generate(line, words.slice(1))
        return
      default:
        this.fail(line, `expected $ORIGIN, $TTL, $INCLUDE or $GENERATE, got ${name}`)
    }
  }

  private async includeFile(line: number, file: string, origin: string | undefined): Promise<void> {
    if (this.depth >= MAX_INCLUDE_DEPTH)
      this.fail(line, `expected at most ${MAX_INCLUDE_DEPTH} files inside each other`)
    const text = await this.include?.(file)
    if (text === undefined) this.fail(line, `cannot include ${JSON.stringify(file)}: not found`)
    // RFC 1035 §5.1: the origin of the file that includes does not change.
    const state = { ...this.state }
    if (origin !== undefined) state.origin = this.name(line, origin)
    await new FileParser(text, file, state, this.include, this.take, this.depth + 1).run()
    this.state.class = state.class
  }

  /** BIND's `$GENERATE START-STOP[/STEP] OWNER [TTL] [CLASS] TYPE RDATA`, a `$` in the last ones being the number. */
  private generate(line: number, words: readonly Word[]): void {
    const [range, ...template] = words
    const match = /^(\d{1,9})-(\d{1,9})(?:\/(\d{1,9}))?$/.exec(range?.text ?? '')
    const [start, stop, step] = [Number(match?.[1]), Number(match?.[2]), Number(match?.[3] ?? 1)]
    if (match === null || stop < start || step < 1 || template.length < 3) {
      this.fail(line, 'expected $GENERATE START-STOP[/STEP] OWNER [TTL] [CLASS] TYPE DATA')
    }
    if ((stop - start) / step >= MAX_GENERATED_COUNT) this.fail(line, `expected at most ${MAX_GENERATED_COUNT} records`)
    for (let number = start; number <= stop; number += step) {
      const filled = template.map(({ text, isQuoted }) => ({ text: this.fill(line, text, number), isQuoted }))
      this.record({ line, isIndented: false, words: filled })
    }
  }

  /** Replaces `$` and `${OFFSET[,WIDTH[,BASE]]}`; `$$` and `\$` are a dollar. */
  private fill(line: number, text: string, number: number): string {
    return text.replaceAll(/\\\$|\$\$|\$(?:\{([^}]*)\})?/g, (found, spec: string | undefined) => {
      if (found === '$$' || found === '\\$') return '$'
      if (spec === undefined) return String(number)
      const match = /^(-?\d{1,9})(?:,(\d{1,3})(?:,([doxXnN]))?)?$/.exec(spec)
      if (match === null)
        this.fail(line, `expected \${OFFSET[,WIDTH[,BASE]]} with base d, o, x, X, n or N, got ${found}`)
      return digits(number + Number(match[1]), Number(match[2] ?? 0), match[3] ?? 'd')
    })
  }

  private name(line: number, text: string): Name {
    const name = text === '@' ? this.state.origin : parseName(text, this.state.origin)
    if (!isName(name)) this.fail(line, `${JSON.stringify(text)} is not a domain name: ${name}`)
    return name
  }

  private record({ line, isIndented, words }: Entry): void {
    const { state } = this
    let at = 0
    if (!isIndented) state.owner = this.name(line, (words[at++] as Word).text)
    const owner = state.owner
    if (owner === undefined) this.fail(line, 'expected a name at the start of the line: there is no record before it')
    let ttl: number | undefined
    let type: number | undefined
    // RFC 1035 §5.1: the time and the class may be there or not, in either order.
    for (; type === undefined; at++) {
      const word = words[at]
      if (word === undefined) this.fail(line, 'expected [TTL] [CLASS] TYPE DATA')
      type = parseType(word.text)
      // What is both (ANY) is no type that a zone can hold.
      if (type !== undefined && !isMetaType(type)) continue
      const rrClass = parseClass(word.text)
      const time = parseTtl(word.text)
      if (rrClass === undefined && time === undefined) {
        this.fail(line, `expected a type that a zone can hold, got ${JSON.stringify(word.text)}`)
      }
      if (rrClass !== undefined) this.checkClass(line, rrClass)
      else ttl = time
      type = undefined
    }
    const rdata = parseRdata(type, words.slice(at), state.origin)
    if (typeof rdata === 'string') this.fail(line, `${typeToString(type)} of ${nameToString(owner)}: ${rdata}`)
    this.add(line, owner, type, ttl, rdata)
  }

  private checkClass(line: number, rrClass: number): void {
    const before = this.state.class ?? rrClass
    if (rrClass !== before) this.fail(line, 'expected the class of the records before')
    this.state.class = rrClass
  }

  private add(line: number, name: Name, type: number, given: number | undefined, rdata: Uint8Array): void {
    const { state } = this
    // A SOA without a time lives as long as it says that negative answers do: what BIND takes for files without $TTL.
    const minimum = type === TYPE.SOA ? new DataView(rdata.buffer).getUint32(rdata.length - 4) : undefined
    const ttl = given ?? state.ttl ?? state.lastTtl ?? minimum
    if (ttl === undefined) this.fail(line, 'expected a time to live: there is none here, before, or by $TTL')
    state.lastTtl = ttl
    state.class ??= CLASS.IN
    const problem = this.take({ name, type, class: state.class, ttl, rdata })
    if (problem !== undefined) this.fail(line, problem)
  }
}

function digits(value: number, width: number, base: string): string {
  if (base === 'n' || base === 'N') {
    // Nibbles with dots between them, least significant first: for ip6.arpa.
    const hex = value.toString(16).padStart(Math.ceil(width / 2), '0')
    const nibbles = [...hex].reverse().join('.')
    return base === 'N' ? nibbles.toUpperCase() : nibbles
  }
  const text = value.toString(base === 'd' ? 10 : base === 'o' ? 8 : 16).padStart(width, '0')
  return base === 'X' ? text.toUpperCase() : text
}
