/**
 * Address resolution for IPv4 over Ethernet (RFC 826, RFC 1122 §2.3.2): the cache, and the frames that wait for it.
 *
 * An entry is made when we ask for an address, or when somebody asks for ours; an unasked-for reply never makes one
 * (OSEC-2026-02: a cache that strangers can grow). Entries made by others may fill half of the table at most, so that they
 * cannot push out those we need. Conflicts are found by arp-conflicts.ts. Not here: proxy ARP.
 */
import { MAC_BROADCAST } from '@mirage-ts/core/addresses'
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import { after, earlier, NEVER, seconds } from '@mirage-ts/core/time'
import type { Ipv4, Mac } from '@mirage-ts/signatures/addresses'
import type { Arp } from '@mirage-ts/signatures/arp'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Ethernet } from '@mirage-ts/signatures/ethernet'
import type { Alarm, Duration, Instant, MonotonicClock, Time } from '@mirage-ts/signatures/time'
import { ARP_LEN, ARP_REPLY, ARP_REQUEST, ArpPacket, emitArp, parseArp } from '../wire/arp.ts'
import { ETHERTYPE_ARP } from '../wire/ethernet.ts'
import { ArpConflicts } from './arp-conflicts.ts'

const COUNTERS = [
  'truncated',
  'unsupported',
  'bad-sender',
  'unsolicited',
  'conflict',
  'queueFull',
  'tableFull',
  'unresolved',
  'noBuffer',
] as const

const NO_MAC = 0 as Mac
const NO_IP = 0 as Ipv4

/** RFC 1122 §2.3.2.1: "the recommended maximum rate is 1 per second per destination". */
const RETRY_INTERVAL: Duration = seconds(1)
const MAX_REQUESTS = 3
/** RFC 1122 §2.3.2.1 wants entries to time out, on the order of a minute. */
const LIFETIME: Duration = seconds(60)
/** An entry in use is asked for again, by unicast, this long before it ends, so that traffic never waits. */
const REFRESH_BEFORE: Duration = seconds(5)

export interface ArpOptions {
  /** Greatest number of entries. Default 1024. */
  readonly maxEntries?: number
  /** Greatest number of frames that wait for one address. Default 16. */
  readonly maxQueued?: number
  /**
   * Greatest number of frames that wait in all. Default 64: they are the device's transmit buffers, and a stranger who
   * makes us answer to many addresses nobody has must not get hold of them all.
   */
  readonly maxQueuedTotal?: number
}

/** Resolution with its counters, by reason. */
export interface CountedArp extends Arp {
  readonly counters: Readonly<Counters<(typeof COUNTERS)[number]>>
  readonly entryCount: number
}

interface Waiting {
  readonly frame: Frame
  readonly off: number
  readonly end: number
  readonly etherType: number
}

/** One neighbour. It is being resolved while `mac` is {@link NO_MAC}. */
class Entry {
  readonly address: Ipv4
  mac: Mac = NO_MAC
  /** Made by a stranger's request, not by need of ours. */
  isOffered: boolean
  /** Used since it was last confirmed. */
  isUsed = false
  requestCount = 0
  /** When to ask again, or when the entry ends. */
  deadline: Instant = NEVER
  waiting: Waiting[] = []

  constructor(address: Ipv4, isOffered: boolean) {
    this.address = address
    this.isOffered = isOffered
  }
}

/** Starts resolving over `ethernet`. */
export function createArp(
  { ethernet, clock, time }: { ethernet: Ethernet; clock: MonotonicClock; time: Time },
  options: ArpOptions = {},
): CountedArp {
  return new ArpLayer(ethernet, clock, time, options)
}

class ArpLayer implements CountedArp {
  readonly counters = createCounters(COUNTERS)
  private own: Ipv4[] = []
  private readonly ethernet: Ethernet
  private readonly clock: MonotonicClock
  private readonly alarm: Alarm
  private readonly maxEntries: number
  private readonly maxQueued: number
  private readonly maxQueuedTotal: number
  private queuedCount = 0
  private readonly table = new Map<Ipv4, Entry>()
  private offeredCount = 0
  /** When the alarm rings: never after the deadline of an entry. */
  private armedFor: Instant = NEVER
  /** The entry last sent through: nearly all traffic goes to one neighbour. */
  private last: Entry | undefined
  private readonly packet = new ArpPacket()
  private readonly unresolvedHandlers: ((frame: Frame, off: number, end: number, nextHop: Ipv4) => void)[] = []
  private readonly conflicts = new ArpConflicts({
    probe: (address) => this.request(MAC_BROADCAST, NO_IP, address),
    announce: (address) => this.request(MAC_BROADCAST, address, address),
  })

  constructor(ethernet: Ethernet, clock: MonotonicClock, time: Time, options: ArpOptions) {
    this.ethernet = ethernet
    this.clock = clock
    this.maxEntries = options.maxEntries ?? 1024
    this.maxQueued = options.maxQueued ?? 16
    this.maxQueuedTotal = options.maxQueuedTotal ?? 64
    this.alarm = time.alarm(() => this.poll(clock.now()))
    ethernet.listen(ETHERTYPE_ARP, (frame, off, end) => this.input(frame, off, end, clock.now()))
  }

  get addresses(): readonly Ipv4[] {
    return this.own
  }

  get entryCount(): number {
    return this.table.size
  }

  add(address: Ipv4): void {
    if (this.own.includes(address)) return
    this.own = [...this.own, address]
    this.conflicts.announce(address, this.clock.now())
    this.arm(this.conflicts.nextDeadline())
  }

  remove(address: Ipv4): void {
    this.own = this.own.filter((one) => one !== address)
    this.conflicts.forget(address)
  }

  probe(address: Ipv4): Promise<boolean> {
    return new Promise((resolve) => {
      this.conflicts.probe(address, resolve, this.clock.now())
      this.arm(this.conflicts.nextDeadline())
    })
  }

  listenConflicts(handler: (address: Ipv4, mac: Mac) => void): void {
    this.conflicts.listen(handler)
  }

  listenUnresolved(handler: (frame: Frame, off: number, end: number, nextHop: Ipv4) => void): void {
    this.unresolvedHandlers.push(handler)
  }

  send(frame: Frame, off: number, end: number, etherType: number, nextHop: Ipv4): void {
    let entry = this.last
    if (entry?.address !== nextHop) entry = this.table.get(nextHop) ?? this.resolve(nextHop)
    if (entry === undefined) {
      this.counters.tableFull++
      this.ethernet.free(frame)
    } else if (entry.mac !== NO_MAC) {
      entry.isUsed = true
      if (entry.isOffered) this.adopt(entry)
      this.last = entry
      this.ethernet.send(frame, off, end, etherType, entry.mac)
    } else if (entry.waiting.length >= this.maxQueued || this.queuedCount >= this.maxQueuedTotal) {
      this.counters.queueFull++
      this.ethernet.free(frame)
    } else {
      this.queuedCount++
      entry.waiting.push({ frame, off, end, etherType })
    }
  }

  private resolve(address: Ipv4): Entry | undefined {
    const entry = this.create(address, false)
    if (entry === undefined) return undefined
    entry.requestCount = 1
    entry.deadline = after(this.clock.now(), RETRY_INTERVAL)
    this.request(MAC_BROADCAST, this.own[0] ?? NO_IP, address)
    this.arm(entry.deadline)
    return entry
  }

  /** RFC 826, "Packet Reception", in its order. */
  private input(frame: Frame, off: number, end: number, now: Instant): void {
    const packet = this.packet
    const reason = parseArp(frame, off, end, packet)
    if (reason !== undefined) {
      this.counters[reason]++
      return
    }
    const { senderIp, senderMac, targetIp, operation } = packet
    if (this.own.includes(senderIp)) {
      this.counters.conflict++
      this.conflicts.conflict(senderIp, senderMac, now)
      return
    }
    this.conflicts.input(packet)
    const isForUs = this.own.includes(targetIp)
    // 0.0.0.0 is a probe (RFC 5227 §1.1): it is answered and never remembered.
    const known = senderIp === NO_IP ? undefined : this.table.get(senderIp)
    if (known !== undefined) {
      this.confirm(known, senderMac, now)
    } else if (senderIp !== NO_IP && isForUs && operation === ARP_REQUEST) {
      const offered = this.create(senderIp, true)
      if (offered !== undefined) this.confirm(offered, senderMac, now)
    } else if (operation === ARP_REPLY) {
      this.counters.unsolicited++
    }
    if (operation === ARP_REQUEST && isForUs) this.transmit(senderMac, ARP_REPLY, targetIp, senderMac, senderIp)
  }

  private confirm(entry: Entry, mac: Mac, now: Instant): void {
    entry.mac = mac
    entry.requestCount = 0
    entry.isUsed = false
    entry.deadline = after(now, (LIFETIME - REFRESH_BEFORE) as Duration)
    for (const { frame, off, end, etherType } of this.takeWaiting(entry)) {
      this.ethernet.send(frame, off, end, etherType, mac)
    }
    this.arm(entry.deadline)
  }

  private takeWaiting(entry: Entry): readonly Waiting[] {
    const waiting = entry.waiting
    entry.waiting = []
    this.queuedCount -= waiting.length
    return waiting
  }

  private poll(now: Instant): void {
    this.conflicts.poll(now)
    let next = this.conflicts.nextDeadline()
    for (const entry of [...this.table.values()]) {
      if (entry.deadline <= now) this.expire(entry, now)
      if (entry.deadline > now) next = earlier(next, entry.deadline)
    }
    this.armedFor = NEVER
    this.arm(next)
  }

  private expire(entry: Entry, now: Instant): void {
    const isResolved = entry.mac !== NO_MAC
    const isWanted = isResolved ? entry.isUsed : true
    if (!isWanted || entry.requestCount >= MAX_REQUESTS) {
      this.counters.unresolved += entry.waiting.length
      this.delete(entry)
      for (const { frame, off, end } of this.takeWaiting(entry)) {
        for (const handler of this.unresolvedHandlers) handler(frame, off, end, entry.address)
        this.ethernet.free(frame)
      }
      return
    }
    entry.requestCount++
    entry.deadline = after(now, RETRY_INTERVAL)
    // RFC 1122 §2.3.2.1 (2): a unicast poll confirms an entry that is still in use.
    this.request(isResolved ? entry.mac : MAC_BROADCAST, this.own[0] ?? NO_IP, entry.address)
  }

  private create(address: Ipv4, isOffered: boolean): Entry | undefined {
    if (isOffered && this.offeredCount >= this.maxEntries >> 1) return undefined
    if (this.table.size >= this.maxEntries && !this.evictOffered()) return undefined
    const entry = new Entry(address, isOffered)
    this.table.set(address, entry)
    if (isOffered) this.offeredCount++
    return entry
  }

  /** An entry a stranger made and we have use for is ours to keep. */
  private adopt(entry: Entry): void {
    entry.isOffered = false
    this.offeredCount--
  }

  /** Makes room by dropping the oldest entry that a stranger made. */
  private evictOffered(): boolean {
    for (const entry of this.table.values()) {
      if (entry.isOffered) {
        this.delete(entry)
        return true
      }
    }
    return false
  }

  private delete(entry: Entry): void {
    this.table.delete(entry.address)
    if (entry.isOffered) this.offeredCount--
    if (this.last === entry) this.last = undefined
  }

  /** Makes sure that the alarm rings at `deadline` at the latest; ringing early costs one look at the table. */
  private arm(deadline: Instant): void {
    if (deadline >= this.armedFor) return
    this.armedFor = deadline
    this.alarm.set(deadline)
  }

  private request(to: Mac, senderIp: Ipv4, targetIp: Ipv4): void {
    this.transmit(to, ARP_REQUEST, senderIp, NO_MAC, targetIp)
  }

  private transmit(to: Mac, operation: number, senderIp: Ipv4, targetMac: Mac, targetIp: Ipv4): void {
    const frame = this.ethernet.alloc()
    if (frame === undefined) {
      this.counters.noBuffer++
      return
    }
    const off = this.ethernet.headroomBytes
    const packet = this.packet
    packet.operation = operation
    packet.senderMac = this.ethernet.mac
    packet.senderIp = senderIp
    packet.targetMac = targetMac
    packet.targetIp = targetIp
    emitArp(frame, off, packet)
    this.ethernet.send(frame, off, off + ARP_LEN, ETHERTYPE_ARP, to)
  }
}
