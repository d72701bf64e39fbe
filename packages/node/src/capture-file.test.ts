import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { NO_LOG } from '@mirage-ts/core/log'
import { pcapFile, pcapRecord } from '@mirage-ts/core/pcap'
import { runCaptureConformance } from '@mirage-ts/testing/conformance/capture-suite'
import { createCaptureFile } from './capture-file.ts'

runCaptureConformance('capture file', (use) => {
  const folder = mkdtempSync(join(tmpdir(), 'mirage-capture-'))
  try {
    use(createCaptureFile({ log: NO_LOG }, { path: join(folder, 'x.pcap') }))
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('capture file: keeps nothing without a path', () => {
  const capture = createCaptureFile({ log: NO_LOG }, {})
  capture.add(pcapRecord(0, new Uint8Array(14), 0, 14))
  assert.deepEqual(capture.file(), pcapFile([]))
})

test('capture file: one that cannot be made is an error that names it', () => {
  assert.throws(() => createCaptureFile({ log: NO_LOG }, { path: '/nowhere/x.pcap' }), {
    message: /^Cannot make capture \/nowhere\/x\.pcap: ENOENT/,
  })
})

test('capture file: a full disk ends the capture, not the program', () => {
  const said: string[] = []
  const log = { logger: () => ({ error: (text: string) => said.push(text) }) }
  const capture = createCaptureFile({ log: log as never }, { path: '/dev/full' })
  capture.add(pcapRecord(0, new Uint8Array(14), 0, 14))
  assert.equal(said.length, 1)
  assert.match(said[0] ?? '', /^Cannot write to capture \/dev\/full, which ends here: ENOSPC/)
})
