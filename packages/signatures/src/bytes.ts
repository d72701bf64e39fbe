/**
 * A packet buffer: one allocation seen twice, as octets and as a big-endian view.
 *
 * Both views are made once, when the buffer is, and cover the same octets. Layers pass `(frame, off, end)` to each
 * other and never make a sub-view: on the engine of a unikernel a view costs more than parsing a header.
 * A frame handed out for sending holds whatever it held before: whoever emits a header writes every octet of it.
 */
export interface Frame {
  readonly u8: Uint8Array
  readonly dv: DataView
  /**
   * What is known of the checksum of the TCP segment or UDP datagram in the frame: `CHECKSUM_AS_IS`, `CHECKSUM_VERIFIED` or
   * `CHECKSUM_PARTIAL` of `@mirage-ts/core/offload`. As it is, unless the network says otherwise (`Network.offload`).
   */
  checksumState: ChecksumState
  /**
   * Where the header of that segment or datagram starts and where in it the checksum goes, as offsets from the beginning of
   * the frame; of meaning with `CHECKSUM_PARTIAL`.
   */
  checksumFrom: number
  checksumAt: number
  /** Of a large frame (`Network.allocLarge`): octets of text in each of the TCP segments it stands for. 0 of any other. */
  segmentBytes: number
}

/**
 * 0: the checksum is in its place, right or wrong. 1, of a frame received: the device has found it right. 2: its place holds
 * the sum of the pseudo-header, which the network adds the rest to; of a frame received: it never crossed a wire, so there is
 * nothing to verify.
 */
export type ChecksumState = 0 | 1 | 2
