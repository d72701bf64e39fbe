/**
 * Transaction signatures (RFC 8945): messages authenticated with a shared secret.
 *
 * The only file that knows the hash library: when our crypto package exists, `MACS` is what changes.
 */

import { textToOctets } from '@mirage-ts/core/octets'
import { hmac } from '@noble/hashes/hmac.js'
import { sha1 } from '@noble/hashes/legacy.js'
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js'
import { HEADER_LEN, type Message, type Rr } from './message.ts'
import { dnsName, type Name, type NameKey, nameKey } from './name.ts'
import { CLASS, RCODE, TYPE } from './types.ts'
import { WireReader } from './wire.ts'

type Mac = (key: Uint8Array, message: Uint8Array) => Uint8Array

const MACS: ReadonlyMap<NameKey, Mac> = new Map<NameKey, Mac>([
  [algorithm('hmac-sha1'), (key, message) => hmac(sha1, key, message)],
  [algorithm('hmac-sha256'), (key, message) => hmac(sha256, key, message)],
  [algorithm('hmac-sha384'), (key, message) => hmac(sha384, key, message)],
  [algorithm('hmac-sha512'), (key, message) => hmac(sha512, key, message)],
])

function algorithm(text: string): NameKey {
  return nameKey(dnsName(text))
}

/** RFC 8945 §10: how far clocks may be apart, in seconds. */
const FUDGE = 300

/** A shared secret. */
export interface TsigKey {
  readonly name: NameKey
  readonly algorithm: NameKey
  readonly secret: Uint8Array
}

/** Makes a key; `algorithmText` is like `hmac-sha256`. Throws a `TypeError` when the algorithm is not known. */
export function tsigKey(name: Name, algorithmText: string, secret: Uint8Array): TsigKey {
  const known = algorithm(algorithmText)
  if (!MACS.has(known)) {
    throw new TypeError(`Cannot use TSIG algorithm ${algorithmText}: expected hmac-sha256, -sha384, -sha512 or -sha1`)
  }
  return { name: nameKey(name), algorithm: known, secret }
}

/** Why a signature does not hold. */
export type TsigReason = 'bad-format' | 'bad-key' | 'bad-sig' | 'bad-time'

interface TsigFields {
  readonly algorithm: NameKey
  readonly seconds: number
  readonly fudge: number
  readonly mac: Uint8Array
  readonly originalId: number
  readonly error: number
  readonly other: Uint8Array
}

function readFields(rdata: Uint8Array): TsigFields | undefined {
  const reader = new WireReader(rdata)
  const fields = {
    algorithm: nameKey(reader.getName(false)),
    seconds: reader.get16() * 0x1_0000_0000 + reader.get32(),
    fudge: reader.get16(),
    mac: reader.getBytes(reader.get16()),
    originalId: reader.get16(),
    error: reader.get16(),
    other: reader.getBytes(reader.get16()),
  }
  return reader.reason === undefined && reader.leftBytes === 0 ? fields : undefined
}

/** What a message that is signed was signed with, and its MAC, which goes into the answer's. */
export interface TsigContext {
  readonly key: TsigKey
  readonly mac: Uint8Array
}

export interface TsigFailure {
  readonly reason: TsigReason
  /** With the time wrong only, the answer is signed. */
  readonly context: TsigContext | undefined
  /** The TSIG record to answer with, not signed. */
  readonly rr: Rr
  readonly seconds: number
}

/**
 * Checks the TSIG record of `message`, which was read from `u8` (from 0 on, whole). `requestMac` is that of the question
 * when this is its answer.
 */
export function verifyTsig(
  u8: Uint8Array,
  message: Message,
  keys: ReadonlyMap<NameKey, TsigKey>,
  nowSeconds: number,
  requestMac?: Uint8Array,
): TsigContext | TsigFailure {
  const tsig = message.tsig as NonNullable<Message['tsig']>
  const fields = readFields(tsig.rr.rdata)
  const fail = (reason: TsigReason, context?: TsigContext): TsigFailure => ({
    reason,
    context,
    rr: tsig.rr,
    seconds: fields?.seconds ?? 0,
  })
  if (fields === undefined || tsig.rr.class !== CLASS.ANY || tsig.rr.ttl !== 0) return fail('bad-format')
  // RFC 8945 §5.2: the key, then the MAC, then the time.
  const key = keys.get(nameKey(tsig.rr.name))
  if (key === undefined || key.algorithm !== fields.algorithm) return fail('bad-key')
  const unsigned = u8.slice(0, tsig.off)
  const dv = new DataView(unsigned.buffer)
  dv.setUint16(0, fields.originalId)
  dv.setUint16(10, dv.getUint16(10) - 1)
  const expected = macOf(key, [prefixed(requestMac), unsigned, variables(key, fields)])
  if (!isEqualConstantTime(expected, fields.mac)) return fail('bad-sig')
  const context = { key, mac: fields.mac }
  return Math.abs(nowSeconds - fields.seconds) > fields.fudge ? fail('bad-time', context) : context
}

/** Tells the two outcomes of {@link verifyTsig} apart. */
export function isTsigFailure(outcome: TsigContext | TsigFailure): outcome is TsigFailure {
  return 'reason' in outcome
}

/** Room that a signature with this key takes at most. */
export function tsigLenBytes(key: TsigKey): number {
  return key.name.length + 10 + key.algorithm.length + 16 + 64 + 6
}

export interface SignOptions {
  /** Of the question that this answers, or of the message before in a transfer. */
  readonly requestMac?: Uint8Array | undefined
  /** In a transfer every message but the first one has a shorter signature (RFC 8945 §5.3.1). */
  readonly isContinued?: boolean
  readonly error?: number
  /** With `BADTIME`: the time of the question, which the answer repeats, and our own. */
  readonly badTime?: number | undefined
}

/** Appends a signature to the message at `u8[0, end)` and returns where it ends, with the MAC. The caller left room. */
export function signMessage(
  u8: Uint8Array,
  end: number,
  key: TsigKey,
  nowSeconds: number,
  { requestMac, isContinued = false, error = 0, badTime }: SignOptions = {},
): { readonly end: number; readonly mac: Uint8Array } {
  const message = u8.slice(0, end)
  const dv = new DataView(message.buffer)
  const fields: TsigFields = {
    algorithm: key.algorithm,
    seconds: badTime ?? nowSeconds,
    fudge: FUDGE,
    mac: new Uint8Array(0),
    originalId: dv.getUint16(0),
    error,
    other: badTime === undefined ? new Uint8Array(0) : time48(nowSeconds),
  }
  const signed = isContinued ? timersOf(fields) : variables(key, fields)
  const mac = macOf(key, [prefixed(requestMac), message, signed])
  return { end: appendTsig(u8, end, key.name, { ...fields, mac }), mac }
}

/** Appends the TSIG record of an error that nothing can sign: the key is not known, or the MAC was wrong. */
export function appendUnsigned(u8: Uint8Array, end: number, failure: TsigFailure, error: number): number {
  const fields = readFields(failure.rr.rdata)
  return appendTsig(u8, end, failure.rr.name, {
    algorithm: fields?.algorithm ?? algorithm('hmac-sha256'),
    seconds: failure.seconds,
    fudge: FUDGE,
    mac: new Uint8Array(0),
    originalId: new DataView(u8.buffer, u8.byteOffset).getUint16(0),
    error,
    other: new Uint8Array(0),
  })
}

/** The error that TSIG answers with. */
export const TSIG_ERROR: Readonly<Record<TsigReason, number>> = {
  'bad-format': RCODE.FORMERR,
  'bad-key': RCODE.BADKEY,
  'bad-sig': RCODE.BADSIG,
  'bad-time': RCODE.BADTIME,
}

function appendTsig(u8: Uint8Array, end: number, name: Name, fields: TsigFields): number {
  const rdata = concat([
    textToOctets(fields.algorithm),
    timersOf(fields),
    number16(fields.mac.length),
    fields.mac,
    number16(fields.originalId),
    number16(fields.error),
    number16(fields.other.length),
    fields.other,
  ])
  const rr = concat([
    textToOctets(name),
    number16(TYPE.TSIG),
    number16(CLASS.ANY),
    new Uint8Array(4),
    number16(rdata.length),
    rdata,
  ])
  u8.set(rr, end)
  const dv = new DataView(u8.buffer, u8.byteOffset, HEADER_LEN)
  dv.setUint16(10, dv.getUint16(10) + 1)
  return end + rr.length
}

function macOf(key: TsigKey, parts: readonly Uint8Array[]): Uint8Array {
  return (MACS.get(key.algorithm) as Mac)(key.secret, concat(parts))
}

/** RFC 8945 §4.3.3. */
function variables(key: TsigKey, fields: TsigFields): Uint8Array {
  return concat([
    textToOctets(key.name),
    number16(CLASS.ANY),
    new Uint8Array(4),
    textToOctets(fields.algorithm),
    timersOf(fields),
    number16(fields.error),
    number16(fields.other.length),
    fields.other,
  ])
}

function timersOf(fields: TsigFields): Uint8Array {
  return concat([time48(fields.seconds), number16(fields.fudge)])
}

function prefixed(mac: Uint8Array | undefined): Uint8Array {
  return mac === undefined ? new Uint8Array(0) : concat([number16(mac.length), mac])
}

/**
 * Takes the same time wherever the first difference is. A MAC of another length is no match: we accept no truncated ones,
 * which RFC 8945 §5.2.2.1 leaves to local policy.
 */
export function isEqualConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] ?? 0)
  return difference === 0
}

function time48(seconds: number): Uint8Array {
  const octets = new Uint8Array(6)
  const dv = new DataView(octets.buffer)
  dv.setUint16(0, Math.floor(seconds / 0x1_0000_0000))
  dv.setUint32(2, seconds % 0x1_0000_0000)
  return octets
}

function number16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 255)
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let off = 0
  for (const part of parts) {
    whole.set(part, off)
    off += part.length
  }
  return whole
}

/**
 * Checks the messages of a transfer in order (RFC 8945 §5.3.1): up to 99 in a row may lack a signature, but the first and
 * the last one may not.
 */
export class TsigStream {
  private readonly keys: ReadonlyMap<NameKey, TsigKey>
  private readonly key: TsigKey
  private mac: Uint8Array
  private unsigned: Uint8Array[] = []
  private isFirst = true

  constructor(key: TsigKey, requestMac: Uint8Array) {
    this.key = key
    this.keys = new Map([[key.name, key]])
    this.mac = requestMac
  }

  /** True when the last message was signed: a transfer must not end otherwise. */
  get isComplete(): boolean {
    return !this.isFirst && this.unsigned.length === 0
  }

  /** Checks the next message; a reason when it cannot be trusted. */
  next(u8: Uint8Array, message: Message, nowSeconds: number): TsigReason | undefined {
    const { tsig } = message
    if (tsig === undefined) {
      if (this.isFirst || this.unsigned.length >= 99) return 'bad-sig'
      this.unsigned.push(u8)
      return undefined
    }
    if (this.isFirst) {
      this.isFirst = false
      const outcome = verifyTsig(u8, message, this.keys, nowSeconds, this.mac)
      if (isTsigFailure(outcome)) return outcome.reason
      this.mac = outcome.mac
      return undefined
    }
    const fields = readFields(tsig.rr.rdata)
    if (fields === undefined || nameKey(tsig.rr.name) !== this.key.name) return 'bad-key'
    const plain = u8.slice(0, tsig.off)
    const dv = new DataView(plain.buffer)
    dv.setUint16(0, fields.originalId)
    dv.setUint16(10, dv.getUint16(10) - 1)
    const expected = macOf(this.key, [prefixed(this.mac), ...this.unsigned, plain, timersOf(fields)])
    if (!isEqualConstantTime(expected, fields.mac)) return 'bad-sig'
    this.mac = fields.mac
    this.unsigned = []
    return Math.abs(nowSeconds - fields.seconds) > fields.fudge ? 'bad-time' : undefined
  }
}
