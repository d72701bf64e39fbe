/** Text whose characters are octets, U+0000 to U+00FF: what a message head is made of. */

/** Octets turned into characters by one call: they become its arguments, and there is a limit to those. */
const PIECE_LEN = 8192

/** `u8[off, end)` as text, one character for each octet. */
export function octetsToText(u8: Uint8Array, off: number, end: number): string {
  let text = ''
  for (let at = off; at < end; at += PIECE_LEN) {
    // The type asks for an array; anything like one will do, and spreading it takes ten times as long.
    const piece = u8.subarray(at, Math.min(end, at + PIECE_LEN)) as unknown as number[]
    text += String.fromCharCode.apply(null, piece)
  }
  return text
}

/** Writes `text` from `off` on, one octet for each character; returns where it ends. */
export function writeText(u8: Uint8Array, off: number, text: string): number {
  for (let i = 0; i < text.length; i++) u8[off + i] = text.charCodeAt(i)
  return off + text.length
}

/** The octets of `text`, one for each character. */
export function textToOctets(text: string): Uint8Array {
  const octets = new Uint8Array(text.length)
  writeText(octets, 0, text)
  return octets
}
