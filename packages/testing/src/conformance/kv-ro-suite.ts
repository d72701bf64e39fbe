/**
 * What every `KvRo` must do, as tests. Call `runKvRoConformance(test, ...)` from the test file of an implementation.
 */
import { KvError, type KvErrorCode } from '@mirage-ts/core/errors'
import type { KvRo } from '@mirage-ts/signatures/kv'
import * as assert from '../assert.ts'
import type { RegisterTest } from './suite.ts'

/** A store made for one test. */
export interface KvRoWorld {
  readonly kv: KvRo
  /** Tears the world down. */
  close(): void | Promise<void>
}

/** The files that a store must hold: contents by key. */
export type KvContents = ReadonlyMap<string, Uint8Array>

const BIG = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7 + (i >>> 8)) & 255)

/** What the suite asks for; exported for stores that something else has to fill, like the image of an application. */
export const CONTENTS: KvContents = new Map([
  ['index.html', octetsOf('<h1>Hello</h1>')],
  ['about.html', octetsOf('about')],
  ['copy-of-about.html', octetsOf('about')],
  ['empty', new Uint8Array(0)],
  ['big.bin', BIG],
  ['images/logo.svg', octetsOf('<svg/>')],
  ['images/old/logo.svg', octetsOf('<svg>old</svg>')],
  ['näme with spaces', octetsOf('x')],
  ['..hidden', octetsOf('two dots in front are a name')],
])

/** Keys that never name anything, however an implementation builds a path from them. */
const NO_KEYS = [
  '/',
  '/index.html',
  'index.html/',
  'images/',
  'images//logo.svg',
  '.',
  '..',
  './index.html',
  '../index.html',
  'images/..',
  'images/../index.html',
  'images/./logo.svg',
  '../../../../../../etc/passwd',
  '/etc/passwd',
  'index.html\0',
  'index.html\0.png',
  '\0',
  'INDEX.HTML',
  'index.htm',
  'index.html/more',
  'missing',
  'images\\logo.svg',
  '..\\index.html',
  '%2e%2e/index.html',
  '__proto__',
  'constructor',
]

/** Registers the tests; `make` is called once for each, with the files the store must hold. */
export function runKvRoConformance(
  test: RegisterTest,
  name: string,
  make: (contents: KvContents) => Promise<KvRoWorld>,
): void {
  const kvTest = (title: string, body: (kv: KvRo) => Promise<void>): void =>
    void test(`${name}: ${title}`, async () => {
      const { kv, close } = await make(CONTENTS)
      try {
        await body(kv)
      } finally {
        await close()
      }
    })

  kvTest('gives each value, its length and its kind', async (kv) => {
    for (const [key, octets] of CONTENTS) {
      assert.deepEqual(await kv.get(key), octets, key)
      assert.equal(await kv.sizeBytes(key), octets.length, key)
      assert.equal(await kv.exists(key), 'value', key)
    }
  })

  kvTest('peeks, if it does, at what the other methods give', async (kv) => {
    for (const [key, octets] of CONTENTS) {
      const peek = kv.peek?.(key)
      if (peek === undefined) continue
      assert.deepEqual(peek.octets, octets, key)
      assert.equal(peek.digest, await kv.digest(key), key)
      assert.equal(peek.lastModified, await kv.lastModified(key), key)
    }
    for (const key of [...NO_KEYS, '', 'images']) assert.equal(kv.peek?.(key), undefined, key)
  })

  kvTest('lists dictionaries sorted by name', async (kv) => {
    assert.deepEqual(await kv.list('images'), [
      { name: 'logo.svg', kind: 'value' },
      { name: 'old', kind: 'dictionary' },
    ])
    const root = await kv.list('')
    const names = [...new Set([...CONTENTS.keys()].map((key) => key.split('/')[0] as string))].sort()
    assert.deepEqual(
      root.map((entry) => entry.name),
      names,
    )
    assert.equal(root.find((entry) => entry.name === 'images')?.kind, 'dictionary')
    assert.equal(await kv.exists(''), 'dictionary')
    assert.equal(await kv.exists('images/old'), 'dictionary')
  })

  kvTest('gives parts: fewer octets at the end, none past it', async (kv) => {
    for (const [off, len] of [
      [0, 10],
      [99_990, 20],
      [0, 200_000],
      [50_000, 0],
      [65_535, 2],
      [100_000, 1],
      [200_000, 5],
    ] as const) {
      assert.deepEqual(await kv.getPartial('big.bin', off, len), BIG.slice(off, off + len), `${len} at ${off}`)
    }
    assert.deepEqual(await kv.getPartial('empty', 0, 10), new Uint8Array(0))
    await assert.rejects(kv.getPartial('big.bin', -1, 10), RangeError)
    await assert.rejects(kv.getPartial('big.bin', 0, -1), RangeError)
  })

  kvTest('digests are equal exactly when contents are', async (kv) => {
    const about = await kv.digest('about.html')
    assert.match(about, /^[0-9a-f]{32,}$/)
    assert.equal(await kv.digest('copy-of-about.html'), about)
    assert.equal(await kv.digest('about.html'), about)
    const digests = new Set(await Promise.all([...CONTENTS.keys()].map((key) => kv.digest(key))))
    assert.equal(digests.size, CONTENTS.size - 1)
  })

  kvTest('tells when something was last changed, or that it does not know', async (kv) => {
    for (const key of ['', 'images', 'index.html', 'images/logo.svg']) {
      const time = await kv.lastModified(key)
      const isKnown = time !== undefined && Number.isSafeInteger(time) && time >= 0
      assert.ok(time === undefined || isKnown, `${key}: ${time}`)
      assert.equal(await kv.lastModified(key), time, key)
    }
  })

  kvTest('what is no key is not found, by any call', async (kv) => {
    for (const key of NO_KEYS) {
      assert.equal(await kv.exists(key), undefined, JSON.stringify(key))
      for (const call of callsOf(kv, key)) await assert.rejects(call, hasCode('not-found', key))
    }
  })

  kvTest('a dictionary is no value, a value no dictionary', async (kv) => {
    for (const key of ['', 'images']) {
      await assert.rejects(kv.get(key), hasCode('value-expected', key))
      await assert.rejects(kv.getPartial(key, 0, 1), hasCode('value-expected', key))
      await assert.rejects(kv.sizeBytes(key), hasCode('value-expected', key))
      await assert.rejects(kv.digest(key), hasCode('value-expected', key))
    }
    await assert.rejects(kv.list('index.html'), hasCode('dictionary-expected', 'index.html'))
  })
}

function* callsOf(kv: KvRo, key: string): Generator<Promise<unknown>> {
  yield kv.get(key)
  yield kv.getPartial(key, 0, 1)
  yield kv.list(key)
  yield kv.sizeBytes(key)
  yield kv.digest(key)
  yield kv.lastModified(key)
}

function hasCode(code: KvErrorCode, key: string): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof KvError, `${JSON.stringify(key)}: a KvError, not ${String(error)}`)
    assert.equal(error.code, code, JSON.stringify(key))
    return true
  }
}

function octetsOf(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0))
}
