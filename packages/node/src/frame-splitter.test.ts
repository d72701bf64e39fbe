import assert from 'node:assert/strict'
import { test } from 'node:test'
import { frameOf } from '@mirage-ts/core/bytes'
import fc from 'fast-check'
import { FrameSplitter, MAX_FRAME_LEN, PREFIX_LEN } from './frame-splitter.ts'

function encode(frames: readonly Uint8Array[]): Uint8Array {
  const octets: number[] = []
  for (const frame of frames) {
    octets.push(
      frame.length >>> 24,
      (frame.length >>> 16) & 255,
      (frame.length >>> 8) & 255,
      frame.length & 255,
      ...frame,
    )
  }
  return Uint8Array.from(octets)
}

function splitter(): { readonly frames: Uint8Array[]; push(octets: Uint8Array): 'oversize' | undefined } {
  const frames: Uint8Array[] = []
  const inner = new FrameSplitter((frame, off, end) => frames.push(frame.u8.slice(off, end)))
  return { frames, push: (octets) => inner.push(frameOf(octets), octets.length) }
}

test('frame splitter: any chunking of a stream gives the same frames', () => {
  const frameLists = fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 12 })
  fc.assert(
    fc.property(frameLists, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (sent, chunkLens) => {
      const stream = encode(sent)
      const { frames, push } = splitter()
      let off = 0
      for (let i = 0; off < stream.length; i++) {
        const end = off + (chunkLens[i % chunkLens.length] as number)
        assert.equal(push(stream.slice(off, end)), undefined)
        off = end
      }
      assert.deepEqual(frames, sent)
    }),
  )
})

test('frame splitter: the longest frame passes, in two chunks', () => {
  const { frames, push } = splitter()
  const stream = new Uint8Array(PREFIX_LEN + MAX_FRAME_LEN).fill(7)
  frameOf(stream).dv.setUint32(0, MAX_FRAME_LEN)
  push(stream.slice(0, 1000))
  push(stream.slice(1000))
  assert.equal(frames[0]?.length, MAX_FRAME_LEN)
})

test('frame splitter: refuses an impossible length, whole or in pieces', () => {
  const prefix = new Uint8Array(PREFIX_LEN)
  frameOf(prefix).dv.setUint32(0, MAX_FRAME_LEN + 1)
  assert.equal(splitter().push(prefix), 'oversize')
  const { push } = splitter()
  assert.equal(push(prefix.slice(0, 2)), undefined)
  assert.equal(push(prefix.slice(2)), 'oversize')
})
