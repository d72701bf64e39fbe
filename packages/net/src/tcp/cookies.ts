/**
 * SYN cookies (RFC 4987 §3.6): when the backlog is full a SYN is answered without remembering it. The initial sequence number
 * holds what must be known when the handshake ends: a keyed hash of the addresses, the minute, and the peer's MSS; the low
 * bits of our timestamp hold its other options.
 */
import type { IpAddress, Port } from '@mirage-ts/signatures/addresses'
import type { Random } from '@mirage-ts/signatures/random'
import type { Instant } from '@mirage-ts/signatures/time'
import { type Seq, seqAdd, seqLt } from '../seq.ts'
import { NO_OPTION, type TcpHeader } from '../wire/tcp.ts'
import { defaultMss } from './connection.ts'
import { IsnGenerator } from './isn.ts'

/** The MSS is rounded down to one of these; most paths have one of them. */
const MSS_TABLE = [64, 536, 1200, 1300, 1360, 1440, 1452, 1460] as const
/** A cookie holds until the period after its own is over: one to two minutes. */
const PERIOD_US = 64e6
const PERIOD_MASK = 31
/** Layout of a cookie, high bits first: 5 of period, 3 of MSS, 24 of hash. */
const PERIOD_SHIFT = 27
const MSS_SHIFT = 24
const HASH_MASK = 0xffffff
/** Layout of the low bits of the timestamp: SACK permitted, then the window scale, NO_SCALE for none. */
const OPTION_MASK = 31
const OPTION_SACK = 16
const NO_SCALE = 15

export class SynCookies {
  private readonly hash: IsnGenerator
  /** When a cookie was last sent; while none is out nobody can guess one. */
  private lastUs = Number.NEGATIVE_INFINITY

  constructor(random: Random) {
    this.hash = new IsnGenerator(random)
  }

  /** The initial sequence number that answers the SYN `h`. */
  make(h: TcpHeader, local: IpAddress, remote: IpAddress, now: Instant): Seq {
    this.lastUs = now
    const mss = h.mss === NO_OPTION ? defaultMss(remote) : h.mss
    let index = MSS_TABLE.length - 1
    while (index > 0 && (MSS_TABLE[index] as number) > mss) index--
    return this.cookie(periodAt(now), index, local, h.dstPort, remote, h.srcPort, h.seq)
  }

  /** The MSS of a peer that `h`, an ACK for no connection, shows to hold a cookie of ours; undefined when it does not. */
  check(h: TcpHeader, local: IpAddress, remote: IpAddress, now: Instant): number | undefined {
    if (now - this.lastUs > 2 * PERIOD_US) return undefined
    const cookie = seqAdd(h.ack, -1)
    const age = (periodAt(now) - (cookie >>> PERIOD_SHIFT)) & PERIOD_MASK
    if (age > 1) return undefined
    const index = (cookie >>> MSS_SHIFT) & 7
    const made = this.cookie(cookie >>> PERIOD_SHIFT, index, local, h.dstPort, remote, h.srcPort, seqAdd(h.seq, -1))
    return made === cookie ? MSS_TABLE[index] : undefined
  }

  private cookie(
    period: number,
    index: number,
    local: IpAddress,
    localPort: Port,
    remote: IpAddress,
    remotePort: Port,
    peerIss: Seq,
  ): Seq {
    const high = ((period & PERIOD_MASK) << PERIOD_SHIFT) | (index << MSS_SHIFT)
    const hash = this.hash.hash(local, localPort, remote, remotePort, peerIss ^ high)
    return (high | (hash & HASH_MASK)) as Seq
  }
}

/** Our timestamp `tick`, a little earlier so that its low bits can tell the options of the SYN `h`. */
export function tickWithOptions(tick: Seq, h: TcpHeader): Seq {
  const scale = h.windowScale === NO_OPTION ? NO_SCALE : h.windowScale
  const told = (tick & ~OPTION_MASK) | (h.isSackPermitted ? OPTION_SACK : 0) | scale
  // Never ahead of the clock: the next timestamp must not look older.
  return seqLt(tick, told as Seq) ? seqAdd(told as Seq, -(OPTION_MASK + 1)) : (told as Seq)
}

/** Puts the options that `tsEcr` of `h` echoes back into `h`, as if it were the SYN. */
export function optionsOfTick(h: TcpHeader): void {
  const scale = h.hasTimestamps ? h.tsEcr & NO_SCALE : NO_SCALE
  h.windowScale = scale === NO_SCALE ? NO_OPTION : scale
  h.isSackPermitted = h.hasTimestamps && (h.tsEcr & OPTION_SACK) !== 0
}

function periodAt(now: Instant): number {
  return Math.floor(now / PERIOD_US) & PERIOD_MASK
}
