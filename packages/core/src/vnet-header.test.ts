import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createFrame, frameOf, fromHex, toHex } from './bytes.ts'
import { CHECKSUM_AS_IS, CHECKSUM_PARTIAL, CHECKSUM_VERIFIED, completeChecksum } from './offload.ts'
import { emitVnetHeader, parseVnetHeader, VNET_HEADER_LEN, vnetBufferCount } from './vnet-header.ts'

const OFF = VNET_HEADER_LEN
const IP = OFF + 14

/** A frame of `lenBytes` behind the header given. */
function received(header: string, lenBytes = 100, tcpHeaderLen = 20) {
  const frame = createFrame(OFF + lenBytes)
  frame.u8.set(fromHex(header))
  frame.dv.setUint8(OFF + 34 + 12, tcpHeaderLen << 2)
  return { frame, isGood: parseVnetHeader(frame, 0, OFF, OFF + lenBytes) }
}

describe('vnet header', () => {
  it('reads and writes what tun of Linux has: segments over IPv4, then IPv6, a lone checksum, nothing', () => {
    for (const [header, state, from, at, segmentBytes] of [
      // num_buffers is 0 here, as Linux has it.
      ['01 01 4200 a805 2200 1000 0000', CHECKSUM_PARTIAL, 34, 50, 1448],
      ['01 04 5600 9405 3600 1000 0000', CHECKSUM_PARTIAL, 54, 70, 1428],
      ['01 00 0000 0000 2200 1000 0000', CHECKSUM_PARTIAL, 34, 50, 0],
      ['00 00 0000 0000 0000 0000 0000', CHECKSUM_AS_IS, 0, 0, 0],
    ] as const) {
      const frame = createFrame(OFF + 1600)
      frame.u8.set(fromHex(header))
      frame.dv.setUint8(IP, segmentBytes === 1428 ? 0x60 : 0x45)
      frame.dv.setUint8(OFF + (segmentBytes === 1428 ? 54 : 34) + 12, 32 << 2)
      assert.equal(parseVnetHeader(frame, 0, OFF, OFF + 1600), true)
      assert.equal(frame.checksumState, state)
      assert.equal(frame.segmentBytes, segmentBytes)
      if (state === CHECKSUM_PARTIAL) assert.deepEqual([frame.checksumFrom, frame.checksumAt], [OFF + from, OFF + at])
      frame.u8.fill(0xee, 0, OFF)
      emitVnetHeader(frame, OFF)
      assert.equal(toHex(frame.u8, 0, OFF), header.replaceAll(' ', ''))
    }
  })

  it('takes the word of a device that has verified a checksum, with or without a type it may not have', () => {
    assert.equal(received('02 00 0000 0000 0000 0000 0100').frame.checksumState, CHECKSUM_VERIFIED)
    assert.equal(received('02 01 4200 a805 2200 1000 0100').isGood, false)
  })

  it('refuses what does not fit the frame', () => {
    for (const [header, why] of [
      ['01 00 0000 0000 0d00 1000 0100', 'a sum that begins in the Ethernet header'],
      ['01 00 0000 0000 5b00 0800 0100', 'a checksum that ends after the frame'],
      ['01 00 0000 0000 ffff ffff 0100', 'offsets far away'],
      ['01 01 4200 0000 2200 1000 0100', 'segments without text'],
      ['01 03 4200 a805 2200 1000 0100', 'fragments of UDP, which we did not ask for'],
      ['01 05 4200 a805 2200 1000 0100', 'segments of UDP, which we did not ask for'],
      ['01 01 4200 a805 2200 0600 0100', 'TCP with its checksum elsewhere'],
      ['01 01 4200 a805 5300 1000 0100', 'a TCP header that is cut off'],
      ['00 01 4200 a805 2200 1000 0100', 'segments whose checksums are said to be complete'],
    ] as const) {
      assert.equal(received(header).isGood, false, why)
    }
    assert.equal(received('01 01 4200 a805 2200 1000 0100', 100, 16).isGood, false, 'a data offset of 16')
    assert.equal(received('01 01 4200 a805 2200 1000 0100', 60, 60).isGood, false, 'a data offset beyond the end')
    assert.equal(received('01 01 4200 a805 2200 1000 0100').isGood, true)
    assert.equal(received('01 81 4200 a805 2200 1000 0100').isGood, true, 'the mark for CWR changes nothing')
  })

  it('whatever a device says, what is left of it lies within the frame, and completing it writes nothing outside', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: OFF + 14, maxLength: 200 }), (octets) => {
        const whole = new Uint8Array(octets.length + 8).fill(0x5a)
        whole.set(octets)
        const frame = frameOf(whole)
        const end = octets.length
        if (!parseVnetHeader(frame, 0, OFF, end)) return
        assert.ok(Number.isInteger(vnetBufferCount(frame, 0)))
        if (frame.checksumState === CHECKSUM_PARTIAL) {
          assert.ok(frame.checksumFrom >= OFF + 14 && frame.checksumAt + 2 <= end)
        }
        const before = toHex(whole, 0, OFF + 14)
        frame.segmentBytes = 0
        completeChecksum(frame, end)
        assert.equal(toHex(whole, 0, OFF + 14), before)
        assert.equal(toHex(whole, end), '5a'.repeat(8))
      }),
      { numRuns: 2000 },
    )
  })
})
