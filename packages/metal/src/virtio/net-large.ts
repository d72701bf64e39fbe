/**
 * Frames that arrive in several buffers (Virtual I/O Device 1.2 §5.1.6.4, VIRTIO_NET_F_MRG_RXBUF), put together in one.
 *
 * The first buffer says how many there are, and the device hands them over one after the other, in order. It is not trusted:
 * a number that is impossible, or buffers that hold more than the longest frame, end the frame; the buffers are counted on
 * all the same, so that the next frame begins where the device begins it.
 */
import { createFrame } from '@mirage-ts/core/bytes'
import type { Frame } from '@mirage-ts/signatures/bytes'

export class LargeReceive {
  /** The frame put together, its header at 0. Borrowed like any frame received. */
  readonly frame: Frame
  /** All buffers, one behind the other. */
  private readonly buffers: Uint8Array
  private readonly bufferLen: number
  private readonly maxLen: number
  /** Buffers that are still to come. */
  private missingCount = 0
  /** Octets so far; -1 of a frame that is given up. */
  private lenBytes = 0

  constructor(buffers: Uint8Array, bufferLen: number, maxLen: number) {
    this.buffers = buffers
    this.bufferLen = bufferLen
    this.maxLen = maxLen
    this.frame = createFrame(maxLen)
  }

  /** The next buffer belongs to the frame that has begun. */
  get isWaiting(): boolean {
    return this.missingCount > 0
  }

  /** The first of `count` buffers; false when there cannot be so many. */
  begin(slot: number, usedLen: number, count: number): boolean {
    if (count < 1 || count * this.bufferLen > this.buffers.length) return false
    this.missingCount = count - 1
    this.lenBytes = 0
    this.append(slot, usedLen)
    return true
  }

  /** One more: the length of the frame when it is complete, -1 when it is and was too long, 0 before. */
  add(slot: number, usedLen: number): number {
    this.missingCount--
    this.append(slot, usedLen)
    return this.missingCount > 0 ? 0 : this.lenBytes
  }

  private append(slot: number, usedLen: number): void {
    if (this.lenBytes < 0 || this.lenBytes + usedLen > this.maxLen) {
      this.lenBytes = -1
      return
    }
    const from = slot * this.bufferLen
    this.frame.u8.set(this.buffers.subarray(from, from + usedLen), this.lenBytes)
    this.lenBytes += usedLen
  }
}
