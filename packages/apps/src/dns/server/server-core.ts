/**
 * The core of an authoritative server: octets in, octets out, no I/O.
 *
 * A query that came before gets the reply it got then (`memo.ts`). Another ordinary one is read in place (`query-view.ts`), its
 * answer copied from the zone (`direct-answer.ts`), found ready (`ready.ts`) or worked out (`resolve.ts`), and written over the
 * query. Everything else (NOTIFY, UPDATE, transfers, signed queries) is read as a whole message
 * (`message-handler.ts`).
 *
 * Signing is in `signed-zones.ts`, the proofs that go with answers in `dnssec-proofs.ts`. Not here: classes other than IN.
 */
import { createFrame } from '@mirage-ts/core/bytes'
import { createCounters } from '@mirage-ts/core/metrics'
import { octetsCopy, octetsToText } from '@mirage-ts/core/octets'
import type { Endpoint, IpAddress } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { MonotonicClock, WallClock } from '@mirage-ts/signatures/time'
import { isSigned } from '../dnssec/dnssec-proofs.ts'
import type { ZoneSigner } from '../dnssec/zone-signer.ts'
import { FLAG, FLAGS_KEPT, FLAGS_OFF, HEADER_LEN, MAX_MESSAGE_LEN, MAX_UDP_LEN, SAFE_UDP_LEN } from '../wire/message.ts'
import type { Name, NameKey } from '../wire/name.ts'
import { CLASS, OPTION, RCODE, TYPE } from '../wire/types.ts'
import { WireWriter } from '../wire/wire.ts'
import type { Zone } from '../zone/zone.ts'
import { ZoneDirectory } from '../zone/zone-directory.ts'
import type { ZoneNames } from '../zone/zone-names.ts'
import { composeAnswer } from './compose.ts'
import { COOKIE_LEN, Cookies } from './cookies.ts'
import { findDirectAnswer } from './direct-answer.ts'
import { MemoTable } from './memo.ts'
import { MessageHandler } from './message-handler.ts'
import type { ZonePolicy } from './policy.ts'
import { QueryView } from './query-view.ts'
import { RateLimiter, type RateVerdict } from './rate-limit.ts'
import { ReadyAnswer, ReadyTable } from './ready.ts'
import { resolve } from './resolve.ts'
import { SERVER_COUNTERS, type ServerCoreDeps, type ServerCoreOptions, type ServerCounters } from './server-options.ts'
import type { SignedTransfer } from './signed-transfer.ts'
import { SignedZones } from './signed-zones.ts'

const DEFAULT_RATE_PER_SECOND = 200
const DEFAULT_READY_BYTES = 8 * 1024 * 1024
/** Longer answers are not kept ready: few, and copied from the zone nearly as fast. */
const MAX_READY_LEN = 1024

const OPT_LEN = 11
const DNSSEC_OK_OCTET = 0x80

export class ServerCore {
  readonly counters: ServerCounters = createCounters(SERVER_COUNTERS)
  /** After {@link handle}: the reply, from its first octet on. Good until the next call. */
  readonly frame: Frame = createFrame(MAX_MESSAGE_LEN)
  private readonly clock: MonotonicClock
  private readonly wallClock: WallClock
  private readonly zones = new Map<NameKey, Zone | undefined>()
  private readonly policies = new Map<NameKey, ZonePolicy>()
  private readonly query: QueryView
  private readonly ready: ReadyTable
  private readonly memos: MemoTable
  private readonly limiter: RateLimiter
  private readonly cookies: Cookies
  private readonly writer = new WireWriter(MAX_MESSAGE_LEN)
  /** Where the cookie of a reply is made: what it is made from lies where the reply goes. */
  private readonly cookie = new Uint8Array(COOKIE_LEN)
  private readonly messages: MessageHandler
  private readonly signedZones: SignedZones
  /** Whether there is, or was, a zone that has something for those who ask for signatures. */
  private hasSignedZone = false
  private readonly directory: ZoneDirectory

  constructor({ random, clock, wallClock }: ServerCoreDeps, options: ServerCoreOptions = {}) {
    this.clock = clock
    this.wallClock = wallClock
    this.query = new QueryView(random.u32())
    const readyBytes = options.readyBytes ?? DEFAULT_READY_BYTES
    this.directory = new ZoneDirectory(random.u32())
    this.ready = new ReadyTable(readyBytes / 2)
    this.memos = new MemoTable(readyBytes / 2, random.u32())
    this.limiter = new RateLimiter(options.ratePerSecond ?? DEFAULT_RATE_PER_SECOND, random.u32())
    const secret = options.cookieSecret ?? new Uint8Array(16)
    if (options.cookieSecret === undefined) random.fill(secret, 0, 16)
    this.cookies = new Cookies(secret)
    const { onChange = () => {}, onNotify = () => {} } = options
    const put = (origin: NameKey, zone: Zone): void => {
      this.setZone(origin, zone)
      onChange(origin)
    }
    this.signedZones = new SignedZones((origin) => this.zones.get(origin), put)
    this.messages = new MessageHandler({
      served: {
        zones: this.zones,
        policies: this.policies,
        signedZones: this.signedZones,
        changed: (origin, zone) => {
          this.forgetAnswers(zone)
          onChange(origin)
        },
        notified: onNotify,
      },
      frame: this.frame,
      writer: this.writer,
      counters: this.counters,
      cookies: this.cookies,
      limiter: this.limiter,
      keys: new Map((options.keys ?? []).map((key) => [key.name, key])),
      clock,
      wallClock,
    })
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
    const word = frame.dv.getUint16(FLAGS_OFF)
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
        return this.messages.plainError(RCODE.FORMERR, from, isTcp)
      }
    }
    return this.messages.handle(octets, from, isTcp)
  }

  /** The messages that follow the reply just given, once; `undefined` when none do. */
  takeTransfer(): SignedTransfer | undefined {
    return this.messages.takeTransfer()
  }

  /** After a {@link handle} without a reply, once: the reply that comes later, if one does. Never rejects. */
  takeLater(): Promise<Uint8Array> | undefined {
    return this.messages.takeLater()
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
    const flags = this.frame.dv.getUint16(FLAGS_OFF)
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
    const flags = FLAG.RESPONSE | replyFlags | (dv.getUint16(FLAGS_OFF) & FLAGS_KEPT)
    dv.setInt32(FLAGS_OFF, (flags << 16) | 1) // and the number of questions
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
    if (!isTcp && this.messages.isLimited(from)) return 0
    const { frame, query } = this
    query.cookieLen = 0
    const nothing = new ReadyAnswer(0, [0, 0, 0, 0], new Uint8Array(0), 0, 0)
    const end = this.writeReady(nothing, MAX_UDP_LEN)
    frame.u8[end - OPT_LEN + 5] = RCODE.BADVERS >>> 4
    return end
  }

  private wallSeconds(): number {
    return Math.floor(this.wallClock.now() / 1e6)
  }
}
