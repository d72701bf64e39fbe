import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ipv4, parseIpv6 } from '@mirage-ts/core/addresses'
import { createFrame, toHex } from '@mirage-ts/core/bytes'
import { checksum } from '@mirage-ts/core/checksum'
import { CHECKSUM_PARTIAL } from '@mirage-ts/core/offload'
import type { IpAddress, Port } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import { Segmenter } from './segmentation.ts'
import { seq } from './seq.ts'
import { emitIpv4, Ipv4Header, PROTOCOL_TCP, parseIpv4 } from './wire/ipv4.ts'
import { emitIpv6, Ipv6Header, parseIpv6 as parseIpv6Header } from './wire/ipv6.ts'
import {
  emitTcp,
  FLAG_ACK,
  FLAG_CWR,
  FLAG_FIN,
  FLAG_PSH,
  isTcpChecksumGood,
  leaveTcpChecksum,
  parseTcp,
  TcpHeader,
} from './wire/tcp.ts'

const US4 = ipv4(10, 0, 0, 1)
const PEER4 = ipv4(10, 0, 0, 2)
const US6 = parseIpv6('2001:db8::1') as IpAddress
const PEER6 = parseIpv6('2001:db8::2') as IpAddress
const ALL_FLAGS = FLAG_ACK | FLAG_PSH | FLAG_FIN | FLAG_CWR

/** A large frame with `lenBytes` of text, as our TCP makes it. */
function large(isIpv6: boolean, lenBytes: number, segmentBytes: number): { frame: Frame; end: number } {
  const ipLen = isIpv6 ? 40 : 20
  const frame = createFrame(14 + ipLen + 32 + lenBytes)
  const header = new TcpHeader()
  header.srcPort = 80 as Port
  header.dstPort = 81 as Port
  header.seq = seq(0xffff_fff0)
  header.flags = ALL_FLAGS
  header.hasTimestamps = true
  const tcpOff = 14 + ipLen
  const textOff = tcpOff + emitTcp(frame, tcpOff, header)
  for (let i = 0; i < lenBytes; i++) frame.u8[textOff + i] = i * 7
  const end = textOff + lenBytes
  leaveTcpChecksum(frame, tcpOff, end - tcpOff, isIpv6 ? US6 : US4, isIpv6 ? PEER6 : PEER4)
  frame.segmentBytes = segmentBytes
  frame.dv.setUint16(12, isIpv6 ? 0x86dd : 0x0800)
  if (isIpv6) emitIpv6(frame, 14, end - tcpOff, PROTOCOL_TCP, 64, US6 as never, PEER6 as never, 2)
  else emitIpv4(frame, 14, end - 14, 0xffff, 0x4000, 64, PROTOCOL_TCP, US4, PEER4, 2)
  return { frame, end }
}

describe('segmentation', () => {
  for (const isIpv6 of [false, true]) {
    for (const [lenBytes, segmentBytes, count] of [
      [3000, 1000, 3],
      [3001, 1000, 4],
      [999, 1000, 1],
      [65_000, 1448, 45],
      [0, 1000, 1],
    ] as const) {
      it(`cuts ${lenBytes} octets into segments of ${segmentBytes}, over IPv${isIpv6 ? 6 : 4}`, () => {
        const { frame, end } = large(isIpv6, lenBytes, segmentBytes)
        const source = toHex(frame.u8)
        let text = ''
        let pieces = 0
        const isCut = new Segmenter().cut(frame, 0, 14, end, (piece, off, pieceEnd) => {
          assert.equal(toHex(piece.u8, 0, 14), toHex(frame.u8, 0, 14))
          assert.deepEqual([piece.checksumState, piece.segmentBytes], [0, 0])
          const header = new TcpHeader()
          const tcpOff = off + 14 + (isIpv6 ? 40 : 20)
          if (isIpv6) {
            const ip = new Ipv6Header()
            assert.equal(parseIpv6Header(piece, 14, pieceEnd, ip), undefined)
            assert.equal(ip.packetEnd, pieceEnd)
            assert.ok(isTcpChecksumGood(piece, tcpOff, pieceEnd, US6, PEER6))
          } else {
            const ip = new Ipv4Header()
            assert.equal(parseIpv4(piece, 14, pieceEnd, ip), undefined, 'length and checksum of the IPv4 header')
            assert.equal(ip.totalLen, pieceEnd - 14)
            assert.equal(ip.id, (0xffff + pieces) & 0xffff)
            assert.ok(isTcpChecksumGood(piece, tcpOff, pieceEnd, US4, PEER4))
          }
          assert.equal(parseTcp(piece, tcpOff, pieceEnd, header), undefined)
          assert.equal(header.seq, seq(0xffff_fff0 + text.length / 2))
          const isLast = pieces === count - 1
          const wanted = FLAG_ACK | (isLast ? FLAG_PSH | FLAG_FIN : 0) | (pieces === 0 ? FLAG_CWR : 0)
          assert.equal(header.flags, wanted)
          text += toHex(piece.u8, header.payloadOff, header.payloadEnd)
          pieces++
        })
        assert.equal(isCut, true)
        assert.equal(pieces, count)
        assert.equal(text, toHex(frame.u8, end - lenBytes, end))
        assert.equal(toHex(frame.u8), source, 'the large frame is as it was')
      })
    }
  }

  it('cuts nothing when the headers do not fit together', () => {
    const cases: readonly [why: string, change: Partial<Frame>, firstIpOctet?: number, end?: number][] = [
      ['an IPv4 header longer than where TCP begins', {}, 0x46],
      ['no version of IP', {}, 0x05],
      ['TCP inside of the IP header', { checksumFrom: 20 }],
      ['TCP beyond the end', { checksumFrom: 5000 }],
      ['segments without text', { segmentBytes: 0 }],
      ['segments longer than any link takes', { segmentBytes: 60_000 }],
      ['no packet at all', {}, 0x45, 14],
      ['a packet that ends in the TCP header', {}, 0x45, 50],
    ]
    for (const [why, change, firstIpOctet = 0x45, end] of cases) {
      const made = large(false, 3000, 1000)
      Object.assign(made.frame, change)
      made.frame.dv.setUint8(14, firstIpOctet)
      const isCut = new Segmenter().cut(made.frame, 0, 14, end ?? made.end, () => assert.fail(why))
      assert.equal(isCut, false, why)
    }
  })

  it('what is left to the network is the sum of the pseudo-header', () => {
    const { frame, end } = large(false, 100, 1000)
    assert.equal(frame.checksumState, CHECKSUM_PARTIAL)
    const rest = ~checksum(frame.u8, frame.checksumFrom, end, 0) & 0xffff
    frame.dv.setUint16(frame.checksumAt, rest)
    frame.checksumState = 0
    assert.ok(isTcpChecksumGood(frame, 34, end, US4, PEER4))
  })
})
