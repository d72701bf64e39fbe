/**
 * The messages that are read and answered as a whole: NOTIFY (RFC 1996), UPDATE (RFC 2136), transfers (RFC 1995, RFC 5936), what is
 * signed (RFC 8945), and queries that are out of the ordinary. Others are answered in place by the server's core.
 */
import type { Endpoint } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { MonotonicClock, WallClock } from '@mirage-ts/signatures/time'
import {
  FLAG,
  FLAGS_KEPT,
  FLAGS_OFF,
  HEADER_LEN,
  MAX_MESSAGE_LEN,
  MAX_UDP_LEN,
  type Message,
  type MessageParts,
  parseMessage,
  SAFE_UDP_LEN,
  writeMessage,
} from '../wire/message.ts'
import { type NameKey, nameKey } from '../wire/name.ts'
import { soaOf } from '../wire/rdata.ts'
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
} from '../wire/tsig.ts'
import { CLASS, OPCODE, OPTION, RCODE, TYPE } from '../wire/types.ts'
import type { WireWriter } from '../wire/wire.ts'
import { rrsOf, type Zone } from '../zone/zone.ts'
import { COOKIE_LEN, type Cookies } from './cookies.ts'
import { type Asker, isAllowed, type ZonePolicy } from './policy.ts'
import type { RateLimiter } from './rate-limit.ts'
import { resolve } from './resolve.ts'
import type { ServerCounters } from './server-options.ts'
import { SignedTransfer } from './signed-transfer.ts'
import type { SignedZones } from './signed-zones.ts'
import { changesSince, TransferOut, wholeZone } from './transfer.ts'
import { applyUpdate } from './update.ts'

/** The rate limit counts all errors for one client together, beside answers to a question and those of a zone. */
const ERROR_HASH = 0x6572726f

/** The zones, as far as messages ask about them and change them. */
export interface Served {
  /** By origin; `undefined` where a zone is known by name only. */
  readonly zones: ReadonlyMap<NameKey, Zone | undefined>
  readonly policies: ReadonlyMap<NameKey, ZonePolicy>
  readonly signedZones: SignedZones
  /** An update has changed `zone`. */
  changed(origin: NameKey, zone: Zone): void
  /** The primary says that the zone has changed. */
  notified(origin: NameKey, from: Endpoint): void
}

/** What is shared with the core: its frame, counters and limits. */
export interface MessageHandlerDeps {
  readonly served: Served
  /** Holds the message, then the reply. */
  readonly frame: Frame
  readonly writer: WireWriter
  readonly counters: ServerCounters
  readonly cookies: Cookies
  readonly limiter: RateLimiter
  readonly keys: ReadonlyMap<NameKey, TsigKey>
  readonly clock: MonotonicClock
  readonly wallClock: WallClock
}

export class MessageHandler {
  private readonly served: Served
  private readonly frame: Frame
  private readonly writer: WireWriter
  private readonly counters: ServerCounters
  private readonly cookies: Cookies
  private readonly limiter: RateLimiter
  private readonly keys: ReadonlyMap<NameKey, TsigKey>
  private readonly clock: MonotonicClock
  private readonly wallClock: WallClock
  private transfer: SignedTransfer | undefined = undefined
  private later: Promise<Uint8Array> | undefined = undefined

  constructor(deps: MessageHandlerDeps) {
    this.served = deps.served
    this.frame = deps.frame
    this.writer = deps.writer
    this.counters = deps.counters
    this.cookies = deps.cookies
    this.limiter = deps.limiter
    this.keys = deps.keys
    this.clock = deps.clock
    this.wallClock = deps.wallClock
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

  /** Answers one message, whose octets are in the frame, too; returns the length of the reply there, 0 when there is none. */
  handle(octets: Uint8Array, from: Endpoint, isTcp: boolean): number {
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
      this.served.zones,
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
    const zone = this.served.zones.get(origin)
    if (!this.served.zones.has(origin)) return this.reply(message, asker, { rcode: RCODE.NOTAUTH })
    if (!isAllowed(this.served.policies.get(origin)?.transferTo, asker)) {
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
    const policy = this.served.policies.get(origin)
    if (policy === undefined) return this.reply(message, asker, { rcode: RCODE.NOTAUTH })
    if (!isAllowed(policy.notifyFrom, asker)) return this.reply(message, asker, { rcode: RCODE.REFUSED })
    this.served.notified(origin, asker.from)
    return this.reply(message, asker, { flags: FLAG.AUTHORITATIVE })
  }

  private handleUpdate(message: Message, asker: Asker): number {
    this.counters.updates++
    const [question] = message.questions
    if (question === undefined || message.questions.length > 1 || question.type !== TYPE.SOA) {
      return this.reply(message, asker, { rcode: RCODE.FORMERR })
    }
    const origin = nameKey(question.name)
    const zone = this.served.zones.get(origin)
    if (zone === undefined || question.class !== CLASS.IN) {
      return this.reply(message, asker, { rcode: this.served.zones.has(origin) ? RCODE.SERVFAIL : RCODE.NOTAUTH })
    }
    if (!isAllowed(this.served.policies.get(origin)?.updateFrom, asker)) {
      this.counters.refused++
      return this.reply(message, asker, { rcode: RCODE.REFUSED })
    }
    if (this.served.signedZones.has(origin)) {
      this.later = this.updateSigned(origin, message, asker)
      return 0
    }
    const { rcode, change } = applyUpdate(zone, message)
    if (change !== undefined) {
      this.served.changed(origin, zone)
    }
    return this.reply(message, asker, { rcode })
  }

  private async updateSigned(origin: NameKey, message: Message, asker: Asker): Promise<Uint8Array> {
    let rcode: number = RCODE.SERVFAIL
    try {
      rcode = await this.served.signedZones.update(origin, message)
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
  plainError(rcode: number, from: Endpoint, isTcp: boolean): number {
    if (!isTcp && this.isLimited(from)) return 0
    const { u8, dv } = this.frame
    dv.setUint16(FLAGS_OFF, FLAG.RESPONSE | (dv.getUint16(FLAGS_OFF) & FLAGS_KEPT) | rcode)
    u8.fill(0, 4, HEADER_LEN)
    return HEADER_LEN
  }

  /** Whether so many replies that are errors have gone to `from` that this one does not. */
  isLimited(from: Endpoint): boolean {
    if (this.limiter.take(ERROR_HASH, from.address, this.clock.now()) === 'pass') return false
    this.counters.rateLimited++
    return true
  }

  private wallSeconds(): number {
    return Math.floor(this.wallClock.now() / 1e6)
  }
}
