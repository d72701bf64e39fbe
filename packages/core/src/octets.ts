/**
 * Octets that stand for characters: text of protocols, U+0000 to U+00FF, and names whose letters' case does not matter.
 * Reference version.
 *
 * A bare-metal build replaces this module with `@mirage-ts/metal/octets`, which has the same functions in C: an interpreter
 * takes a hundred times as long for each octet. Import it by its package path, `@mirage-ts/core/octets`, so that the
 * replacement finds it. A test image compares the two.
 */

/** Octets turned into characters by one call: they become its arguments, and there is a limit to those. */
const PIECE_LEN = 8192

/** `u8[off, end)` as text, one character for each octet. */
export function octetsToText(u8: Uint8Array, off = 0, end: number = u8.length): string {
  let text = ''
  for (let at = off; at < end; at += PIECE_LEN) {
    // The type asks for an array; anything like one will do, and spreading it takes ten times as long.
    const piece = u8.subarray(at, Math.min(end, at + PIECE_LEN)) as unknown as number[]
    text += String.fromCharCode.apply(null, piece)
  }
  return text
}

/**
 * Writes `text` from `off` on, one octet for each character (the low one of those beyond U+00FF); returns where it ends.
 * Throws a `RangeError` when it does not fit.
 */
export function writeText(u8: Uint8Array, off: number, text: string): number {
  const end = off + text.length
  if (end > u8.length) throw new RangeError('text must fit into bytes')
  for (let i = 0; i < text.length; i++) u8[off + i] = text.charCodeAt(i)
  return end
}

/** The octets of `text`, one for each character. */
export function textToOctets(text: string): Uint8Array {
  const octets = new Uint8Array(text.length)
  writeText(octets, 0, text)
  return octets
}

/** 32 bits, signed, of `u8[off, end)` with A to Z taken for a to z. `seed`, 32 bits, keeps others from choosing equal ones. */
export function foldedHash(u8: Uint8Array, off: number, end: number, seed: number): number {
  let hash = seed | 0
  for (let at = off; at < end; at += 4) {
    hash = Math.imul(hash ^ fold(wordAt(u8, at, end)), 0x9e3779b1)
    hash ^= hash >>> 15
  }
  return hash ^ (hash >>> 13)
}

/** True when the `lenBytes` octets at `aOff` and `bOff` are equal with A to Z taken for a to z. */
export function foldedEqual(a: Uint8Array, aOff: number, b: Uint8Array, bOff: number, lenBytes: number): boolean {
  for (let i = 0; i < lenBytes; i += 4) {
    const x = fold(wordAt(a, aOff + i, aOff + lenBytes))
    if (x !== fold(wordAt(b, bOff + i, bOff + lenBytes))) return false
  }
  return true
}

/** Copies `from[off, end)` to where `toOff` is; the two may be one array. Throws a `RangeError` when it does not fit. */
export function octetsCopy(from: Uint8Array, off: number, end: number, to: Uint8Array, toOff: number): void {
  to.set(from.subarray(off, end), toOff)
}

/** True when the `lenBytes` octets at `aOff` and `bOff` are equal. */
export function octetsEqual(a: Uint8Array, aOff: number, b: Uint8Array, bOff: number, lenBytes: number): boolean {
  for (let i = 0; i < lenBytes; i++) if (a[aOff + i] !== b[bOff + i]) return false
  return true
}

/** Four octets, those beyond `end` zero. */
function wordAt(u8: Uint8Array, off: number, end: number): number {
  let word = 0
  for (let at = off; at < off + 4; at++) word = (word << 8) | (at < end ? (u8[at] as number) : 0)
  return word
}

function fold(word: number): number {
  const low = word & 0x7f7f7f7f
  // The high bit of each octet not below 'A', less those behind 'Z' and those above 127.
  const upper = (low + 0x3f3f3f3f) & ~(low + 0x25252525) & ~word & 0x80808080
  return word | (upper >>> 2)
}
