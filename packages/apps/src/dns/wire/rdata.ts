/**
 * RDATA on the wire: which fields each type has, reading with names expanded, writing with names compressed.
 *
 * Held RDATA is in wire form without compression, so a type that is not in the table (RFC 3597) needs no code: it is
 * octets. Names keep their case.
 */

import { octetsToText, textToOctets } from '@mirage-ts/core/octets'
import { MAX_NAME_LEN, type Name, nameKey } from './name.ts'
import { CLASS, TYPE } from './types.ts'
import type { WireReader, WireWriter } from './wire.ts'

/**
 * A field of RDATA. Those that reach to the end stand last:
 * - `name` is compressed (RFC 1035 types), `oldName` may arrive compressed (RFC 3597 §4), `plainName` never is;
 * - `string` is a character string, `strings` one or more to the end, `string?` one or nothing;
 * - `hex`, `base64` and `text` reach to the end; `hex8` and `base32hex8` have their length in front, in one octet.
 */
export type Field =
  | 'u8'
  | 'u16'
  | 'u32'
  | 'type'
  | 'time'
  | 'ipv4'
  | 'ipv6'
  | 'eui48'
  | 'eui64'
  | 'locator'
  | 'name'
  | 'oldName'
  | 'plainName'
  | 'string'
  | 'string?'
  | 'strings'
  | 'hex'
  | 'hex8'
  | 'base32hex8'
  | 'base64'
  | 'text'
  | 'tag'
  | 'types'
  | 'svcParams'
  | 'apl'
  | 'loc'

const DS: readonly Field[] = ['u16', 'u8', 'u8', 'hex']
const DNSKEY: readonly Field[] = ['u16', 'u8', 'u8', 'base64']
const SIG: readonly Field[] = ['type', 'u8', 'u8', 'u32', 'time', 'time', 'u16', 'plainName', 'base64']
const TLSA: readonly Field[] = ['u8', 'u8', 'u8', 'hex']
const SVCB: readonly Field[] = ['u16', 'plainName', 'svcParams']

const LAYOUTS: ReadonlyMap<number, readonly Field[]> = new Map<number, readonly Field[]>([
  [TYPE.A, ['ipv4']],
  [TYPE.NS, ['name']],
  [TYPE.MD, ['name']],
  [TYPE.MF, ['name']],
  [TYPE.CNAME, ['name']],
  [TYPE.SOA, ['name', 'name', 'u32', 'u32', 'u32', 'u32', 'u32']],
  [TYPE.MB, ['name']],
  [TYPE.MG, ['name']],
  [TYPE.MR, ['name']],
  [TYPE.PTR, ['name']],
  [TYPE.HINFO, ['string', 'string']],
  [TYPE.MINFO, ['name', 'name']],
  [TYPE.MX, ['u16', 'name']],
  [TYPE.TXT, ['strings']],
  [TYPE.RP, ['oldName', 'oldName']],
  [TYPE.AFSDB, ['u16', 'oldName']],
  [TYPE.X25, ['string']],
  [TYPE.ISDN, ['string', 'string?']],
  [TYPE.RT, ['u16', 'oldName']],
  [TYPE.SIG, SIG],
  [TYPE.KEY, DNSKEY],
  [TYPE.PX, ['u16', 'oldName', 'oldName']],
  [TYPE.GPOS, ['string', 'string', 'string']],
  [TYPE.AAAA, ['ipv6']],
  [TYPE.LOC, ['loc']],
  [TYPE.SRV, ['u16', 'u16', 'u16', 'oldName']],
  [TYPE.NAPTR, ['u16', 'u16', 'string', 'string', 'string', 'oldName']],
  [TYPE.KX, ['u16', 'oldName']],
  [TYPE.CERT, ['u16', 'u16', 'u8', 'base64']],
  [TYPE.DNAME, ['oldName']],
  [TYPE.APL, ['apl']],
  [TYPE.DS, DS],
  [TYPE.SSHFP, ['u8', 'u8', 'hex']],
  [TYPE.RRSIG, SIG],
  // Compressed in multicast DNS (RFC 6762 §18.14).
  [TYPE.NSEC, ['oldName', 'types']],
  [TYPE.DNSKEY, DNSKEY],
  [TYPE.DHCID, ['base64']],
  [TYPE.NSEC3, ['u8', 'u8', 'u16', 'hex8', 'base32hex8', 'types']],
  [TYPE.NSEC3PARAM, ['u8', 'u8', 'u16', 'hex8']],
  [TYPE.TLSA, TLSA],
  [TYPE.SMIMEA, TLSA],
  [TYPE.CDS, DS],
  [TYPE.CDNSKEY, DNSKEY],
  [TYPE.OPENPGPKEY, ['base64']],
  [TYPE.CSYNC, ['u32', 'u16', 'types']],
  [TYPE.ZONEMD, ['u32', 'u8', 'u8', 'hex']],
  [TYPE.SVCB, SVCB],
  [TYPE.HTTPS, SVCB],
  [TYPE.SPF, ['strings']],
  [TYPE.NID, ['u16', 'locator']],
  [TYPE.L32, ['u16', 'ipv4']],
  [TYPE.L64, ['u16', 'locator']],
  [TYPE.LP, ['u16', 'plainName']],
  [TYPE.EUI48, ['eui48']],
  [TYPE.EUI64, ['eui64']],
  [TYPE.URI, ['u16', 'u16', 'text']],
  [TYPE.CAA, ['u8', 'tag', 'text']],
  [TYPE.AVC, ['strings']],
])

/** The fields of a type; `undefined` for a type that is octets to us. */
export function layoutOf(type: number): readonly Field[] | undefined {
  return LAYOUTS.get(type)
}

/** Reads the `lenBytes` of RDATA that come next: names expanded, every field checked. */
export function readRdata(reader: WireReader, type: number, rrClass: number, lenBytes: number): Uint8Array {
  const endOff = reader.pos + lenBytes
  // RFC 2136 §2.4, §2.5: whoever deletes or asks whether something exists sends no RDATA.
  const isEmpty = lenBytes === 0 && (rrClass === CLASS.ANY || rrClass === CLASS.NONE)
  const layout = isEmpty ? undefined : LAYOUTS.get(type)
  if (endOff > reader.end) reader.fail('truncated')
  if (layout === undefined || reader.reason !== undefined) return reader.getBytes(lenBytes)
  const hasNames = layout.some(isNameField)
  if (!hasNames) {
    if (!isWellFormed(layout, reader.u8, reader.pos, endOff)) reader.fail('bad-rdata')
    return reader.getBytes(lenBytes)
  }
  const rdata = new Uint8Array(lenBytes + layout.length * MAX_NAME_LEN)
  let len = 0
  for (const field of layout) {
    if (isNameField(field)) {
      const name = reader.getName(field !== 'plainName')
      for (let i = 0; i < name.length; i++) rdata[len++] = name.charCodeAt(i)
    } else {
      const next = fieldEnd(field, reader.u8, reader.pos, endOff)
      if (next < 0) reader.fail('bad-rdata')
      if (reader.reason !== undefined) break
      rdata.set(reader.u8.subarray(reader.pos, next), len)
      len += next - reader.pos
      reader.pos = next
    }
  }
  if (reader.pos !== endOff) reader.fail('bad-rdata')
  return rdata.slice(0, len)
}

/** Writes RDATA with its length in front. */
export function writeRdata(writer: WireWriter, type: number, rdata: Uint8Array): void {
  const layout = LAYOUTS.get(type)
  if (layout === undefined || !layout.includes('name') || rdata.length === 0) {
    writer.put16(rdata.length)
    writer.putBytes(rdata)
    return
  }
  const lenOff = writer.pos
  writer.put16(0)
  let off = 0
  for (const field of layout) {
    const next = fieldEnd(field, rdata, off, rdata.length)
    if (field === 'name') writer.putCompressedName(octetsToText(rdata, off, next) as Name)
    else writer.putBytes(rdata.subarray(off, next))
    off = next
  }
  if (!writer.hasOverflowed) writer.dv.setUint16(lenOff, writer.pos - lenOff - 2)
}

/** The `index`-th name of RDATA that has been checked: 0 for the target of NS, CNAME, MX, SRV... */
export function nameIn(type: number, rdata: Uint8Array, index = 0): Name {
  let off = 0
  let left = index
  for (const field of LAYOUTS.get(type) ?? []) {
    const next = fieldEnd(field, rdata, off, rdata.length)
    if (isNameField(field) && left-- === 0) return octetsToText(rdata, off, next) as Name
    off = next
  }
  throw new TypeError(`Cannot find name ${index} of RDATA of type ${type}: there is none`)
}

/**
 * RDATA as a text to compare: equal texts are equal data (RFC 2136 §1.1.1), so the names that the types of RFC 1035 and
 * the older ones have are folded.
 */
export function rdataKey(type: number, rdata: Uint8Array): string {
  const layout = LAYOUTS.get(type)
  if (layout === undefined || !layout.some(isNameField)) return octetsToText(rdata)
  let key = ''
  let off = 0
  for (const field of layout) {
    const next = fieldEnd(field, rdata, off, rdata.length)
    const text = octetsToText(rdata, off, next)
    key += isNameField(field) ? nameKey(text as Name) : text
    off = next
  }
  return key
}

/** True when `rdata` is what a record of this type has; a type not known has anything. */
export function isRdataWellFormed(type: number, rdata: Uint8Array): boolean {
  const layout = LAYOUTS.get(type)
  return layout === undefined || isWellFormed(layout, rdata, 0, rdata.length)
}

function isWellFormed(layout: readonly Field[], u8: Uint8Array, off: number, end: number): boolean {
  let at = off
  for (const field of layout) {
    at = fieldEnd(field, u8, at, end)
    if (at < 0) return false
  }
  return at === end
}

function isNameField(field: Field): boolean {
  return field === 'name' || field === 'oldName' || field === 'plainName'
}

/** Where the field at `off` ends, in RDATA without compression that ends at `end`; -1 when it is malformed. */
export function fieldEnd(field: Field, u8: Uint8Array, off: number, end: number): number {
  switch (field) {
    case 'u8':
      return within(off + 1, end)
    case 'u16':
    case 'type':
      return within(off + 2, end)
    case 'u32':
    case 'time':
    case 'ipv4':
      return within(off + 4, end)
    case 'eui48':
      return within(off + 6, end)
    case 'eui64':
    case 'locator':
      return within(off + 8, end)
    case 'ipv6':
      return within(off + 16, end)
    case 'name':
    case 'oldName':
    case 'plainName':
      return nameEnd(u8, off, end)
    case 'string':
    case 'hex8':
    case 'base32hex8':
      return off < end ? within(off + 1 + (u8[off] as number), end) : -1
    case 'string?':
      return off === end ? off : fieldEnd('string', u8, off, end)
    case 'tag': {
      const next = fieldEnd('string', u8, off, end)
      // RFC 8659 §4.1: letters and digits, at least one.
      return next > off + 1 && /^[A-Za-z0-9]+$/.test(octetsToText(u8, off + 1, next)) ? next : -1
    }
    case 'strings':
      return off < end ? stringsEnd(u8, off, end) : -1
    case 'hex':
    case 'base64':
    case 'text':
      return end
    case 'types':
      return typesEnd(u8, off, end)
    case 'svcParams':
      return svcParamsEnd(u8, off, end)
    case 'apl':
      return aplEnd(u8, off, end)
    case 'loc':
      // RFC 1876 §2: version 0 is the only one; sizes are a digit and a power, each 0 to 9.
      return end - off === 16 && u8[off] === 0 && [1, 2, 3].every((i) => isPower(u8[off + i] as number)) ? end : -1
  }
}

function within(next: number, end: number): number {
  return next <= end ? next : -1
}

function isPower(octet: number): boolean {
  return octet >>> 4 <= 9 && (octet & 15) <= 9
}

function nameEnd(u8: Uint8Array, off: number, end: number): number {
  for (let at = off; at < end && at - off < MAX_NAME_LEN; ) {
    const len = u8[at] as number
    if (len === 0) return at + 1
    if (len > 63) return -1
    at += 1 + len
  }
  return -1
}

function stringsEnd(u8: Uint8Array, off: number, end: number): number {
  let at = off
  while (at < end) at += 1 + (u8[at] as number)
  return within(at, end)
}

/** RFC 4034 §4.1.2: windows in order, each of 1 to 32 octets. */
function typesEnd(u8: Uint8Array, off: number, end: number): number {
  let last = -1
  let at = off
  while (at + 2 <= end) {
    const window = u8[at] as number
    const len = u8[at + 1] as number
    if (window <= last || len === 0 || len > 32) return -1
    last = window
    at += 2 + len
  }
  return at === end ? end : -1
}

/** RFC 9460 §2.2: keys in strictly increasing order. What the values mean is for clients to check. */
function svcParamsEnd(u8: Uint8Array, off: number, end: number): number {
  let last = -1
  let at = off
  while (at + 4 <= end) {
    const key = ((u8[at] as number) << 8) | (u8[at + 1] as number)
    if (key <= last) return -1
    last = key
    at += 4 + (((u8[at + 2] as number) << 8) | (u8[at + 3] as number))
  }
  return at === end ? end : -1
}

/** RFC 3123 §4. */
function aplEnd(u8: Uint8Array, off: number, end: number): number {
  let at = off
  while (at + 4 <= end) {
    const family = ((u8[at] as number) << 8) | (u8[at + 1] as number)
    const prefixBits = u8[at + 2] as number
    const len = (u8[at + 3] as number) & 127
    const maxLen = family === 1 ? 4 : family === 2 ? 16 : 127
    if (len > maxLen || (maxLen < 127 && prefixBits > 8 * maxLen)) return -1
    at += 4 + len
  }
  return at === end ? end : -1
}

/** The fields of a SOA record (RFC 1035 §3.3.13). Times in seconds. */
export interface Soa {
  readonly primary: Name
  readonly mailbox: Name
  readonly serial: number
  readonly refresh: number
  readonly retry: number
  readonly expire: number
  readonly minimum: number
}

/** Reads SOA RDATA that has been checked. */
export function soaOf(rdata: Uint8Array): Soa {
  const primary = nameIn(TYPE.SOA, rdata, 0)
  const mailbox = nameIn(TYPE.SOA, rdata, 1)
  const dv = new DataView(rdata.buffer, rdata.byteOffset + primary.length + mailbox.length)
  return {
    primary,
    mailbox,
    serial: dv.getUint32(0),
    refresh: dv.getUint32(4),
    retry: dv.getUint32(8),
    expire: dv.getUint32(12),
    minimum: dv.getUint32(16),
  }
}

/** SOA RDATA. */
export function soaRdata(soa: Soa): Uint8Array {
  const rdata = textToOctets(`${soa.primary}${soa.mailbox}${'\0'.repeat(20)}`)
  const dv = new DataView(rdata.buffer, rdata.length - 20)
  for (const [i, value] of [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum].entries()) {
    dv.setUint32(4 * i, value)
  }
  return rdata
}
