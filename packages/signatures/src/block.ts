/**
 * A device of numbered sectors: a disk, a partition, a file that stands for one.
 *
 * **Sizes.** Every transfer is a whole number of sectors: the buffer's length is a multiple of `sectorBytes`, a power of
 * two from 512 to 65,536. A transfer outside of the device, or of another length, is a programmer's mistake and rejects
 * with a `RangeError`; reading and writing nothing is allowed.
 *
 * **Order.** Calls may overlap and finish in any order. A read that overlaps in time with a write of the same sector may
 * see the old or the new octets of it; whoever minds waits for the write first.
 *
 * **Durability.** A write that has resolved is seen by every later read, but a crash may lose it, or keep it and lose
 * an earlier one, or keep a part of its sectors, or leave a sector half old and half new. When `flush` resolves,
 * everything whose write had resolved before `flush` was called survives a crash.
 *
 * **Failures** reject with a `BlockError`: `io`, `read-only`, `closed`. After `io` on a write the sectors written to may
 * hold anything; after `io` on a flush, so may every sector written since the flush before.
 */
export interface Block {
  readonly sectorBytes: number
  readonly sectorCount: number
  readonly isReadOnly: boolean
  /** Fills `into` from `sector` on; `into` is borrowed until the call settles. */
  read(sector: number, into: Uint8Array): Promise<void>
  /** Writes `from` from `sector` on; `from` is borrowed until the call settles. */
  write(sector: number, from: Uint8Array): Promise<void>
  /** Makes what was written before durable. On a read-only device it does nothing. */
  flush(): Promise<void>
  /**
   * Says that the contents of these sectors are not needed any more: what they hold afterwards is undefined until they
   * are written again. A device may ignore it.
   */
  discard(sector: number, sectorCount: number): Promise<void>
  /** Flushes nothing; gives the device back. Later calls reject with `closed`; closing again does nothing. */
  close(): Promise<void>
}
