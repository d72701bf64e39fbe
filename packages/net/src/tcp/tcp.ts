/** TCP for applications: the machine (machine.ts) with a clock, one alarm, and promises. */
import { endpointToString } from '@mirage-ts/core/addresses'
import { cancellable } from '@mirage-ts/core/cancel'
import { messageOf, NetError, type NetErrorCode } from '@mirage-ts/core/errors'
import { NEVER } from '@mirage-ts/core/time'
import type { Endpoint, Port } from '@mirage-ts/signatures/addresses'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { Ip } from '@mirage-ts/signatures/ip'
import type { Log, Logger } from '@mirage-ts/signatures/log'
import type { Random } from '@mirage-ts/signatures/random'
import type { Tcp, TcpConnectOptions, TcpListener, TcpListenOptions } from '@mirage-ts/signatures/tcp'
import type { Alarm, Instant, MonotonicClock, Time } from '@mirage-ts/signatures/time'
import { PROTOCOL_TCP } from '../wire/ipv4.ts'
import { abort } from './calls.ts'
import { type Connection, EVENT_CLOSED, EVENT_ESTABLISHED } from './connection.ts'
import type { TcpCounters } from './counters.ts'
import { isCongestionExperienced } from './ecn.ts'
import { MachineFlow, REASONS } from './flow.ts'
import { TcpMachine } from './machine.ts'
import { type TcpOptions, TcpSettings } from './options.ts'

const DEFAULT_BACKLOG_COUNT = 128

export interface TcpDeps {
  readonly ip: Ip
  readonly clock: MonotonicClock
  readonly time: Time
  readonly random: Random
  readonly log: Log
}

/** TCP with its counters of events and of dropped segments, by reason. */
export interface CountedTcp extends Tcp {
  readonly counters: Readonly<TcpCounters>
  /** Connections in all states, TIME-WAIT included. */
  readonly connectionCount: number
  /** Octets of memory that buffers take now. */
  readonly bufferBytes: number
}

/** Makes TCP over `ip` and takes over its protocol 6. */
export function createTcp(deps: TcpDeps, options: TcpOptions = {}): CountedTcp {
  return new AlarmedTcp(deps, new TcpSettings(options))
}

class AlarmedTcp implements CountedTcp {
  readonly machine: TcpMachine
  private readonly clock: MonotonicClock
  private readonly log: Logger
  private readonly alarm: Alarm
  /** When the alarm rings; NEVER when it is not set. */
  private alarmAtUs: Instant = NEVER

  constructor({ ip, clock, time, random, log }: TcpDeps, settings: TcpSettings) {
    this.clock = clock
    this.log = log.logger('tcp')
    this.machine = new TcpMachine({ ip, random, log: this.log }, settings)
    this.alarm = time.alarm(() => {
      this.alarmAtUs = NEVER
      this.machine.poll(this.clock.now())
      this.touched()
    })
    ip.listen(PROTOCOL_TCP, (frame, off, end, src, dst, packetOff) => {
      this.machine.input(frame, off, end, src, dst, isCongestionExperienced(frame, packetOff), this.clock.now())
      this.touched()
    })
    ip.listenErrors(PROTOCOL_TCP, (kind, frame, off, end, src, dst) => {
      this.machine.inputError(kind, frame, off, end, src, dst, this.clock.now())
      this.touched()
    })
  }

  get counters(): Readonly<TcpCounters> {
    return this.machine.counters
  }

  get connectionCount(): number {
    this.machine.expireTimeWait(this.now())
    return this.machine.connectionCount
  }

  get bufferBytes(): number {
    return this.machine.memory.usedBytes
  }

  now(): Instant {
    return this.clock.now()
  }

  /** Sets the alarm when the next deadline is nearer; one too early does no harm. */
  touched(): void {
    const next = this.machine.nextDeadline()
    if (next < this.alarmAtUs) {
      this.alarmAtUs = next
      this.alarm.set(next)
    } else if (next === NEVER && this.alarmAtUs !== NEVER) {
      this.alarmAtUs = NEVER
      this.alarm.clear()
    }
  }

  listen(port: Port, onFlow: (flow: TcpFlow) => void, options: TcpListenOptions = {}): Promise<TcpListener> {
    const { machine } = this
    const backlogCount = options.backlogCount ?? DEFAULT_BACKLOG_COUNT
    if (!Number.isInteger(backlogCount) || backlogCount < 1) {
      return Promise.reject(new RangeError(`Cannot listen with backlog ${backlogCount}: expected 1 or more`))
    }
    const listener = machine.listen(port, backlogCount, (connection) => this.accepted(connection, onFlow))
    if (listener === undefined) {
      return Promise.reject(new NetError('address-in-use', `Cannot listen on port ${port}: in use`))
    }
    return Promise.resolve({
      port: listener.port,
      close: () => {
        machine.unlisten(listener, this.now())
        this.touched()
      },
    })
  }

  async connect(remote: Endpoint, { signal, local }: TcpConnectOptions = {}): Promise<TcpFlow> {
    signal?.throwIfAborted()
    if (remote.port === 0) throw new RangeError('Cannot connect to port 0: expected 1..65535')
    let settle: (events: number) => void = () => {}
    const opened = this.machine.connect(remote, { onEvents: (events) => settle(events) }, this.now(), local)
    this.touched()
    if (typeof opened === 'string') throw connectError(remote, opened)
    return cancellable<TcpFlow>(
      signal,
      (resolve, reject) => {
        settle = (events) => {
          // The flow takes the connection over at once: what arrives before the caller runs must find it.
          if ((events & EVENT_ESTABLISHED) !== 0) resolve(new MachineFlow(this, opened))
          else if ((events & EVENT_CLOSED) !== 0) reject(connectError(remote, opened.failure ?? 'timed-out'))
        }
      },
      () => {
        // The promise rejects with the reason of the cancellation, not with what the abort makes of the connection.
        opened.user = undefined
        abort(this.machine, opened, 'cancelled', this.now())
        this.touched()
      },
    )
  }

  private accepted(connection: Connection, onFlow: (flow: TcpFlow) => void): void {
    const flow = new MachineFlow(this, connection)
    try {
      onFlow(flow)
    } catch (error) {
      // A handler that fails must not take the packet path with it.
      this.log.error(() => `Handler of port ${connection.localPort} failed: ${messageOf(error)}`)
      flow.abort()
    }
  }
}

function connectError(remote: Endpoint, code: NetErrorCode): NetError {
  return new NetError(code, `Cannot connect to ${endpointToString(remote)}: ${REASONS[code] ?? code}`)
}
