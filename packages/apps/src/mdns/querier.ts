/**
 * Asks in multicast DNS (RFC 6762 §5, §10), without I/O: questions that go on, with what is known already, and a cache of all that
 * has been heard about them.
 */
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import { after, earlier, minutes, ms, NEVER, seconds } from '@mirage-ts/core/time'
import type { Random } from '@mirage-ts/signatures/random'
import type { Duration, Instant } from '@mirage-ts/signatures/time'
import { FLAG, type Message, type Question, type Rr } from '../dns/wire/message.ts'
import type { Name } from '../dns/wire/name.ts'
import { CLASS } from '../dns/wire/types.ts'
import { packet, recordKey, setKey, TOP_BIT } from './records.ts'

/** Told of a record that has come, or has gone. Its TTL is what it came with, its class `IN`. */
export type RecordListener = (change: 'added' | 'removed', rr: Rr) => void

export const QUERIER_COUNTERS = ['queries', 'records', 'evicted'] as const

/** Records of the cache; the one that expires first goes. */
const MAX_RECORDS = 2048
const MAX_TTL_SECONDS = 24 * 3600
/** §5.2. */
const FIRST_INTERVAL = seconds(1)
const MAX_INTERVAL = minutes(60)
/** §10.1, §10.2: what is said goodbye to, or replaced, is kept for a second: it may be a mistake, or half of a change. */
const GRACE = seconds(1)
/** §5.2: asked again when so much of its time has gone. */
const REFRESH_AT = [0.8, 0.85, 0.9, 0.95]
/** §7.1: known answers of one question. More would need several packets; who knows so many asks rarely. */
const MAX_KNOWN = 40

interface Cached {
  readonly rr: Rr
  readonly at: Instant
  until: Instant
  /** Of {@link REFRESH_AT}. */
  refreshCount: number
}

interface Ask {
  readonly question: Question
  readonly listeners: Set<RecordListener>
  interval: Duration
  deadline: Instant
}

export class Querier {
  readonly counters: Counters<(typeof QUERIER_COUNTERS)[number]> = createCounters(QUERIER_COUNTERS)
  private readonly random: Random
  private readonly send: (packet: Uint8Array) => void
  private readonly asks = new Map<string, Ask>()
  /** By name and type, then by data. */
  private readonly cache = new Map<string, Map<string, Cached>>()
  private count = 0

  constructor(random: Random, send: (packet: Uint8Array) => void) {
    this.random = random
    this.send = send
  }

  /** Goes on asking until the returned function is called; what is known is told at once. */
  ask(name: Name, type: number, listener: RecordListener, now: Instant): () => void {
    const question = { name, type, class: CLASS.IN }
    const key = setKey(question)
    let ask = this.asks.get(key)
    if (ask === undefined) {
      // §5.2: many machines may ask at once.
      ask = {
        question,
        listeners: new Set(),
        interval: FIRST_INTERVAL,
        deadline: after(now, ms(20 + (this.random.u32() % 100))),
      }
      this.asks.set(key, ask)
    }
    const { listeners } = ask
    listeners.add(listener)
    for (const { rr } of [...(this.cache.get(key)?.values() ?? [])]) listener('added', rr)
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0) this.asks.delete(key)
    }
  }

  nextDeadline(): Instant {
    let least: Instant = NEVER
    for (const { deadline } of this.asks.values()) least = earlier(least, deadline)
    for (const [key, set] of this.cache) {
      for (const cached of set.values()) {
        least = earlier(least, cached.until)
        if (this.asks.has(key)) least = earlier(least, refreshAt(cached))
      }
    }
    return least
  }

  poll(now: Instant): void {
    for (const [key, set] of this.cache) {
      const ask = this.asks.get(key)
      for (const cached of [...set.values()]) {
        if (cached.until <= now) this.remove(key, cached.rr)
        else if (ask !== undefined && refreshAt(cached) <= now) {
          cached.refreshCount++
          ask.deadline = now
        }
      }
    }
    const due = [...this.asks.values()].filter(({ deadline }) => deadline <= now)
    for (const ask of due) {
      this.counters.queries++
      const known = [...(this.cache.get(setKey(ask.question))?.values() ?? [])]
      // §7.1: what we shall know for half of its time yet.
      const fresh = known.filter(({ rr, until }) => until - now > rr.ttl * 500_000).slice(0, MAX_KNOWN)
      const answers = fresh.map(({ rr, until }) => ({ ...rr, ttl: Math.floor((until - now) / 1_000_000) }))
      this.send(packet({ questions: [ask.question], answers }))
      ask.deadline = after(now, ask.interval)
      ask.interval = Math.min(2 * ask.interval, MAX_INTERVAL) as Duration
    }
  }

  /** A message that has come to the group. */
  input(message: Message, now: Instant): void {
    if ((message.flags & FLAG.RESPONSE) === 0 || message.opcode !== 0 || message.rcode !== 0) return
    for (const rr of [...message.answers, ...message.additionals]) {
      if ((rr.class & ~TOP_BIT) === CLASS.IN) this.take(rr, now)
    }
  }

  /** What is known of a name and type. */
  known(name: Name, type: number): readonly Rr[] {
    return [...(this.cache.get(setKey({ name, type }))?.values() ?? [])].map(({ rr }) => rr)
  }

  private take(said: Rr, now: Instant): void {
    const key = setKey(said)
    const set = this.cache.get(key) ?? new Map<string, Cached>()
    const isWhole = (said.class & TOP_BIT) !== 0
    const rr = { ...said, class: CLASS.IN, ttl: Math.min(said.ttl, MAX_TTL_SECONDS) }
    const id = recordKey(rr)
    if (isWhole) {
      // §10.2: what is older than a second is no more.
      for (const other of set.values()) {
        if (recordKey(other.rr) !== id && now - other.at > GRACE) other.until = earlier(other.until, after(now, GRACE))
      }
    }
    const before = set.get(id)
    if (rr.ttl === 0) {
      if (before !== undefined) before.until = earlier(before.until, after(now, GRACE))
      return
    }
    if (before === undefined) {
      if (this.count >= MAX_RECORDS) this.evict()
      this.count++
      this.counters.records++
    }
    set.set(id, { rr, at: now, until: after(now, seconds(rr.ttl)), refreshCount: 0 })
    this.cache.set(key, set)
    if (before === undefined) for (const listener of [...(this.asks.get(key)?.listeners ?? [])]) listener('added', rr)
  }

  private remove(key: string, rr: Rr): void {
    const set = this.cache.get(key)
    if (set?.delete(recordKey(rr)) !== true) return
    this.count--
    if (set.size === 0) this.cache.delete(key)
    for (const listener of [...(this.asks.get(key)?.listeners ?? [])]) listener('removed', rr)
  }

  /** Forgets a record: of those that nobody asks for the first, else the first of all. */
  private evict(): void {
    this.counters.evicted++
    const keys = [...this.cache.keys()]
    const key = keys.find((one) => !this.asks.has(one)) ?? (keys[0] as string)
    for (const { rr } of this.cache.get(key)?.values() ?? []) {
      this.remove(key, rr)
      return
    }
  }
}

function refreshAt({ rr, at, refreshCount, until }: Cached): Instant {
  const part = REFRESH_AT[refreshCount]
  // Only while it lasts: one that is said goodbye to is not asked for.
  const whole = at + rr.ttl * 1_000_000
  return part === undefined || until < whole ? NEVER : after(at, seconds(rr.ttl * part))
}
