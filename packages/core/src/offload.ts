/** Work on packets that is left to the network: what the fields of a `Frame` beside its octets say. */

import { checksum } from '@mirage-ts/core/checksum'
import type { ChecksumState, Frame } from '@mirage-ts/signatures/bytes'
import type { NetworkOffload } from '@mirage-ts/signatures/network'

/** Values of `Frame.checksumState`. */
export const CHECKSUM_AS_IS: ChecksumState = 0
export const CHECKSUM_VERIFIED: ChecksumState = 1
export const CHECKSUM_PARTIAL: ChecksumState = 2

/** Where the checksum lies in the header of a datagram of UDP; that of TCP is elsewhere. */
const UDP_CHECKSUM = 6

/** A network that carries frames and does nothing else. */
export const NO_OFFLOAD: NetworkOffload = { checksum: false, tcp4Bytes: 0, tcp6Bytes: 0 }

/** Makes `frame` an ordinary one, of which nothing is known. */
export function clearOffload(frame: Frame): void {
  frame.checksumState = CHECKSUM_AS_IS
  frame.segmentBytes = 0
}

/** Says of `to`, which holds a copy of `from` that begins `shift` octets later in its buffer, what is said of `from`. */
export function copyOffload(from: Frame, to: Frame, shift: number): void {
  to.checksumState = from.checksumState
  to.checksumFrom = from.checksumFrom + shift
  to.checksumAt = from.checksumAt + shift
  to.segmentBytes = from.segmentBytes
}

/**
 * Puts the checksum that was left to the network into the frame, which ends at `end` and is not a large one. Whatever stood in
 * the fields, no octet outside of `[0, end)` is touched.
 */
export function completeChecksum(frame: Frame, end: number): void {
  if (frame.checksumState !== CHECKSUM_PARTIAL) return
  frame.checksumState = CHECKSUM_AS_IS
  const { u8, dv, checksumFrom, checksumAt } = frame
  if (checksumFrom >= end || checksumAt + 2 > end) return
  const sum = ~checksum(u8, checksumFrom, end, 0) & 0xffff
  // RFC 768: a computed checksum of zero is sent as all ones.
  dv.setUint16(checksumAt, sum === 0 && checksumAt - checksumFrom === UDP_CHECKSUM ? 0xffff : sum)
}
