/** Packs tests for the image that runs them; `native/tests/test262/archive.h` states the layout. */
import type { Phase } from './frontmatter.ts'
import type { Mode, Test } from './suite.ts'

/** One way of running one test. */
export interface Run {
  readonly test: Test
  readonly mode: Mode
}

const FLAG = { strict: 1, module: 2, async: 4 } as const
const NEGATIVE: Readonly<Record<Phase, number>> = { parse: 16, resolution: 32, runtime: 64 }
const NO_FILE = 0xffffffff
const FILE_LEN = 12
const RUN_LEN = 16
/** What every test gets but raw ones (INTERPRETING.md, "Test262-Defined Bindings"). */
const ALWAYS = ['assert.js', 'sta.js']

/** `support` has what tests include and import, by name. Throws an Error when one includes a file that is not there. */
export function packArchive(runs: readonly Run[], support: ReadonlyMap<string, Buffer>): Uint8Array {
  const texts = new Map(support)
  for (const { test } of runs) texts.set(test.path, test.text)
  // In the order of octets, as strcmp() has it.
  const names = [...texts.keys()].map((name) => Buffer.from(name)).sort(Buffer.compare)
  const indexes = new Map(names.map((name, i) => [name.toString(), i]))

  const chunks: Buffer[] = []
  let end = 8 + names.length * FILE_LEN + runs.length * RUN_LEN
  const put = (chunk: Buffer): number => {
    const off = end
    // What follows is aligned, for the lists of includes.
    const padded = Buffer.alloc(Math.ceil((chunk.length + 1) / 4) * 4)
    padded.set(chunk)
    chunks.push(padded)
    end += padded.length
    return off
  }
  const known = new Map<string, number>()
  const putOnce = (key: string, chunk: () => Buffer): number => {
    const off = known.get(key) ?? put(chunk())
    known.set(key, off)
    return off
  }

  const table: number[] = [names.length, runs.length]
  for (const name of names) {
    const text = texts.get(name.toString()) ?? Buffer.alloc(0)
    table.push(put(name), put(text), text.length)
  }
  for (const { test, mode } of runs) {
    const { flags, includes, negative } = test.about
    const all = mode === 'raw' ? [] : [...ALWAYS, ...includes]
    const list = all.map((name) => {
      const index = indexes.get(`harness/${name}`)
      if (index === undefined) throw new Error(`${test.path} includes ${name}, which the harness lacks`)
      return index
    })
    const bits =
      (mode === 'strict' ? FLAG.strict : 0) |
      (mode === 'module' ? FLAG.module : 0) |
      (flags.includes('async') ? FLAG.async : 0) |
      (negative === undefined ? 0 : NEGATIVE[negative.phase])
    const type = negative?.type ?? ''
    table.push(
      indexes.get(test.path) ?? 0,
      bits,
      putOnce(list.join(), () => Buffer.from(Uint32Array.from([...list, NO_FILE]).buffer)),
      putOnce(`error ${type}`, () => Buffer.from(type)),
    )
  }
  return Buffer.concat([Buffer.from(Uint32Array.from(table).buffer), ...chunks], end)
}
