/**
 * The neighbour cache and neighbour unreachability detection (RFC 4861 §7.2-7.3, §5.1), without input, output or waiting of
 * its own.
 *
 *     incomplete ──advert──► reachable ──30 s──► stale ──used──► delay ──5 s──► probe ──3 in vain──► gone
 *
 * As with ARP (OSEC-2026-02), what strangers say makes entries in half of the table at most, and what waits is bounded.
 */
import { FlowTable } from '@mirage-ts/core/flow-table'
import { after, earlier, NEVER, seconds } from '@mirage-ts/core/time'
import type { Ipv6, Mac, Port } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Random } from '@mirage-ts/signatures/random'
import type { Duration, Instant } from '@mirage-ts/signatures/time'

// RFC 4861 §10
const MAX_SOLICITS = 3
const DELAY_FIRST_PROBE: Duration = seconds(5)
/** How long an entry that nobody uses is kept. */
const STALE_LIFETIME: Duration = seconds(600)

const MAX_ENTRIES = 1024
const MAX_QUEUED = 16
const MAX_QUEUED_TOTAL = 64

const NO_MAC = 0 as Mac
const NO_PORT = 0 as Port

type State = 'incomplete' | 'reachable' | 'stale' | 'delay' | 'probe'

interface Waiting {
  readonly frame: Frame
  readonly off: number
  readonly end: number
}

class Entry {
  readonly address: Ipv6
  readonly slot: number
  state: State = 'incomplete'
  mac: Mac = NO_MAC
  /** Made by what a stranger said, not by need of ours. */
  isOffered: boolean
  solicitCount = 0
  deadline: Instant = NEVER
  waiting: Waiting[] = []

  constructor(address: Ipv6, slot: number, isOffered: boolean) {
    this.address = address
    this.slot = slot
    this.isOffered = isOffered
  }
}

/** What the cache does to the world. */
export interface NeighbourEffects {
  /** Asks who `target` is: everybody, or only the station at `mac`. */
  solicit(target: Ipv6, mac: Mac | undefined): void
  /** A neighbour says that it is no router, or no longer (RFC 4861 §7.2.5). */
  noRouter(address: Ipv6): void
  /** Sends a frame to a neighbour. */
  transmit(frame: Frame, off: number, end: number, mac: Mac): void
  /** Gives a frame back: nobody answers (`unreachable`), or there is no room. */
  drop(frame: Frame, off: number, end: number, why: 'unreachable' | 'queueFull' | 'tableFull'): void
}

export class Neighbours {
  /** How long an answer is believed, and between two questions; routers may say otherwise (RFC 4861 §6.3.4). */
  reachableTime: Duration = seconds(30)
  retransTime: Duration = seconds(1)
  private readonly random: Random
  private readonly effects: NeighbourEffects
  private readonly slots: FlowTable
  private readonly entries: (Entry | undefined)[] = []
  private readonly freeSlots: number[] = []
  private entryCount = 0
  private offeredCount = 0
  private queuedCount = 0
  /** Never after the deadline of an entry. */
  private earliest: Instant = NEVER
  /** The entry last sent through: nearly all traffic goes to one neighbour. */
  private last: Entry | undefined

  constructor(random: Random, effects: NeighbourEffects) {
    this.random = random
    this.effects = effects
    this.slots = new FlowTable(random.u32(), random.u32())
  }

  get count(): number {
    return this.entryCount
  }

  nextDeadline(): Instant {
    return this.earliest
  }

  /** False when we have asked `address` in vain, or not at all: another router may be better (RFC 4861 §6.3.6). */
  isKnown(address: Ipv6): boolean {
    const entry = this.find(address)
    return entry !== undefined && entry.state !== 'incomplete'
  }

  /** Takes a frame and sends it to `hop`, as soon as that is known. */
  send(frame: Frame, off: number, end: number, hop: Ipv6, now: Instant): void {
    const entry = this.last?.address === hop ? this.last : (this.find(hop) ?? this.resolve(hop, now))
    if (entry === undefined) {
      this.effects.drop(frame, off, end, 'tableFull')
    } else if (entry.state === 'incomplete') {
      if (entry.waiting.length >= MAX_QUEUED || this.queuedCount >= MAX_QUEUED_TOTAL) {
        this.effects.drop(frame, off, end, 'queueFull')
        return
      }
      this.queuedCount++
      entry.waiting.push({ frame, off, end })
    } else {
      this.last = entry
      this.adopt(entry)
      if (entry.state === 'stale') this.enter(entry, 'delay', after(now, DELAY_FIRST_PROBE))
      this.effects.transmit(frame, off, end, entry.mac)
    }
  }

  /** A solicitation or a router's message from `address` has told its MAC (RFC 4861 §7.2.3). */
  heardFrom(address: Ipv6, mac: Mac, now: Instant): void {
    const entry = this.find(address) ?? this.create(address, true)
    if (entry === undefined || (entry.mac === mac && entry.state !== 'incomplete')) return
    entry.mac = mac
    this.enter(entry, 'stale', after(now, STALE_LIFETIME))
    this.flush(entry)
  }

  /** An advertisement of `address` has come (RFC 4861 §7.2.5). `mac` is 0 when it does not say. */
  advertised(
    address: Ipv6,
    mac: Mac,
    isSolicited: boolean,
    isOverride: boolean,
    isRouter: boolean,
    now: Instant,
  ): 'unsolicited' | undefined {
    const entry = this.find(address)
    if (entry === undefined) return 'unsolicited'
    const isOther = mac !== NO_MAC && mac !== entry.mac
    if (entry.state === 'incomplete') {
      if (mac === NO_MAC) return undefined
      entry.mac = mac
      if (!isRouter) this.effects.noRouter(address)
      this.confirm(entry, isSolicited, now)
      this.flush(entry)
    } else if (isOther && !isOverride) {
      if (entry.state === 'reachable') this.enter(entry, 'stale', after(now, STALE_LIFETIME))
    } else {
      if (mac !== NO_MAC) entry.mac = mac
      if (!isRouter) this.effects.noRouter(address)
      if (isSolicited) this.confirm(entry, true, now)
      else if (isOther) this.confirm(entry, false, now)
    }
    return undefined
  }

  /** Packets through `address` seem to be lost: asks at once whether it is still there. */
  doubt(address: Ipv6, now: Instant): void {
    const entry = this.find(address)
    if (entry === undefined || entry.state === 'incomplete' || entry.state === 'probe') return
    entry.solicitCount = 0
    this.enter(entry, 'probe', now)
    this.solicit(entry, now)
  }

  poll(now: Instant): void {
    if (now < this.earliest) return
    this.earliest = NEVER
    for (const entry of this.entries) {
      if (entry === undefined) continue
      if (entry.deadline <= now) this.expire(entry, now)
      if (entry.deadline > now) this.earliest = earlier(this.earliest, entry.deadline)
    }
  }

  private expire(entry: Entry, now: Instant): void {
    switch (entry.state) {
      case 'reachable':
        this.enter(entry, 'stale', after(now, STALE_LIFETIME))
        return
      case 'stale':
        this.delete(entry)
        return
      case 'delay':
        this.doubt(entry.address, now)
        return
      case 'incomplete':
      case 'probe':
        if (entry.solicitCount < MAX_SOLICITS) this.solicit(entry, now)
        else this.delete(entry)
        return
    }
  }

  private solicit(entry: Entry, now: Instant): void {
    entry.solicitCount++
    this.setDeadline(entry, after(now, this.retransTime))
    this.effects.solicit(entry.address, entry.state === 'probe' ? entry.mac : undefined)
  }

  private resolve(address: Ipv6, now: Instant): Entry | undefined {
    const entry = this.create(address, false)
    if (entry !== undefined) this.solicit(entry, now)
    return entry
  }

  private confirm(entry: Entry, isReachable: boolean, now: Instant): void {
    if (!isReachable) {
      this.enter(entry, 'stale', after(now, STALE_LIFETIME))
      return
    }
    // RFC 4861 §6.3.2: between half and one and a half of the base, so that stations do not ask in step.
    const half = Math.floor(this.reachableTime / 2)
    this.enter(entry, 'reachable', after(now, (half + (this.random.u32() % (this.reachableTime + 1))) as Duration))
  }

  private flush(entry: Entry): void {
    const waiting = entry.waiting
    entry.waiting = []
    this.queuedCount -= waiting.length
    for (const { frame, off, end } of waiting) this.effects.transmit(frame, off, end, entry.mac)
  }

  private enter(entry: Entry, state: State, deadline: Instant): void {
    entry.state = state
    this.setDeadline(entry, deadline)
  }

  private setDeadline(entry: Entry, deadline: Instant): void {
    entry.deadline = deadline
    this.earliest = earlier(this.earliest, deadline)
  }

  private find(address: Ipv6): Entry | undefined {
    const slot = this.slots.get(address, NO_PORT, address, NO_PORT)
    return slot < 0 ? undefined : this.entries[slot]
  }

  private create(address: Ipv6, isOffered: boolean): Entry | undefined {
    if (isOffered && this.offeredCount >= MAX_ENTRIES >> 1) return undefined
    if (this.entryCount >= MAX_ENTRIES && !this.evict()) return undefined
    const slot = this.freeSlots.pop() ?? this.entries.length
    const entry = new Entry(address, slot, isOffered)
    this.entries[slot] = entry
    this.slots.set(address, NO_PORT, address, NO_PORT, slot)
    this.entryCount++
    if (isOffered) this.offeredCount++
    return entry
  }

  /** An entry a stranger made and we have use for is ours to keep. */
  private adopt(entry: Entry): void {
    if (!entry.isOffered) return
    entry.isOffered = false
    this.offeredCount--
  }

  /** Makes room by dropping an entry that nobody uses, one a stranger made if there is any. */
  private evict(): boolean {
    const idle = (entry: Entry | undefined): boolean => entry?.state === 'stale'
    const victim = this.entries.find((entry) => entry?.isOffered === true) ?? this.entries.find(idle)
    if (victim === undefined) return false
    this.delete(victim)
    return true
  }

  private delete(entry: Entry): void {
    const waiting = entry.waiting
    entry.waiting = []
    this.queuedCount -= waiting.length
    this.slots.delete(entry.address, NO_PORT, entry.address, NO_PORT)
    this.entries[entry.slot] = undefined
    this.freeSlots.push(entry.slot)
    this.entryCount--
    entry.deadline = NEVER
    if (entry.isOffered) this.offeredCount--
    if (this.last === entry) this.last = undefined
    for (const { frame, off, end } of waiting) this.effects.drop(frame, off, end, 'unreachable')
  }
}
