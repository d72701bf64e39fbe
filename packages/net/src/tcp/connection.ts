/** One TCP connection: the transmission control block of RFC 9293 §3.3.1. State only; who changes it is in machine.ts. */
import type { NetErrorCode } from '@mirage-ts/core/errors'
import { NEVER } from '@mirage-ts/core/time'
import type { IpAddress, Port } from '@mirage-ts/signatures/addresses'
import { type Seq, seqAdd, seqDiff } from '../seq.ts'
import { type CongestionControl, NewReno } from './congestion.ts'
import { Cubic } from './cubic.ts'
import type { Listener } from './listener.ts'
import type { RingMemory } from './memory.ts'
import type { TcpSettings } from './options.ts'
import { Rack } from './rack.ts'
import { Reassembly } from './reassembly.ts'
import { Ring } from './ring.ts'
import { RttEstimator } from './rtt.ts'
import { Scoreboard } from './scoreboard.ts'

// States, RFC 9293 §3.3.2. LISTEN is a Listener, so no connection is ever in it; it has a number for the log.
export const CLOSED = 0
export const LISTEN = 1
export const SYN_SENT = 2
export const SYN_RECEIVED = 3
export const ESTABLISHED = 4
export const FIN_WAIT_1 = 5
export const FIN_WAIT_2 = 6
export const CLOSE_WAIT = 7
export const CLOSING = 8
export const LAST_ACK = 9
export const TIME_WAIT = 10

export type State = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10

/** The RFC's names, by state. */
export const STATE_NAMES = [
  'CLOSED',
  'LISTEN',
  'SYN-SENT',
  'SYN-RECEIVED',
  'ESTABLISHED',
  'FIN-WAIT-1',
  'FIN-WAIT-2',
  'CLOSE-WAIT',
  'CLOSING',
  'LAST-ACK',
  'TIME-WAIT',
] as const

// What the send timer waits for. One timer, so retransmission and persist can never run together.
export const TIMER_OFF = 0
export const TIMER_RETRANSMIT = 1
export const TIMER_PERSIST = 2
/** RFC 8985: for a reordering window to pass; and to probe for the loss of a tail. */
export const TIMER_REORDER = 3
export const TIMER_TAIL_PROBE = 4

// What happened to a connection since its user was last told; a set of bits.
export const EVENT_READABLE = 1
export const EVENT_WRITABLE = 2
export const EVENT_ESTABLISHED = 4
/** Our FIN is acknowledged: everything written was delivered. */
export const EVENT_DELIVERED = 8
/** The connection is gone; `failure` says why when it was not in an orderly way. */
export const EVENT_CLOSED = 16

/** Who uses a connection. Called after the event that caused it has been dealt with; may call the machine. */
export interface ConnectionUser {
  onEvents(events: number): void
}

/** MSS to assume when the peer names none (RFC 9293 §3.7.1, MUST-15): what each path takes, less the headers. */
const DEFAULT_MSS = 536
const DEFAULT_MSS_IPV6 = 1220

/** The same for the family of `remote`. */
export function defaultMss(remote: IpAddress): number {
  return typeof remote === 'number' ? DEFAULT_MSS : DEFAULT_MSS_IPV6
}

/** Bound of a ring before it is tuned to the path. */
const FIRST_BUFFER_BYTES = 256 * 1024

/** What most connections have: nothing is ever put into it. */
export const NO_REASSEMBLY: Reassembly = new Reassembly()

/** What a connection with nothing in flight has for a scoreboard: nothing is ever put into it. */
export const NO_BOARD: Scoreboard = new Scoreboard()

/** What differs from connection to connection; most have none. */
export class Tuning {
  keepAliveUs: number
  userTimeoutUs: number
  isNoDelay: boolean
  /** When to look whether the peer is still there; probes sent since it was last heard. */
  keepAliveAtUs: number = NEVER
  keepAliveCount = 0

  constructor({ keepAliveUs, userTimeoutUs, isNoDelay }: TcpSettings) {
    this.keepAliveUs = keepAliveUs
    this.userTimeoutUs = userTimeoutUs
    this.isNoDelay = isNoDelay
  }
}

/**
 * A segment touches most of a connection, so with thousands of busy ones what counts is how many lines of the processor's cache
 * that is: the fields that every segment needs come first, the timers together, what is seldom looked at last.
 */
export class Connection {
  state: State = CLOSED
  /** The machine's number for it; -1 once the machine has forgotten it. */
  number = -1

  // --- Timers: moments in µs, NEVER when off ---

  /** One of TIMER_. */
  sendTimer = TIMER_OFF
  sendAtUs: number = NEVER
  /** Times sendTimer ran out since something was last acknowledged. */
  timeouts = 0
  /** Since when the peer owes an answer; R2 of RFC 9293 §3.8.3 counts from here. */
  unansweredSinceUs = 0
  /** End of TIME-WAIT, of an orphan's FIN-WAIT-2, or of SYN-RECEIVED. */
  stateAtUs: number = NEVER
  /** When to try to send again after the device had no room. */
  retryAtUs: number = NEVER
  /** When a delayed acknowledgement leaves at the latest. */
  ackAtUs: number = NEVER
  /** Its own settings, and the timer of keep-alive; undefined while the machine's settings do and keep-alive is off. */
  tuning: Tuning | undefined = undefined

  // --- Who talks ---

  readonly local: IpAddress
  readonly localPort: Port
  readonly remote: IpAddress
  readonly remotePort: Port
  /** Where it came from, when it was opened by a peer and not yet established; undefined otherwise. */
  listener: Listener | undefined
  user: ConnectionUser | undefined = undefined
  /** EVENT_ bits to tell the user. */
  events = 0

  // --- What we send (RFC 9293 §3.3.1, SND variables) ---

  /** First octet not acknowledged; sndUna <= sndCursor <= sndNxt. */
  sndUna: Seq
  /** First octet never sent. */
  sndNxt: Seq
  /** Next octet to send: sndNxt, or earlier when the window closed over what was sent. `board` holds what is before it. */
  sndCursor: Seq
  /** Octets from sndUna that the peer is ready for, scaled. */
  sndWnd = 0
  /** Greatest sndWnd seen. */
  maxSndWnd = 0
  /** Sequence and acknowledgement number of the segment that last set sndWnd. */
  sndWl1 = 0 as Seq
  sndWl2 = 0 as Seq
  /** Shift of the windows the peer announces; 0 unless both sides sent the option. */
  sndScale = 0
  /** Octets of text in a full segment: the least of what the peer and the path take, less the options of every segment. */
  sndMss: number = DEFAULT_MSS
  /** End of the last segment sent that was neither full nor acknowledged by then (Nagle as refined by Minshall). */
  sndSmallEnd: Seq
  /** The user has no more to send: a FIN follows the octets in sendRing. */
  isFinQueued = false
  /** The peer has acknowledged our FIN, and so everything that we sent. */
  isFinAcked = false
  /** Text from sndUna on (from sndUna + 1 while our SYN is not acknowledged). */
  readonly sendRing: Ring
  /** When the last segment with text left; before that, when our SYN did, or 0 when it had to leave again. */
  lastSentUs = 0

  /** Octets in front of the segments we send. */
  headroomBytes = 0
  /** The octet of DSCP in the packets that we send, ECN's two bits 0 (RFC 2474). */
  trafficClass = 0

  // --- Options in use; before the peer's SYN is here, on offer ---

  /** Selective acknowledgements (RFC 2018). */
  isSacking: boolean
  /** Timestamps (RFC 7323). */
  hasTimestamps: boolean
  /** Explicit congestion notification (RFC 3168). */
  isEcn: boolean
  /** Our clock in them is tickAt(now, tsOffset). */
  tsOffset = 0
  /** TS.Recent of RFC 7323 §4.3. */
  tsRecent = 0

  // --- What we receive (RCV variables) ---

  /** Next octet expected. */
  rcvNxt = 0 as Seq
  /** Right edge of the greatest window announced: RCV.NXT + RCV.WND. Never moves back. */
  rcvAdv = 0 as Seq
  /** Shift of the windows we announce; 0 unless both sides sent the option. */
  rcvScale = 0
  /** Octets of text the peer may put in a segment: the MSS we announced. */
  rcvMss: number = DEFAULT_MSS
  /** Text before rcvNxt that the user has not taken; beyond lenBytes waits what `reassembly` lists. */
  readonly receiveRing: Ring
  /** What of it; NO_REASSEMBLY when nothing has ever come out of order. */
  reassembly: Reassembly = NO_REASSEMBLY
  /** Text that came twice, to tell the peer once (RFC 2883); empty when both are equal. */
  dsackStart = 0 as Seq
  dsackEnd = 0 as Seq
  /** Octets the user has taken since tunedAtUs: what receiveRing is tuned by. */
  takenBytes = 0
  tunedAtUs = 0
  /** The sequence number of the peer's FIN is known. */
  isPeerFinSeen = false
  peerFin = 0 as Seq
  /** The user takes no more text: what arrives is acknowledged and forgotten. */
  isReceiveShut = false

  // --- Acknowledging ---

  /** When a segment last arrived that was not of another turn of the sequence numbers. */
  heardUs = 0
  /** rcvNxt when an acknowledgement last left: Last.ACK.sent of RFC 7323 §4.3. */
  lastAckSent = 0 as Seq
  /** RFC 3168: a packet met congestion: acknowledgements say so until the peer has heard. */
  isEcho = false
  /** An acknowledgement must leave before this event is over. */
  isAckDue = false
  /** Segments with text received since the last acknowledgement left. */
  unackedSegments = 0

  // --- Loss recovery and congestion control ---

  readonly rtt = new RttEstimator()
  readonly congestion: CongestionControl
  readonly rack = new Rack()
  /** What is in flight; NO_BOARD when nothing is. */
  board: Scoreboard = NO_BOARD
  /** Without SACK: duplicates in a row, and the octets in flight that they let us reckon have arrived. */
  duplicateAcks = 0
  reckonedBytes = 0
  /** In fast recovery, until octets before `recover` are acknowledged. */
  isRecovering = false
  /** sndNxt when fast recovery or a timeout last began. */
  recover: Seq
  /** RFC 3168: our packets met congestion, to be said in our next segment; not again before this is acknowledged. */
  isCwrDue = false
  cwrEnd: Seq
  /** The first lost segment is sent again even when the congestion window is full. */
  isResendForced = false
  /** A tail loss probe must leave before this event is over. */
  isTailProbeDue = false
  /** So must a probe of a window too small to send otherwise. */
  isProbeDue = false

  // --- What is seldom looked at: last, so that the rest lies together in memory ---

  /** Why it ended, when not in an orderly way. */
  failure: NetErrorCode | undefined = undefined
  /** The latest soft error (RFC 1122 §4.2.3.9): names the failure should the connection time out. */
  softError: NetErrorCode | undefined = undefined
  /** Initial send sequence number: that of our SYN. */
  iss: Seq
  /** Initial receive sequence number: that of the peer's SYN. */
  irs = 0 as Seq
  /** Window scaling is in use or, before the peer's SYN is here, on offer. */
  isScaling = true
  /** What the peer takes, options included. */
  peerMss: number = DEFAULT_MSS
  /** Challenge acknowledgements sent in the period that began at challengesSinceUs (RFC 5961 §7). */
  challengeCount = 0
  challengesSinceUs = 0
  /** The user waits for room in sendRing that only other connections can make. */
  isStarved = false

  /** Neighbours in the queue of TIME-WAIT connections, oldest first. */
  timeWaitOlder: Connection | undefined = undefined
  timeWaitNewer: Connection | undefined = undefined

  constructor(
    local: IpAddress,
    localPort: Port,
    remote: IpAddress,
    remotePort: Port,
    iss: Seq,
    settings: TcpSettings,
    memory: RingMemory,
    listener: Listener | undefined,
  ) {
    this.local = local
    this.localPort = localPort
    this.remote = remote
    this.remotePort = remotePort
    this.listener = listener
    this.iss = iss
    this.sndUna = iss
    this.sndNxt = iss
    this.sndCursor = iss
    this.sndSmallEnd = iss
    this.recover = iss
    this.cwrEnd = iss
    this.isSacking = settings.isSacking
    this.hasTimestamps = settings.hasTimestamps
    this.isEcn = settings.isEcn
    this.congestion = settings.congestion === 'cubic' ? new Cubic() : new NewReno()
    this.sendRing = new Ring(memory, Math.min(settings.sendBufferBytes, FIRST_BUFFER_BYTES))
    this.receiveRing = new Ring(memory, Math.min(settings.receiveBufferBytes, FIRST_BUFFER_BYTES))
  }

  /** The earliest of the timers. */
  deadlineUs(): number {
    let at = this.sendAtUs
    if (this.ackAtUs < at) at = this.ackAtUs
    if (this.stateAtUs < at && this.state !== TIME_WAIT) at = this.stateAtUs
    if (this.retryAtUs < at) at = this.retryAtUs
    if (this.tuning !== undefined && this.tuning.keepAliveAtUs < at) at = this.tuning.keepAliveAtUs
    return at
  }

  /** Octets sent and not acknowledged, SYN and FIN included: FlightSize of RFC 5681 §2. */
  flightBytes(): number {
    return seqDiff(this.sndNxt, this.sndUna)
  }

  /** Octets thought to be in the network: `pipe` of RFC 6675 §4. */
  pipeBytes(): number {
    return Math.max(0, this.board.pipeBytes - this.reckonedBytes)
  }

  /** The number after the last octet of text queued; that of our FIN when isFinQueued. Our SYN is acknowledged. */
  sndTextEnd(): Seq {
    return seqAdd(this.sndUna, this.sendRing.lenBytes)
  }

  /** The peer has finished and all its text is in receiveRing. */
  isPeerFinished(): boolean {
    return this.isPeerFinSeen && seqDiff(this.rcvNxt, this.peerFin) > 0
  }

  stopSendTimer(): void {
    this.sendTimer = TIMER_OFF
    this.sendAtUs = NEVER
  }
}
