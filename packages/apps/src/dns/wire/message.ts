/** Whole messages (RFC 1035 §4, RFC 6891), as values: for everything but the hot path of the server. */
import { type Name, nameToString, ROOT } from './name.ts'
import { readRdata, writeRdata } from './rdata.ts'
import { formatRdata } from './rdata-text.ts'
import { classToString, TYPE, typeToString } from './types.ts'
import { WireReader, type WireReason, type WireWriter } from './wire.ts'

export const HEADER_LEN = 12
/** Where the flags stand in the header, and those of a query that its reply keeps: operation code, recursion desired. */
export const FLAGS_OFF = 2
export const FLAGS_KEPT = 0x7900
const FLAGS = 2
const COUNTS = 4

/** Bits of the second word of the header; the operation code lies between the first two, the response code at the end. */
export const FLAG = {
  RESPONSE: 0x8000,
  AUTHORITATIVE: 0x0400,
  TRUNCATED: 0x0200,
  RECURSION_DESIRED: 0x0100,
  RECURSION_AVAILABLE: 0x0080,
  AUTHENTIC: 0x0020,
  CHECKING_DISABLED: 0x0010,
} as const
const OPCODE_SHIFT = 11
const FLAG_BITS = 0x87b0

export const MAX_UDP_LEN = 512
/** The most that a UDP payload is sure to get through unfragmented (RFC 9715 §3.2: 1400, less what tunnels take). */
export const SAFE_UDP_LEN = 1232
export const MAX_MESSAGE_LEN = 0xffff
/** RFC 6891 §6.1.3. */
const DNSSEC_OK = 0x8000

export interface Question {
  readonly name: Name
  readonly type: number
  readonly class: number
}

/** A resource record. RDATA is in wire form, its names not compressed. */
export interface Rr {
  readonly name: Name
  readonly type: number
  readonly class: number
  /** Seconds. */
  readonly ttl: number
  readonly rdata: Uint8Array
}

export interface EdnsOption {
  readonly code: number
  readonly data: Uint8Array
}

/** What the OPT record says (RFC 6891 §6.1.2), less the response code. */
export interface Edns {
  /** The longest UDP payload that the sender takes. */
  readonly udpBytes: number
  readonly version: number
  readonly isDnssecOk: boolean
  readonly options: readonly EdnsOption[]
}

export interface Message {
  readonly id: number
  readonly opcode: number
  /** Of {@link FLAG}. */
  readonly flags: number
  /** With the upper bits that EDNS adds. */
  readonly rcode: number
  readonly questions: readonly Question[]
  readonly answers: readonly Rr[]
  readonly authorities: readonly Rr[]
  /** Without OPT and TSIG. */
  readonly additionals: readonly Rr[]
  readonly edns: Edns | undefined
  /** The TSIG record that ended the message, and where it began. */
  readonly tsig: { readonly rr: Rr; readonly off: number } | undefined
}

/** Why octets are no message. */
export type MessageReason =
  | WireReason
  | 'trailing-octets'
  | 'second-opt'
  | 'misplaced-opt'
  | 'bad-opt'
  | 'misplaced-tsig'

/** Reads the message at `[off, end)`. */
export function parseMessage(u8: Uint8Array, off = 0, end: number = u8.length): Message | MessageReason {
  if (end - off < HEADER_LEN) return 'truncated'
  return new MessageParser(new WireReader(u8, off, end)).parse()
}

class MessageParser {
  private readonly reader: WireReader
  private edns: Edns | undefined = undefined
  private extendedRcode = 0
  private tsig: { readonly rr: Rr; readonly off: number } | undefined = undefined
  private reason: MessageReason | undefined = undefined

  constructor(reader: WireReader) {
    this.reader = reader
  }

  parse(): Message | MessageReason {
    const { reader } = this
    const id = reader.get16()
    const word = reader.get16()
    const counts = [reader.get16(), reader.get16(), reader.get16(), reader.get16()]
    const questions: Question[] = []
    for (let i = 0; i < (counts[0] as number) && reader.reason === undefined; i++) {
      questions.push({ name: reader.getName(), type: reader.get16(), class: reader.get16() })
    }
    const answers = this.section(counts[1] as number, false)
    const authorities = this.section(counts[2] as number, false)
    const additionals = this.section(counts[3] as number, true)
    if (reader.reason !== undefined) return reader.reason
    if (this.reason !== undefined) return this.reason
    if (reader.leftBytes > 0) return 'trailing-octets'
    return {
      id,
      opcode: (word >>> OPCODE_SHIFT) & 15,
      flags: word & FLAG_BITS,
      rcode: (word & 15) | (this.extendedRcode << 4),
      questions,
      answers,
      authorities,
      additionals,
      edns: this.edns,
      tsig: this.tsig,
    }
  }

  private section(count: number, isAdditional: boolean): Rr[] {
    const { reader } = this
    const rrs: Rr[] = []
    for (let i = 0; i < count && reader.reason === undefined && this.reason === undefined; i++) {
      const off = reader.pos
      const rr = readRr(reader)
      // RFC 8945 §5.1: the last record of the message, and the only one of its type.
      if (this.tsig !== undefined) this.reason = 'misplaced-tsig'
      else if (rr.type === TYPE.TSIG) {
        if (isAdditional) this.tsig = { rr, off: off - reader.start }
        else this.reason = 'misplaced-tsig'
      } else if (rr.type === TYPE.OPT) {
        this.reason = isAdditional ? this.takeOpt(rr) : 'misplaced-opt'
      } else rrs.push(rr)
    }
    return rrs
  }

  private takeOpt(rr: Rr): MessageReason | undefined {
    // RFC 6891 §6.1.1: more than one is a format error.
    if (this.edns !== undefined) return 'second-opt'
    if (rr.name !== ROOT) return 'bad-opt'
    const options: EdnsOption[] = []
    const reader = new WireReader(rr.rdata)
    while (reader.leftBytes > 0) options.push({ code: reader.get16(), data: reader.getBytes(reader.get16()) })
    if (reader.reason !== undefined) return 'bad-opt'
    const ttl = rr.ttl
    this.extendedRcode = ttl >>> 24
    this.edns = {
      udpBytes: Math.max(rr.class, MAX_UDP_LEN),
      version: (ttl >>> 16) & 255,
      isDnssecOk: (ttl & DNSSEC_OK) !== 0,
      options,
    }
    return undefined
  }
}

/** The record that comes next; a TTL with its highest bit set is 0 (RFC 2181 §8), but for OPT, which has none. */
function readRr(reader: WireReader): Rr {
  const name = reader.getName()
  const type = reader.get16()
  const rrClass = reader.get16()
  const ttl = reader.get32()
  const rdata = readRdata(reader, type, rrClass, reader.get16())
  return { name, type, class: rrClass, ttl: ttl > 0x7fffffff && type !== TYPE.OPT ? 0 : ttl, rdata }
}

/** What to write; what is left out is zero or nothing. */
export type MessageParts = Pick<Message, 'id'> & Partial<Omit<Message, 'id' | 'tsig'>>

/**
 * Writes a message of at most `limitBytes` and returns its length. Sets of records that do not fit are left out: without
 * a sign in the additional section, else with the TC flag (RFC 2181 §9).
 */
export function writeMessage(writer: WireWriter, message: MessageParts, limitBytes: number = writer.u8.length): number {
  const { id, opcode = 0, flags = 0, rcode = 0, edns } = message
  writer.start(limitBytes)
  const optLen = edns === undefined ? 0 : optLenOf(edns)
  writer.reserve(optLen)
  writer.put16(id)
  writer.put16(flags | (opcode << OPCODE_SHIFT) | (rcode & 15))
  for (let i = 0; i < 4; i++) writer.put16(0)
  for (const { name, type, class: qclass } of message.questions ?? []) {
    writer.putCompressedName(name)
    writer.put16(type)
    writer.put16(qclass)
  }
  const isQuestionCut = writer.hasOverflowed
  if (isQuestionCut) writer.rewind(HEADER_LEN)
  else writer.dv.setUint16(COUNTS, message.questions?.length ?? 0)
  const isCut = isQuestionCut || !putSection(writer, 1, message.answers) || !putSection(writer, 2, message.authorities)
  if (isCut) setFlags(writer, FLAG.TRUNCATED)
  else putSection(writer, 3, message.additionals)
  writer.reserve(-optLen)
  if (edns !== undefined) putOpt(writer, edns, rcode)
  return writer.pos
}

/** Writes one section, record by record; false when the rest of it does not fit, from the first record of that set on. */
function putSection(writer: WireWriter, section: 1 | 2 | 3, rrs: readonly Rr[] = []): boolean {
  let setOff = writer.pos
  let setCount = 0
  for (const [i, rr] of rrs.entries()) {
    const before = rrs[i - 1]
    if (before === undefined || before.type !== rr.type || before.name !== rr.name) {
      setOff = writer.pos
      setCount = i
    }
    putRr(writer, rr)
    if (writer.hasOverflowed) {
      writer.rewind(setOff)
      addToCount(writer, section, setCount)
      return false
    }
  }
  addToCount(writer, section, rrs.length)
  return true
}

/** Writes one record; the caller looks at `hasOverflowed`. */
export function putRr(writer: WireWriter, rr: Rr): void {
  writer.putCompressedName(rr.name)
  writer.put16(rr.type)
  writer.put16(rr.class)
  writer.put32(rr.ttl)
  writeRdata(writer, rr.type, rr.rdata)
}

/** Writes the OPT record and counts it. */
function putOpt(writer: WireWriter, edns: Edns, rcode: number): void {
  writer.put8(0)
  writer.put16(TYPE.OPT)
  writer.put16(edns.udpBytes)
  writer.put32((((rcode >>> 4) << 24) | (edns.version << 16) | (edns.isDnssecOk ? DNSSEC_OK : 0)) >>> 0)
  writer.put16(optLenOf(edns) - EMPTY_OPT_LEN)
  for (const { code, data } of edns.options) {
    writer.put16(code)
    writer.put16(data.length)
    writer.putBytes(data)
  }
  addToCount(writer, 3, 1)
}

const EMPTY_OPT_LEN = 11

function optLenOf(edns: Edns): number {
  return edns.options.reduce((sum, option) => sum + 4 + option.data.length, EMPTY_OPT_LEN)
}

/** Adds to the count of records of a section: 1 answers, 2 authority, 3 additional. */
function addToCount(writer: WireWriter, section: 1 | 2 | 3, count: number): void {
  const off = COUNTS + 2 * section
  writer.dv.setUint16(off, writer.dv.getUint16(off) + count)
}

/** Sets flags in the header that has been written. */
function setFlags(writer: WireWriter, flags: number): void {
  writer.dv.setUint16(FLAGS, writer.dv.getUint16(FLAGS) | flags)
}

/** One line of a zone file, everything explicit. */
export function formatRr(rr: Rr): string {
  return `${nameToString(rr.name)} ${rr.ttl} ${classToString(rr.class)} ${typeToString(rr.type)} ${formatRdata(rr.type, rr.rdata)}`
}
