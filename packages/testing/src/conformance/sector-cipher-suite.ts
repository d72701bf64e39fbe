/** What every `SectorCipher` must do, as tests. Call `runSectorCipherConformance(test, ...)` from its test file. */
import type { SectorCipher } from '@mirage-ts/signatures/sector-cipher'
import * as assert from '../assert.ts'
import { SeededRandom } from '../seeded-random.ts'
import type { RegisterTest } from './suite.ts'

/** Registers the tests. `make(key)` makes a cipher with one of two keys, always the same two. */
export function runSectorCipherConformance(test: RegisterTest, name: string, make: (key: 0 | 1) => SectorCipher): void {
  const encrypted = (cipher: SectorCipher, sector: number, octets: Uint8Array): Uint8Array => {
    const copy = octets.slice()
    cipher.encrypt(sector, copy, 0, copy.length)
    return copy
  }

  test(`${name}: decrypts what it has encrypted, in sectors of every length and number`, async () => {
    const random = new SeededRandom(1)
    const cipher = make(0)
    for (const sectorBytes of [512, 1024, 4096]) {
      for (const sector of [0, 1, 255, 256, 65_535, 2 ** 32 - 1, 2 ** 32, 2 ** 47]) {
        const octets = random.bytes(sectorBytes)
        const changed = encrypted(cipher, sector, octets)
        assert.ok(changed.some((octet, i) => octet !== octets[i]))
        make(0).decrypt(sector, changed, 0, sectorBytes)
        assert.equalOctets(changed, octets, `sector ${sector} of ${sectorBytes}`)
      }
    }
  })

  test(`${name}: changes the sector it was given and nothing beside it`, async () => {
    const pool = new Uint8Array(2048).fill(7)
    const cipher = make(0)
    cipher.encrypt(3, pool, 512, 1024)
    assert.ok(pool.every((octet, i) => (i >= 512 && i < 1024) || octet === 7))
    assert.ok(pool.subarray(512, 1024).some((octet) => octet !== 7))
    cipher.decrypt(3, pool, 512, 1024)
    assert.ok(pool.every((octet) => octet === 7))
  })

  test(`${name}: equal contents look different in every sector and under every key`, async () => {
    const zeros = new Uint8Array(512)
    const seen = new Set<string>()
    const sectors = [0, 1, 2, 255, 256, 65_536, 2 ** 32, 2 ** 32 + 1, 2 ** 40]
    for (const key of [0, 1] as const) {
      for (const sector of sectors) seen.add(encrypted(make(key), sector, zeros).join())
    }
    assert.equal(seen.size, 2 * sectors.length)
  })

  test(`${name}: within a sector nothing repeats, and one octet changed changes its block`, async () => {
    const cipher = make(0)
    const { blockBytes } = cipher
    assert.equal(512 % blockBytes, 0)
    const octets = new Uint8Array(512)
    const before = encrypted(cipher, 9, octets)
    const blocks = Array.from({ length: 512 / blockBytes }, (_, i) =>
      before.subarray(i * blockBytes, (i + 1) * blockBytes).join(),
    )
    assert.equal(new Set(blocks).size, blocks.length)
    octets[100] = 1
    const after = encrypted(cipher, 9, octets)
    const block = Math.floor(100 / blockBytes) * blockBytes
    let changedCount = 0
    for (let i = block; i < block + blockBytes; i++) if (after[i] !== before[i]) changedCount++
    assert.ok(changedCount > blockBytes / 2, `${changedCount} octets of a block of ${blockBytes} changed`)
  })

  test(`${name}: decrypts noise to noise without an error`, async () => {
    const noise = new SeededRandom(2).bytes(512)
    make(0).decrypt(5, noise, 0, 512)
  })
}
