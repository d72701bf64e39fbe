import assert from 'node:assert/strict'
import { test } from 'node:test'
import { octetsToText, textToOctets } from '@mirage-ts/core/octets'
import { type Body, collect, concatBodies, latin1Body, measured, rangeBody } from './body.ts'

/** A body of unknown length; a pause takes longer than the promise queue. */
function streamOf(...pieces: readonly (string | 'pause' | Error)[]): Body {
  let at = 0
  return {
    lenBytes: undefined,
    read: async () => {
      if (pieces[at] === 'pause') {
        at++
        await new Promise((resolve) => setImmediate(resolve))
      }
      const piece = pieces[at++]
      if (piece instanceof Error) throw piece
      return piece === undefined ? undefined : textToOctets(piece)
    },
    cancel: () => {},
    trailers: () => [['a', 'b']],
  }
}

async function text(body: Body): Promise<string> {
  const octets = await collect(body)
  return octetsToText(octets, 0, octets.length)
}

test('body: one piece that is there gets a length, anything else goes on as it comes', async () => {
  for (const [body, lenBytes, expected] of [
    [streamOf('abc'), 3, 'abc'],
    [streamOf(), 0, ''],
    [streamOf('a', 'b'), undefined, 'ab'],
    [streamOf('pause', 'a'), undefined, 'a'],
    [streamOf('a', 'pause', 'b'), undefined, 'ab'],
    [streamOf('a', 'pause'), undefined, 'a'],
  ] as const) {
    const made = await measured(body)
    assert.deepEqual([made.lenBytes, await text(made)], [lenBytes, expected])
  }
  // A failure that shows at once can still be answered with a status.
  await assert.rejects(measured(streamOf('a', new Error('on fire'))), { message: 'on fire' })
  await assert.rejects(measured(streamOf(new Error('at once'))), { message: 'at once' })
  const failing = await measured(streamOf('a', 'pause', new Error('later')))
  await assert.rejects(text(failing), { message: 'later' })
})

test('body: several as one, a range, and a bound', async () => {
  const octets = textToOctets('0123456789')
  const range = rangeBody(2, 8, async (off, len) => octets.subarray(off, off + Math.min(len, 4)))
  const all = concatBodies([latin1Body('<'), latin1Body(''), range, latin1Body('>')])
  assert.deepEqual([all.lenBytes, await text(all)], [8, '<234567>'])
  assert.equal(concatBodies([latin1Body('x'), streamOf()]).lenBytes, undefined)
  await assert.rejects(collect(streamOf('abc', 'def'), 5), RangeError)
  await assert.rejects(text(rangeBody(0, 5, async () => new Uint8Array(0))), /expected 5 octets, got 0/)
})
