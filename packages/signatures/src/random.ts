/** A cryptographically strong source of random octets. It never blocks and never runs dry once it has been created. */
export interface Random {
  /** Fills `u8[off, end)`. */
  fill(u8: Uint8Array, off: number, end: number): void
  /** A uniform unsigned 32-bit number. */
  u32(): number
}
