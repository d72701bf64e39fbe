/** Zone transfers: whole (AXFR, RFC 5936) and of what changed (IXFR, RFC 1995), both ways, without I/O. */

import { FLAG, MAX_MESSAGE_LEN, type Message, putRr, type Question, type Rr, writeMessage } from '../wire/message.ts'
import { isWithin, nameKey } from '../wire/name.ts'
import { soaOf } from '../wire/rdata.ts'
import { CLASS, isMetaType, RCODE, TYPE } from '../wire/types.ts'
import type { WireWriter } from '../wire/wire.ts'
import { ZoneBuilder } from '../zone/build-zone.ts'
import { isSerialAfter, rrsOf, Zone } from '../zone/zone.ts'
import { ZoneEdit } from '../zone/zone-edit.ts'

/** Names can be compressed in the first 16 KiB of a message only; longer ones gain nothing. */
const MESSAGE_LEN = 16 * 1024
/** Kept free for a signature. */
const TSIG_ROOM = 640

/** The records of a whole zone, in the order of the wire: its SOA record first and last. */
export function* wholeZone(zone: Zone): Generator<Rr> {
  // The sets as they are now, whatever is changed while the transfer goes on.
  const { soaSet } = zone
  for (const set of zone.allSets()) yield* rrsOf(set)
  yield* rrsOf(soaSet)
}

/** The answer to an IXFR question from a server that has `serial`: nothing new, the changes since, or the whole zone. */
export function* changesSince(zone: Zone, serial: number): Generator<Rr> {
  const current = zone.soaSet
  const { journal } = zone
  if (!isSerialAfter(zone.soa.serial, serial)) return yield* rrsOf(current)
  const from = journal.findIndex((change) => soaOf(change.oldSoa.rdatas[0] as Uint8Array).serial === serial)
  if (from < 0) return yield* wholeZone(zone)
  yield* rrsOf(current)
  for (const { oldSoa, newSoa, removed, added } of journal.slice(from)) {
    yield* rrsOf(oldSoa)
    yield* removed
    yield* rrsOf(newSoa)
    yield* added
  }
  yield* rrsOf(current)
}

/** Packs the records of a transfer into messages. */
export class TransferOut {
  private readonly id: number
  private readonly question: Question
  private readonly records: Iterator<Rr>
  private held: Rr | undefined
  private isFirst = true

  constructor(id: number, question: Question, records: Iterator<Rr>) {
    this.id = id
    this.question = question
    this.records = records
    this.advance()
  }

  /** Writes the next message and returns its length; 0 when the transfer is complete. */
  next(writer: WireWriter): number {
    if (this.held === undefined) return 0
    const parts = {
      id: this.id,
      flags: FLAG.RESPONSE | FLAG.AUTHORITATIVE,
      // RFC 5936 §2.2: the question in the first message at least.
      questions: this.isFirst ? [this.question] : [],
    }
    writeMessage(writer, parts, MESSAGE_LEN)
    this.isFirst = false
    let count = 0
    for (; this.held !== undefined && count < 0xffff; count++) {
      const off = writer.pos
      putRr(writer, this.held)
      if (writer.hasOverflowed) {
        writer.rewind(off)
        if (count > 0) break
        // One record that is longer than that: it has a message of its own.
        writeMessage(writer, { ...parts, questions: [], answers: [this.held] }, MAX_MESSAGE_LEN - TSIG_ROOM)
        this.advance()
        return writer.pos
      }
      this.advance()
    }
    writer.dv.setUint16(6, count)
    return writer.pos
  }

  private advance(): void {
    const next = this.records.next()
    this.held = next.done === true ? undefined : next.value
  }
}

/** Records that one transfer may bring. */
const MAX_RECORD_COUNT = 4_000_000

/** Why a transfer cannot be used. */
export type TransferReason = 'refused' | 'bad-order' | 'outside' | 'too-large' | 'unknown-serial' | 'bad-zone'

/** Takes the messages of a transfer. */
export class TransferIn {
  private readonly zone: Zone | undefined
  private readonly origin: Question['name']
  private readonly id: number
  /** Of the SOA record that began it, and will end it. */
  private serial = 0
  private count = 0
  /** Takes the records of a whole zone; those of changes wait for the last. */
  private builder: ZoneBuilder | undefined
  private readonly rrs: Rr[] = []
  private readonly seed: number
  /** Of the SOA records among them. */
  private readonly soaAt: number[] = []
  private isDone = false

  /** `zone` is what we have; with it the answer may be changes to it. `seed` is that of a zone that comes whole. */
  constructor(id: number, origin: Question['name'], zone: Zone | undefined, seed?: number) {
    this.seed = seed ?? 0
    this.id = id
    this.origin = nameKey(origin)
    this.zone = zone
  }

  /** Takes the next message. */
  take(message: Message): 'more' | 'done' | TransferReason {
    if (message.id !== this.id || (message.flags & FLAG.RESPONSE) === 0 || message.rcode !== RCODE.NOERROR)
      return 'refused'
    for (const rr of message.answers) {
      if (this.isDone) return 'bad-order'
      const reason = this.takeRr(rr)
      if (reason !== undefined) return reason
    }
    if (this.count === 0) return 'refused'
    // RFC 1995 §2: a SOA record alone says that there is nothing newer.
    const isAlone = this.count === 1 && this.zone !== undefined && !isSerialAfter(this.serial, this.zone.soa.serial)
    this.isDone ||= isAlone
    return this.isDone ? 'done' : 'more'
  }

  private takeRr(rr: Rr): TransferReason | undefined {
    const isSoa = rr.type === TYPE.SOA && nameKey(rr.name) === this.origin
    if (!isWithin(nameKey(rr.name), nameKey(this.origin))) return 'outside'
    if (rr.class !== CLASS.IN || isMetaType(rr.type)) return 'bad-zone'
    if (this.count >= MAX_RECORD_COUNT) return 'too-large'
    if (this.count === 0) {
      if (!isSoa) return 'bad-order'
      this.serial = soaOf(rr.rdata).serial
    } else if (isSoa) {
      const isLast = soaOf(rr.rdata).serial === this.serial
      // In changes, the last SOA record but one has that serial too: it begins what was added.
      this.isDone = isLast && (!this.isIncremental() || this.soaAt.length % 2 === 1)
    }
    if (isSoa) this.soaAt.push(this.count)
    if (this.count++ === 0 || this.isIncremental()) {
      this.rrs.push(rr)
      return undefined
    }
    if (this.builder === undefined) {
      this.builder = new ZoneBuilder(this.origin, this.seed)
      this.builder.add(this.rrs[0] as Rr)
    }
    return this.isDone || this.builder.add(rr) === undefined ? undefined : 'bad-zone'
  }

  /** Changes begin with two SOA records (RFC 1995 §4). */
  private isIncremental(): boolean {
    return this.zone !== undefined && this.soaAt[1] === 1
  }

  /** After `done`: the zone that results, which is the one we had when nothing is newer. */
  finish(): Zone | TransferReason {
    const { zone } = this
    if (zone !== undefined && this.count === 1) return zone
    if (zone !== undefined && this.isIncremental()) return this.applyChanges(zone)
    const built = this.builder?.finish()
    return built instanceof Zone ? built : 'bad-zone'
  }

  private applyChanges(zone: Zone): Zone | TransferReason {
    const { rrs, soaAt } = this
    const changes: { readonly old: Rr; readonly next: Rr; readonly removed: Rr[]; readonly added: Rr[] }[] = []
    for (let i = 1; i + 2 < soaAt.length; i += 2) {
      const [a, b, c] = soaAt.slice(i, i + 3) as [number, number, number]
      changes.push({ old: rrs[a] as Rr, next: rrs[b] as Rr, removed: rrs.slice(a + 1, b), added: rrs.slice(b + 1, c) })
    }
    // Everything is checked before anything changes: each step begins where the one before ended.
    let serial = zone.soa.serial
    for (const { old, next } of changes) {
      if (soaOf(old.rdata).serial !== serial) return 'unknown-serial'
      serial = soaOf(next.rdata).serial
    }
    if (serial !== this.serial) return 'bad-order'
    for (const { next, removed, added } of changes) {
      const edit = new ZoneEdit(zone)
      for (const rr of removed) edit.remove(rr)
      for (const rr of added) edit.add(rr)
      edit.replace(next)
      edit.commit()
    }
    return zone
  }
}
