/** Runs the suites over every implementation that a target without an operating system has, and prints a summary. */
import type { Block } from '@mirage-ts/signatures/block'
import type { KvRo } from '@mirage-ts/signatures/kv'
import type { Log } from '@mirage-ts/signatures/log'
import type { Random } from '@mirage-ts/signatures/random'
import type { SectorCipher } from '@mirage-ts/signatures/sector-cipher'
import { createBlockSlice, createReadOnlyBlock } from '@mirage-ts/storage/block-view'
import { createCachedBlock } from '@mirage-ts/storage/cached-block'
import { createEncryptedBlock } from '@mirage-ts/storage/encrypted-block'
import { createFatKv } from '@mirage-ts/storage/fat/fat-kv'
import { formatFat } from '@mirage-ts/storage/fat/format'
import { createLogKv, formatLogKv, openLogKv } from '@mirage-ts/storage/log/log-kv'
import { createMemoryKv } from '@mirage-ts/storage/memory-kv'
import { createRamBlock } from '@mirage-ts/storage/ram-block'
import { createZoneKv, type Zone } from '@mirage-ts/storage/zone-kv'
import { runBlockConformance, runReadOnlyBlockConformance } from '@mirage-ts/testing/conformance/block-suite'
import { runKvRoConformance } from '@mirage-ts/testing/conformance/kv-ro-suite'
import { runKvRwConformance, runKvTransactionalConformance } from '@mirage-ts/testing/conformance/kv-rw-suite'
import { SuiteRunner } from '@mirage-ts/testing/conformance/suite'
import { FaultyBlock } from '@mirage-ts/testing/faulty-block'

interface Devices {
  /** Holds nothing that matters. */
  readonly disk: Block
  /** Cannot be written, and is filled as its suite wants it. */
  readonly numbered: Block
  /** A partition of a disk. */
  readonly part: Block
  readonly logDisk: Block
  readonly fatDisk: Block
  /** These hold the files that the suite of `KvRo` asks for. */
  readonly crunched: KvRo
  readonly tar: KvRo
  readonly fat: KvRo
  readonly overlay: KvRo
  readonly random: Random
  readonly log: Log
}

/** Random changes of each store: a machine that is emulated does a few thousand of them in a minute. */
const STEP_COUNT = 60
/** No test of blocks touches more sectors than these and the last four. */
const USED_SECTORS = 1000

const close = (): void => {}

export async function start(devices: Devices): Promise<void> {
  const { disk, numbered, part, logDisk, fatDisk, random, log } = devices
  const runner = new SuiteRunner()
  const { test } = runner
  const blocks: readonly (readonly [string, () => Promise<Block>])[] = [
    ['ram block', async () => createRamBlock({}, { sectorCount: 1001 })],
    ['faulty block', async () => new FaultyBlock(1001)],
    // The disk itself is the last, since its suite closes it.
    ['cached disk', async () => createCachedBlock({ block: await wiped(disk) }, { lineCount: 5, lineSectors: 7 })],
    [
      'slice of the disk',
      async () => createBlockSlice({ block: await wiped(disk) }, { firstSector: 100, sectorCount: 200 }),
    ],
    ['encrypted disk', async () => createEncryptedBlock({ block: await wiped(disk), cipher: TURNING })],
    ['disk', () => wiped(disk)],
    ['partition', () => wiped(part)],
  ]
  for (const [name, make] of blocks) {
    runBlockConformance(test, name, async () => ({ block: await make(), close }))
  }
  runReadOnlyBlockConformance(test, 'read-only view', async () => ({
    block: createReadOnlyBlock({ block: numbered }),
    close,
  }))
  runReadOnlyBlockConformance(test, 'read-only disk', async () => ({ block: numbered, close }))

  const { crunched, tar, fat, overlay } = devices
  for (const [name, kv] of Object.entries({ crunched, tar, fat, overlay })) {
    runKvRoConformance(test, name, async () => ({ kv, close }))
  }
  runKvRoConformance(test, 'zones', async (contents) => {
    const block = createRamBlock({}, { sectorCount: 300 })
    const zones: Zone[] = []
    let sector = 0
    for (const [key, octets] of contents) {
      const padded = new Uint8Array(Math.ceil(octets.length / 512) * 512)
      padded.set(octets)
      await block.write(sector, padded)
      zones.push({ key, offBytes: sector * 512, lenBytes: octets.length })
      sector += padded.length / 512
    }
    return { kv: createZoneKv({ block }, { zones }), close }
  })

  const options = { stepCount: STEP_COUNT }
  runKvTransactionalConformance(test, 'memory', async () => ({ kv: createMemoryKv(), close }), options)
  runKvTransactionalConformance(
    test,
    'log store',
    async () => {
      await formatLogKv({ block: logDisk, random })
      const kv = await createLogKv({ block: logDisk, random })
      return { kv, reopen: () => openLogKv({ block: logDisk, random }), close }
    },
    options,
  )
  runKvRwConformance(
    test,
    'FAT volume behind a cache',
    async () => {
      const block = createCachedBlock({ block: fatDisk })
      await formatFat({ block })
      const kv = await createFatKv({ block })
      return { kv, reopen: () => createFatKv({ block }), close: () => kv.flush() }
    },
    { ...options, isFat: true },
  )

  const out = log.logger('suites')
  const { passedCount, failures } = await runner.run((title, failure) => {
    out.debug(() => `${failure === undefined ? 'passed' : 'failed'}: ${title}`)
  })
  for (const failure of failures) out.error(failure)
  out.info(`${passedCount} tests passed, ${failures.length} failed`)
}

/** Hides nothing, but does another thing to each sector: the engine has no cipher yet. */
const TURNING: SectorCipher = {
  blockBytes: 16,
  encrypt: (sector, u8, off, end) => turn(u8, off, end, 1 + (sector % 511)),
  decrypt: (sector, u8, off, end) => turn(u8, off, end, 511 - (sector % 511)),
}

/** Turns `u8[off, end)` to the left. */
function turn(u8: Uint8Array, off: number, end: number, count: number): void {
  const head = u8.slice(off, off + count)
  u8.copyWithin(off, off + count, end)
  u8.set(head, end - count)
}

/** The device with zeros where tests look. */
async function wiped(block: Block): Promise<Block> {
  const { sectorBytes, sectorCount } = block
  await block.write(0, new Uint8Array(sectorBytes * Math.min(USED_SECTORS, sectorCount)))
  await block.write(sectorCount - 4, new Uint8Array(sectorBytes * 4))
  return block
}
