/**
 * A write-back cache in front of a block device: for file systems that touch the same few sectors again and again.
 *
 * Memory is bounded: at most `lineCount` lines of `lineSectors` sectors, whether clean or dirty. `flush` is a barrier: it
 * writes what is dirty in the order of sectors, neighbours in one transfer, and then flushes the device. Between two
 * flushes sectors reach the device in any order, as the contract of `Block` allows. When writing back fails, the call that
 * needed it rejects and the sectors stay dirty, so a later `flush` tries again.
 */
import { Lock } from '@mirage-ts/core/lock'
import type { Block } from '@mirage-ts/signatures/block'
import { checkRange, checkTransfer, closedError, readOnlyError } from './block-range.ts'

export interface CacheOptions {
  /** 256 by default. */
  readonly lineCount?: number
  /** 8 by default; 1 to 30. */
  readonly lineSectors?: number
}

/** Puts a cache in front of `block`. Closing it writes back what is dirty and leaves the device open. */
export function createCachedBlock({ block }: { readonly block: Block }, options: CacheOptions = {}): Block {
  const { lineCount = 256, lineSectors = 8 } = options
  if (!(lineCount >= 1 && lineSectors >= 1 && lineSectors <= 30)) {
    throw new RangeError(`Cannot cache ${lineCount} lines of ${lineSectors} sectors: expected 1 or more, of 1 to 30`)
  }
  return new CachedBlock(block, lineCount, lineSectors)
}

/** Some neighbouring sectors; fewer at the end of the device. */
interface Line {
  readonly octets: Uint8Array
  /** A bit for each sector that the device does not have yet. */
  dirty: number
}

/** Transfers beyond this many lines go past the cache. */
const BYPASS_LINES = 8
/** Greatest transfer when writing back, in lines. */
const RUN_LINES = 32

class CachedBlock implements Block {
  readonly sectorBytes: number
  readonly sectorCount: number
  readonly isReadOnly: boolean
  readonly #block: Block
  readonly #lineCount: number
  readonly #lineSectors: number
  /** By line number, least recently used first; a few hundred at most, so a Map with integers for keys will do. */
  readonly #lines = new Map<number, Line>()
  /** One transfer at a time: a read that fills a line must not cross a write to it. */
  readonly #lock = new Lock()
  #isClosed = false

  constructor(block: Block, lineCount: number, lineSectors: number) {
    this.sectorBytes = block.sectorBytes
    this.sectorCount = block.sectorCount
    this.isReadOnly = block.isReadOnly
    this.#block = block
    this.#lineCount = lineCount
    this.#lineSectors = lineSectors
  }

  async read(sector: number, into: Uint8Array): Promise<void> {
    this.#check(sector, into.length)
    await this.#lock.exclusive(async () => {
      if (this.#isLong(into.length)) {
        await this.#block.read(sector, into)
        this.#overlay(sector, into)
        return
      }
      await this.#eachLine(sector, into.length, async (number, from, end, off) => {
        const line = await this.#line(number)
        into.set(line.octets.subarray(from * this.sectorBytes, end * this.sectorBytes), off)
      })
    })
  }

  async write(sector: number, from: Uint8Array): Promise<void> {
    this.#check(sector, from.length)
    if (this.isReadOnly) throw readOnlyError()
    await this.#lock.exclusive(async () => {
      if (this.#isLong(from.length)) {
        await this.#block.write(sector, from)
        this.#replaceClean(sector, from)
        return
      }
      await this.#eachLine(sector, from.length, async (number, first, end, off) => {
        const isWhole = end - first === this.#sectorsOf(number)
        const line = isWhole ? await this.#emptyLine(number) : await this.#line(number)
        line.octets.set(from.subarray(off, off + (end - first) * this.sectorBytes), first * this.sectorBytes)
        line.dirty |= bitsOf(first, end)
      })
    })
  }

  async flush(): Promise<void> {
    if (this.#isClosed) throw closedError()
    await this.#lock.exclusive(() => this.#flush())
  }

  async discard(sector: number, sectorCount: number): Promise<void> {
    if (this.#isClosed) throw closedError()
    checkRange(this, sector, sectorCount)
    if (this.isReadOnly) throw readOnlyError()
    await this.#lock.exclusive(async () => {
      // Line by line of the cache, not of the range: that may be a whole disk.
      for (const [number, line] of this.#lines) {
        const base = number * this.#lineSectors
        const first = Math.max(0, sector - base)
        const end = Math.min(this.#sectorsOf(number), sector + sectorCount - base)
        if (first >= end) continue
        line.dirty &= ~bitsOf(first, end)
        if (line.dirty === 0) this.#lines.delete(number)
      }
      await this.#block.discard(sector, sectorCount)
    })
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#lock.exclusive(() => this.#flush())
  }

  #check(sector: number, lenBytes: number): void {
    if (this.#isClosed) throw closedError()
    checkTransfer(this, sector, lenBytes)
  }

  #isLong(lenBytes: number): boolean {
    return lenBytes > Math.min(BYPASS_LINES, this.#lineCount) * this.#lineSectors * this.sectorBytes
  }

  #sectorsOf(number: number): number {
    return Math.min(this.#lineSectors, this.sectorCount - number * this.#lineSectors)
  }

  /** Calls `body` for each line touched: sectors `[first, end)` of it are the octets from `off` on of the transfer. */
  async #eachLine(
    sector: number,
    lenBytes: number,
    body: (number: number, first: number, end: number, off: number) => Promise<void>,
  ): Promise<void> {
    const end = sector + lenBytes / this.sectorBytes
    for (let at = sector; at < end; ) {
      const number = Math.floor(at / this.#lineSectors)
      const base = number * this.#lineSectors
      const stop = Math.min(end, base + this.#lineSectors)
      await body(number, at - base, stop - base, (at - sector) * this.sectorBytes)
      at = stop
    }
  }

  /** The line with the octets of the device, most recently used from now on. */
  async #line(number: number): Promise<Line> {
    const known = this.#lines.get(number)
    if (known !== undefined) {
      this.#lines.delete(number)
      this.#lines.set(number, known)
      return known
    }
    const octets = new Uint8Array(this.#sectorsOf(number) * this.sectorBytes)
    await this.#block.read(number * this.#lineSectors, octets)
    return await this.#insert(number, octets)
  }

  /** The line for someone who writes all of it. */
  async #emptyLine(number: number): Promise<Line> {
    const known = this.#lines.get(number)
    if (known !== undefined) return known
    return await this.#insert(number, new Uint8Array(this.#sectorsOf(number) * this.sectorBytes))
  }

  async #insert(number: number, octets: Uint8Array): Promise<Line> {
    if (this.#lines.size >= this.#lineCount) await this.#evict()
    const line = { octets, dirty: 0 }
    this.#lines.set(number, line)
    return line
  }

  /** Drops the least recently used line; when it is dirty, everything is written back: neighbours go together. */
  async #evict(): Promise<void> {
    for (const [number, line] of this.#lines) {
      if (line.dirty !== 0) await this.#writeBack()
      this.#lines.delete(number)
      return
    }
  }

  async #flush(): Promise<void> {
    if (this.isReadOnly) return
    await this.#writeBack()
    await this.#block.flush()
  }

  async #writeBack(): Promise<void> {
    const numbers = [...this.#lines.keys()].filter((number) => this.#lines.get(number)?.dirty !== 0)
    numbers.sort((a, b) => a - b)
    for (let i = 0; i < numbers.length; ) {
      const first = numbers[i] as number
      const run: Line[] = []
      // Neighbours that are dirty as a whole go in one transfer.
      while (run.length < RUN_LINES && numbers[i] === first + run.length && this.#isWhole(first + run.length)) {
        run.push(this.#lines.get(numbers[i++] as number) as Line)
      }
      if (run.length > 0) {
        const octets = new Uint8Array(run.reduce((sum, line) => sum + line.octets.length, 0))
        run.reduce((off, line) => {
          octets.set(line.octets, off)
          return off + line.octets.length
        }, 0)
        await this.#block.write(first * this.#lineSectors, octets)
        for (const line of run) line.dirty = 0
      } else {
        await this.#writeParts(first, this.#lines.get(first) as Line)
        i++
      }
    }
  }

  #isWhole(number: number): boolean {
    return this.#lines.get(number)?.dirty === bitsOf(0, this.#sectorsOf(number))
  }

  async #writeParts(number: number, line: Line): Promise<void> {
    const sectors = this.#sectorsOf(number)
    for (let first = 0; first < sectors; first++) {
      if ((line.dirty & (1 << first)) === 0) continue
      let end = first + 1
      while (end < sectors && (line.dirty & (1 << end)) !== 0) end++
      const octets = line.octets.subarray(first * this.sectorBytes, end * this.sectorBytes)
      await this.#block.write(number * this.#lineSectors + first, octets)
      line.dirty &= ~bitsOf(first, end)
      first = end
    }
  }

  /** Puts what is dirty over octets read past the cache. */
  #overlay(sector: number, into: Uint8Array): void {
    this.#eachCached(sector, into.length, (line, inLine, off) => {
      if ((line.dirty & (1 << inLine)) === 0) return
      into.set(line.octets.subarray(inLine * this.sectorBytes, (inLine + 1) * this.sectorBytes), off)
    })
  }

  /** Keeps the cache true after a write past it. */
  #replaceClean(sector: number, from: Uint8Array): void {
    this.#eachCached(sector, from.length, (line, inLine, off) => {
      line.octets.set(from.subarray(off, off + this.sectorBytes), inLine * this.sectorBytes)
      line.dirty &= ~(1 << inLine)
    })
  }

  #eachCached(sector: number, lenBytes: number, body: (line: Line, inLine: number, off: number) => void): void {
    for (let at = 0; at < lenBytes / this.sectorBytes; at++) {
      const line = this.#lines.get(Math.floor((sector + at) / this.#lineSectors))
      if (line !== undefined) body(line, (sector + at) % this.#lineSectors, at * this.sectorBytes)
    }
  }
}

/** Bits `first` to `end - 1`. */
function bitsOf(first: number, end: number): number {
  return ((1 << (end - first)) - 1) << first
}
