/** `FormData` (XHR §4), and its two encodings: `multipart/form-data` (RFC 7578) and `application/x-www-form-urlencoded`. */
import { Blob, File } from './blob.ts'
import { decodeLatin1, TextDecoder } from './encoding.ts'
import { URLSearchParams } from './url.ts'

export type FormDataValue = string | File

export class FormData {
  private entryList: [string, FormDataValue][] = []

  append(name: string, value: string | Blob, filename?: string): void {
    this.entryList.push([String(name).toWellFormed(), entryValue(value, filename)])
  }

  delete(name: string): void {
    this.entryList = this.entryList.filter(([key]) => key !== name)
  }

  get(name: string): FormDataValue | null {
    return this.entryList.find(([key]) => key === name)?.[1] ?? null
  }

  getAll(name: string): FormDataValue[] {
    return this.entryList.flatMap(([key, value]) => (key === name ? [value] : []))
  }

  has(name: string): boolean {
    return this.entryList.some(([key]) => key === name)
  }

  set(name: string, value: string | Blob, filename?: string): void {
    const at = this.entryList.findIndex(([key]) => key === name)
    if (at < 0) {
      this.append(name, value, filename)
      return
    }
    this.entryList = this.entryList.filter(([key], i) => key !== name || i === at)
    this.entryList[at] = [name, entryValue(value, filename)]
  }

  forEach(callback: (value: FormDataValue, name: string, form: FormData) => void, thisArg?: unknown): void {
    for (const [name, value] of this) callback.call(thisArg, value, name, this)
  }

  entries(): IterableIterator<[string, FormDataValue]> {
    return this.entryList.map(([name, value]): [string, FormDataValue] => [name, value]).values()
  }

  keys(): IterableIterator<string> {
    return this.entryList.map(([name]) => name).values()
  }

  values(): IterableIterator<FormDataValue> {
    return this.entryList.map(([, value]) => value).values()
  }

  [Symbol.iterator](): IterableIterator<[string, FormDataValue]> {
    return this.entries()
  }

  get [Symbol.toStringTag](): string {
    return 'FormData'
  }
}

function entryValue(value: string | Blob, filename: string | undefined): FormDataValue {
  if (!(value instanceof Blob)) return String(value).toWellFormed()
  if (value instanceof File && filename === undefined) return value
  return new File([value], filename ?? 'blob', { type: value.type })
}

/** The form in a body of `contentType`; a `TypeError` when it is none. */
export function parseFormData(octets: Uint8Array, contentType: string): FormData {
  const form = new FormData()
  if (/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(contentType)) {
    for (const [name, value] of new URLSearchParams(new TextDecoder().decode(octets))) form.append(name, value)
    return form
  }
  const [, quoted, plain] = /^multipart\/form-data\s*;.*?\bboundary=(?:"([^"]+)"|([^\s;]+))/i.exec(contentType) ?? []
  const boundary = quoted ?? plain
  if (boundary === undefined) throw new TypeError(`Cannot read a form: the content is ${contentType || 'of no type'}`)
  parseMultipart(octets, boundary, form)
  return form
}

const MALFORMED = 'Cannot read a form: its parts are malformed'

/** RFC 2046 §5.1.1; the octets are looked at as text, one character for each, and cut out of the octets. */
function parseMultipart(octets: Uint8Array, boundary: string, form: FormData): void {
  const text = decodeLatin1(octets)
  const delimiter = `--${boundary}`
  if (!text.startsWith(delimiter)) throw new TypeError(MALFORMED)
  let at = delimiter.length
  while (!text.startsWith('--', at)) {
    if (!text.startsWith('\r\n', at)) throw new TypeError(MALFORMED)
    const headEnd = text.indexOf('\r\n\r\n', at)
    const end = text.indexOf(`\r\n${delimiter}`, headEnd + 2)
    if (headEnd < 0 || end < 0) throw new TypeError(MALFORMED)
    const head = new TextDecoder().decode(octets.subarray(at + 2, headEnd + 2))
    addPart(form, head, octets.subarray(headEnd + 4, Math.max(end, headEnd + 4)))
    at = end + 2 + delimiter.length
  }
}

function addPart(form: FormData, head: string, contents: Uint8Array): void {
  const [, disposition] = /^content-disposition:\s*form-data\s*;(.*)$/im.exec(head) ?? []
  const name = parameter(disposition, 'name')
  if (name === undefined) throw new TypeError(MALFORMED)
  const filename = parameter(disposition, 'filename')
  if (filename === undefined) {
    form.append(name, new TextDecoder('utf-8', { ignoreBOM: true }).decode(contents))
    return
  }
  const [, type = 'text/plain'] = /^content-type:\s*(.*?)\s*$/im.exec(head) ?? []
  form.append(name, new File([contents], filename, { type }))
}

/** A quoted parameter, with the three escapes that browsers write (HTML §4.10.21.8). */
function parameter(disposition: string | undefined, name: string): string | undefined {
  const [, value] = new RegExp(`(?:^|;)\\s*${name}="([^"]*)"`, 'i').exec(disposition ?? '') ?? []
  return value?.replace(/%0d/gi, '\r').replace(/%0a/gi, '\n').replace(/%22/g, '"')
}

/** A form as `multipart/form-data` with the given boundary. */
export async function emitMultipart(form: FormData, boundary: string): Promise<Uint8Array> {
  const parts: (string | Blob)[] = []
  for (const [name, value] of form) {
    parts.push(`--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(name)}"`)
    if (typeof value === 'string') parts.push(`\r\n\r\n${value.replace(/\r?\n|\r/g, '\r\n')}\r\n`)
    else {
      const type = value.type === '' ? 'application/octet-stream' : value.type
      parts.push(`; filename="${escapeName(value.name)}"\r\nContent-Type: ${type}\r\n\r\n`, value, '\r\n')
    }
  }
  parts.push(`--${boundary}--\r\n`)
  return new Blob(parts).bytes()
}

function escapeName(name: string): string {
  return name.replace(/\n/g, '%0A').replace(/\r/g, '%0D').replace(/"/g, '%22')
}
