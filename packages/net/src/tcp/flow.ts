/** A connection as the application sees it: the `Flow` contract on top of the machine's events. */
import { endpointToString } from '@mirage-ts/core/addresses'
import { cancellable } from '@mirage-ts/core/cancel'
import { NetError, type NetErrorCode } from '@mirage-ts/core/errors'
import type { Endpoint } from '@mirage-ts/signatures/addresses'
import type { Cancellable, CancelSignal } from '@mirage-ts/signatures/cancel'
import type { FlowTuning, PromptFlow, TcpFlow } from '@mirage-ts/signatures/flow'
import type { Instant } from '@mirage-ts/signatures/time'
import { abort, close, receive, receiveInto, send, shutdown, tune } from './calls.ts'
import {
  CLOSED,
  type Connection,
  type ConnectionUser,
  EVENT_CLOSED,
  EVENT_DELIVERED,
  EVENT_READABLE,
  EVENT_WRITABLE,
} from './connection.ts'
import type { TcpMachine } from './machine.ts'

/** Greatest chunk of one read. */
const MAX_CHUNK_BYTES = 256 * 1024
/** Shorter times would end connections that only hiccup. */
const LEAST_TUNED_US = 1_000_000
const NO_SIGNAL: Cancellable = {}
const NO_CLOSERS: readonly (() => void)[] = []

/** What a flow needs from the adapter around the machine. */
export interface FlowHost {
  readonly machine: TcpMachine
  now(): Instant
  /** The machine was called: its next deadline may have come nearer. */
  touched(): void
}

export class MachineFlow implements TcpFlow, PromptFlow, ConnectionUser {
  private readonly host: FlowHost
  private readonly connection: Connection
  private isReading = false
  private isWriting = false
  private wakeReader: (() => void) | undefined = undefined
  private wakeWriter: (() => void) | undefined = undefined
  private wakeClosers: readonly (() => void)[] = NO_CLOSERS

  constructor(host: FlowHost, connection: Connection) {
    this.host = host
    this.connection = connection
    connection.user = this
  }

  get local(): Endpoint {
    return { address: this.connection.local, port: this.connection.localPort }
  }

  get remote(): Endpoint {
    return { address: this.connection.remote, port: this.connection.remotePort }
  }

  async read({ signal }: Cancellable = NO_SIGNAL): Promise<Uint8Array | undefined> {
    this.checkReader()
    signal?.throwIfAborted()
    const { host, connection } = this
    this.isReading = true
    this.wakeReader = undefined
    try {
      for (;;) {
        const chunk = receive(host.machine, connection, MAX_CHUNK_BYTES, host.now())
        if (chunk !== undefined) {
          host.touched()
          return chunk
        }
        if (connection.isReceiveShut) throw this.error('read from', 'closed')
        if (connection.isPeerFinished()) return undefined
        if (connection.state === CLOSED) throw this.error('read from', connection.failure ?? 'closed')
        await this.untilReadable(signal)
      }
    } finally {
      this.isReading = false
    }
  }

  recycle(chunk: Uint8Array): void {
    this.host.machine.memory.recycle(chunk)
  }

  async write(bytes: Uint8Array, { signal }: Cancellable = NO_SIGNAL): Promise<void> {
    this.checkWriter()
    signal?.throwIfAborted()
    const { host, connection } = this
    this.isWriting = true
    try {
      let off = 0
      for (;;) {
        if (connection.state === CLOSED) throw this.error('write to', connection.failure ?? 'closed')
        if (connection.isFinQueued) throw this.error('write to', 'closed')
        off += send(host.machine, connection, bytes, off, bytes.length, host.now())
        host.touched()
        if (off === bytes.length) return
        await this.untilWritable(signal)
      }
    } finally {
      this.isWriting = false
    }
  }

  tryRead(into: Uint8Array, off: number, end: number): number {
    this.checkReader()
    const { host, connection } = this
    if (connection.receiveRing.lenBytes === 0) {
      return connection.isReceiveShut || connection.isPeerFinished() || connection.state === CLOSED ? -1 : 0
    }
    const lenBytes = receiveInto(host.machine, connection, into, off, end, host.now())
    host.touched()
    return lenBytes
  }

  tryWrite(bytes: Uint8Array, off: number, end: number): number {
    this.checkWriter()
    const { host, connection } = this
    const lenBytes = send(host.machine, connection, bytes, off, end, host.now())
    host.touched()
    return lenBytes
  }

  onReadable(wake: () => void): void {
    this.checkReader()
    this.wakeReader = wake
  }

  tune({ keepAlive, userTimeout, noDelay, trafficClass }: FlowTuning): void {
    for (const [name, value] of [
      ['keepAlive', keepAlive],
      ['userTimeout', userTimeout],
    ] as const) {
      if (value !== undefined && !(value >= LEAST_TUNED_US)) {
        throw new RangeError(`Cannot use ${value} µs as ${name} of ${this.name()}: expected a second or more`)
      }
    }
    if (trafficClass !== undefined && (trafficClass & ~0xfc) !== 0) {
      throw new RangeError(
        `Cannot use ${trafficClass} as trafficClass of ${this.name()}: expected a multiple of 4 in 0..252 (RFC 2474)`,
      )
    }
    tune(this.host.machine, this.connection, keepAlive, userTimeout, noDelay, trafficClass, this.host.now())
    this.host.touched()
  }

  shutdownWrite(): void {
    shutdown(this.host.machine, this.connection, this.host.now())
    this.host.touched()
    // A write that waits for room rejects: what it did not hand over comes too late.
    this.wake(EVENT_WRITABLE)
  }

  close(): Promise<void> {
    close(this.host.machine, this.connection, this.host.now())
    this.host.touched()
    this.wake(EVENT_READABLE | EVENT_WRITABLE)
    if (this.isOver()) return Promise.resolve()
    return new Promise((resolve) => {
      this.wakeClosers = [...this.wakeClosers, resolve]
    })
  }

  abort(): void {
    abort(this.host.machine, this.connection, 'closed', this.host.now())
    this.host.touched()
  }

  onEvents(events: number): void {
    this.wake(events)
  }

  private wake(events: number): void {
    if ((events & (EVENT_READABLE | EVENT_CLOSED)) !== 0 && this.wakeReader !== undefined) {
      const wake = this.wakeReader
      this.wakeReader = undefined
      wake()
    }
    if ((events & (EVENT_WRITABLE | EVENT_CLOSED)) !== 0 && this.wakeWriter !== undefined) {
      const wake = this.wakeWriter
      this.wakeWriter = undefined
      wake()
    }
    if ((events & (EVENT_DELIVERED | EVENT_CLOSED)) !== 0 && this.wakeClosers.length > 0) {
      const closers = this.wakeClosers
      this.wakeClosers = NO_CLOSERS
      for (const wake of closers) wake()
    }
  }

  private untilReadable(signal: CancelSignal | undefined): Promise<void> {
    return cancellable<void>(
      signal,
      (resolve) => {
        this.wakeReader = resolve
      },
      () => {
        this.wakeReader = undefined
      },
    )
  }

  private untilWritable(signal: CancelSignal | undefined): Promise<void> {
    return cancellable<void>(
      signal,
      (resolve) => {
        this.wakeWriter = resolve
      },
      () => {
        this.wakeWriter = undefined
      },
    )
  }

  private isOver(): boolean {
    return this.connection.isFinAcked || this.connection.state === CLOSED
  }

  private checkReader(): void {
    if (this.isReading) throw new TypeError(`Cannot read from ${this.name()}: another read is pending`)
  }

  private checkWriter(): void {
    if (this.isWriting) throw new TypeError(`Cannot write to ${this.name()}: another write is pending`)
  }

  private name(): string {
    return endpointToString(this.remote)
  }

  private error(action: string, code: NetErrorCode): NetError {
    return new NetError(code, `Cannot ${action} ${this.name()}: ${REASONS[code] ?? code}`)
  }
}

/** The codes that a connection ends with, in words. */
export const REASONS: Readonly<Partial<Record<NetErrorCode, string>>> = {
  closed: 'the flow is closed',
  'connection-refused': 'connection refused by peer',
  'connection-reset': 'connection reset by peer',
  'host-unreachable': 'host unreachable',
  'no-ports': 'no free connection or port',
  'no-route': 'no route to host',
  'timed-out': 'the peer does not answer',
}
