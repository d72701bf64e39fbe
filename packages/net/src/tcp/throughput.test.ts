/**
 * One bulk transfer over each of many lines, in mock time: the share of the line that the text gets. The table is a golden
 * file: a change of behaviour shows as a diff to be read. Write it anew with UPDATE_GOLDENS=1.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { ipv4 } from '@mirage-ts/core/addresses'
import { NO_LOG } from '@mirage-ts/core/log'
import type { Port } from '@mirage-ts/signatures/addresses'
import { type LineOptions, TestLine } from '@mirage-ts/testing/ip-line'
import { MockTime } from '@mirage-ts/testing/mock-time'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import type { CongestionName } from './congestion.ts'
import { createTcp } from './tcp.ts'

const A = ipv4(10, 0, 0, 1)
const B = ipv4(10, 0, 0, 2)
const RATE_BYTES = 2_500_000
const TRANSFER_BYTES = 2 * 1024 * 1024
const MAX_BUFFER_BYTES = 1024 * 1024

/** Seconds that a transfer takes, and segments sent again in it. */
async function transfer(congestion: CongestionName, options: LineOptions): Promise<readonly [number, number]> {
  const time = new MockTime()
  // Randomness of its own: what is lost does not depend on how much of it TCP uses.
  const line = new TestLine(time, new SeededRandom(1), [A, B], options)
  const shared = { clock: time, time, random: new SeededRandom(2), log: NO_LOG }
  const tcpOptions = { congestion, sendBufferBytes: MAX_BUFFER_BYTES, receiveBufferBytes: MAX_BUFFER_BYTES }
  const a = createTcp({ ip: line.a, ...shared }, tcpOptions)
  const b = createTcp({ ip: line.b, ...shared }, tcpOptions)
  let received = 0
  let done: Promise<void> = Promise.resolve()
  await b.listen(80 as Port, (flow) => {
    done = (async () => {
      for (let chunk = await flow.read(); chunk !== undefined; chunk = await flow.read()) received += chunk.length
    })()
  })
  const start = time.now()
  const flow = await time.until(a.connect({ address: B, port: 80 as Port }))
  await time.until(flow.write(new Uint8Array(TRANSFER_BYTES)))
  flow.shutdownWrite()
  await time.until(done)
  assert.equal(received, TRANSFER_BYTES)
  return [(time.now() - start) / 1e6, a.counters.retransmittedSegments]
}

const LOSSES = [0, 0.001, 0.01, 0.05]
const ROUND_TRIPS_MS = [2, 20, 100, 400]
const BUFFERS_KIB = [16, 64, 256]

test('tcp throughput: loss, delay and buffer of the line against the golden table', async () => {
  const lines = [
    '# Share in % of 20 Mbit/s that 2 MiB get, handshake and slow start included, and segments sent again.',
    '# Loss is of either direction; the buffer is that of the line.',
    '#',
    '# loss %  round trip ms  buffer KiB    cubic  again  newreno  again',
  ]
  for (const loss of LOSSES) {
    for (const roundTripMs of ROUND_TRIPS_MS) {
      for (const bufferKib of BUFFERS_KIB) {
        const cells = []
        for (const congestion of ['cubic', 'newreno'] as const) {
          const [seconds, again] = await transfer(congestion, {
            loss,
            delayUs: roundTripMs * 500,
            rateBytes: RATE_BYTES,
            bufferBytes: bufferKib * 1024,
          })
          const share = (100 * TRANSFER_BYTES) / RATE_BYTES / seconds
          cells.push(share.toFixed(0).padStart(congestion === 'cubic' ? 9 : 9), String(again).padStart(7))
        }
        lines.push(
          `${(100 * loss).toFixed(1).padStart(8)}${String(roundTripMs).padStart(15)}${String(bufferKib).padStart(12)}${cells.join('')}`,
        )
      }
    }
  }
  const table = `${lines.join('\n')}\n`
  const file = new URL('./throughput.golden.txt', import.meta.url)
  if (process.env['UPDATE_GOLDENS'] !== undefined) writeFileSync(file, table)
  assert.equal(table, readFileSync(file, 'utf8'))
})
