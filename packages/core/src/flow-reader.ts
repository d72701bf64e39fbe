/** Helpers over any flow: reading by length or by line with a limit, and carrying one flow into another. */
import type { Cancellable } from '@mirage-ts/signatures/cancel'
import type { Flow } from '@mirage-ts/signatures/flow'
import { NetError } from './errors.ts'

const LF = 10
const CR = 13

/**
 * Reads a flow piece by piece. Nothing it waits for may be longer than `maxBytes`: a peer that never ends a line must not fill
 * the memory (OSEC-2025-01). One reader per flow; it may have read more than it has given.
 */
export class FlowReader {
  private readonly flow: Flow
  private readonly maxBytes: number
  /** Read and not yet given: `chunks` joined, from `off` in the first. */
  private readonly chunks: Uint8Array[] = []
  private off = 0
  private heldBytes = 0
  private isEnded = false

  constructor(flow: Flow, { maxBytes }: { readonly maxBytes: number }) {
    if (!(maxBytes > 0)) throw new RangeError(`Cannot read with a limit of ${maxBytes} octets: expected 1 or more`)
    this.flow = flow
    this.maxBytes = maxBytes
  }

  /** Resolves to some octets, or to `undefined` at the end of the stream. */
  async readSome(options: Cancellable = {}): Promise<Uint8Array | undefined> {
    if (this.heldBytes === 0 && !(await this.fill(options))) return undefined
    return this.take((this.chunks[0] as Uint8Array).length - this.off)
  }

  /**
   * Resolves to exactly `lenBytes` octets, or to `undefined` when the stream ends before the first. Rejects with code `closed` when
   * it ends in the middle, with `message-too-long` when more is asked for than the limit allows.
   */
  async readExactly(lenBytes: number, options: Cancellable = {}): Promise<Uint8Array | undefined> {
    if (lenBytes > this.maxBytes) throw this.tooLong(`${lenBytes} octets`)
    while (this.heldBytes < lenBytes) {
      if (await this.fill(options)) continue
      if (this.heldBytes === 0) return undefined
      throw new NetError('closed', `Cannot read ${lenBytes} octets: the stream ended after ${this.heldBytes}`)
    }
    return this.take(lenBytes)
  }

  /**
   * Resolves to the next line without its end (LF or CR LF), or to `undefined` at the end of the stream; the last line may lack its
   * end. Rejects with code `message-too-long` when a line is longer than the limit.
   */
  async readLine(options: Cancellable = {}): Promise<Uint8Array | undefined> {
    let searchedCount = 0
    let searchedBytes = 0
    for (;;) {
      for (; searchedCount < this.chunks.length; searchedCount++) {
        const chunk = this.chunks[searchedCount] as Uint8Array
        const from = searchedCount === 0 ? this.off : 0
        const at = chunk.indexOf(LF, from)
        if (at >= 0) {
          const len = searchedBytes + at - from + 1
          if (len > this.maxBytes) throw this.tooLong('a line')
          return withoutEnd(this.take(len))
        }
        searchedBytes += chunk.length - from
      }
      if (searchedBytes >= this.maxBytes) throw this.tooLong('a line')
      if (!(await this.fill(options))) return this.heldBytes === 0 ? undefined : withoutEnd(this.take(this.heldBytes))
    }
  }

  private async fill(options: Cancellable): Promise<boolean> {
    if (this.isEnded) return false
    const chunk = await this.flow.read(options)
    if (chunk === undefined) {
      this.isEnded = true
      return false
    }
    this.chunks.push(chunk)
    this.heldBytes += chunk.length
    return true
  }

  /** The next `lenBytes` of what is held; the caller's to keep. */
  private take(lenBytes: number): Uint8Array {
    this.heldBytes -= lenBytes
    const first = this.chunks[0]
    if (first !== undefined && first.length - this.off >= lenBytes) {
      const taken = first.subarray(this.off, this.off + lenBytes)
      this.advance(lenBytes)
      return taken
    }
    const taken = new Uint8Array(lenBytes)
    for (let at = 0; at < lenBytes; ) {
      const chunk = this.chunks[0] as Uint8Array
      const len = Math.min(lenBytes - at, chunk.length - this.off)
      taken.set(chunk.subarray(this.off, this.off + len), at)
      this.advance(len)
      at += len
    }
    return taken
  }

  private advance(lenBytes: number): void {
    this.off += lenBytes
    if (this.off < (this.chunks[0]?.length ?? 0)) return
    this.chunks.shift()
    this.off = 0
  }

  private tooLong(what: string): NetError {
    return new NetError('message-too-long', `Cannot read ${what}: the limit is ${this.maxBytes} octets`)
  }
}

function withoutEnd(line: Uint8Array): Uint8Array {
  if (line.at(-1) !== LF) return line
  return line.subarray(0, line.at(-2) === CR ? -2 : -1)
}

/** Carries what `from` says into `to` until its end, and ends that direction of `to`; resolves to how many octets there were. */
export async function pump(from: Flow, to: Flow, options: Cancellable = {}): Promise<number> {
  let carriedBytes = 0
  // One chunk at a time: a receiver that does not read holds the sender up.
  for (let chunk = await from.read(options); chunk !== undefined; chunk = await from.read(options)) {
    await to.write(chunk, options)
    carriedBytes += chunk.length
    from.recycle?.(chunk)
  }
  to.shutdownWrite()
  return carriedBytes
}

/** Joins two flows, both ways, until both have ended; a failure of either ends both. */
export async function splice(a: Flow, b: Flow, options: Cancellable = {}): Promise<void> {
  try {
    await Promise.all([pump(a, b, options), pump(b, a, options)])
    await Promise.all([a.close(), b.close()])
  } catch (error) {
    a.abort()
    b.abort()
    throw error
  }
}
