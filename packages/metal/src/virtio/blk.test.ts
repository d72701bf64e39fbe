import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'
import type { Block } from '@mirage-ts/signatures/block'
import { runBlockConformance } from '@mirage-ts/testing/conformance/block-suite'
import { createVirtioBlock, type VirtioBlock } from './blk.ts'
import { SimulatedDisk } from './simulated-blk.ts'
import { SimulatedMemory } from './simulated-device.ts'

const F_INDIRECT = 1 << 28

function setUp(change: (disk: SimulatedDisk) => void = () => {}, units = 2000): { disk: SimulatedDisk } & VirtioBlock {
  const memory = new SimulatedMemory()
  const disk = new SimulatedDisk(memory, units)
  change(disk)
  return { disk, ...createVirtioBlock(disk, memory) }
}

/** Runs the device and the driver in turns, as a run loop would, until `work` is done. */
async function driven<T>(
  { disk, polled }: Pick<ReturnType<typeof setUp>, 'disk' | 'polled'>,
  work: Promise<T>,
): Promise<T> {
  let isDone = false
  const watched = work.finally(() => {
    isDone = true
  })
  watched.catch(() => {})
  for (let i = 0; !isDone && i < 100_000; i++) {
    polled.flush()
    disk.work()
    polled.poll()
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
  return watched
}

/** A block whose calls drive the device themselves. */
function selfDriven(world: ReturnType<typeof setUp>): Block {
  const { block } = world
  return {
    sectorBytes: block.sectorBytes,
    sectorCount: block.sectorCount,
    isReadOnly: block.isReadOnly,
    read: (sector, into) => driven(world, block.read(sector, into)),
    write: (sector, from) => driven(world, block.write(sector, from)),
    flush: () => driven(world, block.flush()),
    discard: (sector, count) => driven(world, block.discard(sector, count)),
    close: () => block.close(),
  }
}

runBlockConformance(test, 'virtio block', async () => ({ block: selfDriven(setUp()), close() {} }))
runBlockConformance(test, 'virtio block of 4 KiB sectors, short transfers', async () => ({
  block: selfDriven(
    setUp((disk) => {
      disk.features[0] |= (1 << 6) | (1 << 1)
      disk.sectorBytes = 4096
      disk.sizeMax = 10_000
      disk.queueSize = 4
    }),
  ),
  close() {},
}))

runBlockConformance(test, 'virtio block with indirect descriptors, a short queue and short segments', async () => ({
  block: selfDriven(
    setUp((disk) => {
      disk.features[0] |= F_INDIRECT | (1 << 1) | (1 << 2)
      disk.sizeMax = 1536
      disk.segmentsMax = 3
      disk.queueSize = 4
    }),
  ),
  close() {},
}))

describe('virtio block', () => {
  it('makes large requests of several segments, and more small ones at once, with indirect descriptors (§2.7.5.3)', async () => {
    const world = setUp((disk) => {
      disk.features[0] |= F_INDIRECT
      disk.queueSize = 32
    })
    const octets = new Uint8Array(2000 * 512).map((_, i) => i * 7)
    await driven(world, world.block.write(0, octets))
    assert.deepEqual(world.disk.image, octets)
    assert.equal(world.disk.maxSegments, 16)
    const read = new Uint8Array(octets.length)
    await driven(world, world.block.read(0, read))
    assert.deepEqual(read, octets)
    const parts = Array.from({ length: 100 }, () => new Uint8Array(4096))
    world.disk.maxWaiting = 0
    await driven(world, Promise.all(parts.map((part, i) => world.block.read(8 * i, part))))
    assert.ok(parts.every((part, i) => part.every((octet, j) => octet === octets[4096 * i + j])))
    assert.equal(world.disk.maxWaiting, 32)
  })

  it('is not confused by a device that repeats ids or invents them, with indirect descriptors', async () => {
    const world = setUp((disk) => {
      disk.features[0] |= F_INDIRECT
    })
    const reads = [0, 1].map((sector) => world.block.read(sector, new Uint8Array(512)))
    world.polled.flush()
    const chains = [world.disk.queue?.takeChain(), world.disk.queue?.takeChain()]
    for (const id of [5, 16, 0xffff_ffff]) world.disk.queue?.giveBack(id, 1)
    for (const chain of chains) {
      chain?.parts.at(-1)?.view.setUint8(0, 0)
      for (let i = 0; i < 3; i++) world.disk.queue?.giveBack(chain?.id ?? 0, 1)
    }
    world.polled.poll()
    await Promise.all(reads)
    await driven(world, world.block.read(2, new Uint8Array(512)))
  })

  it('cuts a long transfer into requests that are in flight together', async () => {
    const world = setUp()
    const octets = new Uint8Array(2000 * 512).fill(7)
    await driven(world, world.block.write(0, octets))
    assert.equal(world.disk.maxWaiting, 5)
    assert.ok(world.disk.image.every((octet) => octet === 7))
  })

  it('names the sector of a failure, once everything has ended', async () => {
    const world = setUp((disk) => disk.badUnits.add(1500))
    const octets = new Uint8Array(2000 * 512)
    await assert.rejects(driven(world, world.block.read(0, octets)), { code: 'io', message: /sector 1408.*status 1/ })
    await assert.rejects(driven(world, world.block.write(1500, octets.subarray(0, 512))), { code: 'io' })
    await driven(world, world.block.read(0, octets.subarray(0, 512)))
  })

  it('flushes when the device can, and needs not when it writes through', async () => {
    const world = setUp()
    await driven(world, world.block.flush())
    assert.equal(world.disk.flushCount, 1)
    const through = setUp((disk) => {
      disk.features[0] = 1 << 29
    })
    await driven(through, through.block.flush())
    assert.equal(through.disk.flushCount, 0)
  })

  it('discards in pieces that the device takes', async () => {
    const world = setUp()
    await driven(world, world.block.discard(10, 250))
    assert.deepEqual(world.disk.discarded, [
      [10, 100],
      [110, 100],
      [210, 50],
    ])
  })

  it('discards by zeroes that may be unmapped where the device cannot discard, and not where they are written', async () => {
    const zeroed = (mayUnmap: boolean) =>
      setUp((disk) => {
        disk.features[0] = (1 << 29) | (1 << 14)
        disk.zeroesMayUnmap = mayUnmap
        disk.image.fill(7)
      })
    const world = zeroed(true)
    await driven(world, world.block.discard(10, 250))
    const left = world.disk.image.lastIndexOf(0)
    assert.deepEqual([world.disk.image.indexOf(0), left], [10 * 512, 260 * 512 - 1])
    const writing = zeroed(false)
    await driven(writing, writing.block.discard(10, 250))
    assert.equal(writing.disk.image.includes(0), false)
  })

  it('reads the name of the disk', async () => {
    const world = setUp()
    assert.equal(await driven(world, world.readId()), 'data')
    const long = setUp((disk) => {
      disk.id = 'exactly-twenty-chars'
    })
    assert.equal(await driven(long, long.readId()), 'exactly-twenty-chars')
  })

  it('refuses to write to a read-only disk', async () => {
    const world = setUp((disk) => {
      disk.features[0] |= 1 << 5
    })
    assert.equal(world.block.isReadOnly, true)
    await assert.rejects(world.block.write(0, new Uint8Array(512)), { code: 'read-only' })
    await assert.rejects(world.block.discard(0, 1), { code: 'read-only' })
  })

  it('a close ends what is in flight', async () => {
    const world = setUp()
    const read = world.block.read(0, new Uint8Array(512))
    await world.block.close()
    await assert.rejects(read, { code: 'closed' })
  })

  it('a device that lies about ids ends no request (MSA00: one completion frees one slot)', async () => {
    const world = setUp()
    const read = world.block.read(0, new Uint8Array(512))
    world.polled.flush()
    const chain = world.disk.queue?.takeChain()
    for (const id of [1, 2, 3, 30_000, 0xffff_ffff]) world.disk.queue?.giveBack(id, 1)
    world.polled.poll()
    const settled = await Promise.race([read.then(() => 'ended'), new Promise((done) => setImmediate(done, 'waits'))])
    assert.equal(settled, 'waits')
    chain?.parts.at(-1)?.view.setUint8(0, 0)
    world.disk.queue?.giveBack(chain?.id ?? 0, 1)
    world.disk.queue?.giveBack(chain?.id ?? 0, 1)
    world.polled.poll()
    await read
  })

  it('a device that says it needs a reset ends what is in flight, what waits and what comes (§2.1.1)', async () => {
    const world = setUp()
    const reads = Array.from({ length: 20 }, (_, i) => world.block.read(i, new Uint8Array(512)))
    world.polled.flush()
    world.disk.needsReset = true
    world.polled.poll()
    for (const read of [...reads, world.block.read(0, new Uint8Array(512)), world.block.flush()])
      await assert.rejects(read, { code: 'io', message: /the disk's device has broken/ })
    assert.equal(world.disk.status(), 0)
  })

  it('discards whole sectors of 4 KiB only, whatever the most is that the device takes', async () => {
    const world = setUp((disk) => {
      disk.features[0] |= 1 << 6
      disk.sectorBytes = 4096
    })
    await driven(world, world.block.discard(1, 30))
    assert.deepEqual(world.disk.discarded, [
      [8, 96],
      [104, 96],
      [200, 48],
    ])
  })

  it('makes no request of more buffers than the queue has places, in a table of its own either (§2.7.5.3.1)', async () => {
    for (const queueSize of [4, 8, 16]) {
      const world = setUp((disk) => {
        disk.features[0] |= F_INDIRECT
        disk.queueSize = queueSize
      })
      await driven(world, world.block.write(0, new Uint8Array(1000 * 512).fill(3)))
      assert.equal(world.disk.maxSegments, queueSize - 2)
    }
  })

  it('a device that finishes without a status has failed', async () => {
    const world = setUp()
    const read = world.block.read(0, new Uint8Array(512))
    world.polled.flush()
    world.disk.queue?.giveBack(world.disk.queue.takeChain()?.id ?? 0, 0)
    world.polled.poll()
    await assert.rejects(read, { code: 'io', message: /status 255/ })
  })

  it('says what is wrong with a device it cannot drive', () => {
    assert.throws(
      () =>
        setUp((disk) => {
          disk.features[0] |= F_INDIRECT
          disk.queueSize = 2
        }),
      /its queue has 2 places/,
    )
    assert.throws(
      () =>
        setUp((disk) => {
          disk.features[0] |= 1 << 6
          disk.sectorBytes = 1000
        }),
      /sectors of 1000 octets/,
    )
  })
})
