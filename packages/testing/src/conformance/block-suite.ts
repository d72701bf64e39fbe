/**
 * What every `Block` must do, as tests. Call `runBlockConformance(test, ...)` from the test file of an implementation, and
 * for one that cannot be written `runReadOnlyBlockConformance`.
 */
import type { Block } from '@mirage-ts/signatures/block'
import * as assert from '../assert.ts'
import { SeededRandom } from '../seeded-random.ts'
import type { RegisterTest } from './suite.ts'

/** A device made for one test: at least 64 sectors of zeros, writable. */
export interface BlockWorld {
  readonly block: Block
  /** Tears the world down; the block may be closed already. */
  close(): void | Promise<void>
}

type BlockTest = (title: string, body: (block: Block) => Promise<void>) => void

function blockTests(test: RegisterTest, name: string, make: () => Promise<BlockWorld>): BlockTest {
  return (title, body) =>
    void test(`${name}: ${title}`, async () => {
      const { block, close } = await make()
      try {
        await body(block)
      } finally {
        await close()
      }
    })
}

/** Registers the tests; `make` is called once for each. The last one closes the device. */
export function runBlockConformance(test: RegisterTest, name: string, make: () => Promise<BlockWorld>): void {
  const blockTest = blockTests(test, name, make)

  blockTest('has a sane size and can be written', async (block) => {
    assert.ok(Number.isInteger(Math.log2(block.sectorBytes)) && block.sectorBytes >= 512)
    assert.ok(block.sectorCount >= 64)
    assert.equal(block.isReadOnly, false)
  })

  blockTest('reads what was written, first and last sector included', async (block) => {
    const { sectorBytes, sectorCount } = block
    const random = new SeededRandom(1)
    for (const [sector, count] of [
      [0, 1],
      [sectorCount - 1, 1],
      [3, 5],
      [sectorCount - 4, 4],
    ] as const) {
      const octets = random.bytes(count * sectorBytes)
      const before = octets.slice()
      await block.write(sector, octets)
      assert.deepEqual(octets, before, 'writing leaves the buffer alone')
      octets.fill(0) // it is ours again
      const got = new Uint8Array(before.length)
      await block.read(sector, got)
      assert.deepEqual(got, before, `${count} sectors at ${sector}`)
    }
  })

  blockTest('writes only what it was told to', async (block) => {
    const { sectorBytes } = block
    await block.write(8, new Uint8Array(sectorBytes).fill(7))
    const around = new Uint8Array(3 * sectorBytes).fill(1)
    await block.read(7, around)
    const expected = new Uint8Array(3 * sectorBytes)
    expected.fill(7, sectorBytes, 2 * sectorBytes)
    assert.deepEqual(around, expected)
  })

  blockTest('takes and gives parts of larger buffers', async (block) => {
    const { sectorBytes } = block
    const pool = new Uint8Array(4 * sectorBytes).fill(9)
    await block.write(2, pool.subarray(sectorBytes, 2 * sectorBytes))
    const into = new Uint8Array(3 * sectorBytes).fill(1)
    await block.read(2, into.subarray(sectorBytes, 2 * sectorBytes))
    assert.equal(into[sectorBytes - 1], 1)
    assert.equal(into[sectorBytes], 9)
    assert.equal(into[2 * sectorBytes], 1)
  })

  blockTest('nothing is a transfer too', async (block) => {
    await block.read(0, new Uint8Array(0))
    await block.write(block.sectorCount, new Uint8Array(0))
    await block.discard(0, 0)
  })

  blockTest('refuses what is not whole sectors of its own', async (block) => {
    const { sectorBytes, sectorCount } = block
    for (const [sector, lenBytes] of [
      [-1, sectorBytes],
      [sectorCount, sectorBytes],
      [sectorCount - 1, 2 * sectorBytes],
      [0, 1],
      [0, sectorBytes + 1],
      [0.5, sectorBytes],
      [Number.NaN, sectorBytes],
      [2 ** 53, sectorBytes],
    ] as const) {
      const octets = new Uint8Array(lenBytes)
      await assert.rejects(block.read(sector, octets), RangeError, `read ${lenBytes} at ${sector}`)
      await assert.rejects(block.write(sector, octets), RangeError, `write ${lenBytes} at ${sector}`)
    }
    await assert.rejects(block.discard(sectorCount, 1), RangeError)
    await assert.rejects(block.discard(0, -1), RangeError)
  })

  blockTest('many transfers at once', async (block) => {
    const { sectorBytes } = block
    await Promise.all(Array.from({ length: 64 }, (_, i) => block.write(i, new Uint8Array(sectorBytes).fill(i + 1))))
    await block.flush()
    const buffers = Array.from({ length: 64 }, () => new Uint8Array(sectorBytes))
    await Promise.all(buffers.map((buffer, i) => block.read(i, buffer)))
    for (const [i, buffer] of buffers.entries())
      assert.ok(
        buffer.every((octet) => octet === i + 1),
        `sector ${i}`,
      )
  })

  blockTest('one large transfer', async (block) => {
    const words = Int32Array.from(
      { length: (block.sectorBytes / 4) * Math.min(block.sectorCount, 1000) },
      (_, i) => i * 7,
    )
    const octets = new Uint8Array(words.buffer)
    await block.write(0, octets)
    await block.flush()
    const got = new Uint8Array(octets.length)
    await block.read(0, got)
    assert.equalOctets(got, octets, 'all of it')
  })

  blockTest('a discarded sector can be written again, its neighbours stay', async (block) => {
    const { sectorBytes } = block
    await block.write(4, new Uint8Array(3 * sectorBytes).fill(5))
    await block.discard(5, 1)
    const got = new Uint8Array(sectorBytes)
    await block.read(4, got)
    assert.equal(got[0], 5)
    await block.read(5, got) // anything, but no failure
    await block.write(5, new Uint8Array(sectorBytes).fill(6))
    await block.read(5, got)
    assert.equal(got[sectorBytes - 1], 6)
  })

  blockTest('random transfers agree with memory', async (block) => {
    const { sectorBytes } = block
    const sectors = 64
    const random = new SeededRandom(3)
    const model = new Uint8Array(sectors * sectorBytes)
    for (let i = 0; i < 400; i++) {
      const sector = random.below(sectors)
      const count = 1 + random.below(Math.min(sectors - sector, 1 + random.below(sectors)))
      if (random.chance(0.5)) {
        const octets = new Uint8Array(count * sectorBytes).fill(random.below(256))
        await block.write(sector, octets)
        model.set(octets, sector * sectorBytes)
      } else if (random.chance(0.1)) await block.flush()
      else {
        const got = new Uint8Array(count * sectorBytes)
        await block.read(sector, got)
        const expected = model.subarray(sector * sectorBytes, (sector + count) * sectorBytes)
        assert.equalOctets(got, expected, `step ${i}: ${count} sectors at ${sector}`)
      }
    }
  })

  blockTest('rejects everything once closed; closing again does nothing', rejectsOnceClosed)
}

/** What sector `sector` of a device that `runReadOnlyBlockConformance` is given must hold: that octet throughout. */
export function readOnlySectorOctet(sector: number): number {
  return (sector * 7 + 1) & 255
}

/** Registers the tests of a device that cannot be written: 64 sectors as `readOnlySectorOctet` says, or more. */
export function runReadOnlyBlockConformance(test: RegisterTest, name: string, make: () => Promise<BlockWorld>): void {
  const blockTest = blockTests(test, name, make)
  const expectSectors = async (block: Block, first: number, count: number): Promise<void> => {
    const { sectorBytes } = block
    const got = new Uint8Array(count * sectorBytes)
    await block.read(first, got)
    const expected = new Uint8Array(got.length)
    for (let i = 0; i < count; i++) {
      expected.fill(readOnlySectorOctet(first + i), i * sectorBytes, (i + 1) * sectorBytes)
    }
    assert.equalOctets(got, expected, `${count} sectors at ${first}`)
  }

  blockTest('says that it is read-only, and gives what it holds', async (block) => {
    assert.equal(block.isReadOnly, true)
    assert.ok(block.sectorCount >= 64)
    await expectSectors(block, 0, 1)
    await expectSectors(block, 7, 5)
    await expectSectors(block, 0, 64)
    await Promise.all(Array.from({ length: 64 }, (_, i) => expectSectors(block, i, 1)))
  })

  blockTest('refuses to be changed, and stays as it is; a flush does nothing', async (block) => {
    const octets = new Uint8Array(2 * block.sectorBytes).fill(255)
    await assert.rejects(block.write(3, octets), { name: 'BlockError', code: 'read-only' })
    await assert.rejects(block.discard(3, 2), { name: 'BlockError', code: 'read-only' })
    await block.flush()
    await expectSectors(block, 2, 5)
  })

  blockTest('refuses what is not whole sectors of its own', async (block) => {
    for (const [sector, lenBytes] of [
      [-1, block.sectorBytes],
      [block.sectorCount, block.sectorBytes],
      [0, 1],
      [0.5, block.sectorBytes],
    ] as const) {
      await assert.rejects(block.read(sector, new Uint8Array(lenBytes)), RangeError, `read ${lenBytes} at ${sector}`)
    }
  })

  blockTest('rejects everything once closed; closing again does nothing', rejectsOnceClosed)
}

async function rejectsOnceClosed(block: Block): Promise<void> {
  await block.close()
  await block.close()
  const octets = new Uint8Array(block.sectorBytes)
  for (const call of [block.read(0, octets), block.write(0, octets), block.flush(), block.discard(0, 1)]) {
    await assert.rejects(call, { name: 'BlockError', code: 'closed' })
  }
}
