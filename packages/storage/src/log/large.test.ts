/** What grows must not grow the cost of a look-up, or the memory: dictionaries, disks, stores. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Block } from '@mirage-ts/signatures/block'
import type { KvChange } from '@mirage-ts/signatures/kv'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { checkLogKv } from './check.ts'
import { chooseGeometry, emitSuperblock, SUPERBLOCK_OFFS } from './format.ts'
import { Log } from './log.ts'
import { createLogKv, openLogKv } from './log-kv.ts'
import { Tree } from './tree.ts'

/** A disk of any length that keeps the pieces of 64 KiB that were written, and counts. */
class SparseBlock implements Block {
  readonly sectorBytes = 512
  readonly isReadOnly = false
  readonly sectorCount: number
  readCount = 0
  readBytes = 0
  greatestSector = 0
  readonly #pieces = new Map<number, Uint8Array>()

  constructor(lenBytes: number) {
    this.sectorCount = lenBytes / 512
  }

  async read(sector: number, into: Uint8Array): Promise<void> {
    this.readCount++
    this.readBytes += into.length
    this.#each(sector, into.length, (piece, off, part, len) => {
      if (piece === undefined) into.fill(0, part, part + len)
      else into.set(piece.subarray(off, off + len), part)
    })
  }

  async write(sector: number, from: Uint8Array): Promise<void> {
    this.greatestSector = Math.max(this.greatestSector, sector)
    this.#each(sector, from.length, (piece, off, part, len, number) => {
      const kept = piece ?? new Uint8Array(65_536)
      kept.set(from.subarray(part, part + len), off)
      this.#pieces.set(number, kept)
    })
  }

  async flush(): Promise<void> {}
  async discard(): Promise<void> {}
  async close(): Promise<void> {}

  get keptBytes(): number {
    return this.#pieces.size * 65_536
  }

  #each(
    sector: number,
    lenBytes: number,
    body: (piece: Uint8Array | undefined, off: number, part: number, len: number, number: number) => void,
  ): void {
    for (let part = 0; part < lenBytes; ) {
      const at = sector * 512 + part
      const off = at % 65_536
      const len = Math.min(lenBytes - part, 65_536 - off)
      const number = (at - off) / 65_536
      body(this.#pieces.get(number), off, part, len, number)
      part += len
    }
  }
}

const GIB = 2 ** 30

test('log kv: a disk of 16 TiB begins, is used, opened and checked at the cost of what is on it', async () => {
  const block = new SparseBlock(16 * 1024 * GIB)
  const random = new SeededRandom(1)
  const kv = await createLogKv({ block, random })
  for (let i = 0; i < 300; i++) await kv.set(`dir ${i % 7}/${i}`, random.bytes(3000))
  await kv.flush()
  assert.ok(kv.stats.capacityBytes > 13 * 1024 * GIB)
  const readBefore = block.readBytes
  const again = await openLogKv({ block, random })
  assert.equal(again.stats.keyCount, 300)
  assert.equal((await again.get('dir 3/3')).length, 3000)
  assert.ok(block.readBytes - readBefore < 64 * 2 ** 20, `${block.readBytes - readBefore} octets read`)
  assert.ok(block.keptBytes < 256 * 2 ** 20, `${block.keptBytes} octets written`)
  assert.deepEqual((await checkLogKv({ block })).problems, [])
})

/** Makes an empty store whose log begins in this segment: segments are taken in the order of the disk from there. */
async function formatFrom(block: Block, random: SeededRandom, firstSegment: number): Promise<void> {
  const geometry = chooseGeometry(block, random.u32())
  const log = new Log(block, random, geometry, {
    live: new Uint32Array(geometry.segmentCount),
    sequence: 0,
    commitCrc: 0,
    headSegment: firstSegment - 1,
    headOff: geometry.segmentUnits,
    nextSegment: firstSegment,
    chain: [],
    anchorIndex: 0,
  })
  await log.checkpoint(await Tree.createEmpty(log, 16).write())
  for (const off of SUPERBLOCK_OFFS) await block.write(off / geometry.unitBytes, emitSuperblock(geometry))
}

test('log kv: records beyond 64 GiB, and beyond 2^32 sectors, are written and found again', async () => {
  for (const bytes of [65 * GIB, 2 ** 32 * 512 + GIB]) {
    const block = new SparseBlock(16 * 1024 * GIB)
    const random = new SeededRandom(2)
    await formatFrom(block, random, Math.floor(bytes / (4 * 2 ** 20)))
    const kv = await openLogKv({ block, random })
    for (let i = 0; i < 40; i++) await kv.set(`dir/${i}`, new Uint8Array(250_000).fill(i + 1))
    await kv.flush()
    assert.ok(block.greatestSector * 512 >= bytes, `sector ${block.greatestSector}`)
    const again = await openLogKv({ block, random })
    for (const i of [0, 39]) {
      const value = await again.get(`dir/${i}`)
      assert.ok(value.length === 250_000 && value[249_999] === i + 1, `value ${i}`)
    }
    assert.deepEqual((await checkLogKv({ block })).problems, [])
  }
})

test('log kv: in a dictionary of 100,000 values a look-up reads as much as the tree is high', async () => {
  const block = new SparseBlock(256 * 2 ** 20)
  const random = new SeededRandom(3)
  const kv = await createLogKv({ block, random }, { cacheNodes: 16 })
  const value = new Uint8Array(20)
  const keyOf = (i: number): string => `one folder/file ${String(i).padStart(6, '0')}`
  for (let first = 0; first < 100_000; first += 1000) {
    const changes = Array.from({ length: 1000 }, (_, i): KvChange => ({ tag: 'set', key: keyOf(first + i), value }))
    await kv.commit(changes)
  }
  await kv.flush()
  assert.equal(kv.stats.keyCount, 100_000)
  for (const call of [
    (i: number) => kv.get(keyOf(i)),
    (i: number) => kv.exists(keyOf(i)),
    (i: number) => kv.set(keyOf(i), value),
    (i: number) => kv.set(`one folder/new ${i}`, value),
  ]) {
    const before = block.readCount
    for (let i = 0; i < 100; i++) await call(random.below(100_000))
    const reads = (block.readCount - before) / 100
    assert.ok(reads <= 4, `${reads} reads for a call`)
  }
  const names = await kv.list('one folder')
  assert.ok(names.length > 100_000)
  assert.equal(names[0]?.name, 'file 000000')
  assert.deepEqual(await kv.list(''), [{ name: 'one folder', kind: 'dictionary' }])
})

test('log kv: the list of a dictionary does not read the dictionaries in it, or the pieces of its values', async () => {
  const block = new SparseBlock(256 * 2 ** 20)
  const random = new SeededRandom(4)
  const kv = await createLogKv({ block, random }, { cacheNodes: 16 })
  for (let i = 0; i < 8; i++) {
    const changes = Array.from({ length: 3000 }, (_, n): KvChange => {
      return { tag: 'set', key: `dir/sub ${i}/file ${n}`, value: new Uint8Array(10) }
    })
    await kv.commit(changes)
    await kv.set(`dir/large ${i}`, new Uint8Array(3_000_000))
  }
  await kv.flush()
  const before = block.readCount
  assert.equal((await kv.list('dir')).length, 16)
  assert.ok(block.readCount - before < 16 * 8, `${block.readCount - before} reads`)
})
