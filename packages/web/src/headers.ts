/** `Headers` (Fetch §5.1). A value is checked where it comes in, so that none can end its line on the wire. */
import { type FieldLine, isFieldValue, isToken } from '@mirage-ts/apps/http/fields'

export type HeadersInit =
  | Headers
  | Iterable<readonly [string, string] | readonly string[]>
  | Readonly<Record<string, string>>

export class Headers {
  /** In lower case, in the order they were added. */
  private readonly lineNames: string[] = []
  private readonly lineValues: string[] = []

  constructor(init?: HeadersInit | null) {
    if (init === undefined || init === null) return
    if (typeof init !== 'object') throw new TypeError('Cannot make Headers: expected pairs or an object')
    if (Symbol.iterator in init) {
      for (const pair of init) {
        const [name, value, ...rest] = [...pair]
        if (name === undefined || value === undefined || rest.length > 0) {
          throw new TypeError('Cannot make Headers: expected pairs of name and value')
        }
        this.append(name, value)
      }
    } else {
      for (const [name, value] of Object.entries(init)) this.append(name, value)
    }
  }

  /** Headers of lines that were received and so checked already, names in lower case. */
  static ofLines(lines: readonly FieldLine[]): Headers {
    const headers = new Headers()
    for (const [name, value] of lines) {
      headers.lineNames.push(name)
      headers.lineValues.push(value)
    }
    return headers
  }

  /** The lines as they go on the wire: those of one name apart. */
  lines(): FieldLine[] {
    return this.lineNames.map((name, i) => [name, this.lineValues[i] as string])
  }

  append(name: string, value: string): void {
    this.lineNames.push(checkName(name))
    this.lineValues.push(checkValue(name, value))
  }

  delete(name: string): void {
    const key = checkName(name)
    for (let i = this.lineNames.length - 1; i >= 0; i--) {
      if (this.lineNames[i] !== key) continue
      this.lineNames.splice(i, 1)
      this.lineValues.splice(i, 1)
    }
  }

  get(name: string): string | null {
    const key = checkName(name)
    const first = this.lineNames.indexOf(key)
    if (first < 0) return null
    let joined = this.lineValues[first] as string
    for (let i = first + 1; i < this.lineNames.length; i++)
      if (this.lineNames[i] === key) joined += `, ${this.lineValues[i]}`
    return joined
  }

  getSetCookie(): string[] {
    return this.lineValues.filter((_, i) => this.lineNames[i] === 'set-cookie')
  }

  has(name: string): boolean {
    return this.lineNames.includes(checkName(name))
  }

  set(name: string, value: string): void {
    const key = checkName(name)
    const checked = checkValue(name, value)
    const first = this.lineNames.indexOf(key)
    if (first < 0) {
      this.lineNames.push(key)
      this.lineValues.push(checked)
      return
    }
    this.lineValues[first] = checked
    for (let i = this.lineNames.length - 1; i > first; i--) {
      if (this.lineNames[i] !== key) continue
      this.lineNames.splice(i, 1)
      this.lineValues.splice(i, 1)
    }
  }

  forEach(callback: (value: string, name: string, headers: Headers) => void, thisArg?: unknown): void {
    for (const [name, value] of this) callback.call(thisArg, value, name, this)
  }

  /** Sorted by name, values of one name joined; cookies stay apart. */
  *entries(): IterableIterator<[string, string]> {
    for (const name of [...new Set(this.lineNames)].sort()) {
      if (name === 'set-cookie') for (const value of this.getSetCookie()) yield [name, value]
      else yield [name, this.get(name) ?? '']
    }
  }

  *keys(): IterableIterator<string> {
    for (const [name] of this.entries()) yield name
  }

  *values(): IterableIterator<string> {
    for (const [, value] of this.entries()) yield value
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.entries()
  }

  get [Symbol.toStringTag](): string {
    return 'Headers'
  }
}

function checkName(name: string): string {
  const text = String(name)
  if (!isToken(text)) throw new TypeError(`Invalid header name ${JSON.stringify(text)}`)
  return text.toLowerCase()
}

function checkValue(name: string, value: string): string {
  const text = String(value).replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '')
  if (!isFieldValue(text)) throw new TypeError(`Invalid value of header ${JSON.stringify(name)}`)
  return text
}
