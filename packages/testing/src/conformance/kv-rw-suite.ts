/** What every `KvRw` must do beside what a `KvRo` must, as tests; and what a `KvTransactional` adds. */
import type { KvRw, KvTransactional } from '@mirage-ts/signatures/kv'
import * as assert from '../assert.ts'
import { assertEqualsModel, contentsOf, runRandomSteps } from '../kv-random.ts'
import { SeededRandom } from '../seeded-random.ts'
import { type KvContents, runKvRoConformance } from './kv-ro-suite.ts'
import type { RegisterTest } from './suite.ts'

/** An empty store made for one test. */
export interface KvRwWorld<Kv extends KvRw = KvRw> {
  readonly kv: Kv
  /** Opens the same medium again, as after a restart; without it the store does not outlive the program. */
  readonly reopen?: () => Promise<Kv>
  /** Tears the world down. */
  close(): void | Promise<void>
}

export interface KvRwOptions {
  /** Names that differ in case only are one name, and some characters are refused: FAT. */
  readonly isFat?: boolean
  /** Random changes made; 400 by default. */
  readonly stepCount?: number
}

/** Keys that no store takes. */
const BAD_KEYS = ['', '/', '/a', 'a/', 'a//b', '.', '..', 'a/..', '../a', 'a/./b', 'a\0', '\0', '\ud800', 'a/\udc00b']

const octets = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0))

/** Octets without a pattern, a word at a time: an emulated machine takes seconds to make so many one by one. */
function manyOctets(lenBytes: number, seed: number): Uint8Array {
  const words = new Int32Array(Math.ceil(lenBytes / 4))
  let word = seed
  for (let i = 0; i < words.length; i++) {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) | 0
    words[i] = word ^ (word >>> 15)
  }
  return new Uint8Array(words.buffer, 0, lenBytes)
}

/** Registers the tests, those of `KvRo` included; `make` is called once for each. */
export function runKvRwConformance(
  test: RegisterTest,
  name: string,
  make: () => Promise<KvRwWorld>,
  options: KvRwOptions = {},
): void {
  runKvRoConformance(test, name, async (contents: KvContents) => {
    const { kv, close } = await make()
    for (const [key, value] of contents) await kv.set(key, value)
    return { kv, close }
  })

  const kvTest = (title: string, body: (world: KvRwWorld) => Promise<void>): void =>
    void test(`${name}: ${title}`, async () => {
      const world = await make()
      try {
        await body(world)
      } finally {
        await world.close()
      }
    })

  kvTest('begins empty; set makes, replaces, and makes dictionaries on the way', async ({ kv }) => {
    assert.deepEqual(await kv.list(''), [])
    await kv.set('a/b/c', octets('one'))
    await kv.set('a/b/c', octets('a longer two'))
    await kv.set('a/d', octets(''))
    assert.deepEqual(await kv.get('a/b/c'), octets('a longer two'))
    assert.deepEqual(await kv.list('a'), [
      { name: 'b', kind: 'dictionary' },
      { name: 'd', kind: 'value' },
    ])
    assert.equal(await kv.sizeBytes('a/d'), 0)
  })

  kvTest('keeps a copy: the buffer is the caller’s again', async ({ kv }) => {
    const value = new Uint8Array(5000).fill(1)
    await kv.set('a', value)
    value.fill(2)
    await kv.setPartial('b', 3, value)
    value.fill(3)
    assert.equal((await kv.get('a'))[4999], 1)
    assert.equal((await kv.get('b'))[4999], 2)
  })

  kvTest('a value given out does not change when the key does', async ({ kv }) => {
    await kv.set('a', octets('before'))
    const value = await kv.get('a')
    await kv.set('a', octets('after!'))
    await kv.setPartial('a', 0, octets('x'))
    assert.deepEqual(value, octets('before'))
  })

  kvTest('a value is no dictionary, a dictionary no value', async ({ kv }) => {
    await kv.set('a/b', octets('1'))
    await assert.rejects(kv.set('a', octets('2')), { code: 'value-expected' })
    await assert.rejects(kv.setPartial('a', 0, octets('2')), { code: 'value-expected' })
    await assert.rejects(kv.set('a/b/c', octets('2')), { code: 'dictionary-expected' })
    await assert.rejects(kv.set('a/b/c/d/e', octets('2')), { code: 'dictionary-expected' })
    assert.deepEqual([...(await contentsOf(kv)).keys()], ['a/b'])
  })

  kvTest('setPartial overwrites, grows with zeros, makes, and with nothing changes nothing', async ({ kv }) => {
    await kv.set('a', octets('0123456789'))
    await kv.setPartial('a', 3, octets('abc'))
    assert.deepEqual(await kv.get('a'), octets('012abc6789'))
    await kv.setPartial('a', 8, octets('XYZ'))
    assert.deepEqual(await kv.get('a'), octets('012abc67XYZ'))
    await kv.setPartial('a', 13, octets('!'))
    assert.deepEqual(await kv.get('a'), octets('012abc67XYZ\0\0!'))
    await kv.setPartial('a', 100, octets(''))
    assert.equal(await kv.sizeBytes('a'), 14)
    await kv.setPartial('b', 2, octets('new'))
    assert.deepEqual(await kv.get('b'), octets('\0\0new'))
    await kv.setPartial('c', 0, octets(''))
    assert.equal(await kv.exists('c'), 'value')
    await assert.rejects(kv.setPartial('a', -1, octets('x')), RangeError)
  })

  kvTest('large values: whole, in part, grown and cut', async ({ kv }) => {
    let value = manyOctets(200_000, 1)
    await kv.set('big', value)
    assert.equalOctets(await kv.get('big'), value, 'big')
    const part = manyOctets(70_000, 2)
    await kv.setPartial('big', 65_000, part)
    value.set(part, 65_000)
    await kv.setPartial('big', 230_000, part)
    const grown = new Uint8Array(300_000)
    grown.set(value)
    grown.set(part, 230_000)
    value = grown
    assert.equalOctets(await kv.get('big'), value, 'big')
    assert.deepEqual(await kv.getPartial('big', 131_000, 200), value.slice(131_000, 131_200))
    await kv.set('big', octets('small'))
    assert.deepEqual(await kv.get('big'), octets('small'))
  })

  kvTest('remove takes a value or all below a dictionary, and empty dictionaries with it', async ({ kv }) => {
    for (const key of ['a/b/c', 'a/b/d', 'a/e/f', 'g']) await kv.set(key, octets(key))
    await assert.rejects(kv.remove('x'), { code: 'not-found' })
    await assert.rejects(kv.remove('a/b/c/d'), { code: 'not-found' })
    await kv.remove('a/e/f')
    assert.equal(await kv.exists('a/e'), undefined)
    await kv.remove('a/b')
    assert.equal(await kv.exists('a'), undefined)
    assert.deepEqual(await kv.list(''), [{ name: 'g', kind: 'value' }])
    await kv.set('a', octets('now a value'))
    await kv.remove('')
    assert.deepEqual(await kv.list(''), [])
    await kv.remove('')
  })

  kvTest('rename moves values and dictionaries', async ({ kv }) => {
    for (const key of ['a/b/c', 'a/b/d', 'e', 'f']) await kv.set(key, octets(key))
    await kv.rename('e', 'x/y/e')
    await kv.rename('f', 'x/y/e')
    assert.deepEqual(await kv.get('x/y/e'), octets('f'))
    assert.equal(await kv.exists('f'), undefined)
    await kv.rename('a/b', 'x/b')
    assert.equal(await kv.exists('a'), undefined)
    assert.deepEqual(await kv.get('x/b/d'), octets('a/b/d'))
    await kv.rename('x/b/c', 'x/b/c')
    await kv.rename('x', 'z')
    assert.deepEqual([...(await contentsOf(kv)).keys()].sort(), ['z/b/c', 'z/b/d', 'z/y/e'])
  })

  kvTest('rename refuses what is not there, what is in the way, and itself from inside', async ({ kv }) => {
    for (const key of ['a/b', 'c', 'd/e']) await kv.set(key, octets(key))
    for (const [from, to, code] of [
      ['x', 'y', 'not-found'],
      ['x', 'x', 'not-found'],
      ['../c', 'y', 'not-found'],
      ['c', 'a', 'already-present'],
      ['a', 'c', 'already-present'],
      ['a', 'd', 'already-present'],
      ['a', 'a/b/c', 'bad-key'],
      ['a', 'a/x', 'bad-key'],
      ['c', 'c/x', 'bad-key'],
      ['', 'x', 'bad-key'],
      ['c', '../x', 'bad-key'],
      ['c', 'x\0', 'bad-key'],
      ['c', 'a/b/x', 'dictionary-expected'],
    ] as const) {
      await assert.rejects(kv.rename(from, to), { name: 'KvError', code }, `${from} to ${to}`)
    }
    assert.deepEqual([...(await contentsOf(kv)).keys()].sort(), ['a/b', 'c', 'd/e'])
  })

  kvTest('what is no key cannot be written, by any call', async ({ kv }) => {
    await kv.set('a/b', octets('1'))
    for (const key of [...BAD_KEYS, 'x'.repeat(100_000)]) {
      const label = JSON.stringify(key.slice(0, 20))
      if (key !== '') await assert.rejects(kv.remove(key), { name: 'KvError', code: 'not-found' }, label)
      await assert.rejects(kv.set(key, octets('2')), { name: 'KvError', code: 'bad-key' }, label)
      await assert.rejects(kv.setPartial(key, 0, octets('2')), { name: 'KvError', code: 'bad-key' }, label)
      assert.equal(await kv.exists(key), key === '' ? 'dictionary' : undefined, label)
    }
    assert.deepEqual([...(await contentsOf(kv)).keys()], ['a/b'])
  })

  kvTest('calls at once happen one after the other', async ({ kv }) => {
    const work = Array.from({ length: 60 }, async (_, i) => {
      await kv.set(`dir${i % 5}/value ${i}`, new Uint8Array(i * 50).fill(i))
      if (i % 3 === 0) await kv.remove(`dir${i % 5}/value ${i}`)
      if (i % 3 === 1) await kv.rename(`dir${i % 5}/value ${i}`, `other/${i}`)
    })
    await Promise.all([...work, kv.flush(), kv.flush(), kv.list('')])
    const contents = await contentsOf(kv)
    assert.equal(contents.size, 40)
    for (const [key, value] of contents) {
      const i = Number(/\d+$/.exec(key)?.[0])
      assert.ok(value.length === i * 50 && value.every((octet) => octet === i), key)
    }
  })

  kvTest('random changes agree with the model', async ({ kv, reopen }) => {
    const model = await runRandomSteps(kv, new SeededRandom(7), options.stepCount ?? 400, 9000)
    if (reopen === undefined) return
    await kv.flush()
    await assertEqualsModel(await reopen(), model, 'opened again')
  })

  kvTest('hundreds of values in one dictionary', async ({ kv, reopen }) => {
    const key = (i: number): string => `many/a value with a rather long name, number ${String(i).padStart(4, '0')}`
    for (let i = 0; i < 300; i++) await kv.set(key((i * 37) % 300), octets(String(i)))
    for (let i = 0; i < 300; i += 2) await kv.remove(key(i))
    await kv.flush()
    const store = (await reopen?.()) ?? kv
    const names = (await store.list('many')).map(({ name }) => `many/${name}`)
    assert.deepEqual(
      names,
      Array.from({ length: 150 }, (_, i) => key(2 * i + 1)),
    )
    assert.deepEqual(await store.get(key(37)), octets('1'))
  })
}

/** Registers the tests of transactions, those of `KvRw` included. */
export function runKvTransactionalConformance(
  test: RegisterTest,
  name: string,
  make: () => Promise<KvRwWorld<KvTransactional>>,
  options: KvRwOptions = {},
): void {
  runKvRwConformance(test, name, make, options)

  const kvTest = (title: string, body: (kv: KvTransactional) => Promise<void>): void =>
    void test(`${name}: ${title}`, async () => {
      const { kv, close } = await make()
      try {
        await body(kv)
      } finally {
        await close()
      }
    })

  kvTest('commit makes all changes in order, each seeing those before', async (kv) => {
    await kv.set('old', octets('old'))
    await kv.commit([
      { tag: 'set', key: 'a', value: octets('1') },
      { tag: 'remove', key: 'old' },
      { tag: 'remove', key: 'a' },
      { tag: 'set', key: 'a/b', value: octets('2') },
      { tag: 'set', key: 'a/b', value: octets('3') },
    ])
    assert.deepEqual(await contentsOf(kv), new Map([['a/b', octets('3')]]))
    await kv.commit([])
  })

  kvTest('commit makes nothing when one change cannot be made', async (kv) => {
    await kv.set('a/b', octets('1'))
    await kv.set('big', new Uint8Array(20_000).fill(1))
    for (const [last, code] of [
      [{ tag: 'remove', key: 'x' }, 'not-found'],
      [{ tag: 'set', key: 'a', value: octets('2') }, 'value-expected'],
      [{ tag: 'set', key: 'new/value/c', value: octets('2') }, 'dictionary-expected'],
      [{ tag: 'set', key: '..', value: octets('2') }, 'bad-key'],
    ] as const) {
      const changes = [
        { tag: 'set', key: 'new/value', value: octets('2') },
        { tag: 'set', key: 'a/b', value: octets('2') },
        { tag: 'remove', key: 'big' },
        { tag: 'set', key: 'big/now', value: new Uint8Array(20_000) },
        last,
      ] as const
      await assert.rejects(kv.commit(changes), { code }, code)
      const contents = await contentsOf(kv)
      assert.deepEqual([...contents.keys()].sort(), ['a/b', 'big'])
      assert.deepEqual(contents.get('a/b'), octets('1'))
      assert.equal(contents.get('big')?.[19_999], 1)
    }
  })
}
