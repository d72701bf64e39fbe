import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromHex } from '@mirage-ts/core/bytes'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'
import { createPartition, readPartitions } from './partition.ts'
import { ramBlockOf } from './ram-block.ts'

// Disks of 1 MiB as sfdisk of util-linux 2.38 partitions them: what is not zero, by offset.
const GPT: readonly (readonly [number, string])[] = [
  [448, '0200eeffffff01000000ff07'],
  [510, '55aa'],
  [
    512,
    '4546492050415254000001005c000000002e093b000000000100000000000000ff070000000000002200000000000000de07000000000000111111112222333344445555555555550200000000000000800000008000000014e65dc4',
  ],
  [1024, 'a2a0d0ebe5b9334487c068b6b72699c7aaaaaaaa2222333344445555555555554000000000000000a3'],
  [1080, '64006100740061'],
  [1152, 'af3dc60f838472478e793d69d8477de4bbbbbbbb222233334444555555555555c800000000000000cf'],
  [1208, 'e900200032'],
  [1031680, 'a2a0d0ebe5b9334487c068b6b72699c7aaaaaaaa2222333344445555555555554000000000000000a3'],
  [1031736, '64006100740061'],
  [1031808, 'af3dc60f838472478e793d69d8477de4bbbbbbbb222233334444555555555555c800000000000000cf'],
  [1031864, 'e900200032'],
  [
    1048064,
    '4546492050415254000001005c0000000b007b8800000000ff0700000000000001000000000000002200000000000000de0700000000000011111111222233334444555555555555df07000000000000800000008000000014e65dc4',
  ],
]
const MBR: readonly (readonly [number, string])[] = [
  [440, '785634120000000009000c012d00080000006400000000030c0005130300c8000000e803'],
  [510, '55aa'],
  [102847, '03140083032300080000001000000000043000050519006300000029'],
  [102910, '55aa'],
  [153535, '043100060519000100000028'],
  [153598, '55aa'],
]

/** The second entry of the extended boot record in sector 200 of MBR: where the next one is. */
const NEXT_RECORD = 200 * 512 + 446 + 16

function imageOf(parts: readonly (readonly [number, string])[]): Uint8Array {
  const image = new Uint8Array(1 << 20)
  for (const [off, hex] of parts) image.set(fromHex(hex), off)
  return image
}

const LINUX = '0fc63daf-8483-4772-8e79-3d69d8477de4'
const GPT_PARTITIONS = [
  { number: 1, name: 'data', type: 'ebd0a0a2-b9e5-4433-87c0-68b6b72699c7', firstSector: 64, sectorCount: 100 },
  { number: 2, name: 'é 2', type: LINUX, firstSector: 200, sectorCount: 8 },
]

test('partition: reads a GPT', async () => {
  assert.deepEqual(await readPartitions(ramBlockOf(imageOf(GPT))), GPT_PARTITIONS)
})

test('partition: reads an MBR with logical partitions', async () => {
  assert.deepEqual(await readPartitions(ramBlockOf(imageOf(MBR))), [
    { number: 1, name: '', type: '0c', firstSector: 8, sectorCount: 100 },
    { number: 2, name: '', type: '05', firstSector: 200, sectorCount: 1000 },
    { number: 5, name: '', type: '83', firstSector: 208, sectorCount: 16 },
    { number: 6, name: '', type: '06', firstSector: 300, sectorCount: 40 },
  ])
})

test('partition: is a device of its own, found by number or name', async () => {
  const image = imageOf(GPT)
  const disk = ramBlockOf(image)
  for (const partition of ['2', 'é 2']) {
    const block = await createPartition({ block: disk }, { partition })
    assert.equal(block.sectorCount, 8)
    await block.write(7, new Uint8Array(512).fill(9))
    await assert.rejects(block.write(8, new Uint8Array(512)), RangeError)
  }
  assert.equal(image[207 * 512], 9)
  assert.equal(image[208 * 512], 0)
  await assert.rejects(createPartition({ block: disk }, { partition: '3' }), /the disk has 1 \(data\), 2 \(é 2\)/)
})

test('partition: a disk without a table has none', async () => {
  assert.deepEqual(await readPartitions(ramBlockOf(new Uint8Array(4096))), [])
})

test('partition: uses the copy when the first GPT is damaged, and says what is wrong when both are', async () => {
  for (const off of [512, 512 + 16, 512 + 40, 1024 + 33]) {
    const image = imageOf(GPT)
    image[off] = (image[off] as number) ^ 1
    assert.deepEqual(await readPartitions(ramBlockOf(image)), GPT_PARTITIONS, `octet ${off}`)
    image[image.length - 512] = 0
    await assert.rejects(
      readPartitions(ramBlockOf(image)),
      { code: 'corrupt', message: /sector [12]:/ },
      `octet ${off}`,
    )
  }
})

test('partition: a chain of logical partitions that loops or leaves the disk is an error', async () => {
  const loop = imageOf(MBR)
  new DataView(loop.buffer).setUint32(NEXT_RECORD + 8, 0, true)
  await assert.rejects(readPartitions(ramBlockOf(loop)), { code: 'corrupt', message: /sector 200.*no end/ })
  const outside = imageOf(MBR)
  new DataView(outside.buffer).setUint32(NEXT_RECORD + 8, 0xffff_fff0, true)
  await assert.rejects(readPartitions(ramBlockOf(outside)), { code: 'corrupt' })
})

test('partition: damaged tables give partitions on the disk or a corrupt error, never anything else', async () => {
  const random = new SeededRandom(5)
  for (let i = 0; i < 400; i++) {
    const image = imageOf(i % 2 === 0 ? MBR : GPT)
    for (let n = 0; n < 1 + random.below(4); n++) {
      const sector = [0, 1, 2, 200, 299][random.below(5)] as number
      image[sector * 512 + random.below(512)] = random.below(256)
    }
    try {
      for (const { firstSector, sectorCount } of await readPartitions(ramBlockOf(image))) {
        assert.ok(firstSector + sectorCount <= 2048)
      }
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'corrupt', String(error))
    }
  }
})
