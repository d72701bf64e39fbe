/**
 * Our log store against LMDB on the same kind of file, under Node: cost of an operation with 10^3 to 10^6 keys, and
 * sequential reading. `node --import tsx bench/storage.ts [--keys 1000,10000] [--seconds 2]`.
 *
 * Costs are µs of processor, that of the system for this process included, for one operation: other load on the machine
 * moves them less than the time that it takes. Both commit with one call that makes everything durable; "flushed" calls it
 * after every value, "write" after every 1,000. Values are random octets, 4 KiB by default. Trust the ratios.
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

/** Calls `step` for the time given, and `end`; returns µs of processor for each call. */
async function costOf(step: () => unknown, end?: () => Promise<void>): Promise<number> {
  const warmUp = performance.now()
  while (performance.now() - warmUp < MS / 5) await step()
  const before = process.cpuUsage()
  const begun = performance.now()
  let count = 0
  do {
    const result = step()
    if (result instanceof Promise) await result
    count++
  } while (performance.now() - begun < MS)
  await end?.()
  return microseconds(before) / count
}

/** µs of processor since then. */
function microseconds(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return user + system
}

const keyOf = (i: number): string => `folder ${i % 100}/value number ${i}`

async function measure(makeStore: (folder: string, keyCount: number) => Promise<Store>, keyCount: number) {
  const folder = mkdtempSync(join(options.folder, 'mirage-bench-'))
  try {
    const random = new SeededRandom(keyCount)
    const pool = random.bytes(VALUE_BYTES + 4096)
    const value = (): Uint8Array => pool.subarray(random.below(4096)).subarray(0, VALUE_BYTES)
    const store = await makeStore(folder, keyCount)
    const filled = process.cpuUsage()
    for (let i = 0; i < keyCount; i++) {
      await store.set(keyOf(i), value())
      if (i % BATCH === BATCH - 1) await store.flush()
    }
    await store.flush()
    const fill = microseconds(filled) / keyCount
    const check = (got: Uint8Array | undefined): void => {
      if (got?.length !== VALUE_BYTES) throw new Error(`${store.name}: a value of ${got?.length} octets`)
    }
    const read = await costOf(() => {
      const got = store.get(keyOf(random.below(keyCount)))
      return got instanceof Promise ? got.then(check) : check(got)
    })
    let n = 0
    const write = await costOf(
      async () => {
        await store.set(keyOf(random.below(keyCount)), value())
        if (++n % BATCH === 0) await store.flush()
      },
      () => store.flush(),
    )
    const durable = await costOf(async () => {
      await store.set(keyOf(random.below(keyCount)), value())
      await store.flush()
    })
    const big = random.bytes(1 << 20)
    for (let i = 0; i < 16; i++) await store.set(`big/${i}`, big)
    await store.flush()
    let at = 0
    const sequential = await costOf(() => store.get(`big/${at++ % 16}`))
    await store.close()
    return { name: store.name, fill, read, write, durable, sequential }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const format = (n: number): string => n.toFixed(n < 100 ? 1 : 0).padStart(9)

console.log(`values of ${VALUE_BYTES} octets; µs of processor for an operation`)
console.log('    keys  store     fill     read    write  flushed    1 MiB')
for (const keyCount of String(options.keys).split(',').map(Number)) {
  const results = [await measure(ours, keyCount), await measure(lmdb, keyCount)]
  for (const { name, fill, read, write, durable, sequential } of results) {
    const cells = [fill, read, write, durable, sequential].map(format).join('')
    console.log(`${String(keyCount).padStart(8)}  ${name.padEnd(5)}${cells}`)
  }
  const [a, b] = results as [(typeof results)[0], (typeof results)[0]]
  const names = ['fill', 'read', 'write', 'durable', 'sequential'] as const
  const ratios = names.map((name) => (a[name] / b[name]).toFixed(2).padStart(9))
  console.log(`${' '.repeat(10)}ratio${ratios.join('')}`)
}

// The same hundred files are in the processor's caches however many there are beside them: that cost is the look-up's
// alone. Any file is not, and a hundred thousand of them fit no cache.
console.log('\ncrunch: µs of processor for a look-up')
console.log('   files  the same 100  any')
for (const count of [100, 1000, 10_000, 100_000, 1_000_000]) {
  const octets = new Uint8Array(10)
  const files = Array.from({ length: count }, (_, i) => ({
    path: keyOf(i),
    sha256: '0'.repeat(64),
    bytes: () => octets,
  }))
  const kv = createCrunch({}, { files })
  const random = new SeededRandom(1)
  const costs: string[] = []
  for (const keyCount of [100, 100_000]) {
    const keys = Array.from({ length: keyCount }, () => Buffer.from(keyOf(random.below(count))).toString('latin1'))
    let i = 0
    const lookUp = async (): Promise<void> => {
      for (let n = 0; n < 100; n++) await kv.get(keys[i++ % keyCount] as string)
    }
    costs.push(((await costOf(lookUp)) / 100).toFixed(2))
  }
  console.log(`${String(count).padStart(8)}  ${costs[0]?.padStart(12)}  ${costs[1]}`)
}
