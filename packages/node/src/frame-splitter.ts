/**
 * Ethernet frames out of a stream of octets: each is preceded by its length as 4 octets, big-endian, as QEMU's
 * `-netdev stream` and passt have it. Knows no socket.
 */
import { createFrame } from '@mirage-ts/core/bytes'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { FrameHandler } from '@mirage-ts/signatures/network'

/** Octets of the length in front of a frame. */
export const PREFIX_LEN = 4

/** Longest frame that QEMU sends (its NET_BUFSIZE); a greater length means that the peer speaks something else. */
export const MAX_FRAME_LEN = 4096 + 65536

export class FrameSplitter {
  readonly #onFrame: FrameHandler
  /** The start of a frame, with its length, whose rest has not arrived. */
  readonly #partial: Frame = createFrame(PREFIX_LEN + MAX_FRAME_LEN)
  #partialLen = 0

  /** Frames are passed to `onFrame` where they lie: in the chunk as a rule. They are borrowed until it returns. */
  constructor(onFrame: FrameHandler) {
    this.#onFrame = onFrame
  }

  /** Takes the octets `chunk.u8[0, end)`; returns `oversize`, and is of no more use, when a length is impossible. */
  push(chunk: Frame, end: number): 'oversize' | undefined {
    let off = 0
    while (off < end) {
      if (this.#partialLen === 0 && end - off >= PREFIX_LEN) {
        const frameOff = off + PREFIX_LEN
        const frameLen = chunk.dv.getUint32(off)
        if (frameLen > MAX_FRAME_LEN) return 'oversize'
        if (frameLen <= end - frameOff) {
          off = frameOff + frameLen
          this.#onFrame(chunk, frameOff, off)
          continue
        }
      }
      // In pieces: first the length, which says how much more there is to wait for.
      const wantedLen = this.#partialLen < PREFIX_LEN ? PREFIX_LEN : PREFIX_LEN + this.#partial.dv.getUint32(0)
      const takenLen = Math.min(wantedLen - this.#partialLen, end - off)
      this.#partial.u8.set(chunk.u8.subarray(off, off + takenLen), this.#partialLen)
      this.#partialLen += takenLen
      off += takenLen
      if (this.#partialLen < PREFIX_LEN) continue
      const frameLen = this.#partial.dv.getUint32(0)
      if (frameLen > MAX_FRAME_LEN) return 'oversize'
      if (this.#partialLen === PREFIX_LEN + frameLen) {
        this.#partialLen = 0
        this.#onFrame(this.#partial, PREFIX_LEN, PREFIX_LEN + frameLen)
      }
    }
    return undefined
  }
}
