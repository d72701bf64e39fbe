/**
 * Putting fragments together again (RFC 791 §3.2, RFC 1122 §3.3.2, RFC 8200 §4.5), for either version of IP.
 *
 * What strangers can make this cost is bounded: octets held in all, datagrams at once, pieces of one, and the work for one
 * piece (the list it is looked up in is short). A piece that overlaps another one ends its datagram (RFC 5722 §4: no honest
 * sender makes one); the very same piece again is ignored. When there is no room the oldest datagram goes.
 */
import { after, NEVER } from '@mirage-ts/core/time'
import type { Duration, Instant } from '@mirage-ts/signatures/time'

/** 64 pieces of the least MTU of IPv6 are more than the longest datagram, and so are 64 of Ethernet's. */
export const MAX_PIECES = 64
const MAX_DATAGRAMS = 64
const DEFAULT_MAX_BYTES = 256 * 1024
const MAX_PAYLOAD_LEN = 65535

/** What became of a piece. */
export type ReassemblyReason = 'overlap' | 'too-many-pieces' | 'too-long' | 'bad-length'

export interface ReassemblerOptions {
  /** How long a datagram waits for its last piece, from the first that came. */
  readonly timeout: Duration
  /** Told of a datagram that was given up, with the start of its packet when that had come. */
  readonly onTimeout: (firstPacket: Uint8Array | undefined) => void
  /** Greatest number of octets held. Default 256 KiB. */
  readonly maxBytes?: number
}

interface Piece {
  readonly off: number
  readonly end: number
  /** The packet the piece came in, from its IP header on; its payload starts at `payloadOff`. */
  readonly packet: Uint8Array
  readonly payloadOff: number
}

class Datagram {
  /** In order, never overlapping. */
  readonly pieces: Piece[] = []
  readonly deadline: Instant
  heldBytes = 0
  gotBytes = 0
  /** The payload's length once the last piece has come, else -1. */
  totalLen = -1
  /** Refused before: further pieces are dropped until the timeout, or the rest could pass for a datagram (RFC 5722). */
  isPoisoned = false

  constructor(deadline: Instant) {
    this.deadline = deadline
  }
}

/** A datagram put together: the packet its first piece came in, whose payload is now the whole. */
export interface Reassembled {
  /** Header as it came, then the payload. */
  readonly packet: Uint8Array
  readonly payloadOff: number
}

export class Reassembler {
  /** Datagrams dropped because newer ones needed the room. */
  evictedCount = 0
  private readonly options: ReassemblerOptions
  private readonly maxBytes: number
  private heldBytes = 0
  /** Oldest first, and so in order of deadline. */
  private readonly datagrams = new Map<string, Datagram>()

  constructor(options: ReassemblerOptions) {
    this.options = options
    this.maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES
  }

  /** Datagrams of which a piece is missing. */
  get count(): number {
    return this.datagrams.size
  }

  nextDeadline(): Instant {
    for (const datagram of this.datagrams.values()) return datagram.deadline
    return NEVER
  }

  /** Gives up what has waited too long. */
  poll(now: Instant): void {
    for (const [key, datagram] of this.datagrams) {
      if (datagram.deadline > now) return
      this.delete(key, datagram)
      const first = datagram.pieces[0]
      if (!datagram.isPoisoned) this.options.onTimeout(first?.off === 0 ? first.packet : undefined)
    }
  }

  /**
   * Takes the packet `u8[packetOff, end)` whose payload `[payloadOff, end)` belongs at `fragmentOffset` of the datagram that
   * `key` names. The octets are copied. Returns the datagram once it is whole, a reason when the piece was refused.
   */
  input(
    key: string,
    u8: Uint8Array,
    packetOff: number,
    payloadOff: number,
    end: number,
    fragmentOffset: number,
    hasMore: boolean,
    now: Instant,
  ): Reassembled | ReassemblyReason | undefined {
    const len = end - payloadOff
    // RFC 8200 §4.5: all but the last measure a multiple of 8 octets. An empty one is nothing but a trick.
    if (len === 0 || (hasMore && len % 8 !== 0)) return 'bad-length'
    if (fragmentOffset + len > MAX_PAYLOAD_LEN) return 'too-long'
    let datagram = this.datagrams.get(key)
    if (datagram === undefined) {
      datagram = new Datagram(after(now, this.options.timeout))
      this.datagrams.set(key, datagram)
    }
    if (datagram.isPoisoned) return 'overlap'
    const reason = insert(datagram, u8, packetOff, payloadOff, end, fragmentOffset, hasMore)
    if (reason === 'duplicate') return undefined
    if (reason !== undefined) {
      this.heldBytes -= datagram.heldBytes
      datagram.heldBytes = 0
      datagram.pieces.length = 0
      datagram.isPoisoned = true
      return reason
    }
    this.heldBytes += end - packetOff
    if (datagram.gotBytes === datagram.totalLen) {
      this.delete(key, datagram)
      return join(datagram)
    }
    this.makeRoom()
    return undefined
  }

  private makeRoom(): void {
    for (const [key, datagram] of this.datagrams) {
      if (this.heldBytes <= this.maxBytes && this.datagrams.size <= MAX_DATAGRAMS) return
      this.evictedCount++
      this.delete(key, datagram)
    }
  }

  private delete(key: string, datagram: Datagram): void {
    this.datagrams.delete(key)
    this.heldBytes -= datagram.heldBytes
  }
}

function insert(
  datagram: Datagram,
  u8: Uint8Array,
  packetOff: number,
  payloadOff: number,
  end: number,
  fragmentOffset: number,
  hasMore: boolean,
): ReassemblyReason | 'duplicate' | undefined {
  const { pieces } = datagram
  const pieceEnd = fragmentOffset + end - payloadOff
  // Pieces mostly come in order: look from the back.
  let at = pieces.length
  while (at > 0 && (pieces[at - 1] as Piece).off >= fragmentOffset) at--
  const next = pieces[at]
  const before = pieces[at - 1]
  if (next?.off === fragmentOffset && next.end === pieceEnd) return 'duplicate'
  if ((next !== undefined && next.off < pieceEnd) || (before !== undefined && before.end > fragmentOffset))
    return 'overlap'
  // The last piece says how long the whole is: nothing may lie beyond it, and there is one only.
  if (datagram.totalLen >= 0 && (!hasMore || pieceEnd > datagram.totalLen)) return 'overlap'
  if (!hasMore && next !== undefined) return 'overlap'
  if (pieces.length >= MAX_PIECES) return 'too-many-pieces'
  if (!hasMore) datagram.totalLen = pieceEnd
  pieces.splice(at, 0, {
    off: fragmentOffset,
    end: pieceEnd,
    packet: u8.slice(packetOff, end),
    payloadOff: payloadOff - packetOff,
  })
  datagram.heldBytes += end - packetOff
  datagram.gotBytes += pieceEnd - fragmentOffset
  return undefined
}

function join(datagram: Datagram): Reassembled {
  const { packet: first, payloadOff } = datagram.pieces[0] as Piece
  const packet = new Uint8Array(payloadOff + datagram.totalLen)
  packet.set(first.subarray(0, payloadOff))
  for (const piece of datagram.pieces) packet.set(piece.packet.subarray(piece.payloadOff), payloadOff + piece.off)
  return { packet, payloadOff }
}
