/**
 * TCP without input, output or waiting of its own: RFC 9293 as `input`, `poll` and `nextDeadline`.
 *
 * RFCs to read before changing anything here: 9293, 5681, 6298, 6582, 5961, 6528, 7323 §2. The machine holds the
 * connections and their life; segments that arrive are in input.ts, those that leave in output.ts, lost ones in
 * recovery.ts, what happens when nothing happens in timers.ts, and what the user asks in calls.ts. Every event ends in
 * {@link TcpMachine.settle}: it sends what the event made possible, then tells the user, so a user who calls back in finds a
 * settled connection.
 */
import type { NetErrorCode } from '@mirage-ts/core/errors'
import { FlowTable } from '@mirage-ts/core/flow-table'
import { createCounters } from '@mirage-ts/core/metrics'
import { NEVER } from '@mirage-ts/core/time'
import type { Endpoint, IpAddress, Port } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Ip, IpErrorKind } from '@mirage-ts/signatures/ip'
import type { Logger } from '@mirage-ts/signatures/log'
import type { Random } from '@mirage-ts/signatures/random'
import type { Instant } from '@mirage-ts/signatures/time'
import { type Seq, seqLt } from '../seq.ts'
import { isTcpChecksumGood, parseTcp, TcpHeader } from '../wire/tcp.ts'
import { abort } from './calls.ts'
import {
  CLOSED,
  Connection,
  type ConnectionUser,
  ESTABLISHED,
  EVENT_CLOSED,
  EVENT_DELIVERED,
  EVENT_ESTABLISHED,
  EVENT_WRITABLE,
  FIN_WAIT_2,
  STATE_NAMES,
  type State,
  SYN_RECEIVED,
  SYN_SENT,
  TIME_WAIT,
  Tuning,
} from './connection.ts'
import { SynCookies } from './cookies.ts'
import { TCP_COUNTERS, type TcpCounters } from './counters.ts'
import { Deadlines } from './deadlines.ts'
import { Delivery } from './delivery.ts'
import { icmpErrorArrives } from './icmp.ts'
import { segmentArrives } from './input.ts'
import { IsnGenerator } from './isn.ts'
import { Listener } from './listener.ts'
import { RingMemory } from './memory.ts'
import type { TcpSettings } from './options.ts'
import { output } from './output.ts'
import { pathMss } from './path-mtu.ts'
import { choosePort } from './ports.ts'
import { ScoreboardPool } from './scoreboard-pool.ts'
import { strayArrives } from './stray.ts'
import { TimeWaitQueue } from './time-wait.ts'
import { timersExpire } from './timers.ts'

/** Memory that must be free before those who wait for it are told: a few of the smallest buffers. */
const STARVED_BYTES = 16 * 1024

/** What the machine needs from outside. */
export interface TcpMachineDeps {
  readonly ip: Ip
  readonly random: Random
  readonly log: Logger
}

export class TcpMachine {
  readonly counters: TcpCounters = createCounters(TCP_COUNTERS)
  readonly ip: Ip
  readonly settings: TcpSettings
  readonly log: Logger
  /** The header being received, and the one being sent: one object each, never kept beyond a segment. */
  readonly rx = new TcpHeader()
  readonly tx = new TcpHeader()
  /** The packet being received says "congestion experienced" (RFC 3168). */
  isRxMarked = false
  /** What the acknowledgement being processed says has arrived. */
  readonly delivery = new Delivery()
  private readonly random: Random
  /** Of the rings of all connections. */
  readonly memory: RingMemory
  /** Connections whose users wait for memory. */
  private starved: Connection[] = []
  readonly cookies: SynCookies
  private readonly isn: IsnGenerator
  /** Where the clocks in our timestamps begin: another for each conversation, but always the same (RFC 7323 §5.4). */
  private readonly tsOffsets: IsnGenerator
  readonly boards = new ScoreboardPool()
  private readonly table: FlowTable
  private readonly deadlines = new Deadlines()
  private readonly listeners = new Map<Port, Listener>()
  /** By number; undefined where the number is free. */
  private readonly connections: (Connection | undefined)[] = []
  private readonly freeNumbers: number[] = []
  private readonly timeWait = new TimeWaitQueue()

  constructor({ ip, random, log }: TcpMachineDeps, settings: TcpSettings) {
    this.ip = ip
    this.random = random
    this.log = log
    this.settings = settings
    this.memory = new RingMemory(settings.memoryBytes)
    this.isn = new IsnGenerator(random)
    this.cookies = new SynCookies(random)
    this.tsOffsets = new IsnGenerator(random)
    this.table = new FlowTable(random.u32(), random.u32())
  }

  /** Connections in any state. */
  get connectionCount(): number {
    return this.table.count
  }

  // --- Events from below ---

  /** A segment `[off, end)` has arrived; `isMarked`: its packet says "congestion experienced" (RFC 3168). */
  input(frame: Frame, off: number, end: number, src: IpAddress, dst: IpAddress, isMarked: boolean, now: Instant): void {
    const { rx } = this
    this.counters.rxSegments++
    const error = parseTcp(frame, off, end, rx)
    if (error !== undefined) {
      this.counters[error]++
      return
    }
    if (!isTcpChecksumGood(frame, off, end, src, dst)) {
      this.counters['bad-checksum']++
      return
    }
    if (this.timeWait.oldest !== undefined) this.expireTimeWait(now)
    const number = this.table.get(dst, rx.dstPort, src, rx.srcPort)
    if (number < 0) {
      strayArrives(this, frame, src, dst, now)
      return
    }
    const connection = this.connections[number] as Connection
    this.isRxMarked = isMarked
    segmentArrives(this, connection, frame, now)
    this.settle(connection, now)
  }

  /** An ICMP error has arrived that quotes `[off, end)` of a segment from `src` (us) to `dst`. */
  inputError(
    kind: IpErrorKind,
    frame: Frame,
    off: number,
    end: number,
    src: IpAddress,
    dst: IpAddress,
    now: Instant,
  ): void {
    icmpErrorArrives(this, kind, frame, off, end, src, dst, now)
  }

  /** Does everything that is due at `now`. */
  poll(now: Instant): void {
    this.expireTimeWait(now)
    while (this.deadlines.nextUs() <= now) {
      const number = this.deadlines.nextNumber()
      this.deadlines.remove(number)
      const connection = this.connections[number] as Connection
      const dueUs = connection.deadlineUs()
      if (dueUs > now) {
        // What was due has moved, and nothing else has happened: the rest of the connection need not be looked at.
        this.deadlines.schedule(number, dueUs)
        continue
      }
      timersExpire(this, connection, now)
      this.settle(connection, now)
    }
  }

  /** When to call `poll` next; NEVER when there is nothing to wait for. */
  nextDeadline(): Instant {
    return this.deadlines.nextUs()
  }

  // --- OPEN (RFC 9293 §3.10.1); what else a user asks is in calls.ts ---

  /** Passive OPEN. Undefined when the port is taken, or all are and `port` is 0. */
  listen(port: Port, backlogCount: number, accept: (connection: Connection) => void): Listener | undefined {
    const chosen = port === 0 ? choosePort(this.random, (candidate) => !this.listeners.has(candidate)) : port
    if (chosen === undefined || this.listeners.has(chosen)) return undefined
    const listener = new Listener(chosen, backlogCount, accept)
    this.listeners.set(chosen, listener)
    return listener
  }

  /** Ends LISTEN; connections not yet established are reset. */
  unlisten(listener: Listener, now: Instant): void {
    if (this.listeners.get(listener.port) !== listener) return
    this.listeners.delete(listener.port)
    if (listener.halfOpenCount === 0) return
    for (const connection of this.connections) {
      if (connection?.listener === listener) abort(this, connection, 'closed', now)
    }
  }

  /** Who listens on `port`. */
  listenerOf(port: Port): Listener | undefined {
    return this.listeners.get(port)
  }

  /** Active OPEN, from `wanted` or the address that IP chooses: the SYN is on its way, the user hears of the rest. Returns the connection or why there is none. */
  connect(
    remote: Endpoint,
    user: ConnectionUser,
    now: Instant,
    wanted: IpAddress | undefined = undefined,
  ): Connection | NetErrorCode {
    const usual = this.ip.source(remote.address)
    const local = wanted ?? usual
    if (usual === undefined || local === undefined || !this.ip.addresses.includes(local)) return 'no-route'
    if (typeof local !== typeof usual) return 'no-route'
    this.expireTimeWait(now)
    if (!this.makeRoom(now)) return 'no-ports'
    const localPort = choosePort(
      this.random,
      (candidate) =>
        !this.listeners.has(candidate) && this.table.get(local, candidate, remote.address, remote.port) < 0,
    )
    if (localPort === undefined) return 'no-ports'
    const iss = this.isn.next(local, localPort, remote.address, remote.port, now)
    const connection = this.add(local, localPort, remote.address, remote.port, iss, undefined)
    connection.rcvMss = pathMss(this, remote.address)
    connection.user = user
    this.counters.activeOpens++
    this.setState(connection, SYN_SENT, 'connect', now)
    this.settle(connection, now)
    return connection
  }

  // --- Life of a connection ---

  /** A SYN for `listener` is accepted: a connection in SYN-RECEIVED; `undefined` when there are too many. */
  accept(
    listener: Listener,
    local: IpAddress,
    remote: IpAddress,
    leastIss: Seq | undefined,
    now: Instant,
  ): Connection | undefined {
    const { dstPort, srcPort } = this.rx
    if (listener.halfOpenCount >= listener.backlogCount) {
      this.counters['backlog-full']++
      return undefined
    }
    if (!this.makeRoom(now)) {
      this.counters['too-many-connections']++
      return undefined
    }
    let iss = this.isn.next(local, dstPort, remote, srcPort, now)
    if (leastIss !== undefined && seqLt(iss, leastIss)) iss = leastIss
    const connection = this.add(local, dstPort, remote, srcPort, iss, listener)
    this.counters.passiveOpens++
    this.setState(connection, SYN_RECEIVED, 'syn', now)
    return connection
  }

  /** The only place where a connection changes state. */
  setState(connection: Connection, next: State, why: string, now: Instant): void {
    const previous = connection.state
    if (this.log.debugOn) {
      this.log.debug(`#${connection.number} ${STATE_NAMES[previous]} -> ${STATE_NAMES[next]} (${why})`)
    }
    if (previous === TIME_WAIT) this.timeWait.remove(connection)
    connection.state = next
    connection.stateAtUs = NEVER
    switch (next) {
      case SYN_RECEIVED:
        if (connection.listener !== undefined) {
          connection.listener.halfOpenCount++
          connection.stateAtUs = now + this.settings.acceptTimeoutUs
        }
        return
      case ESTABLISHED:
        if (this.settings.keepAliveUs !== NEVER) connection.tuning ??= new Tuning(this.settings)
        if (connection.tuning !== undefined) connection.tuning.keepAliveAtUs = now + connection.tuning.keepAliveUs
        connection.events |= EVENT_ESTABLISHED
        return
      case FIN_WAIT_2:
        connection.events |= EVENT_DELIVERED
        if (connection.isReceiveShut) connection.stateAtUs = now + this.settings.finWait2Us
        return
      case TIME_WAIT:
        connection.events |= EVENT_DELIVERED
        connection.tuning = undefined
        this.enterTimeWait(connection, now)
        return
      case CLOSED:
        connection.events |= EVENT_CLOSED
        this.remove(connection)
        return
      default:
        return
    }
  }

  /** True once the machine has forgotten `connection`. */
  isGone(connection: Connection): boolean {
    return connection.number < 0
  }

  /** Where the clock in the timestamps of a conversation begins. */
  tsOffset(local: IpAddress, localPort: Port, remote: IpAddress, remotePort: Port): number {
    return this.tsOffsets.hash(local, localPort, remote, remotePort, 0)
  }

  /** A peer has shown the cookie `iss`: a connection in SYN-RECEIVED, all of whose handshake but the ACK is over. */
  acceptCookie(
    listener: Listener,
    local: IpAddress,
    remote: IpAddress,
    iss: Seq,
    now: Instant,
  ): Connection | undefined {
    if (!this.makeRoom(now)) {
      this.counters['too-many-connections']++
      return undefined
    }
    const connection = this.add(local, this.rx.dstPort, remote, this.rx.srcPort, iss, listener)
    this.counters.passiveOpens++
    this.counters.cookiesReceived++
    this.setState(connection, SYN_RECEIVED, 'cookie', now)
    return connection
  }

  /** Ends the connection with an error: what was received and not read is lost too. */
  fail(connection: Connection, failure: NetErrorCode, why: string, now: Instant): void {
    connection.failure = failure
    connection.receiveRing.release()
    this.setState(connection, CLOSED, why, now)
  }

  /**
   * Forgets the connections whose TIME-WAIT is over. They set no alarm: nobody waits for it, and a process or machine need not
   * stay awake for it. Whoever might meet one of them calls this first.
   */
  expireTimeWait(now: Instant): void {
    while (this.timeWait.oldest !== undefined && this.timeWait.oldest.stateAtUs <= now) {
      this.setState(this.timeWait.oldest, CLOSED, '2 MSL are over', now)
    }
  }

  /** Starts the 2 MSL wait again: the peer has repeated its FIN. */
  restartTimeWait(connection: Connection, now: Instant): void {
    this.timeWait.remove(connection)
    this.enterTimeWait(connection, now)
  }

  /** Ends an event: sends what it made possible, notes the next deadline, tells the user. */
  settle(connection: Connection, now: Instant): void {
    if (connection.state !== CLOSED) {
      output(this, connection, now)
      this.deadlines.schedule(connection.number, connection.deadlineUs())
    }
    if (this.starved.length > 0) this.feedStarved(now)
    const { events } = connection
    if (events === 0) return
    connection.events = 0
    const { listener } = connection
    if (listener === undefined) {
      connection.user?.onEvents(events)
    } else if ((events & EVENT_ESTABLISHED) !== 0) {
      listener.halfOpenCount--
      connection.listener = undefined
      listener.accept(connection)
      connection.user?.onEvents(events)
    }
  }

  /** The user of `connection` waits for memory: it is told when there is some. */
  starve(connection: Connection): void {
    if (!connection.isStarved) this.starved.push(connection)
    connection.isStarved = true
  }

  /** Tells users who wait for memory once there is some; they try again. */
  feedStarved(now: Instant): void {
    if (this.starved.length === 0 || this.memory.usedBytes + STARVED_BYTES > this.memory.maxBytes) return
    const { starved } = this
    this.starved = []
    for (const connection of starved) {
      connection.isStarved = false
      connection.events |= EVENT_WRITABLE
      this.settle(connection, now)
    }
  }

  /** The connection of a conversation. */
  find(local: IpAddress, localPort: Port, remote: IpAddress, remotePort: Port): Connection | undefined {
    const number = this.table.get(local, localPort, remote, remotePort)
    return number < 0 ? undefined : this.connections[number]
  }

  /**
   * True when one more connection fits, if need be in place of the oldest in TIME-WAIT. Its user need not hear of that:
   * all was delivered and the end of the stream reached when TIME-WAIT began.
   */
  private makeRoom(now: Instant): boolean {
    if (this.table.count < this.settings.maxConnections) return true
    if (this.timeWait.oldest === undefined) return false
    this.setState(this.timeWait.oldest, CLOSED, 'room needed', now)
    return true
  }

  private add(
    local: IpAddress,
    localPort: Port,
    remote: IpAddress,
    remotePort: Port,
    iss: Seq,
    listener: Listener | undefined,
  ): Connection {
    const connection = new Connection(local, localPort, remote, remotePort, iss, this.settings, this.memory, listener)
    connection.tsOffset = this.tsOffset(local, localPort, remote, remotePort)
    connection.headroomBytes = this.ip.headroomFor?.(remote) ?? this.ip.headroomBytes
    connection.number = this.freeNumbers.pop() ?? this.connections.length
    this.connections[connection.number] = connection
    this.table.set(local, localPort, remote, remotePort, connection.number)
    return connection
  }

  /** Forgets the connection and every timer and buffer of it; what the user may still read stays with the user. */
  private remove(connection: Connection): void {
    const { number, listener } = connection
    this.table.delete(connection.local, connection.localPort, connection.remote, connection.remotePort)
    this.deadlines.remove(number)
    this.connections[number] = undefined
    this.freeNumbers.push(number)
    connection.number = -1
    connection.stopSendTimer()
    connection.sendRing.release()
    connection.reassembly.clear()
    this.boards.takeBack(connection)
    if (listener !== undefined) {
      listener.halfOpenCount--
      connection.listener = undefined
    }
  }

  private enterTimeWait(connection: Connection, now: Instant): void {
    if (this.timeWait.count >= this.settings.maxTimeWait && this.timeWait.oldest !== undefined) {
      this.setState(this.timeWait.oldest, CLOSED, 'too many in TIME-WAIT', now)
    }
    connection.stopSendTimer()
    connection.sendRing.release()
    this.boards.takeBack(connection)
    connection.stateAtUs = now + this.settings.timeWaitUs
    this.timeWait.push(connection)
  }
}
