/** Settings of TCP, each with its source. */
import { minutes, ms, NEVER, seconds } from '@mirage-ts/core/time'
import type { Duration } from '@mirage-ts/signatures/time'
import type { CongestionName } from './congestion.ts'
import { powerOfTwoFrom } from './ring.ts'

export interface TcpOptions {
  /**
   * Bound of what a flow accepts before the peer has acknowledged it; rounded up to a power of two. Flows begin with 256 KiB
   * of it and get more as the path takes more. Default 4 MiB.
   */
  readonly sendBufferBytes?: number
  /** Bound of what is received and not read, and so of the window; likewise. Default 4 MiB. */
  readonly receiveBufferBytes?: number
  /** Bound of the memory in the buffers of all connections together. Default 32 MiB. */
  readonly memoryBytes?: number
  /** Connections in all states; further ones are refused. Default 4096. */
  readonly maxConnections?: number
  /** Of those in TIME-WAIT; the oldest makes room. Default 1024. */
  readonly maxTimeWait?: number
  /** Twice the maximum segment lifetime. Default 60 s, as in Linux (RFC 9293 §3.4.2 has 4 minutes). */
  readonly timeWait?: Duration
  /** How long octets may stay unanswered: R2 of RFC 9293 §3.8.3, at least 100 s. Default 100 s. */
  readonly userTimeout?: Duration
  /** How long our SYN may stay unanswered: RFC 9293 §3.8.3 (MUST-23) has at least 3 minutes. Default 3 minutes. */
  readonly connectTimeout?: Duration
  /** How long a peer's handshake may take. Default 60 s, as in Linux: it bounds what a SYN flood holds. */
  readonly acceptTimeout?: Duration
  /** How long a flow closed in both directions waits for the peer's FIN. Default 60 s, as in Linux. */
  readonly finWait2?: Duration
  /** Greatest delay of an acknowledgement; RFC 9293 §3.8.6.3 (MUST-58) has less than 500 ms. Default 40 ms. */
  readonly delayedAck?: Duration
  /** Sends small segments at once (turns off Nagle's algorithm, RFC 9293 §3.7.4). Default false. */
  readonly noDelay?: boolean
  /** Congestion control: CUBIC (RFC 9438) or NewReno (RFC 6582). Default 'cubic'. */
  readonly congestion?: CongestionName
  /** Offers selective acknowledgements (RFC 2018), and with them RACK-TLP (RFC 8985). Default true. */
  readonly sack?: boolean
  /** Offers timestamps (RFC 7323). Default true. */
  readonly timestamps?: boolean
  /** Offers explicit congestion notification (RFC 3168). Default true. */
  readonly ecn?: boolean
  /** Answers SYNs beyond a full backlog with cookies (RFC 4987) instead of dropping them. Default true. */
  readonly synCookies?: boolean
  /**
   * Probes peers that have been silent for so long, and gives them up after nine unanswered probes 75 s apart (RFC 9293
   * §3.8.4). Default: never, as MUST-25 wants.
   */
  readonly keepAlive?: Duration
}

/** The same with the defaults filled in; durations in µs. */
export class TcpSettings {
  readonly sendBufferBytes: number
  readonly receiveBufferBytes: number
  readonly memoryBytes: number
  readonly maxConnections: number
  readonly maxTimeWait: number
  readonly timeWaitUs: number
  readonly userTimeoutUs: number
  readonly connectTimeoutUs: number
  readonly acceptTimeoutUs: number
  readonly finWait2Us: number
  readonly delayedAckUs: number
  readonly isNoDelay: boolean
  readonly congestion: CongestionName
  readonly isSacking: boolean
  readonly hasTimestamps: boolean
  readonly isEcn: boolean
  readonly hasSynCookies: boolean
  /** NEVER when off. */
  readonly keepAliveUs: number
  /** The least shift with which receiveBufferBytes fits in 16 bits (RFC 7323 §2.2). */
  readonly windowScale: number

  constructor(options: TcpOptions) {
    this.sendBufferBytes = bufferBytes('sendBufferBytes', options.sendBufferBytes)
    this.receiveBufferBytes = bufferBytes('receiveBufferBytes', options.receiveBufferBytes)
    this.memoryBytes = bufferBytes('memoryBytes', options.memoryBytes ?? DEFAULT_MEMORY_BYTES)
    this.maxConnections = count('maxConnections', options.maxConnections ?? 4096)
    this.maxTimeWait = count('maxTimeWait', options.maxTimeWait ?? 1024)
    this.timeWaitUs = options.timeWait ?? seconds(60)
    this.userTimeoutUs = options.userTimeout ?? seconds(100)
    this.connectTimeoutUs = options.connectTimeout ?? minutes(3)
    this.acceptTimeoutUs = options.acceptTimeout ?? seconds(60)
    this.finWait2Us = options.finWait2 ?? seconds(60)
    this.delayedAckUs = options.delayedAck ?? ms(40)
    this.isNoDelay = options.noDelay ?? false
    this.congestion = congestionName(options.congestion ?? 'cubic')
    this.isSacking = options.sack ?? true
    this.hasTimestamps = options.timestamps ?? true
    this.isEcn = options.ecn ?? true
    this.hasSynCookies = options.synCookies ?? true
    this.keepAliveUs = options.keepAlive ?? NEVER
    let shift = 0
    while (this.receiveBufferBytes >> shift > 0xffff) shift++
    this.windowScale = shift
  }
}

const DEFAULT_BUFFER_BYTES = 4 * 1024 * 1024
const DEFAULT_MEMORY_BYTES = 32 * 1024 * 1024
const MIN_BUFFER_BYTES = 4096
/** A window must stay below 2^30 (RFC 7323 §2.3). */
const MAX_BUFFER_BYTES = 512 * 1024 * 1024

function bufferBytes(name: string, value: number = DEFAULT_BUFFER_BYTES): number {
  if (!Number.isInteger(value) || value < MIN_BUFFER_BYTES || value > MAX_BUFFER_BYTES) {
    throw new RangeError(`Cannot use ${value} as ${name}: expected ${MIN_BUFFER_BYTES}..${MAX_BUFFER_BYTES}`)
  }
  return powerOfTwoFrom(value)
}

function congestionName(name: CongestionName): CongestionName {
  if (name === 'cubic' || name === 'newreno') return name
  throw new RangeError(`Cannot use ${String(name)} for congestion: expected cubic or newreno`)
}

function count(name: string, value: number): number {
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`Cannot use ${value} as ${name}: expected 1 or more`)
  return value
}
