/** Two connected flows in memory: what one writes the other reads. No network, no time. */
import { ipv4, port } from '@mirage-ts/core/addresses'
import { cancellable } from '@mirage-ts/core/cancel'
import { NetError } from '@mirage-ts/core/errors'
import type { Cancellable } from '@mirage-ts/signatures/cancel'
import type { PromptFlow, TcpFlow } from '@mirage-ts/signatures/flow'

export interface FlowPairOptions {
  /** Octets written and not yet read, each way, before a write waits. Default 65536. */
  readonly capacityBytes?: number
  /** Longest chunk that a read gives: small ones show who forgets that a message may come in pieces. Default: no bound. */
  readonly chunkBytes?: number
  /** The flows are prompt ones. Default true. */
  readonly isPrompt?: boolean
}

/** Makes two connected flows, a client's and a server's. */
export function createFlowPair({
  capacityBytes = 65536,
  chunkBytes = Number.POSITIVE_INFINITY,
  isPrompt = true,
}: FlowPairOptions = {}): readonly [client: TcpFlow, server: TcpFlow] {
  const toServer = new Pipe(capacityBytes, chunkBytes)
  const toClient = new Pipe(capacityBytes, chunkBytes)
  const client = { address: ipv4(10, 0, 0, 1), port: port(49152) }
  const server = { address: ipv4(10, 0, 0, 2), port: port(80) }
  const Pipes = isPrompt ? PromptPipeFlow : PipeFlow
  return [new Pipes(toClient, toServer, client, server), new Pipes(toServer, toClient, server, client)]
}

class PipeFlow implements TcpFlow {
  readonly local: TcpFlow['local']
  readonly remote: TcpFlow['remote']
  protected readonly incoming: Pipe
  protected readonly outgoing: Pipe
  #isClosed = false

  constructor(incoming: Pipe, outgoing: Pipe, local: TcpFlow['local'], remote: TcpFlow['remote']) {
    this.local = local
    this.remote = remote
    this.incoming = incoming
    this.outgoing = outgoing
  }

  read(options: Cancellable = {}): Promise<Uint8Array | undefined> {
    return this.incoming.read(options)
  }

  write(bytes: Uint8Array, options: Cancellable = {}): Promise<void> {
    return this.outgoing.write(bytes, options)
  }

  shutdownWrite(): void {
    this.outgoing.end()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.outgoing.end()
    this.incoming.discard(new NetError('closed', 'Cannot read: the flow was closed'))
  }

  abort(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const ours = new NetError('closed', 'Cannot use the flow: it was aborted')
    const theirs = new NetError('connection-reset', 'Cannot use the flow: the peer aborted it')
    this.incoming.fail(ours, theirs)
    this.outgoing.fail(theirs, ours)
  }
}

class PromptPipeFlow extends PipeFlow implements PromptFlow {
  tryRead(into: Uint8Array, off: number, end: number): number {
    return this.incoming.tryRead(into, off, end)
  }

  tryWrite(bytes: Uint8Array, off: number, end: number): number {
    return this.outgoing.tryWrite(bytes, off, end)
  }

  onReadable(wake: () => void): void {
    this.incoming.onReadable(wake)
  }
}

interface PendingRead {
  readonly resolve: (chunk: Uint8Array | undefined) => void
  readonly reject: (reason: unknown) => void
}

interface PendingWrite {
  /** What has not been accepted yet. */
  rest: Uint8Array
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

/** One direction. */
class Pipe {
  readonly #capacityBytes: number
  readonly #chunkBytes: number
  readonly #chunks: Uint8Array[] = []
  /** Octets in `chunks`; at most the capacity. */
  #heldBytes = 0
  #pendingRead: PendingRead | undefined
  #pendingWrite: PendingWrite | undefined
  #wakeReader: (() => void) | undefined
  #isEnded = false
  /** The reader closed: what is written goes nowhere. */
  #isDiscarding = false
  #readFailure: NetError | undefined
  #writeFailure: NetError | undefined

  constructor(capacityBytes: number, chunkBytes: number) {
    this.#capacityBytes = capacityBytes
    this.#chunkBytes = chunkBytes
  }

  read({ signal }: Cancellable): Promise<Uint8Array | undefined> {
    if (this.#pendingRead !== undefined) return Promise.reject(new TypeError('Cannot read: another read is pending'))
    this.#wakeReader = undefined
    return cancellable<Uint8Array | undefined>(
      signal,
      (resolve, reject) => {
        this.#pendingRead = { resolve, reject }
        this.#move()
      },
      () => {
        this.#pendingRead = undefined
      },
    )
  }

  write(bytes: Uint8Array, { signal }: Cancellable): Promise<void> {
    if (this.#pendingWrite !== undefined) return Promise.reject(new TypeError('Cannot write: another write is pending'))
    if (this.#writeFailure !== undefined) return Promise.reject(this.#writeFailure)
    if (this.#isEnded) return Promise.reject(new NetError('closed', 'Cannot write: the sending side was shut down'))
    return cancellable<void>(
      signal,
      (resolve, reject) => {
        this.#pendingWrite = { rest: bytes, resolve, reject }
        this.#move()
      },
      () => {
        this.#pendingWrite = undefined
      },
    )
  }

  tryRead(into: Uint8Array, off: number, end: number): number {
    if (this.#pendingRead !== undefined) throw new TypeError('Cannot read: another read is pending')
    if (this.#readFailure !== undefined) return -1
    const chunk = this.#chunks[0]
    if (chunk === undefined) return this.#isEnded && this.#pendingWrite === undefined ? -1 : 0
    const lenBytes = Math.min(chunk.length, end - off, this.#chunkBytes)
    into.set(chunk.subarray(0, lenBytes), off)
    if (lenBytes < chunk.length) this.#chunks[0] = chunk.subarray(lenBytes)
    else this.#chunks.shift()
    this.#heldBytes -= lenBytes
    this.#move()
    return lenBytes
  }

  tryWrite(bytes: Uint8Array, off: number, end: number): number {
    if (this.#pendingWrite !== undefined) throw new TypeError('Cannot write: another write is pending')
    if (this.#writeFailure !== undefined || this.#isEnded) return 0
    if (this.#isDiscarding) return end - off
    const lenBytes = Math.min(end - off, this.#capacityBytes - this.#heldBytes)
    if (lenBytes > 0) this.#chunks.push(bytes.slice(off, off + lenBytes))
    this.#heldBytes += lenBytes
    this.#move()
    return lenBytes
  }

  onReadable(wake: () => void): void {
    if (this.#pendingRead !== undefined) throw new TypeError('Cannot read: another read is pending')
    this.#wakeReader = wake
  }

  end(): void {
    this.#isEnded = true
    this.#move()
  }

  discard(readFailure: NetError): void {
    this.#isDiscarding = true
    this.#readFailure ??= readFailure
    this.#move()
  }

  fail(readFailure: NetError, writeFailure: NetError): void {
    this.#readFailure ??= readFailure
    this.#writeFailure ??= writeFailure
    this.#move()
  }

  /** Moves octets from the pending write to the queue and from there to the pending read, as far as they go. */
  #move(): void {
    this.#accept()
    if (this.#deliver()) this.#accept()
    const wake = this.#wakeReader
    if (wake === undefined || !this.#isReadable()) return
    this.#wakeReader = undefined
    wake()
  }

  #isReadable(): boolean {
    if (this.#readFailure !== undefined || this.#chunks.length > 0) return true
    return this.#isEnded && this.#pendingWrite === undefined
  }

  #accept(): void {
    const write = this.#pendingWrite
    if (write === undefined) return
    if (this.#writeFailure !== undefined) {
      this.#pendingWrite = undefined
      write.reject(this.#writeFailure)
      return
    }
    const takenBytes = Math.min(
      write.rest.length,
      this.#isDiscarding ? Infinity : this.#capacityBytes - this.#heldBytes,
    )
    if (takenBytes > 0 && !this.#isDiscarding) {
      this.#chunks.push(write.rest.slice(0, takenBytes))
      this.#heldBytes += takenBytes
    }
    write.rest = write.rest.subarray(takenBytes)
    if (write.rest.length > 0) return
    this.#pendingWrite = undefined
    write.resolve()
  }

  /** Settles the pending read if it can; true when that took octets from the queue. */
  #deliver(): boolean {
    const read = this.#pendingRead
    if (read === undefined) return false
    const chunk = this.#readFailure === undefined ? this.#chunks.shift() : undefined
    if (chunk !== undefined) {
      const given = chunk.length > this.#chunkBytes ? chunk.slice(0, this.#chunkBytes) : chunk
      if (given.length < chunk.length) this.#chunks.unshift(chunk.subarray(given.length))
      this.#heldBytes -= given.length
      this.#pendingRead = undefined
      read.resolve(given)
      return true
    }
    if (this.#readFailure !== undefined) read.reject(this.#readFailure)
    else if (this.#isEnded && this.#pendingWrite === undefined) read.resolve(undefined)
    else return false
    this.#pendingRead = undefined
    return false
  }
}
