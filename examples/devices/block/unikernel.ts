/** Writes every sector of a disk, reads it back, and tries what must not work. What was on the disk is gone. */
import { BlockError } from '@mirage-ts/core/errors'
import type { Block } from '@mirage-ts/signatures/block'
import type { Log } from '@mirage-ts/signatures/log'
import type { MonotonicClock } from '@mirage-ts/signatures/time'

/** Octets in one transfer. */
const PIECE_BYTES = 1024 * 1024

export async function start({ disk, clock, log }: { disk: Block; clock: MonotonicClock; log: Log }): Promise<void> {
  const application = log.logger('application')
  const { sectorBytes, sectorCount } = disk
  application.info(`${sectorCount} sectors of ${sectorBytes} octets${disk.isReadOnly ? ', read-only' : ''}`)
  const step = PIECE_BYTES / sectorBytes

  let begun = clock.now()
  const speed = (): string => `${((sectorCount * sectorBytes) / (clock.now() - begun)).toFixed(1)} MB/s`
  for (let sector = 0; sector < sectorCount; sector += step) {
    await disk.write(sector, pattern(sector, Math.min(step, sectorCount - sector), sectorBytes))
  }
  await disk.flush()
  application.info(`wrote all of it: ${speed()}`)

  begun = clock.now()
  const piece = new Uint8Array(PIECE_BYTES)
  for (let sector = 0; sector < sectorCount; sector += step) {
    const octets = piece.subarray(0, Math.min(step, sectorCount - sector) * sectorBytes)
    await disk.read(sector, octets)
    const expected = pattern(sector, octets.length / sectorBytes, sectorBytes)
    for (let off = 0; off < octets.length; off += sectorBytes) {
      for (const at of [off, off + sectorBytes - 1]) {
        if (octets[at] !== expected[at]) throw new Error(`Sector ${sector + off / sectorBytes} is not what was written`)
      }
    }
  }
  application.info(`read all of it: ${speed()}`)

  await refused('a sector behind the last', () => disk.read(sectorCount, new Uint8Array(sectorBytes)))
  await refused('half a sector', () => disk.write(0, new Uint8Array(sectorBytes / 2)))
  await refused('a sector before the first', () => disk.write(-1, new Uint8Array(sectorBytes)))
  application.info('all is well')
}

/** Sectors that differ from each other. */
function pattern(sector: number, sectorCount: number, sectorBytes: number): Uint8Array {
  const octets = new Uint8Array(sectorCount * sectorBytes)
  for (let i = 0; i < sectorCount; i++) octets.fill((sector + i) % 251, i * sectorBytes, (i + 1) * sectorBytes)
  return octets
}

async function refused(what: string, call: () => Promise<void>): Promise<void> {
  try {
    await call()
  } catch (error) {
    if (error instanceof RangeError || error instanceof BlockError) return
    throw error
  }
  throw new Error(`The disk took ${what}`)
}
