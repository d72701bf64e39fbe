/**
 * Publishes records in multicast DNS (RFC 6762), without I/O: finds out whether a name is free, announces it, answers questions,
 * takes another name when somebody else has it, and says goodbye.
 */
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import { after, earlier, ms, NEVER, seconds } from '@mirage-ts/core/time'
import type { Endpoint } from '@mirage-ts/signatures/addresses'
import type { Random } from '@mirage-ts/signatures/random'
import type { Duration, Instant } from '@mirage-ts/signatures/time'
import { FLAG, type Message, type Question, type Rr } from '../dns/wire/message.ts'
import { type Name, type NameKey, nameKey } from '../dns/wire/name.ts'
import { nsecRdata } from '../dns/wire/nsec.ts'
import { nameIn } from '../dns/wire/rdata.ts'
import { CLASS, TYPE } from '../dns/wire/types.ts'
import { MDNS_PORT, type OwnRecord, packet, recordKey, TOP_BIT } from './records.ts'

export interface ResponderEffects {
  /** To the group, or to one asker. */
  send(packet: Uint8Array, to: Endpoint | 'group'): void
}

/** Records that stand and fall together. */
export interface Publication {
  /** Makes the records under the `attempt`-th name, counted from 1: another one each time. */
  readonly make: (attempt: number) => readonly OwnRecord[]
  /** The records are published now, under names that may not be the first ones. */
  readonly onPublished?: (records: readonly OwnRecord[]) => void
}

export const RESPONDER_COUNTERS = [
  'questions',
  'answers',
  'conflicts',
  'lostTies',
  'suppressed',
  'rateLimited',
] as const

const PROBE_COUNT = 3
const PROBE_INTERVAL = ms(250)
/** §8.1: as often within ten seconds, and the next attempt waits for five. */
const MAX_CONFLICTS = 15
const CONFLICT_PAUSE = seconds(5)
const ANNOUNCE_COUNT = 2
/** §6: a record goes to the group once a second; when somebody probes, four times. */
const LEAST_GAP = seconds(1)
const LEAST_PROBE_GAP = ms(250)
/** §6.7: askers that are no peers must not remember for long. */
const LEGACY_TTL = 10
/** Answers that wait to be sent. */
const MAX_PENDING = 64

interface Published {
  readonly publication: Publication
  records: readonly OwnRecord[]
  attempt: number
  conflictCount: number
  state: 'probing' | 'announcing' | 'established'
  /** Probes or announcements still to come. */
  left: number
  deadline: Instant
}

/** An answer to the group that waits: for others who give it, or for what the asker knows already. */
interface Pending {
  readonly from: Endpoint
  readonly records: Map<string, OwnRecord>
  readonly isForProbe: boolean
  deadline: Instant
}

export class Responder {
  readonly counters: Counters<(typeof RESPONDER_COUNTERS)[number]> = createCounters(RESPONDER_COUNTERS)
  private readonly random: Random
  private readonly effects: ResponderEffects
  private published: Published[] = []
  private pending: Pending[] = []
  /** When each record went to the group last. */
  private readonly sentAt = new Map<string, Instant>()

  constructor(random: Random, effects: ResponderEffects) {
    this.random = random
    this.effects = effects
  }

  /** Begins to publish. Throws what `make` throws. */
  publish(publication: Publication, now: Instant): void {
    const records = publication.make(1)
    const one: Published = {
      publication,
      records,
      attempt: 1,
      conflictCount: 0,
      state: 'probing',
      left: 0,
      deadline: now,
    }
    this.published.push(one)
    // §8.1: many machines may start at once.
    this.probe(one, after(now, ms(this.random.u32() % 250)))
  }

  /** Says goodbye (§10.1). Nothing when it is not published. */
  withdraw(publication: Publication): void {
    const one = this.published.find((each) => each.publication === publication)
    if (one === undefined) return
    this.published = this.published.filter((each) => each !== one)
    this.goodbye(one)
  }

  nextDeadline(): Instant {
    const own = this.published.reduce<Instant>((least, one) => earlier(least, one.deadline), NEVER)
    return this.pending.reduce<Instant>((least, one) => earlier(least, one.deadline), own)
  }

  poll(now: Instant): void {
    for (const one of this.published) if (one.deadline <= now) this.step(one, now)
    const due = this.pending.filter(({ deadline }) => deadline <= now)
    if (due.length === 0) return
    this.pending = this.pending.filter(({ deadline }) => deadline > now)
    for (const { records, isForProbe } of due) this.multicast([...records.values()], isForProbe, now)
  }

  /** A message that has come to the group. */
  input(message: Message, from: Endpoint, now: Instant): void {
    // §18.3, §18.11: of other operations and with an error it is nobody's.
    if (message.opcode !== 0 || message.rcode !== 0) return
    if ((message.flags & FLAG.RESPONSE) !== 0) this.heard(message, now)
    else this.asked(message, from, now)
  }

  // §8: probing and announcing

  private probe(one: Published, at: Instant): void {
    one.state = 'probing'
    one.left = PROBE_COUNT
    one.deadline = at
  }

  private step(one: Published, now: Instant): void {
    if (one.state === 'probing' && one.left > 0) {
      one.left--
      one.deadline = after(now, PROBE_INTERVAL)
      const unique = one.records.filter(({ isUnique }) => isUnique)
      const names = new Map(unique.map(({ rr }) => [nameKey(rr.name), rr.name]))
      // Deviation: §8.1 has whoever has the name answer us alone; but only what comes to the group is believed (§11).
      const questions = [...names.values()].map((name) => ({ name, type: TYPE.ANY, class: CLASS.IN }))
      if (questions.length > 0) {
        this.effects.send(packet({ questions, authorities: unique.map(({ rr }) => rr) }), 'group')
        return
      }
      // Nothing is ours alone: there is nothing to find out.
    }
    if (one.state === 'probing') {
      one.state = 'announcing'
      one.left = ANNOUNCE_COUNT
      one.publication.onPublished?.(one.records)
    }
    this.announce(one.records, now)
    one.left--
    if (one.left > 0) one.deadline = after(now, LEAST_GAP)
    else {
      one.state = 'established'
      one.deadline = NEVER
    }
  }

  private announce(records: readonly OwnRecord[], now: Instant): void {
    for (const { rr } of records) this.sentAt.set(recordKey(rr), now)
    this.effects.send(packet({ flags: RESPONSE_FLAGS, answers: records.map(flushed) }), 'group')
  }

  private goodbye({ records, state }: Published): void {
    for (const { rr } of records) this.sentAt.delete(recordKey(rr))
    if (state === 'probing') return
    const answers = records.map((record) => ({ ...flushed(record), ttl: 0 }))
    this.effects.send(packet({ flags: RESPONSE_FLAGS, answers }), 'group')
  }

  private live(): readonly OwnRecord[] {
    return this.published.filter(({ state }) => state !== 'probing').flatMap(({ records }) => records)
  }

  // §6: answers

  private asked(message: Message, from: Endpoint, now: Instant): void {
    this.counters.questions++
    this.breakTies(message, now)
    const live = this.live()
    const isLegacy = from.port !== MDNS_PORT
    // §7.2: more of what the asker knows comes in messages of its own.
    const waiting = this.pending.filter((one) => one.from.address === from.address)
    for (const one of waiting) this.dropKnown(one.records, message.answers)
    const toAsker = new Map<string, OwnRecord>()
    const toGroup = new Map<string, OwnRecord>()
    for (const question of message.questions) {
      const isUnicast = (question.class & TOP_BIT) !== 0
      for (const record of answersTo(question, live)) {
        const key = recordKey(record.rr)
        // §5.4: the others have not heard it for a quarter of its time: they might as well.
        const isFresh = now - (this.sentAt.get(key) ?? 0) < record.rr.ttl * 250_000
        if (isLegacy || (isUnicast && isFresh)) toAsker.set(key, record)
        else toGroup.set(key, record)
      }
    }
    if (isLegacy) {
      if (toAsker.size > 0) this.answerLegacy(message, [...toAsker.values()], from)
      return
    }
    this.dropKnown(toAsker, message.answers)
    this.dropKnown(toGroup, message.answers)
    if (toAsker.size > 0) this.respond([...toAsker.values()], from)
    if (toGroup.size === 0) return
    const isForProbe = message.authorities.length > 0
    const isUnique = [...toGroup.values()].every((record) => record.isUnique)
    const isMoreToCome = (message.flags & FLAG.TRUNCATED) !== 0
    // §6: others may have answers of their own; §7.2: the asker has more to say.
    const delay: Duration = isMoreToCome
      ? ms(400 + (this.random.u32() % 100))
      : isUnique
        ? ms(0)
        : ms(20 + (this.random.u32() % 100))
    if (delay === 0) this.multicast([...toGroup.values()], isForProbe, now)
    else if (this.pending.length < MAX_PENDING) {
      this.pending.push({ from, records: toGroup, isForProbe, deadline: after(now, delay) })
    } else this.counters.rateLimited++
  }

  /** §7.1: what the asker knows, and will know for half of its time, is not said again. */
  private dropKnown(records: Map<string, OwnRecord>, known: readonly Rr[]): void {
    for (const rr of known) {
      const key = recordKey(rr)
      const record = records.get(key)
      if (record === undefined || rr.ttl * 2 < record.rr.ttl) continue
      records.delete(key)
      this.counters.suppressed++
    }
  }

  private multicast(records: readonly OwnRecord[], isForProbe: boolean, now: Instant): void {
    const gap = isForProbe ? LEAST_PROBE_GAP : LEAST_GAP
    const fresh = records.filter(({ rr }) => now - (this.sentAt.get(recordKey(rr)) ?? Number.NEGATIVE_INFINITY) >= gap)
    this.counters.rateLimited += records.length - fresh.length
    if (fresh.length === 0) return
    for (const { rr } of fresh) this.sentAt.set(recordKey(rr), now)
    this.respond(fresh, 'group')
  }

  private respond(records: readonly OwnRecord[], to: Endpoint | 'group'): void {
    this.counters.answers++
    const additionals = additionalsOf(records, this.live()).map(flushed)
    this.effects.send(packet({ flags: RESPONSE_FLAGS, answers: records.map(flushed), additionals }), to)
  }

  /** §6.7: to one who asks as any resolver does: with its ID and question, and in its own words. */
  private answerLegacy({ id, questions }: Message, records: readonly OwnRecord[], to: Endpoint): void {
    this.counters.answers++
    const plain = ({ rr }: OwnRecord): Rr => ({ ...rr, ttl: Math.min(rr.ttl, LEGACY_TTL) })
    const additionals = additionalsOf(records, this.live()).map(plain)
    const asked = questions.map((question) => ({ ...question, class: question.class & ~TOP_BIT }))
    this.effects.send(
      packet({ id, flags: RESPONSE_FLAGS, questions: asked, answers: records.map(plain), additionals }),
      to,
    )
  }

  // §8.2, §9: conflicts

  /** Somebody probes for a name that we are probing for: the one with the greater records has it. */
  private breakTies(message: Message, now: Instant): void {
    for (const one of this.published) {
      if (one.state !== 'probing') continue
      for (const name of new Set(one.records.filter(({ isUnique }) => isUnique).map(({ rr }) => nameKey(rr.name)))) {
        const theirs = message.authorities.filter((rr) => nameKey(rr.name) === name)
        if (theirs.length === 0) continue
        const ours = one.records.filter(({ rr, isUnique }) => isUnique && nameKey(rr.name) === name).map(({ rr }) => rr)
        if (compareRecords(ours, theirs) >= 0) continue
        this.counters.lostTies++
        // §8.2: it may have been a mistake of the network's; if not, they answer the next time.
        this.probe(one, after(now, seconds(1)))
      }
    }
  }

  private heard(message: Message, now: Instant): void {
    const records = [...message.answers, ...message.additionals]
    // §7.4: another one has said it.
    for (const rr of message.answers) {
      for (const one of this.pending) {
        const record = one.records.get(recordKey(rr))
        if (record !== undefined && !record.isUnique && rr.ttl >= record.rr.ttl) one.records.delete(recordKey(rr))
      }
    }
    this.pending = this.pending.filter((one) => one.records.size > 0)
    for (const one of this.published) {
      if (records.some((rr) => isConflict(one, rr))) this.conflict(one, now)
      else if (one.state !== 'probing') this.rescue(one, message.answers, now)
    }
  }

  /** §6.6: somebody says goodbye for a record of ours, or nearly so: it is still there. */
  private rescue(one: Published, answers: readonly Rr[], now: Instant): void {
    const doubted = one.records.filter(({ rr, isUnique }) =>
      answers.some((said) => isUnique && said.ttl * 2 < rr.ttl && recordKey(said) === recordKey(rr)),
    )
    if (doubted.length > 0) this.multicast(doubted, false, now)
  }

  private conflict(one: Published, now: Instant): void {
    this.counters.conflicts++
    one.conflictCount++
    // §9: a name that was ours is probed for again; one that is not becomes another.
    for (const { rr } of one.records) this.sentAt.delete(recordKey(rr))
    if (one.state === 'probing') {
      one.attempt++
      one.records = one.publication.make(one.attempt)
    }
    const isMuch = one.conflictCount >= MAX_CONFLICTS
    this.probe(one, after(now, isMuch ? CONFLICT_PAUSE : ms(this.random.u32() % 250)))
  }
}

const RESPONSE_FLAGS = FLAG.RESPONSE | FLAG.AUTHORITATIVE

function flushed({ rr, isUnique }: OwnRecord): Rr {
  return isUnique ? { ...rr, class: rr.class | TOP_BIT } : rr
}

/** Records of ours that answer; for a name that is ours alone, that there are no others (§6.1). */
function answersTo(question: Question, live: readonly OwnRecord[]): OwnRecord[] {
  const qclass = question.class & ~TOP_BIT
  if (qclass !== CLASS.IN && qclass !== CLASS.ANY) return []
  const key = nameKey(question.name)
  const named = live.filter(({ rr }) => nameKey(rr.name) === key)
  const found = named.filter(({ rr }) => question.type === TYPE.ANY || rr.type === question.type)
  const unique = named.find(({ isUnique }) => isUnique)
  return found.length > 0 || unique === undefined ? found : [nsecOf(unique.rr.name, named)]
}

function nsecOf(name: Name, named: readonly OwnRecord[]): OwnRecord {
  const types = named.map(({ rr }) => rr.type)
  return { rr: { name, type: TYPE.NSEC, class: CLASS.IN, ttl: 120, rdata: nsecRdata(name, types) }, isUnique: true }
}

/** RFC 6763 §12: what an asker will want to know next. */
function additionalsOf(answers: readonly OwnRecord[], live: readonly OwnRecord[]): OwnRecord[] {
  const said = new Set(answers.map(({ rr }) => recordKey(rr)))
  const more: OwnRecord[] = []
  const add = (name: NameKey, types: readonly number[]): void => {
    for (const record of live) {
      const { rr } = record
      if (nameKey(rr.name) !== name || !types.includes(rr.type) || said.has(recordKey(rr))) continue
      said.add(recordKey(rr))
      more.push(record)
    }
  }
  const follow = ({ rr }: OwnRecord): void => {
    if (rr.type === TYPE.PTR) add(nameKey(nameIn(TYPE.PTR, rr.rdata)), [TYPE.SRV, TYPE.TXT])
    if (rr.type === TYPE.SRV) add(nameKey(nameIn(TYPE.SRV, rr.rdata)), [TYPE.A, TYPE.AAAA])
  }
  for (const answer of answers) follow(answer)
  for (const record of [...more]) follow(record)
  return more
}

/** A record of a name that is ours alone, with other data: of ours, or while we probe of any type (§8.1, §9). */
function isConflict({ records, state }: Published, rr: Rr): boolean {
  if ((rr.class & ~TOP_BIT) !== CLASS.IN || rr.ttl === 0) return false
  const name = nameKey(rr.name)
  const unique = records.filter((record) => record.isUnique && nameKey(record.rr.name) === name)
  if (unique.some((record) => recordKey(record.rr) === recordKey(rr))) return false
  return state === 'probing' ? unique.length > 0 : unique.some((record) => record.rr.type === rr.type)
}

/** §8.2.1: record by record in their order, by class, type and octets; positive when `ours` are greater. */
function compareRecords(ours: readonly Rr[], theirs: readonly Rr[]): number {
  const sorted = (rrs: readonly Rr[]): Rr[] => [...rrs].sort(compareOne)
  const [a, b] = [sorted(ours), sorted(theirs)]
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compareOne(a[i] as Rr, b[i] as Rr)
    if (order !== 0) return order
  }
  return a.length - b.length
}

function compareOne(a: Rr, b: Rr): number {
  const byHead = (a.class & ~TOP_BIT) - (b.class & ~TOP_BIT) || a.type - b.type
  if (byHead !== 0) return byHead
  for (let i = 0; i < Math.min(a.rdata.length, b.rdata.length); i++) {
    const byOctet = (a.rdata[i] as number) - (b.rdata[i] as number)
    if (byOctet !== 0) return byOctet
  }
  return a.rdata.length - b.rdata.length
}
