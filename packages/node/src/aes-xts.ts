/**
 * AES-XTS (IEEE 1619, NIST SP 800-38E) of Node.js as the cipher of a disk: what LUKS calls `aes-xts-plain64` with sectors
 * of the disk's length.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { messageOf } from '@mirage-ts/core/errors'
import type { SectorCipher } from '@mirage-ts/signatures/sector-cipher'

const BLOCK_LEN = 16

/** Two keys of AES one behind the other: 32 octets for AES-128, 64 for AES-256. They must differ (SP 800-38E, FIPS 140). */
export function createAesXts(_deps: Record<never, never>, { key }: { readonly key: Uint8Array }): SectorCipher {
  if (key.length !== 32 && key.length !== 64) {
    throw new TypeError(`Cannot use a key of ${key.length} octets for AES-XTS: expected 32 or 64`)
  }
  const half = key.length / 2
  if (Buffer.from(key.subarray(0, half)).equals(key.subarray(half))) {
    throw new TypeError('Cannot use a key for AES-XTS whose halves are equal: it gives away what it encrypts')
  }
  return new AesXts(key.slice())
}

/** The cipher with the key that is in a file: the octets themselves, no text. */
export function createAesXtsFromFile(
  _deps: Record<never, never>,
  { keyFile }: { readonly keyFile: string },
): SectorCipher {
  let key: Uint8Array
  try {
    key = readFileSync(keyFile)
  } catch (cause) {
    throw new Error(`Cannot read the key of the disk from ${keyFile}: ${messageOf(cause)}`, { cause })
  }
  return createAesXts({}, { key })
}

class AesXts implements SectorCipher {
  readonly blockBytes = BLOCK_LEN
  readonly #algorithm: string
  readonly #key: Uint8Array
  /** The number of the sector, little endian, as IEEE 1619 §5.1 has it. */
  readonly #tweak = Buffer.alloc(BLOCK_LEN)

  constructor(key: Uint8Array) {
    this.#key = key
    this.#algorithm = key.length === 64 ? 'aes-256-xts' : 'aes-128-xts'
  }

  encrypt(sector: number, u8: Uint8Array, off: number, end: number): void {
    const cipher = createCipheriv(this.#algorithm, this.#key, this.#tweakOf(sector))
    u8.set(cipher.update(u8.subarray(off, end)), off)
  }

  decrypt(sector: number, u8: Uint8Array, off: number, end: number): void {
    const decipher = createDecipheriv(this.#algorithm, this.#key, this.#tweakOf(sector))
    u8.set(decipher.update(u8.subarray(off, end)), off)
  }

  #tweakOf(sector: number): Buffer {
    this.#tweak.writeUInt32LE(sector >>> 0, 0)
    this.#tweak.writeUInt32LE(Math.floor(sector / 0x1_0000_0000), 4)
    return this.#tweak
  }
}
