/**
 * Our log store against LMDB on the same kind of file, under Node: cost of an operation with 10^3 to 10^6 keys, and
 * sequential reading. `node --import tsx bench/storage.ts [--keys 1000,10000] [--seconds 2]`. Trust the ratios.
 *
 * Both commit with one call that makes everything durable; "write, flush each" calls it after every value, "write" after
 * every 1,000. Nothing else runs in between, and values are 4 KiB of random octets.
 */
import { existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createFileBlock } from '@mirage-ts/node/block-file'
import { createRandom } from '@mirage-ts/node/random'
import { createCrunch } from '@mirage-ts/storage/crunch'
import { createLogKv } from '@mirage-ts/storage/log/log-kv'
import { SeededRandom } from '@mirage-ts/testing/seeded-random'

const { values: options } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000,10000,100000' },
    seconds: { type: 'string', default: '2' },
    /** Length of each value; 4096 with a million keys needs 5 GB of disk. */
    bytes: { type: 'string', default: '4096' },
    folder: { type: 'string', default: tmpdir() },
  },
})
const MS = Number(options.seconds) * 1000
const VALUE_BYTES = Number(options.bytes)
const BATCH = 1000

interface Store {
  readonly name: string
  set(key: string, value: Uint8Array): void | Promise<void>
  get(key: string): Uint8Array | undefined | Promise<Uint8Array>
  flush(): Promise<void>
  close(): Promise<void>
}

async function ours(folder: string, keyCount: number): Promise<Store> {
  const path = join(folder, 'store.img')
  writeFileSync(path, '')
  // A third more than the data: so the store must clean as it would in use.
  const lenBytes = Math.max(64 * 2 ** 20, keyCount * (VALUE_BYTES + 700) * 1.6)
  truncateSync(path, Math.ceil(lenBytes / 4096) * 4096)
  const block = await createFileBlock({}, { path })
  const kv = await createLogKv({ block, random: createRandom() })
  return {
    name: 'ours',
    set: (key, value) => kv.set(key, value),
    get: (key) => kv.get(key),
    flush: () => kv.flush(),
    close: () => block.close(),
  }
}

/** What we use of LMDB. It is installed apart: its packages for other platforms would break everybody's `npm ci`. */
interface Lmdb {
  open(options: { readonly path: string; readonly encoding: 'binary'; readonly noMemInit: boolean }): LmdbStore
}

interface LmdbStore {
  readonly flushed: Promise<unknown>
  put(key: string, value: Uint8Array): Promise<boolean>
  getBinary(key: string): Uint8Array | undefined
  close(): Promise<void>
}

function loadLmdb(): Lmdb {
  const peers = new URL('./peers/package.json', import.meta.url)
  if (!existsSync(new URL('./node_modules/lmdb', peers))) {
    console.error('This benchmark compares with LMDB. Install it with: npm install --prefix bench/peers')
    process.exit(1)
  }
  return createRequire(peers)('lmdb') as Lmdb
}

async function lmdb(folder: string): Promise<Store> {
  const db = loadLmdb().open({ path: join(folder, 'lmdb'), encoding: 'binary', noMemInit: true })
  return {
    name: 'lmdb',
    // Queued; the promise of a put is that of its transaction, which flush waits for.
    set: (key, value) => void db.put(key, value),
    get: (key) => db.getBinary(key),
    flush: async () => {
      await db.flushed
    },
    close: () => db.close(),
  }
}

/** Calls `step` for the time given and returns operations in a second. */
async function rate(step: () => void | Promise<void>, end?: () => Promise<void>): Promise<number> {
  const begun = performance.now()
  let count = 0
  do {
    await step()
    count++
  } while (performance.now() - begun < MS)
  await end?.()
  return (count * 1000) / (performance.now() - begun)
}

const keyOf = (i: number): string => `folder ${i % 100}/value number ${i}`

async function measure(makeStore: (folder: string, keyCount: number) => Promise<Store>, keyCount: number) {
  const folder = mkdtempSync(join(options.folder, 'mirage-bench-'))
  try {
    const random = new SeededRandom(keyCount)
    const pool = random.bytes(VALUE_BYTES + 4096)
    const value = (): Uint8Array => pool.subarray(random.below(4096)).subarray(0, VALUE_BYTES)
    const store = await makeStore(folder, keyCount)
    const filled = performance.now()
    for (let i = 0; i < keyCount; i++) {
      await store.set(keyOf(i), value())
      if (i % BATCH === BATCH - 1) await store.flush()
    }
    await store.flush()
    const fill = (keyCount * 1000) / (performance.now() - filled)
    const read = await rate(async () => {
      const got = await store.get(keyOf(random.below(keyCount)))
      if (got?.length !== VALUE_BYTES) throw new Error(`${store.name}: a value of ${got?.length} octets`)
    })
    let n = 0
    const write = await rate(
      async () => {
        await store.set(keyOf(random.below(keyCount)), value())
        if (++n % BATCH === 0) await store.flush()
      },
      () => store.flush(),
    )
    const durable = await rate(async () => {
      await store.set(keyOf(random.below(keyCount)), value())
      await store.flush()
    })
    const big = random.bytes(1 << 20)
    for (let i = 0; i < 16; i++) await store.set(`big/${i}`, big)
    await store.flush()
    let at = 0
    const sequential = await rate(async () => void (await store.get(`big/${at++ % 16}`)))
    await store.close()
    return { name: store.name, fill, read, write, durable, sequential }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const format = (n: number): string => (n >= 1000 ? `${(n / 1000).toFixed(1)}k` : n.toFixed(0)).padStart(8)

console.log(`values of ${VALUE_BYTES} octets; operations a second; 1 MiB reads in MB/s`)
console.log('    keys  store      fill    read   write  flushed  1 MiB')
for (const keyCount of String(options.keys).split(',').map(Number)) {
  const results = [await measure(ours, keyCount), await measure(lmdb, keyCount)]
  for (const r of results) {
    const cells = [r.fill, r.read, r.write, r.durable, r.sequential * 1.048576].map(format).join('')
    console.log(`${String(keyCount).padStart(8)}  ${r.name.padEnd(5)}${cells}`)
  }
  const [a, b] = results as [(typeof results)[0], (typeof results)[0]]
  const ratios = [
    a.fill / b.fill,
    a.read / b.read,
    a.write / b.write,
    a.durable / b.durable,
    a.sequential / b.sequential,
  ]
  console.log(`${' '.repeat(10)}ratio${ratios.map((ratio) => ratio.toFixed(2).padStart(8)).join('')}`)
}

console.log('\ncrunch: look-ups a second')
for (const count of [100, 10_000, 100_000]) {
  const octets = new Uint8Array(10)
  const files = Array.from({ length: count }, (_, i) => ({
    path: keyOf(i),
    sha256: '0'.repeat(64),
    bytes: () => octets,
  }))
  const kv = createCrunch({}, { files })
  const random = new SeededRandom(1)
  console.log(
    `${String(count).padStart(8)} files ${format(await rate(async () => void (await kv.get(keyOf(random.below(count))))))}`,
  )
}
