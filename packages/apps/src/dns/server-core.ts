/**
 * The core of an authoritative server: octets in, octets out, no I/O.
 *
 * A query that came before gets the reply it got then (`memo.ts`). Another ordinary one is read in place (`query-view.ts`), its
 * answer copied from the zone (`direct-answer.ts`), found ready (`ready.ts`) or worked out (`resolve.ts`), and written over the
 * query. Everything else (NOTIFY, UPDATE, transfers, signed queries) goes through whole messages.
 *
 * Signing is in `signed-zones.ts`, the proofs that go with answers in `dnssec-proofs.ts`. Not here: classes other than IN.
 */
import { createFrame } from '@mirage-ts/core/bytes'
import { createCounters } from '@mirage-ts/core/metrics'
import { octetsCopy, octetsToText } from '@mirage-ts/core/octets'
import type { Endpoint, IpAddress } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { MonotonicClock, WallClock } from '@mirage-ts/signatures/time'
import { composeAnswer } from './compose.ts'
import { COOKIE_LEN, Cookies } from './cookies.ts'
import { findDirectAnswer } from './direct-answer.ts'
import { isSigned } from './dnssec-proofs.ts'
import { MemoTable } from './memo.ts'
import {
  FLAG,
  HEADER_LEN,
  MAX_MESSAGE_LEN,
  MAX_UDP_LEN,
  type Message,
  type MessageParts,
  parseMessage,
  SAFE_UDP_LEN,
  writeMessage,
} from './message.ts'
import { type Name, type NameKey, nameKey } from './name.ts'
import { type Asker, isAllowed, type ZonePolicy } from './policy.ts'
import { QueryView } from './query-view.ts'
import { RateLimiter, type RateVerdict } from './rate-limit.ts'
import { soaOf } from './rdata.ts'
import { ReadyAnswer, ReadyTable } from './ready.ts'
import { resolve } from './resolve.ts'
import { SERVER_COUNTERS, type ServerCoreDeps, type ServerCoreOptions, type ServerCounters } from './server-options.ts'
import { SignedTransfer } from './signed-transfer.ts'
import { SignedZones } from './signed-zones.ts'
import { changesSince, TransferOut, wholeZone } from './transfer.ts'
import {
  appendUnsigned,
  isTsigFailure,
  signMessage,
  TSIG_ERROR,
  type TsigContext,
  type TsigFailure,
  type TsigKey,
  tsigLenBytes,
  verifyTsig,
} from './tsig.ts'
import { CLASS, OPCODE, OPTION, RCODE, TYPE } from './types.ts'
import { applyUpdate } from './update.ts'
import { WireWriter } from './wire.ts'
import { rrsOf, type Zone } from './zone.ts'
import { ZoneDirectory } from './zone-directory.ts'
import type { ZoneNames } from './zone-names.ts'
import type { ZoneSigner } from './zone-signer.ts'

const DEFAULT_RATE_PER_SECOND = 200
const DEFAULT_READY_BYTES = 8 * 1024 * 1024
/** Longer answers are not kept ready: few, and copied from the zone nearly as fast. */
const MAX_READY_LEN = 1024

const FLAGS = 2
const OPT_LEN = 11
const HEADER_BITS_KEPT = 0x7900 // operation code, recursion desired
const DNSSEC_OK_OCTET = 0x80

/** Kinds of answers that the rate limit counts together, beside those to a question and those of a zone. */
const ERROR_HASH = 0x6572726f

export class ServerCore {
  readonly counters: ServerCounters = createCounters(SERVER_COUNTERS)
  /** After {@link handle}: the reply, from its first octet on. Good until the next call. */
  readonly frame: Frame = createFrame(MAX_MESSAGE_LEN)
  private readonly clock: MonotonicClock
  private readonly wallClock: WallClock
  private readonly zones = new Map<NameKey, Zone | undefined>()
  private readonly policies = new Map<NameKey, ZonePolicy>()
  private readonly keys: ReadonlyMap<NameKey, TsigKey>
  private readonly query: QueryView
  private readonly ready: ReadyTable
  private readonly memos: MemoTable
  private readonly limiter: RateLimiter
  private readonly cookies: Cookies
  private readonly writer = new WireWriter(MAX_MESSAGE_LEN)
  /** Where the cookie of a reply is made: what it is made from lies where the reply goes. */
  private readonly cookie = new Uint8Array(COOKIE_LEN)
  private readonly onChange: (origin: NameKey) => void
  private readonly onNotify: (origin: NameKey, from: Endpoint) => void
  private transfer: SignedTransfer | undefined = undefined
  private later: Promise<Uint8Array> | undefined = undefined
  private readonly signedZones: SignedZones
  /** Whether there is, or was, a zone that has something for those who ask for signatures. */
  private hasSignedZone = false
  private readonly directory: ZoneDirectory

  constructor({ random, clock, wallClock }: ServerCoreDeps, options: ServerCoreOptions = {}) {
    this.clock = clock
    this.wallClock = wallClock
    this.keys = new Map((options.keys ?? []).map((key) => [key.name, key]))
    this.query = new QueryView(random.u32())
    const readyBytes = options.readyBytes ?? DEFAULT_READY_BYTES
    this.directory = new ZoneDirectory(random.u32())
    this.ready = new ReadyTable(readyBytes / 2)
    this.memos = new MemoTable(readyBytes / 2, random.u32())
    this.limiter = new RateLimiter(options.ratePerSecond ?? DEFAULT_RATE_PER_SECOND, random.u32())
    const secret = options.cookieSecret ?? new Uint8Array(16)
    if (options.cookieSecret === undefined) random.fill(secret, 0, 16)
    this.cookies = new Cookies(secret)
    this.onChange = options.onChange ?? (() => {})
    const put = (origin: NameKey, zone: Zone): void => {
      this.setZone(origin, zone)
      this.onChange(origin)
    }
    this.signedZones = new SignedZones((origin) => this.zones.get(origin), put)
    this.onNotify = options.onNotify ?? (() => {})
  }

  /** Serves `zone`, or answers SERVFAIL in its name when it is `undefined`. Replaces a zone of that name. */
  setZone(origin: NameKey, zone: Zone | undefined, policy?: ZonePolicy): void {
    this.zones.set(origin, zone)
    this.directory.set(origin, zone)
    if (policy !== undefined) this.policies.set(origin, policy)
    this.forgetAnswers(zone)
  }

  /** Signs the zone of that name, and what updates change in it. Rejects with what `signer` throws. */
  async sign(origin: NameKey, signer: ZoneSigner): Promise<void> {
    await this.signedZones.add(origin, signer)
  }

  /** Signs all of a zone again, with the next serial; rejects with what its signer throws. */
  async renewSignatures(origin: NameKey): Promise<void> {
    await this.signedZones.renew(origin)
  }

  zone(origin: NameKey): Zone | undefined {
    return this.zones.get(origin)
  }

  /**
   * Answers one message. Returns the length of the reply in {@link frame}, 0 when there is none. Over TCP a transfer may
   * follow: {@link takeTransfer} has it then. The reply to an update of a zone that is signed here comes later: see
   * {@link takeLater}.
   */
  handle(octets: Uint8Array, from: Endpoint, isTcp: boolean): number {
    const { frame, query } = this
    if (!isTcp) {
      const memo = this.memos.find(octets)
      if (memo >= 0) return this.recall(memo, octets, from)
    }
    if (octets.length < HEADER_LEN || octets.length > MAX_MESSAGE_LEN) {
      this.counters['too-short']++
      return 0
    }
    frame.u8.set(octets)
    const word = frame.dv.getUint16(FLAGS)
    // Whoever answers answers makes two servers talk for ever.
    if ((word & FLAG.RESPONSE) !== 0) {
      this.counters['not-a-query']++
      return 0
    }
    this.counters.queries++
    if ((word & 0x7800) === 0) {
      const shape = query.read(frame, octets.length)
      if (shape === 'ordinary' && query.class === CLASS.IN) {
        const isTransfer = query.type === TYPE.AXFR || query.type === TYPE.IXFR
        if (!isTransfer) return this.answer(octets, from, isTcp)
      } else if (shape === 'bad-cookie') {
        return this.plainError(RCODE.FORMERR, from, isTcp)
      }
    }
    return this.handleMessage(octets, from, isTcp)
  }

  /** The messages that follow the reply just given, once; `undefined` when none do. */
  takeTransfer(): SignedTransfer | undefined {
    const { transfer } = this
    this.transfer = undefined
    return transfer
  }

  /** After a {@link handle} without a reply, once: the reply that comes later, if one does. Never rejects. */
  takeLater(): Promise<Uint8Array> | undefined {
    const { later } = this
    this.later = undefined
    return later
  }

  // The hot path.

  /** Gives the reply that a query like this got before, unless it is asked for too often. */
  private recall(memo: number, octets: Uint8Array, from: Endpoint): number {
    const counters = this.counters
    const u8 = this.frame.u8
    counters.queries++
    counters.ready++
    u8[0] = octets[0] as number
    u8[1] = octets[1] as number
    const end = this.memos.copy(memo, u8)
    if (!this.limiter.isOn) return end
    const verdict = this.limit(this.memos.rateHash(memo), from)
    if (verdict === 'pass') return end
    if (verdict === 'drop') return 0
    const flags = this.frame.dv.getUint16(FLAGS)
    u8.set(octets)
    this.query.read(this.frame, octets.length)
    return this.writeTruncated(flags)
  }

  private answer(octets: Uint8Array, from: Endpoint, isTcp: boolean): number {
    const { query, frame } = this
    if (query.hasEdns && query.ednsVersion !== 0) return this.badVersion(from, isTcp)
    // Signatures are for those who ask for them.
    const wantsProofs = this.hasSignedZone && query.isDnssecOk
    if (!wantsProofs) {
      const zone = findDirectAnswer(this.directory, frame.u8, HEADER_LEN, query.end - 4, query.type)
      if (zone !== undefined) return this.answerDirectly(zone.names, octets, from, isTcp)
    }
    const kept = this.ready.get(frame.u8, query, wantsProofs)
    if (kept !== undefined) this.counters.ready++
    const ready = kept ?? this.workOut(wantsProofs)
    let isCookieRight = false
    if (query.cookieLen > 0) isCookieRight = this.takeCookie(from.address)
    if (isTcp) return this.writeReady(ready, MAX_MESSAGE_LEN)
    const verdict = isCookieRight ? 'pass' : this.limit(ready.rateHash, from)
    if (verdict === 'drop') return 0
    if (verdict === 'slip') return this.writeTruncated(ready.flags)
    const end = this.writeReady(ready, this.limitBytes())
    if (kept !== undefined) this.remember(octets, end, kept.rateHash)
    return end
  }

  /** Answers with the records that were found in `names`. */
  private answerDirectly(names: ZoneNames, octets: Uint8Array, from: Endpoint, isTcp: boolean): number {
    const { query, frame } = this
    const isCookieRight = query.cookieLen > 0 && this.takeCookie(from.address)
    this.counters.direct++
    if (!isTcp && !isCookieRight) {
      const verdict = this.limit(query.hash, from)
      if (verdict === 'drop') return 0
      if (verdict === 'slip') return this.writeTruncated(FLAG.AUTHORITATIVE)
    }
    const { recordsOff, recordsEnd, recordCount } = names
    const recordsLen = recordsEnd - recordsOff
    const roomBytes = (isTcp ? MAX_MESSAGE_LEN : this.limitBytes()) - query.end - this.optLen()
    if (recordsLen > roomBytes) return this.writeTruncated(FLAG.AUTHORITATIVE)
    octetsCopy(names.octets, recordsOff, recordsEnd, frame.u8, query.end)
    const end = this.finish(FLAG.AUTHORITATIVE, recordCount, 0, 0, query.end + recordsLen)
    if (!isTcp) this.remember(octets, end, query.hash)
    return end
  }

  /** The longest reply to the question over UDP. */
  private limitBytes(): number {
    const { query } = this
    return query.hasEdns ? Math.min(query.udpBytes, SAFE_UDP_LEN) : MAX_UDP_LEN
  }

  /** Keeps the reply in the frame for when the same query comes. */
  private remember(octets: Uint8Array, end: number, rateHash: number): void {
    // A cookie makes a query another one each time.
    if (this.query.cookieLen === 0) this.memos.put(octets, this.frame.u8, end, rateHash)
  }

  private limit(rateHash: number, from: Endpoint): RateVerdict {
    const { limiter, counters } = this
    if (!limiter.isOn) return 'pass'
    const verdict = limiter.take(rateHash, from.address, this.clock.now())
    if (verdict === 'drop') counters.rateLimited++
    else if (verdict === 'slip') counters.rateSlipped++
    return verdict
  }

  /** `zone` is another one, or has changed. */
  private forgetAnswers(zone: Zone | undefined): void {
    this.hasSignedZone ||= isSigned(zone)
    this.ready.clear()
    this.memos.clear()
  }

  /** Checks the cookie of the question and makes the one of the reply; false when it is not one of ours. */
  private takeCookie(client: IpAddress): boolean {
    const { query, frame, cookies } = this
    const now = this.wallSeconds()
    const isRight = cookies.isRight(frame.u8, query.cookieOff, query.cookieLen, client, now)
    cookies.write(frame.u8, query.cookieOff, this.cookie, 0, client, now)
    return isRight
  }

  /** Writes the reply over the query, whose header and question it begins with. */
  private writeReady(ready: ReadyAnswer, limitBytes: number): number {
    const { frame, query } = this
    const { body, neededLen, flags, answerCount, authorityCount } = ready
    const roomBytes = limitBytes - query.end - this.optLen()
    const isWhole = body.length <= roomBytes
    if (!isWhole && neededLen > roomBytes) return this.writeTruncated(flags)
    frame.u8.set(isWhole ? body : body.subarray(0, neededLen), query.end)
    const additionalCount = isWhole ? ready.additionalCount : ready.glueCount
    const end = query.end + (isWhole ? body.length : neededLen)
    return this.finish(flags, answerCount, authorityCount, additionalCount, end)
  }

  /** The reply that tells to come back over TCP. */
  private writeTruncated(flags: number): number {
    this.counters.truncated++
    return this.finish(flags | FLAG.TRUNCATED, 0, 0, 0, this.query.end)
  }

  private optLen(): number {
    const { query } = this
    if (!query.hasEdns) return 0
    return query.cookieLen > 0 ? OPT_LEN + 4 + COOKIE_LEN : OPT_LEN
  }

  /** Makes the query's header that of the reply, whose records end at `off`, and writes the OPT record behind them. */
  private finish(
    replyFlags: number,
    answerCount: number,
    authorityCount: number,
    additionalCount: number,
    off: number,
  ): number {
    const { dv } = this.frame
    const { hasEdns } = this.query
    const flags = FLAG.RESPONSE | replyFlags | (dv.getUint16(FLAGS) & HEADER_BITS_KEPT)
    dv.setInt32(FLAGS, (flags << 16) | 1) // and the number of questions
    dv.setInt32(6, (answerCount << 16) | authorityCount)
    dv.setUint16(10, additionalCount + (hasEdns ? 1 : 0))
    return hasEdns ? this.writeOpt(off) : off
  }

  private writeOpt(off: number): number {
    const { frame, query } = this
    const { u8, dv } = frame
    const hasCookie = query.cookieLen > 0
    u8[off] = 0
    dv.setUint16(off + 1, TYPE.OPT)
    dv.setUint16(off + 3, SAFE_UDP_LEN)
    // RFC 3225 §3: the reply has the bit that the question has.
    dv.setUint32(off + 5, query.isDnssecOk ? DNSSEC_OK_OCTET << 8 : 0)
    dv.setUint16(off + 9, hasCookie ? 4 + COOKIE_LEN : 0)
    if (!hasCookie) return off + OPT_LEN
    dv.setUint16(off + 11, OPTION.COOKIE)
    dv.setUint16(off + 13, COOKIE_LEN)
    u8.set(this.cookie, off + 15)
    return off + OPT_LEN + 4 + COOKIE_LEN
  }

  /** Works out the answer to the question and keeps it when it may be kept. */
  private workOut(wantsProofs: boolean): ReadyAnswer {
    const { query, frame } = this
    const name = octetsToText(frame.u8, HEADER_LEN, query.end - 4) as Name
    const resolution = resolve(this.zones, name, query.type, wantsProofs)
    if (resolution.rcode === RCODE.REFUSED) this.counters.refused++
    const ready = composeAnswer(this.writer, frame.u8, query, name, resolution)
    if (resolution.isExact && ready.body.length <= MAX_READY_LEN) this.ready.put(frame.u8, query, wantsProofs, ready)
    return ready
  }

  private badVersion(from: Endpoint, isTcp: boolean): number {
    if (!isTcp && this.isLimited(from)) return 0
    const { frame, query } = this
    query.cookieLen = 0
    const nothing = new ReadyAnswer(0, [0, 0, 0, 0], new Uint8Array(0), 0, 0)
    const end = this.writeReady(nothing, MAX_UDP_LEN)
    frame.u8[end - OPT_LEN + 5] = RCODE.BADVERS >>> 4
    return end
  }

  // Everything else.

  private handleMessage(octets: Uint8Array, from: Endpoint, isTcp: boolean): number {
    const message = parseMessage(octets)
    if (typeof message === 'string') {
      this.counters.malformed++
      return this.plainError(RCODE.FORMERR, from, isTcp)
    }
    let context: TsigContext | undefined
    if (message.tsig !== undefined) {
      const outcome = verifyTsig(octets, message, this.keys, this.wallSeconds())
      if (isTsigFailure(outcome)) return this.tsigError(message, outcome, from, isTcp)
      context = outcome
    }
    const asker: Asker = { from, isTcp, context }
    // What has no signature is as easily forged as a query.
    if (!isTcp && context === undefined && this.isLimited(from)) return 0
    switch (message.opcode) {
      case OPCODE.QUERY:
        return this.handleQuery(message, asker)
      case OPCODE.NOTIFY:
        return this.handleNotify(message, asker)
      case OPCODE.UPDATE:
        return this.handleUpdate(message, asker)
      default:
        return this.reply(message, asker, { rcode: RCODE.NOTIMP })
    }
  }

  private handleQuery(message: Message, asker: Asker): number {
    const [question] = message.questions
    if (message.edns !== undefined && message.edns.version !== 0) {
      return this.reply(message, asker, { rcode: RCODE.BADVERS })
    }
    if (question === undefined || message.questions.length > 1) {
      return this.reply(message, asker, { rcode: RCODE.FORMERR })
    }
    if (question.class !== CLASS.IN) return this.reply(message, asker, { rcode: RCODE.REFUSED })
    if (question.type === TYPE.AXFR || question.type === TYPE.IXFR) return this.handleTransfer(message, asker)
    const { rcode, isAuthoritative, answers, authorities, glue, additionals } = resolve(
      this.zones,
      question.name,
      question.type,
    )
    return this.reply(message, asker, {
      rcode,
      flags: isAuthoritative ? FLAG.AUTHORITATIVE : 0,
      answers: answers.flatMap(rrsOf),
      authorities: authorities.flatMap(rrsOf),
      additionals: [...glue, ...additionals].flatMap(rrsOf),
    })
  }

  private handleTransfer(message: Message, asker: Asker): number {
    const question = message.questions[0] as Message['questions'][0]
    const origin = nameKey(question.name)
    const zone = this.zones.get(origin)
    if (!this.zones.has(origin)) return this.reply(message, asker, { rcode: RCODE.NOTAUTH })
    if (!isAllowed(this.policies.get(origin)?.transferTo, asker)) {
      this.counters.refused++
      return this.reply(message, asker, { rcode: RCODE.REFUSED })
    }
    if (zone === undefined) return this.reply(message, asker, { rcode: RCODE.SERVFAIL })
    if (question.type === TYPE.AXFR && !asker.isTcp) return this.reply(message, asker, { rcode: RCODE.FORMERR })
    const [theirs] = message.authorities
    // Of another class it may be without data (RFC 2136 §2.4).
    if (question.type === TYPE.IXFR && (theirs?.type !== TYPE.SOA || theirs.class !== CLASS.IN)) {
      return this.reply(message, asker, { rcode: RCODE.FORMERR })
    }
    // RFC 1995 §2: over UDP a single SOA record tells to come back over TCP.
    if (!asker.isTcp) {
      return this.reply(message, asker, { flags: FLAG.AUTHORITATIVE, answers: rrsOf(zone.soaSet) })
    }
    this.counters.transfers++
    const records =
      question.type === TYPE.IXFR && theirs !== undefined
        ? changesSince(zone, soaOf(theirs.rdata).serial)
        : wholeZone(zone)
    const transfer = new SignedTransfer(new TransferOut(message.id, question, records), asker.context, this.wallClock)
    const first = transfer.next() as Uint8Array
    this.frame.u8.set(first)
    this.transfer = transfer
    return first.length
  }

  private handleNotify(message: Message, asker: Asker): number {
    this.counters.notifies++
    const [question] = message.questions
    if (question === undefined || message.questions.length > 1) {
      return this.reply(message, asker, { rcode: RCODE.FORMERR })
    }
    const origin = nameKey(question.name)
    const policy = this.policies.get(origin)
    if (policy === undefined) return this.reply(message, asker, { rcode: RCODE.NOTAUTH })
    if (!isAllowed(policy.notifyFrom, asker)) return this.reply(message, asker, { rcode: RCODE.REFUSED })
    this.onNotify(origin, asker.from)
    return this.reply(message, asker, { flags: FLAG.AUTHORITATIVE })
  }

  private handleUpdate(message: Message, asker: Asker): number {
    this.counters.updates++
    const [question] = message.questions
    if (question === undefined || message.questions.length > 1 || question.type !== TYPE.SOA) {
      return this.reply(message, asker, { rcode: RCODE.FORMERR })
    }
    const origin = nameKey(question.name)
    const zone = this.zones.get(origin)
    if (zone === undefined || question.class !== CLASS.IN) {
      return this.reply(message, asker, { rcode: this.zones.has(origin) ? RCODE.SERVFAIL : RCODE.NOTAUTH })
    }
    if (!isAllowed(this.policies.get(origin)?.updateFrom, asker)) {
      this.counters.refused++
      return this.reply(message, asker, { rcode: RCODE.REFUSED })
    }
    if (this.signedZones.has(origin)) {
      this.later = this.updateSigned(origin, message, asker)
      return 0
    }
    const { rcode, change } = applyUpdate(zone, message)
    if (change !== undefined) {
      this.forgetAnswers(zone)
      this.onChange(origin)
    }
    return this.reply(message, asker, { rcode })
  }

  private async updateSigned(origin: NameKey, message: Message, asker: Asker): Promise<Uint8Array> {
    let rcode: number = RCODE.SERVFAIL
    try {
      rcode = await this.signedZones.update(origin, message)
    } catch {
      // A key cannot be used: the zone is as it was, and the asker is told.
      this.counters['not-signed']++
    }
    return this.frame.u8.slice(0, this.reply(message, asker, { rcode }))
  }

  /** Writes a reply to `message` and signs it when the question was signed. */
  private reply(message: Message, { from, isTcp, context }: Asker, parts: Partial<MessageParts>): number {
    const { frame, writer } = this
    const hasEdns = message.edns !== undefined
    let limitBytes = MAX_UDP_LEN
    if (isTcp) limitBytes = MAX_MESSAGE_LEN
    else if (message.edns !== undefined) limitBytes = Math.min(message.edns.udpBytes, SAFE_UDP_LEN)
    if (context !== undefined) limitBytes -= tsigLenBytes(context.key)
    const whole: MessageParts = {
      ...parts,
      id: message.id,
      opcode: message.opcode,
      flags: FLAG.RESPONSE | (message.flags & FLAG.RECURSION_DESIRED) | (parts.flags ?? 0),
      questions: message.questions.slice(0, 1),
      edns: hasEdns
        ? {
            udpBytes: SAFE_UDP_LEN,
            version: 0,
            isDnssecOk: message.edns.isDnssecOk,
            options: this.optionsFor(message, from),
          }
        : undefined,
    }
    const end = writeMessage(writer, whole, limitBytes)
    frame.u8.set(writer.u8.subarray(0, end))
    if (context === undefined) return end
    return signMessage(frame.u8, end, context.key, this.wallSeconds(), { requestMac: context.mac }).end
  }

  private optionsFor(
    message: Message,
    from: Endpoint,
  ): readonly { readonly code: number; readonly data: Uint8Array }[] {
    const theirs = message.edns?.options.find((option) => option.code === OPTION.COOKIE)
    if (theirs === undefined || theirs.data.length < 8) return []
    const data = new Uint8Array(COOKIE_LEN)
    this.cookies.write(theirs.data, 0, data, 0, from.address, this.wallSeconds())
    return [{ code: OPTION.COOKIE, data }]
  }

  /** RFC 8945 §5.2: NOTAUTH, with the reason in the TSIG record; signed only when the time alone is wrong. */
  private tsigError(message: Message, failure: TsigFailure, from: Endpoint, isTcp: boolean): number {
    this.counters['bad-tsig']++
    if (failure.reason === 'bad-format') return this.plainError(RCODE.FORMERR, from, isTcp)
    if (!isTcp && this.isLimited(from)) return 0
    const { context, seconds } = failure
    const end = this.reply(message, { from, isTcp, context: undefined }, { rcode: RCODE.NOTAUTH })
    const error = TSIG_ERROR[failure.reason]
    if (context === undefined) return appendUnsigned(this.frame.u8, end, failure, error)
    const options = { requestMac: context.mac, error, badTime: seconds }
    return signMessage(this.frame.u8, end, context.key, this.wallSeconds(), options).end
  }

  /** Turns the message in the frame into a reply that is a header only: what follows it cannot be trusted. */
  private plainError(rcode: number, from: Endpoint, isTcp: boolean): number {
    if (!isTcp && this.isLimited(from)) return 0
    const { u8, dv } = this.frame
    dv.setUint16(FLAGS, FLAG.RESPONSE | (dv.getUint16(FLAGS) & HEADER_BITS_KEPT) | rcode)
    u8.fill(0, 4, HEADER_LEN)
    return HEADER_LEN
  }

  private isLimited(from: Endpoint): boolean {
    if (this.limiter.take(ERROR_HASH, from.address, this.clock.now()) === 'pass') return false
    this.counters.rateLimited++
    return true
  }

  private wallSeconds(): number {
    return Math.floor(this.wallClock.now() / 1e6)
  }
}
