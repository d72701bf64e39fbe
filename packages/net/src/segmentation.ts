/**
 * Large frames cut into segments in software, for whoever receives them and cannot use them: a router whose next link takes
 * ordinary packets only, an observer that works frame by frame.
 */
import { createFrame } from '@mirage-ts/core/bytes'
import { checksum } from '@mirage-ts/core/checksum'
import { CHECKSUM_AS_IS, completeChecksum, NO_OFFLOAD } from '@mirage-ts/core/offload'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { FrameHandler, Network } from '@mirage-ts/signatures/network'
import { TYPE } from './wire/ethernet.ts'
import { PROTOCOL_TCP } from './wire/ipv4.ts'

const ETHERNET_HEADER_LEN = 14
const ETHERTYPE_VLAN = 0x8100
const VLAN_TAG_LEN = 4
/** The longest piece there is any use for: no link of ours takes longer frames. */
const MAX_PIECE_LEN = 16 * 1024

// Fields that differ from piece to piece.
const IPV4_TOTAL_LEN = 2
const IPV4_ID = 4
const IPV4_CHECKSUM = 10
const IPV4_ADDRESSES = 12
const IPV4_HEADER_LEN = 20
const IPV6_PAYLOAD_LEN = 4
const IPV6_ADDRESSES = 8
const IPV6_HEADER_LEN = 40
const TCP_SEQ = 4
const TCP_DATA_OFFSET = 12
const TCP_FLAGS = 13
const TCP_CHECKSUM = 16
const TCP_HEADER_LEN = 20
const FLAGS_OF_LAST = 0x01 | 0x08 // FIN, PSH
const FLAG_CWR = 0x80

export class Segmenter {
  /** Every piece in its turn. */
  private readonly piece: Frame = createFrame(MAX_PIECE_LEN)

  /**
   * Cuts the large frame `[off, end)`, whose IP header is at `ipOff`, and hands each piece, headers from `off` on included, to
   * `deliver`; it is borrowed until that returns. False, and nothing is delivered, when the headers do not fit together.
   */
  cut(frame: Frame, off: number, ipOff: number, end: number, deliver: FrameHandler): boolean {
    const { dv, u8, segmentBytes, checksumFrom } = frame
    const { piece } = this
    const version = ipOff < end ? dv.getUint8(ipOff) >>> 4 : 0
    const leastTcpOff = ipOff + (version === 4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN)
    if ((version !== 4 && version !== 6) || checksumFrom < leastTcpOff || checksumFrom + TCP_HEADER_LEN > end)
      return false
    const ipHeaderLen = version === 4 ? (dv.getUint8(ipOff) & 0xf) << 2 : 0
    if (version === 4 && ipOff + ipHeaderLen !== checksumFrom) return false
    const textOff = checksumFrom + ((dv.getUint8(checksumFrom + TCP_DATA_OFFSET) >>> 4) << 2)
    const headersLen = textOff - off
    if (textOff > end || segmentBytes === 0 || headersLen + segmentBytes > MAX_PIECE_LEN) return false

    const ipAt = ipOff - off
    const tcpAt = checksumFrom - off
    const flags = dv.getUint8(checksumFrom + TCP_FLAGS)
    const firstSeq = dv.getUint32(checksumFrom + TCP_SEQ)
    let index = 0
    for (let at = textOff; at < end || index === 0; at += segmentBytes, index++) {
      const textEnd = Math.min(end, at + segmentBytes)
      const pieceEnd = headersLen + textEnd - at
      piece.u8.set(u8.subarray(off, textOff), 0)
      piece.u8.set(u8.subarray(at, textEnd), headersLen)
      if (version === 4) {
        piece.dv.setUint16(ipAt + IPV4_TOTAL_LEN, pieceEnd - ipAt)
        piece.dv.setUint16(ipAt + IPV4_ID, (dv.getUint16(ipOff + IPV4_ID) + index) & 0xffff)
        piece.dv.setUint16(ipAt + IPV4_CHECKSUM, 0)
        piece.dv.setUint16(ipAt + IPV4_CHECKSUM, ~checksum(piece.u8, ipAt, ipAt + ipHeaderLen, 0) & 0xffff)
      } else {
        piece.dv.setUint16(ipAt + IPV6_PAYLOAD_LEN, pieceEnd - ipAt - IPV6_HEADER_LEN)
      }
      piece.dv.setUint32(tcpAt + TCP_SEQ, (firstSeq + at - textOff) >>> 0)
      let ownFlags = flags
      if (textEnd < end) ownFlags &= ~FLAGS_OF_LAST
      if (index > 0) ownFlags &= ~FLAG_CWR
      piece.dv.setUint8(tcpAt + TCP_FLAGS, ownFlags)
      piece.dv.setUint16(tcpAt + TCP_CHECKSUM, 0)
      const addressesAt = ipAt + (version === 4 ? IPV4_ADDRESSES : IPV6_ADDRESSES)
      const addressesEnd = ipAt + (version === 4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN)
      const pseudo = checksum(piece.u8, addressesAt, addressesEnd, PROTOCOL_TCP + pieceEnd - tcpAt)
      piece.dv.setUint16(tcpAt + TCP_CHECKSUM, ~checksum(piece.u8, tcpAt, pieceEnd, pseudo) & 0xffff)
      piece.checksumState = CHECKSUM_AS_IS
      deliver(piece, 0, pieceEnd)
    }
    return true
  }
}

/**
 * `network` without offload: frames received are all ordinary ones with complete checksums, and it offers nothing to who sends.
 * For observers that take frames apart, delay or corrupt them. Large frames that make no sense are dropped.
 */
export function createPlainNetwork({ network }: { network: Network }): Network {
  const segmenter = new Segmenter()
  return {
    mac: network.mac,
    headroomBytes: network.headroomBytes,
    get mtuBytes() {
      return network.mtuBytes
    },
    get stats() {
      return network.stats
    },
    offload: NO_OFFLOAD,
    alloc: () => network.alloc(),
    allocLarge: () => undefined,
    send: (frame, off, end) => network.send(frame, off, end),
    free: (frame) => network.free(frame),
    close: () => network.close(),
    listen(handler) {
      network.listen((frame, off, end) => {
        if (frame.segmentBytes === 0) {
          completeChecksum(frame, end)
          frame.checksumState = CHECKSUM_AS_IS
          handler(frame, off, end)
          return
        }
        const hasTag = frame.dv.getUint16(off + TYPE) === ETHERTYPE_VLAN
        const ipOff = off + ETHERNET_HEADER_LEN + (hasTag ? VLAN_TAG_LEN : 0)
        segmenter.cut(frame, off, ipOff, end, handler)
      })
    },
  }
}
