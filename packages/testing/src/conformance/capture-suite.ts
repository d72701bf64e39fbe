/** What every `Capture` must do, as tests. Call `runCaptureConformance` from the test file of an implementation. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pcapFile, pcapRecord } from '@mirage-ts/core/pcap'
import type { Capture } from '@mirage-ts/signatures/capture'

/** Makes a capture for one test, that has room for a kibioctet at least, and runs `use` with it. */
export type WithCapture = (use: (capture: Capture) => void) => void

export function runCaptureConformance(name: string, withCapture: WithCapture): void {
  const records = [60, 14, 100].map((len, i) => pcapRecord(1_000_001 * i, new Uint8Array(len).fill(i), 0, len))

  test(`${name}: is a complete file when nothing was captured`, () => {
    withCapture((capture) => assert.deepEqual(Uint8Array.from(capture.file()), pcapFile([])))
  })

  test(`${name}: keeps records in their order, and the file is complete at any time`, () => {
    withCapture((capture) => {
      for (const [i, record] of records.entries()) {
        capture.add(record)
        assert.deepEqual(Uint8Array.from(capture.file()), pcapFile(records.slice(0, i + 1)))
      }
    })
  })

  test(`${name}: what it has given out is a copy`, () => {
    withCapture((capture) => {
      capture.add(records[0] as Uint8Array)
      capture.file().fill(0xff)
      assert.deepEqual(Uint8Array.from(capture.file()), pcapFile(records.slice(0, 1)))
    })
  })
}
