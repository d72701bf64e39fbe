/** A `TcpFlow` over a socket of Node's. */

import type { Socket } from 'node:net'
import { cancellable } from '@mirage-ts/core/cancel'
import { NetError } from '@mirage-ts/core/errors'
import type { Endpoint } from '@mirage-ts/signatures/addresses'
import type { Cancellable } from '@mirage-ts/signatures/cancel'
import type { FlowTuning, TcpFlow } from '@mirage-ts/signatures/flow'
import { socketError } from './socket-error.ts'

/** How long a closed flow goes on discarding what the peer sends, before the system may answer with a reset. */
const LINGER_MS = 2_000

/** Takes over a connected socket, made with `allowHalfOpen`. */
export function hostFlow(socket: Socket, local: Endpoint, remote: Endpoint, name: string): TcpFlow {
  return new HostFlow(socket, local, remote, name)
}

interface PendingRead {
  readonly resolve: (chunk: Uint8Array | undefined) => void
  readonly reject: (reason: unknown) => void
}

class HostFlow implements TcpFlow {
  readonly local: Endpoint
  readonly remote: Endpoint
  readonly #socket: Socket
  /** Who the peer is, for messages. */
  readonly #name: string
  #pendingRead: PendingRead | undefined
  /** Rejects the pending write; undefined when there is none. */
  #failWrite: ((reason: NetError) => void) | undefined
  /** The peer has finished, and everything before was read. */
  #isEnded = false
  #isWriteShut = false
  /** Why both directions are over, once they are. */
  #failure: NetError | undefined
  #closing: Promise<void> | undefined

  constructor(socket: Socket, local: Endpoint, remote: Endpoint, name: string) {
    this.local = local
    this.remote = remote
    this.#socket = socket
    this.#name = name
    socket.setNoDelay(true)
    socket.on('readable', () => this.#settleRead())
    socket.on('end', () => {
      this.#isEnded = true
      this.#settleRead()
    })
    socket.on('error', (error) => this.#fail(socketError(`Lost the connection with ${name}`, error)))
    // When both sides have finished there is nothing to fail: reads go on saying so.
    socket.on('close', () => this.#isEnded || this.#fail(this.#closedError('the connection is closed')))
  }

  /** The user timeout is the operating system's: Node.js cannot set it for a socket. */
  tune({ keepAlive, noDelay }: FlowTuning): void {
    if (keepAlive !== undefined) this.#socket.setKeepAlive(true, keepAlive / 1000)
    if (noDelay !== undefined) this.#socket.setNoDelay(noDelay)
  }

  read({ signal }: Cancellable = {}): Promise<Uint8Array | undefined> {
    if (this.#pendingRead !== undefined) return Promise.reject(new TypeError('Cannot read: another read is pending'))
    return cancellable<Uint8Array | undefined>(
      signal,
      (resolve, reject) => {
        this.#pendingRead = { resolve, reject }
        this.#settleRead()
      },
      () => {
        this.#pendingRead = undefined
      },
    )
  }

  write(bytes: Uint8Array, { signal }: Cancellable = {}): Promise<void> {
    if (this.#failWrite !== undefined) return Promise.reject(new TypeError('Cannot write: another write is pending'))
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (this.#isWriteShut) return Promise.reject(this.#closedError('its sending side was shut down'))
    return cancellable<void>(
      signal,
      (resolve, reject) => {
        this.#failWrite = reject
        // The callback comes when the system has taken the octets: its bounded buffer is the back-pressure.
        this.#socket.write(bytes, (error) => {
          if (this.#failWrite !== reject) return
          this.#failWrite = undefined
          if (error == null) resolve()
          else reject(socketError(`Cannot write to ${this.#name}`, error))
        })
      },
      () => {
        this.#failWrite = undefined
      },
    )
  }

  shutdownWrite(): void {
    if (this.#isWriteShut) return
    this.#isWriteShut = true
    this.#socket.end()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  abort(): void {
    this.#fail(this.#closedError('it was aborted'))
    const socket = this.#socket
    // libuv cannot reset while its shutdown is on the way: one turn later it can.
    const isShutting = this.#isWriteShut && socket.writableLength === 0 && !socket.writableFinished
    if (isShutting) socket.once('finish', () => socket.resetAndDestroy())
    else socket.resetAndDestroy()
  }

  async #close(): Promise<void> {
    const socket = this.#socket
    this.shutdownWrite()
    // A pending write goes on: what it was given is still delivered.
    this.#failure ??= this.#closedError('it was closed')
    this.#settleRead()
    if (!socket.writableFinished && !socket.destroyed) {
      await new Promise<void>((resolve) => {
        socket.once('finish', resolve)
        socket.once('close', resolve)
      })
    }
    if (!socket.destroyed) this.#linger()
  }

  /** Discards what still arrives: the system would answer it with a reset, which may overtake what we sent. */
  #linger(): void {
    const socket = this.#socket
    if (this.#isEnded) {
      socket.destroy()
      return
    }
    socket.removeAllListeners('readable')
    socket.resume()
    socket.once('end', () => socket.destroy())
    const timer = setTimeout(() => socket.destroy(), LINGER_MS)
    socket.once('close', () => clearTimeout(timer))
    // Nothing of the application waits for this any more.
    timer.unref()
    socket.unref()
  }

  #settleRead(): void {
    const pending = this.#pendingRead
    if (pending === undefined) return
    const chunk: Uint8Array | null = this.#failure === undefined ? this.#socket.read() : null
    if (chunk === null && this.#failure === undefined && !this.#isEnded) return
    this.#pendingRead = undefined
    if (this.#failure !== undefined) pending.reject(this.#failure)
    else if (chunk === null) pending.resolve(undefined)
    // Not Node's Buffer, whose slice() shares where Uint8Array's copies.
    else pending.resolve(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length))
  }

  /** Ends both directions; the first reason stays. */
  #fail(failure: NetError): void {
    if (this.#failure !== undefined) return
    this.#failure = failure
    this.#settleRead()
    this.#failWrite?.(failure)
    this.#failWrite = undefined
  }

  #closedError(why: string): NetError {
    return new NetError('closed', `Cannot use the connection with ${this.#name}: ${why}`)
  }
}
