/** Header fields (RFC 9110 §5): names are case-insensitive, order matters only among fields of one name. */

/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** RFC 9110 §5.5: visible octets, spaces and tabs; no CR, LF, NUL or other control. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** True for a method or field name as the grammar has it. */
export function isToken(text: string): boolean {
  return TOKEN.test(text)
}

/** True when `text`, one character for each octet, may stand in a field line. */
export function isFieldValue(text: string): boolean {
  return FIELD_VALUE.test(text)
}

/** Name and value of a field to send; the value has one character for each octet. */
export type FieldLine = readonly [name: string, value: string]

/** Fields that say where a message ends, whom it is for, and what follows: everybody who receives one looks for these. */
export const HAS_HOST = 1
export const HAS_HOSTS = 2
export const HAS_LENGTH = 4
export const HAS_CODING = 8
export const HAS_CONNECTION = 16
export const HAS_EXPECTATION = 32
/** It asks for a part, or has a condition (RFC 9110 §13, §14.2). */
export const HAS_CONDITION = 64

const MARKS: Readonly<Record<string, number>> = {
  host: HAS_HOST,
  'content-length': HAS_LENGTH,
  'transfer-encoding': HAS_CODING,
  connection: HAS_CONNECTION,
  expect: HAS_EXPECTATION,
  'if-match': HAS_CONDITION,
  'if-modified-since': HAS_CONDITION,
  'if-none-match': HAS_CONDITION,
  'if-unmodified-since': HAS_CONDITION,
  'if-range': HAS_CONDITION,
  range: HAS_CONDITION,
}

/** A line that was received. */
export class Field {
  /** In lower case. */
  readonly name: string
  readonly value: string
  /** Which of those above it is, or 0. */
  readonly mark: number

  /** The caller has checked both. */
  constructor(name: string, value: string) {
    this.name = name.toLowerCase()
    this.value = value
    this.mark = Object.hasOwn(MARKS, this.name) ? (MARKS[this.name] as number) : 0
  }
}

/** The fields of a message that was received. */
export class Fields {
  /** Which of those above are there; several Host fields have a mark of their own. */
  marks = 0
  private readonly names: string[] = []
  private readonly values: string[] = []

  get count(): number {
    return this.names.length
  }

  add({ name, value, mark }: Field): void {
    this.marks |= (this.marks & mark) === HAS_HOST ? HAS_HOSTS : mark
    this.names.push(name)
    this.values.push(value)
  }

  /** The lines in order, names in lower case. */
  lines(): FieldLine[] {
    return this.names.map((name, i) => [name, this.values[i] as string])
  }

  /** True when there is a line called `name`, which is in lower case. */
  has(name: string): boolean {
    return this.names.includes(name)
  }

  /** The values of the lines called `name`, which is in lower case. */
  all(name: string): string[] {
    return this.values.filter((_, i) => this.names[i] === name)
  }

  /** The value of `name`, several lines joined with commas (RFC 9110 §5.3), or `undefined`. */
  get(name: string): string | undefined {
    const first = this.names.indexOf(name)
    if (first < 0) return undefined
    if (this.names.lastIndexOf(name) === first) return this.values[first]
    return this.all(name).join(', ')
  }

  /** The members of a comma-separated list of tokens, in lower case (RFC 9110 §5.6.1). */
  tokens(name: string): string[] {
    const value = this.get(name)
    return value === undefined ? [] : listMembers(value).map((member) => member.toLowerCase())
  }
}

/** The members of a comma-separated list whose members have no quotes; empty ones are left out (RFC 9110 §5.6.1). */
export function listMembers(value: string): string[] {
  return value
    .split(',')
    .map(trimOws)
    .filter((member) => member !== '')
}

/** Removes spaces and tabs on either side, and only those: `trim` takes more away, such as octet A0. */
export function trimOws(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isOws(text.charCodeAt(start))) start++
  while (end > start && isOws(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isOws(char: number): boolean {
  return char === 0x20 || char === 0x09
}
