/** NSEC3: names hidden by hashing (RFC 5155 §3 to §5). */
import { octetsToText, textToOctets } from '@mirage-ts/core/octets'
import { sha1 } from '@noble/hashes/legacy.js'
import type { Name, NameKey } from '../wire/name.ts'
import { base32Hex, parseBase32Hex } from '../wire/text.ts'

/** How names are hashed. RFC 9276 §3.1: no iterations besides the first, and no salt. */
export interface Nsec3Hashing {
  readonly iterations: number
  /** At most 255 octets. */
  readonly salt: Uint8Array
}

const SHA1 = 1
/** RFC 5155 §3.1.2.1: there may be unsigned delegations between the names. */
const OPT_OUT = 1
/** Of a hash: 20 octets, 32 characters of base32hex. */
const LABEL_LEN = 32

/** The owner of the record of `key`: its hash as a label below `origin`. */
export function nsec3Owner(key: NameKey, origin: NameKey, { iterations, salt }: Nsec3Hashing): NameKey {
  const once = (octets: Uint8Array): Uint8Array => {
    const salted = new Uint8Array(octets.length + salt.length)
    salted.set(octets)
    salted.set(salt, octets.length)
    return sha1(salted)
  }
  let digest = once(textToOctets(key))
  for (let i = 0; i < iterations; i++) digest = once(digest)
  // Base32hex orders as the octets do (RFC 4648 §7).
  const label = base32Hex(digest, 0, digest.length)
  return (String.fromCharCode(label.length) + label + origin) as Name as NameKey
}

/** RDATA of a NSEC3 record; `next` is the owner after it, `bitMaps` as `typeBitMaps` makes them. */
export function nsec3Rdata(hashing: Nsec3Hashing, isOptOut: boolean, next: NameKey, bitMaps: string): Uint8Array {
  // Owners are made above: the label is base32hex.
  const hash = octetsToText(parseBase32Hex(next.slice(1, 1 + LABEL_LEN)) as Uint8Array)
  const head = String.fromCharCode(SHA1, isOptOut ? OPT_OUT : 0) + parametersText(hashing)
  return textToOctets(`${head}${String.fromCharCode(hash.length)}${hash}${bitMaps}`)
}

/** RDATA of the NSEC3PARAM record, which says that the zone has such records. Its flags are 0 (RFC 5155 §4.1.2). */
export function nsec3paramRdata(hashing: Nsec3Hashing): Uint8Array {
  return textToOctets(String.fromCharCode(SHA1, 0) + parametersText(hashing))
}

/** What a NSEC3 or NSEC3PARAM record says about hashing. */
export function hashingOf(rdata: Uint8Array): Nsec3Hashing {
  const iterations = ((rdata[2] as number) << 8) + (rdata[3] as number)
  return { iterations, salt: rdata.slice(5, 5 + (rdata[4] as number)) }
}

export function isOptOutRecord(rdata: Uint8Array): boolean {
  return ((rdata[1] as number) & OPT_OUT) !== 0
}

/** The type bit maps of a NSEC3 record. */
export function nsec3BitMaps(rdata: Uint8Array): string {
  const hashOff = 5 + (rdata[4] as number)
  return octetsToText(rdata, hashOff + 1 + (rdata[hashOff] as number))
}

function parametersText({ iterations, salt }: Nsec3Hashing): string {
  return String.fromCharCode(iterations >>> 8, iterations & 255, salt.length) + octetsToText(salt)
}
