/**
 * Encrypts the sectors of a disk, each for itself and to the same length, so that any of them can be read and written alone:
 * AES-XTS and its like.
 *
 * **Keys** are the implementation's: it is made with one and gives it to nobody.
 *
 * **Tweaks.** The number of a sector goes into its encryption: equal contents in two sectors do not look equal, and a sector
 * that is moved decrypts to noise.
 *
 * **What it does not do.** The length leaves no room for a checksum: whoever can write to the disk can turn sectors into
 * noise, or put back what a sector held before, and nobody notices here. A store with checksums above notices the first.
 */
export interface SectorCipher {
  /** A sector is a whole number of these octets. */
  readonly blockBytes: number
  /** Encrypts `u8[off, end)`, all of sector `sector`, in place. Synchronous; the same input gives the same output. */
  encrypt(sector: number, u8: Uint8Array, off: number, end: number): void
  /** Undoes `encrypt` of the same sector; other octets give other octets, and never an error. */
  decrypt(sector: number, u8: Uint8Array, off: number, end: number): void
}
