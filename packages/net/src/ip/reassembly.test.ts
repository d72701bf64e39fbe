import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { after, NEVER, seconds } from '@mirage-ts/core/time'
import type { Instant } from '@mirage-ts/signatures/time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { MAX_PIECES, type Reassembled, Reassembler, type ReassemblyReason } from './reassembly.ts'

const NOW = 1_000_000 as Instant
const HEADER = Uint8Array.of(0xaa, 0xbb)

function setUp(maxBytes?: number) {
  const given: (Uint8Array | undefined)[] = []
  const options = { timeout: seconds(30), onTimeout: (first: Uint8Array | undefined) => void given.push(first) }
  const reassembler = new Reassembler(maxBytes === undefined ? options : { ...options, maxBytes })
  /** A piece of `payload` behind a header of two octets. */
  const piece = (
    payload: Uint8Array,
    off: number,
    end: number,
    key = 'a',
    hasMore = end < payload.length,
  ): Reassembled | ReassemblyReason | undefined => {
    const packet = new Uint8Array(HEADER.length + end - off)
    packet.set(HEADER)
    packet.set(payload.subarray(off, end), HEADER.length)
    return reassembler.input(key, packet, 0, HEADER.length, packet.length, off, hasMore, NOW)
  }
  return { reassembler, piece, given }
}

const bytes = (len: number): Uint8Array => new SeededRandom(len).bytes(len)

/** The payload of a datagram put together. */
function payloadOf(result: Reassembled | ReassemblyReason | undefined): Uint8Array {
  assert(typeof result === 'object', String(result))
  assert.deepEqual(result.packet.subarray(0, result.payloadOff), HEADER)
  return result.packet.subarray(result.payloadOff)
}

describe('reassembly', () => {
  it('puts pieces together in whatever order and number they come, against the simple model', () => {
    const random = new SeededRandom(1)
    for (let run = 0; run < 300; run++) {
      const { piece, reassembler } = setUp()
      const payload = bytes(1 + random.below(4000))
      const cuts = [0]
      while (cuts.length < 20 && (cuts.at(-1) as number) + 8 < payload.length) {
        cuts.push((cuts.at(-1) as number) + 8 * (1 + random.below(60)))
      }
      const pieces = cuts
        .filter((cut) => cut < payload.length)
        .map((off, i, all) => [off, all[i + 1] ?? payload.length] as const)
      const order = pieces.map((one) => ({ one, at: random.u32() })).sort((a, b) => a.at - b.at)
      let result: Reassembled | ReassemblyReason | undefined
      for (const { one } of order) {
        assert.equal(result, undefined)
        result = piece(payload, one[0], one[1])
        // The same piece again changes nothing.
        if (result === undefined && random.chance(0.3)) assert.equal(piece(payload, one[0], one[1]), undefined)
      }
      assert.deepEqual(payloadOf(result), payload)
      assert.equal(reassembler.count, 0)
      assert.equal(reassembler.nextDeadline(), NEVER)
    }
  })

  it('keeps datagrams apart by key', () => {
    const { piece } = setUp()
    const [one, two] = [bytes(32), bytes(40)]
    piece(one, 0, 16, 'one')
    piece(two, 0, 16, 'two')
    assert.deepEqual(payloadOf(piece(one, 16, 32, 'one')), one)
    assert.deepEqual(payloadOf(piece(two, 16, 40, 'two')), two)
  })

  it('refuses overlapping pieces and all that follows of their datagram (RFC 5722 §4)', () => {
    const payload = bytes(64)
    for (const [off, end, hasMore] of [
      [8, 24, true], // into the one before
      [8, 40, true], // around
      [24, 40, true], // into the one after
      [16, 40, true], // same start
      [48, 64, false], // a second end, further
      [0, 8, false], // a second end, nearer
    ] as const) {
      const { piece } = setUp()
      assert.equal(piece(payload, 16, 32), undefined)
      assert.equal(piece(payload, 32, 48, 'a', false), undefined)
      assert.equal(piece(payload, off, end, 'a', hasMore), 'overlap', `${off} to ${end}`)
      assert.equal(piece(payload, 0, 16), 'overlap')
    }
    const { piece } = setUp()
    piece(payload, 32, 48, 'a', true)
    assert.equal(piece(payload, 0, 8, 'a', false), 'overlap', 'an end before a piece that has come')
  })

  it('refuses pieces of no length, of odd length before the last, and beyond 65535 octets', () => {
    const { piece, reassembler } = setUp()
    const payload = bytes(70_000)
    assert.equal(piece(payload, 8, 8), 'bad-length')
    assert.equal(piece(payload, 0, 12), 'bad-length')
    assert.equal(piece(payload, 65_528, 65_544), 'too-long')
    assert.equal(reassembler.count, 0)
  })

  it('gives up after the timeout and hands over the first piece, if it came', () => {
    const { piece, reassembler, given } = setUp()
    piece(bytes(32), 0, 16, 'with first')
    piece(bytes(32), 16, 32, 'without')
    assert.equal(reassembler.nextDeadline(), after(NOW, seconds(30)))
    reassembler.poll(after(NOW, seconds(29)))
    assert.equal(reassembler.count, 2)
    reassembler.poll(after(NOW, seconds(30)))
    assert.equal(reassembler.count, 0)
    assert.deepEqual(given, [Uint8Array.of(...HEADER, ...bytes(32).subarray(0, 16)), undefined])
  })

  it('holds a bounded number of octets and datagrams, the oldest go first', () => {
    const { piece, reassembler } = setUp(10_000)
    for (let i = 0; i < 1000; i++) piece(bytes(2000), 0, 1000, `key ${i}`)
    assert.equal(reassembler.count, Math.floor(10_000 / 1002))
    assert.equal(reassembler.evictedCount, 1000 - reassembler.count)
    assert(typeof piece(bytes(2000), 1000, 2000, 'key 999') === 'object')
    const many = setUp()
    for (let i = 0; i < 1000; i++) many.piece(bytes(16), 0, 8, `key ${i}`)
    assert.equal(many.reassembler.count, 64)
  })

  // OSEC-2026-11 (SegmentSmack) and its brother FragmentSmack: looking for the place of a piece among thousands.
  it('regression FragmentSmack: the work for one piece is bounded, because a datagram has few of them', () => {
    const { piece } = setUp()
    const payload = bytes(65_528)
    for (let i = 0; i < MAX_PIECES; i++) assert.equal(piece(payload, 16 * i, 16 * i + 8), undefined)
    assert.equal(piece(payload, 16 * MAX_PIECES, 16 * MAX_PIECES + 8), 'too-many-pieces')
    // And then not even these are kept.
    for (let i = 0; i < 4000; i++) assert.equal(piece(payload, 16 * i, 16 * i + 8), 'overlap')
  })
})
