/** The one form of records that signatures are made of (RFC 4034 §6, RFC 6840 §5.1). */
import { octetsToText, textToOctets } from '@mirage-ts/core/octets'
import { type Name, nameKey } from '../wire/name.ts'
import { type Field, fieldEnd, layoutOf } from '../wire/rdata.ts'
import { CLASS, TYPE } from '../wire/types.ts'
import type { RrSet } from '../zone/zone.ts'

/** RDATA with the names of the older types in lower case (RFC 4034 §6.2), an octet in each character. */
function canonicalRdata(type: number, rdata: Uint8Array): string {
  let text = ''
  let off = 0
  for (const field of layoutOf(type) ?? []) {
    const next = fieldEnd(field, rdata, off, rdata.length)
    const octets = octetsToText(rdata, off, next)
    text += isFolded(type, field) ? nameKey(octets as Name) : octets
    off = next
  }
  return text + octetsToText(rdata, off)
}

/** RFC 6840 §5.1 takes NSEC out of the list of RFC 4034; types newer than the list keep the case of their names. */
function isFolded(type: number, field: Field): boolean {
  if (field === 'plainName') return type === TYPE.SIG || type === TYPE.RRSIG
  return (field === 'name' || field === 'oldName') && type !== TYPE.NSEC
}

/** Owner, type, class and TTL of each record, then its RDATA; in the order of RDATA (RFC 4034 §6.3), each once. */
export function canonicalSet(set: RrSet): Uint8Array {
  const head = nameKey(set.name) + text16(set.type) + text16(CLASS.IN) + text16(set.ttl >>> 16) + text16(set.ttl)
  // Comparing text compares octets, and what ends first comes first.
  const rdatas = [...new Set(set.rdatas.map((rdata) => canonicalRdata(set.type, rdata)))].sort()
  return textToOctets(rdatas.map((rdata) => head + text16(rdata.length) + rdata).join(''))
}

/** The low 16 bits of `value`, as two octets of text. */
function text16(value: number): string {
  return String.fromCharCode((value >>> 8) & 255, value & 255)
}
