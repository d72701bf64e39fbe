import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Flow } from '@mirage-ts/signatures/flow'
import { FlowReader, pump, splice } from './flow-reader.ts'

const octets = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))
const textOf = (u8: Uint8Array | undefined): string | undefined =>
  u8 === undefined ? undefined : String.fromCharCode(...u8)

/** A flow that says these chunks and keeps what it is told; writing waits while `gate` is pending. */
class ScriptFlow implements Flow {
  readonly written: string[] = []
  readonly events: string[] = []
  gate: Promise<void> = Promise.resolve()
  private readonly chunks: string[]
  constructor(...chunks: string[]) {
    this.chunks = chunks
  }
  async read(): Promise<Uint8Array | undefined> {
    const chunk = this.chunks.shift()
    if (chunk === 'fail') throw new Error('broken')
    return chunk === undefined ? undefined : octets(chunk)
  }
  async write(bytes: Uint8Array): Promise<void> {
    await this.gate
    this.written.push(textOf(bytes) as string)
  }
  shutdownWrite(): void {
    this.events.push('shutdown')
  }
  async close(): Promise<void> {
    this.events.push('close')
  }
  abort(): void {
    this.events.push('abort')
  }
  get leftCount(): number {
    return this.chunks.length
  }
}

const reader = (maxBytes: number, ...chunks: string[]): FlowReader =>
  new FlowReader(new ScriptFlow(...chunks), { maxBytes })

describe('flow reader', () => {
  it('reads exact lengths across chunks, in every way to cut the stream', async () => {
    const text = 'abcdefghij'
    for (let cuts = 0; cuts < 512; cuts++) {
      const chunks: string[] = ['']
      for (const [i, character] of [...text].entries()) {
        chunks.push((chunks.pop() as string) + character)
        if ((cuts >> i) & 1 && i < 9) chunks.push('')
      }
      const one = reader(10, ...chunks)
      assert.deepEqual(
        [await one.readExactly(3), await one.readExactly(0), await one.readExactly(6), await one.readExactly(1)].map(
          textOf,
        ),
        ['abc', '', 'defghi', 'j'],
      )
      assert.equal(await one.readExactly(1), undefined)
    }
  })

  it('says when the stream ends in the middle, and refuses more than the limit', async () => {
    await assert.rejects(reader(10, 'abc').readExactly(4), { code: 'closed' })
    await assert.rejects(reader(10, 'abc').readExactly(11), { code: 'message-too-long' })
    assert.throws(() => reader(0), /Cannot read with a limit of 0 octets: expected 1 or more/)
  })

  it('reads lines with either end, the last one without', async () => {
    const one = reader(100, 'first\r', '\nsecond\n\nth', 'ird')
    const lines: (string | undefined)[] = []
    for (let i = 0; i < 5; i++) lines.push(textOf(await one.readLine()))
    assert.deepEqual(lines, ['first', 'second', '', 'third', undefined])
  })

  it('never holds more than the limit for a line (OSEC-2025-01)', async () => {
    const flow = new ScriptFlow(...Array<string>(1000).fill('x'.repeat(100)))
    await assert.rejects(new FlowReader(flow, { maxBytes: 1000 }).readLine(), { code: 'message-too-long' })
    assert.equal(flow.leftCount, 990)
    await assert.rejects(reader(4, 'abcd\n').readLine(), { code: 'message-too-long' })
    assert.equal(textOf(await reader(5, 'abcd\n').readLine()), 'abcd')
  })

  it('mixes lines, lengths and whatever is there', async () => {
    const one = reader(100, 'head\nbody', 'tail')
    assert.equal(textOf(await one.readLine()), 'head')
    assert.equal(textOf(await one.readExactly(2)), 'bo')
    assert.equal(textOf(await one.readSome()), 'dy')
    assert.equal(textOf(await one.readSome()), 'tail')
    assert.equal(await one.readSome(), undefined)
  })
})

describe('pump', () => {
  it('carries everything, then ends the other direction', async () => {
    const [from, to] = [new ScriptFlow('ab', 'cde'), new ScriptFlow()]
    assert.equal(await pump(from, to), 5)
    assert.deepEqual([to.written, to.events], [['ab', 'cde'], ['shutdown']])
  })

  it('takes no more than one chunk from a sender whose receiver does not read', async () => {
    const [from, to] = [new ScriptFlow('a', 'b', 'c'), new ScriptFlow()]
    let open = (): void => {}
    to.gate = new Promise((resolve) => {
      open = resolve
    })
    const pumping = pump(from, to)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(from.leftCount, 2)
    open()
    await pumping
    assert.deepEqual(to.written, ['a', 'b', 'c'])
  })

  it('splices both ways and closes both; a failure of one ends both', async () => {
    const [a, b] = [new ScriptFlow('from a'), new ScriptFlow('from b')]
    await splice(a, b)
    assert.deepEqual(
      [a.written, b.written, a.events, b.events],
      [['from b'], ['from a'], ['shutdown', 'close'], ['shutdown', 'close']],
    )
    const [c, d] = [new ScriptFlow('fail'), new ScriptFlow()]
    await assert.rejects(splice(c, d), /broken/)
    assert.deepEqual([c.events.at(-1), d.events.at(-1)], ['abort', 'abort'])
  })
})
