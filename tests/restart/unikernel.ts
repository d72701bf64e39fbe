import { RESTART } from '@mirage-ts/core/boot'
import type { Block } from '@mirage-ts/signatures/block'
import type { Log } from '@mirage-ts/signatures/log'

const STARTS = 3

/** Counts its starts on the disk. Asks to be started again, and fails at last. */
export async function start({ disk, log }: { disk: Block; log: Log }): Promise<typeof RESTART> {
  const sector = new Uint8Array(disk.sectorBytes)
  await disk.read(0, sector)
  const starts = (sector[0] as number) + 1
  log.logger('restart').info(`start ${starts}`)
  await disk.write(0, sector.fill(starts))
  await disk.flush()
  if (starts === STARTS) throw new Error('that is enough')
  return RESTART
}
