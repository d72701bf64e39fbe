/** Asking one server one question as a resolver does: ID, port and the case of letters at random, and reading the answer. */

import { textToOctets } from '@mirage-ts/core/octets'
import type { Endpoint } from '@mirage-ts/signatures/addresses'
import type { Random } from '@mirage-ts/signatures/random'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { Duration, Time } from '@mirage-ts/signatures/time'
import { exchangeMessage } from '../transport/exchange.ts'
import { FLAG, HEADER_LEN, type Message, parseMessage, type Rr, SAFE_UDP_LEN, writeMessage } from '../wire/message.ts'
import { isWithin, type Name, type NameKey, nameKey } from '../wire/name.ts'
import { nameIn, rdataKey, soaOf } from '../wire/rdata.ts'
import { CLASS, RCODE, TYPE } from '../wire/types.ts'
import { WireWriter } from '../wire/wire.ts'
import type { RrSet } from '../zone/zone.ts'

export interface AskDeps {
  readonly stack: Stack
  readonly time: Time
  readonly random: Random
}

export interface AskOptions {
  readonly timeout: Duration
  readonly isRecursionDesired: boolean
  /** For servers that do not repeat the case of letters: TCP is as safe. */
  readonly isTcpOnly: boolean
}

/** Asks; rejects as {@link exchangeMessage} does. */
export async function askServer(
  deps: AskDeps,
  server: Endpoint,
  name: Name,
  type: number,
  { timeout, isRecursionDesired, isTcpOnly }: AskOptions,
): Promise<Message> {
  const writer = new WireWriter(512)
  const end = writeMessage(writer, {
    id: deps.random.u32() & 0xffff,
    flags: isRecursionDesired ? FLAG.RECURSION_DESIRED : 0,
    questions: [{ name: isTcpOnly ? name : mixedCase(name, deps.random), type, class: CLASS.IN }],
    edns: { udpBytes: SAFE_UDP_LEN, version: 0, isDnssecOk: false, options: [] },
  })
  const { message, octets } = await exchangeMessage(deps, server, writer.u8.slice(0, end), { timeout, isTcpOnly })
  if (message.questions.length === 0) return message
  // Names of the answer lead to those of the question, whose case means nothing to anybody else.
  octets.set(textToOctets(name), HEADER_LEN)
  return parseMessage(octets) as Message
}

/** Letters in upper or lower case by chance ("0x20"): whoever forges an answer must guess each of them. */
export function mixedCase(name: Name, random: Random): Name {
  let mixed = ''
  let bits = 0
  for (let i = 0; i < name.length; i++) {
    if ((i & 31) === 0) bits = random.u32()
    const char = name.charAt(i)
    // Lengths are below 64: no letters.
    mixed += (bits >>> (i & 31)) & 1 ? char.toUpperCase() : char.toLowerCase()
  }
  // Octets above 127 have no case here (RFC 4343 §3).
  return (/[\x80-\xff]/.test(name) ? name : mixed) as Name
}

/** The records of a section as sets, only those of names within `bailiwick`: a server speaks for no others. */
export function setsOf(rrs: readonly Rr[], bailiwick: NameKey): RrSet[] {
  const sets = new Map<string, { name: Name; type: number; ttl: number; rdatas: Uint8Array[]; keys: Set<string> }>()
  for (const rr of rrs) {
    const key = nameKey(rr.name)
    if (rr.class !== CLASS.IN || !isWithin(key, bailiwick)) continue
    const id = `${rr.type} ${key}`
    const set = sets.get(id) ?? { name: rr.name, type: rr.type, ttl: rr.ttl, rdatas: [], keys: new Set() }
    sets.set(id, set)
    const data = rdataKey(rr.type, rr.rdata)
    if (set.keys.has(data)) continue
    set.keys.add(data)
    set.rdatas.push(rr.rdata)
    set.ttl = Math.min(set.ttl, rr.ttl)
  }
  return [...sets.values()].map(({ name, type, ttl, rdatas }) => ({ name, type, ttl, rdatas }))
}

/** What an answer says about a question. */
export type Reading =
  | { readonly tag: 'data'; readonly set: RrSet }
  | { readonly tag: 'alias'; readonly set: RrSet }
  | { readonly tag: 'no-data' | 'no-name'; readonly soa: RrSet | undefined }
  | { readonly tag: 'referral'; readonly zone: NameKey; readonly servers: RrSet }
  | { readonly tag: 'useless'; readonly reason: string }

/** Reads the answer of a server that speaks for `zone`. */
export function readAnswer(message: Message, name: Name, type: number, zone: NameKey): Reading {
  const key = nameKey(name)
  if (message.rcode !== RCODE.NOERROR && message.rcode !== RCODE.NXDOMAIN) {
    return { tag: 'useless', reason: `response code ${message.rcode}` }
  }
  const answers = setsOf(message.answers, zone)
  const set = answers.find((one) => nameKey(one.name) === key && one.type === type)
  if (set !== undefined) return { tag: 'data', set }
  const alias = answers.find((one) => nameKey(one.name) === key && one.type === TYPE.CNAME)
  if (alias !== undefined && type !== TYPE.CNAME) return { tag: 'alias', set: alias }
  const authorities = setsOf(message.authorities, zone)
  const servers = authorities.find((one) => one.type === TYPE.NS && isWithin(key, nameKey(one.name)))
  const soa = authorities.find((one) => one.type === TYPE.SOA && isWithin(key, nameKey(one.name)))
  const isReferral = servers !== undefined && soa === undefined && message.rcode === RCODE.NOERROR
  if (isReferral && nameKey(servers.name) !== zone) return { tag: 'referral', zone: nameKey(servers.name), servers }
  // RFC 2308 §2.2: an authoritative nothing; without a SOA record it is not remembered.
  const isFinal = (message.flags & (FLAG.AUTHORITATIVE | FLAG.RECURSION_AVAILABLE)) !== 0
  if (!isFinal) return { tag: 'useless', reason: 'neither an answer nor a referral' }
  return {
    tag: message.rcode === RCODE.NXDOMAIN ? 'no-name' : 'no-data',
    soa: soa === undefined ? undefined : limited(soa),
  }
}

/** RFC 2308 §5: the TTL of the SOA record or its minimum, whichever is less. */
function limited(soa: RrSet): RrSet {
  return { ...soa, ttl: Math.min(soa.ttl, soaOf(soa.rdatas[0] as Uint8Array).minimum) }
}

/** The names of the servers of a delegation. */
export function serverNames(set: RrSet): Name[] {
  return set.rdatas.map((rdata) => nameIn(TYPE.NS, rdata))
}
