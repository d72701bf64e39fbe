/** Text whose characters are octets, U+0000 to U+00FF: what a message head is made of. */

/** `u8[off, end)` as text, one character for each octet. At most some ten thousand octets: they become arguments. */
export function octetsToText(u8: Uint8Array, off: number, end: number): string {
  // The type asks for an array; anything like one will do, and spreading it takes ten times as long.
  return String.fromCharCode.apply(null, u8.subarray(off, end) as unknown as number[])
}

/** Writes `text` from `off` on, one octet for each character; returns where it ends. */
export function writeText(u8: Uint8Array, off: number, text: string): number {
  for (let i = 0; i < text.length; i++) u8[off + i] = text.charCodeAt(i)
  return off + text.length
}
