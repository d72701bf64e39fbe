/**
 * Domain names (RFC 1035 §3.1, RFC 4343), held in wire form as text: for each label its length and its octets, then the
 * root's zero, one character (U+0000 to U+00FF) per octet. Immutable, compared with `===`, a suffix is a `slice`.
 */
import type { Brand } from '@mirage-ts/signatures/addresses'
import { escapedAt, escapeLen, escapeText } from './text.ts'

declare const folded: unique symbol

/** A whole, valid name; its letters have the case they came with. */
export type Name = string & Brand<'DnsName'>

/** A name with its letters in lower case: two names are the same when their keys are. */
export type NameKey = Name & { readonly [folded]: true }

/** The name of the root. */
export const ROOT: NameKey = '\0' as NameKey

export const MAX_NAME_LEN = 255
const MAX_LABEL_LEN = 63

/** Why text is no name. */
export type NameReason = 'empty-label' | 'label-too-long' | 'name-too-long' | 'bad-escape' | 'not-an-octet'

/**
 * Reads a name in presentation format (RFC 1035 §5.1): labels with dots between them, `\.` and `\DDD` as escapes. One
 * that does not end with a dot continues with `origin`.
 */
export function parseName(text: string, origin: Name = ROOT): Name | NameReason {
  if (text === '.') return ROOT
  if (/^[\w.*-]*$/.test(text)) return parsePlainName(text, origin)
  let name = ''
  let label = ''
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i)
    if (char === '.') {
      if (label === '') return 'empty-label'
      name += String.fromCharCode(label.length) + label
      label = ''
      continue
    }
    const octet = char === '\\' ? escapedAt(text, i) : char.charCodeAt(0)
    if (octet < 0) return 'bad-escape'
    if (octet > 255) return 'not-an-octet'
    if (char === '\\') i += escapeLen(text, i) - 1
    label += String.fromCharCode(octet)
    if (label.length > MAX_LABEL_LEN) return 'label-too-long'
  }
  const isAbsolute = label === ''
  if (isAbsolute && name === '') return 'empty-label'
  const whole = isAbsolute ? `${name}\0` : name + String.fromCharCode(label.length) + label + origin
  return whole.length > MAX_NAME_LEN ? 'name-too-long' : (whole as Name)
}

/** The same for text without escapes. */
function parsePlainName(text: string, origin: Name): Name | NameReason {
  let name = ''
  let off = 0
  for (let dot = text.indexOf('.'); dot >= 0; dot = text.indexOf('.', off)) {
    if (dot === off) return 'empty-label'
    if (dot - off > MAX_LABEL_LEN) return 'label-too-long'
    name += String.fromCharCode(dot - off) + text.slice(off, dot)
    off = dot + 1
  }
  const lastLen = text.length - off
  if (lastLen > MAX_LABEL_LEN) return 'label-too-long'
  if (lastLen === 0 && name === '') return 'empty-label'
  const whole = lastLen === 0 ? `${name}\0` : name + String.fromCharCode(lastLen) + text.slice(off) + origin
  return whole.length > MAX_NAME_LEN ? 'name-too-long' : (whole as Name)
}

/** The absolute name that `text` is. Throws a `TypeError`: for names that a program knows, not for input. */
export function dnsName(text: string): Name {
  const name = parseName(text)
  if (!isName(name)) throw new TypeError(`Cannot use ${JSON.stringify(text)} as a domain name: ${name}`)
  return name
}

/** Tells a parsed name from the reason why there is none: only a name ends with the root's label. */
export function isName(parsed: Name | NameReason): parsed is Name {
  return parsed.endsWith('\0')
}

/** Presentation format, always with the final dot; every octet that is not plain is escaped. */
export function nameToString(name: Name): string {
  if (name === ROOT) return '.'
  let text = ''
  for (let off = 0; off < name.length - 1; ) {
    const end = off + 1 + name.charCodeAt(off)
    text += `${escapeText(name.slice(off + 1, end), /[.;()"\\@$]/)}.`
    off = end
  }
  return text
}

/** The name with its letters in lower case; only A to Z are letters (RFC 4343 §3). */
export function nameKey(name: Name): NameKey {
  // Lengths are at most 63, below 'A': folding the whole text folds labels only.
  return (/[A-Z]/.test(name) ? name.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase()) : name) as NameKey
}

/** The name without its first label; the root has no parent: ask before. */
export function parentOf<N extends Name>(name: N): N {
  return name.slice(1 + name.charCodeAt(0)) as N
}

/** How many labels it has, the root's not counted. */
export function labelCount(name: Name): number {
  let count = 0
  for (let off = 0; off < name.length - 1; off += 1 + name.charCodeAt(off)) count++
  return count
}

/** True when `name` is `ancestor` or below it. */
export function isWithin(name: NameKey, ancestor: NameKey): boolean {
  if (!name.endsWith(ancestor)) return false
  // The octets may agree in the middle of a label.
  const at = name.length - ancestor.length
  let off = 0
  while (off < at) off += 1 + name.charCodeAt(off)
  return off === at
}

/** The labels of `name`, without lengths and without the root's. */
export function labelsOf(name: Name): string[] {
  const labels: string[] = []
  for (let off = 0; off < name.length - 1; off += 1 + name.charCodeAt(off)) {
    labels.push(name.slice(off + 1, off + 1 + name.charCodeAt(off)))
  }
  return labels
}

/** `*` below `name`, the owner of its wildcard (RFC 4592); `undefined` when that would be too long. */
export function wildcardOf(name: NameKey): NameKey | undefined {
  return name.length + 2 > MAX_NAME_LEN ? undefined : (`\x01*${name}` as NameKey)
}

/** `name` with the end `from` (it is within it) replaced by `to`; `undefined` when that would be too long (RFC 6672). */
export function rebase(name: Name, from: Name, to: Name): Name | undefined {
  const whole = name.slice(0, name.length - from.length) + to
  return whole.length > MAX_NAME_LEN ? undefined : (whole as Name)
}

/** Orders names as DNSSEC does (RFC 4034 §6.1): by their labels from the right, octet by octet. */
export function compareNames(a: NameKey, b: NameKey): number {
  const as = labelsOf(a)
  const bs = labelsOf(b)
  for (let i = 1; i <= Math.min(as.length, bs.length); i++) {
    const x = as[as.length - i] as string
    const y = bs[bs.length - i] as string
    if (x !== y) return x < y ? -1 : 1
  }
  return as.length - bs.length
}
