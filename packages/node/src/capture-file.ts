/** A packet capture in a file of the host. */
import { openSync, readFileSync, writeSync } from 'node:fs'
import { messageOf } from '@mirage-ts/core/errors'
import { pcapFile, pcapHeader } from '@mirage-ts/core/pcap'
import type { Capture } from '@mirage-ts/signatures/capture'
import type { Log } from '@mirage-ts/signatures/log'

export interface CaptureFileOptions {
  /** Overwritten when it is there; without one nothing is kept. */
  readonly path?: string | undefined
}

/**
 * Writes each frame at once, so that the file is complete however the program ends. When it cannot be written to any more, the
 * log says so and the capture ends. Throws an `Error` when the file cannot be made.
 */
export function createCaptureFile({ log }: { readonly log: Log }, { path }: CaptureFileOptions): Capture {
  if (path === undefined) return { add: () => {}, file: () => pcapFile([]) }
  const logger = log.logger('pcap')
  let fd: number | undefined = create(path)
  const write = (octets: Uint8Array): void => {
    if (fd === undefined) return
    try {
      writeSync(fd, octets)
    } catch (error) {
      // A disk that is full must not end the program that is being watched.
      fd = undefined
      logger.error(`Cannot write to capture ${path}, which ends here: ${messageOf(error)}`)
    }
  }
  write(pcapHeader())
  return { add: write, file: () => readFileSync(path) }
}

function create(path: string): number {
  try {
    return openSync(path, 'w')
  } catch (cause) {
    throw new Error(`Cannot make capture ${path}: ${messageOf(cause)}`, { cause })
  }
}
