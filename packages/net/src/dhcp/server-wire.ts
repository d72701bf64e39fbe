/**
 * DHCP messages from the server's side (RFC 2131 §2, RFC 2132, relay agent information RFC 3046, link selection RFC 3527,
 * names RFC 4702): reads what clients and relay agents say, writes the answers. wire.ts is the client's side.
 */
import { readMac, writeMac } from '@mirage-ts/core/addresses'
import type { Ipv4, Mac } from '@mirage-ts/signatures/addresses'
import { readDomains, writeDomain } from '../dhcp6/domain.ts'
import {
  addresses,
  BOOTREPLY,
  BOOTREQUEST,
  CHADDR,
  CIADDR,
  type DhcpReason,
  FILE,
  FLAG_BROADCAST,
  FLAGS,
  LEAST_LEN,
  MAGIC,
  MAGIC_COOKIE,
  OP,
  OPTION_CLIENT_ID,
  OPTION_END,
  OPTION_FQDN,
  OPTION_HOSTNAME,
  OPTION_LEASE_TIME,
  OPTION_MAX_LEN,
  OPTION_OVERLOAD,
  OPTION_PARAMETERS,
  OPTION_REQUESTED,
  OPTION_SERVER,
  OPTION_TYPE,
  OPTIONS,
  readMessage,
  readOptions,
  SECS,
  SNAME,
  text,
  typeOf,
  XID,
  YIADDR,
} from './wire.ts'

const HOPS = 3
const SIADDR = 20
const GIADDR = 24

export const OPTION_VENDOR_CLASS = 60
export const OPTION_RELAY_INFO = 82
export const OPTION_SEARCH_LIST = 119
const RELAY_LINK_SELECTION = 5

/** Octets of a message that every client takes: 576 with the headers of IP and UDP (RFC 2132 §9.10). */
const LEAST_MAX_LEN = 576
/** What we ever write: one Ethernet frame. */
const GREATEST_MAX_LEN = 1500
const IP_AND_UDP_LEN = 28

export const FQDN_SERVER_UPDATES = 1
export const FQDN_OVERRIDDEN = 2
export const FQDN_ENCODED = 4
export const FQDN_NO_UPDATES = 8

/** What a client says, perhaps through a relay agent. */
export interface DhcpQuery {
  readonly type: number
  readonly xid: number
  readonly hops: number
  readonly secs: number
  /** It can hear broadcasts only. */
  readonly isBroadcast: boolean
  readonly ciaddr: Ipv4
  /** The relay agent, or 0. */
  readonly giaddr: Ipv4
  readonly mac: Mac
  readonly clientId: Uint8Array | undefined
  readonly requested: Ipv4 | undefined
  readonly server: Ipv4 | undefined
  readonly leaseSeconds: number | undefined
  /** Codes of the options it would like to have, in its order. */
  readonly parameters: readonly number[]
  readonly hostname: string | undefined
  /** Name as it was sent, perhaps empty; flags `FQDN_...`. */
  readonly fqdn: { readonly flags: number; readonly name: string } | undefined
  readonly vendorClass: string | undefined
  /** The whole relay agent information, to be sent back as it came. */
  readonly relayInfo: Uint8Array | undefined
  /** The link that the relay agent names in place of its own address. */
  readonly link: Ipv4 | undefined
  /** Longest answer the client takes, headers of IP and UDP included. */
  readonly maxLenBytes: number
}

/** Reads the message that `u8` is, all of it. Returns why it cannot be used. */
export function parseDhcpQuery(u8: Uint8Array): DhcpQuery | DhcpReason | 'not-a-query' {
  const options = readMessage(u8, BOOTREQUEST)
  if (options === 'other-op') return 'not-a-query'
  if (typeof options === 'string') return options
  const dv = new DataView(u8.buffer, u8.byteOffset, u8.length)
  const clientId = options.get(OPTION_CLIENT_ID)
  // RFC 2132 §9.14: two octets at least.
  if (clientId !== undefined && clientId.length < 2) return 'bad-option'
  const relayInfo = options.get(OPTION_RELAY_INFO)
  return {
    type: typeOf(options),
    xid: dv.getUint32(XID),
    hops: dv.getUint8(HOPS),
    secs: dv.getUint16(SECS),
    isBroadcast: (dv.getUint16(FLAGS) & FLAG_BROADCAST) !== 0,
    ciaddr: dv.getUint32(CIADDR) as Ipv4,
    giaddr: dv.getUint32(GIADDR) as Ipv4,
    mac: readMac(dv, CHADDR),
    clientId: clientId?.subarray(0, 255),
    requested: addresses(options.get(OPTION_REQUESTED))[0],
    server: addresses(options.get(OPTION_SERVER))[0],
    leaseSeconds: addresses(options.get(OPTION_LEASE_TIME))[0],
    parameters: [...(options.get(OPTION_PARAMETERS) ?? [])],
    hostname: text(options.get(OPTION_HOSTNAME)),
    fqdn: readFqdn(options.get(OPTION_FQDN)),
    vendorClass: text(options.get(OPTION_VENDOR_CLASS)),
    relayInfo,
    link: linkSelection(relayInfo),
    maxLenBytes: maxLen(options.get(OPTION_MAX_LEN)),
  }
}

/** RFC 4702 §2: flags, two octets of the past, the name in one of two encodings. */
function readFqdn(option: Uint8Array | undefined): DhcpQuery['fqdn'] {
  if (option === undefined || option.length < 3) return undefined
  const flags = option[0] as number
  if ((flags & FQDN_ENCODED) === 0) return { flags, name: (text(option.subarray(3)) ?? '').replace(/\.$/, '') }
  const names = readDomains(option, 3, option.length, true)
  return names === undefined ? undefined : { flags, name: names[0] ?? '' }
}

function linkSelection(relayInfo: Uint8Array | undefined): Ipv4 | undefined {
  const parts = new Map<number, Uint8Array>()
  if (relayInfo === undefined || !readOptions(relayInfo, 0, relayInfo.length, parts)) return undefined
  return addresses(parts.get(RELAY_LINK_SELECTION))[0]
}

function maxLen(option: Uint8Array | undefined): number {
  const asked = option?.length === 2 ? (option[0] as number) * 256 + (option[1] as number) : LEAST_MAX_LEN
  return Math.min(GREATEST_MAX_LEN, Math.max(LEAST_MAX_LEN, asked))
}

/** One option: at most 255 octets, or several parts on the wire (RFC 3396). */
export interface DhcpOption {
  readonly code: number
  readonly data: Uint8Array
}

/** What a server answers. */
export interface DhcpAnswer {
  /** `OFFER`, `ACK` or `NAK`. */
  readonly type: number
  /** What is answered. */
  readonly query: DhcpQuery
  readonly yiaddr: Ipv4
  /** Where a client that boots from the network goes on; 0 for nowhere. */
  readonly next: Ipv4
  /** Without those for the type and the relay agent; the most important first: what finds no room is left out. */
  readonly options: readonly DhcpOption[]
}

/** Builds the answer. Options that do not fit go on in the fields for file and server name (RFC 2131 §4.1). */
export function emitDhcpAnswer({ type, query, yiaddr, next, options }: DhcpAnswer): Uint8Array {
  const u8 = new Uint8Array(GREATEST_MAX_LEN)
  const dv = new DataView(u8.buffer)
  dv.setUint8(OP, BOOTREPLY)
  dv.setUint16(OP + 1, 0x0106)
  dv.setUint32(XID, query.xid)
  // RFC 2131 §4.3.2: a NAK through a relay agent is broadcast by it.
  const isBroadcast = query.isBroadcast || (type === 6 && query.giaddr !== 0)
  dv.setUint16(FLAGS, isBroadcast ? FLAG_BROADCAST : 0)
  dv.setUint32(CIADDR, type === 6 ? 0 : query.ciaddr)
  dv.setUint32(YIADDR, yiaddr)
  dv.setUint32(SIADDR, next)
  dv.setUint32(GIADDR, query.giaddr)
  writeMac(dv, CHADDR, query.mac)
  dv.setUint32(MAGIC, MAGIC_COOKIE)
  const relay = query.relayInfo
  // Room that no other option may take: the relay agent's, the one that tells of an overload, the end.
  const endOff = query.maxLenBytes - IP_AND_UDP_LEN - (relay === undefined ? 0 : lenOnWire(relay)) - 3 - 1
  const main = new Area(u8, OPTIONS, endOff)
  const file = new Area(u8, FILE, MAGIC - 1)
  const sname = new Area(u8, SNAME, FILE - 1)
  main.put(OPTION_TYPE, [type])
  for (const { code, data } of options) {
    if (!main.put(code, data) && !file.put(code, data)) sname.put(code, data)
  }
  const overload = (file.isUsed ? 1 : 0) | (sname.isUsed ? 2 : 0)
  main.end = GREATEST_MAX_LEN
  if (overload !== 0) main.put(OPTION_OVERLOAD, [overload])
  // RFC 3046 §2.2: the last one.
  if (relay !== undefined) main.put(OPTION_RELAY_INFO, relay)
  for (const area of [main, file, sname]) if (area.isUsed) u8[area.off++] = OPTION_END
  return u8.subarray(0, Math.max(LEAST_LEN, main.off))
}

/** Octets that an option of this content takes, in parts of 255. */
function lenOnWire(data: ArrayLike<number>): number {
  return data.length + 2 * Math.max(1, Math.ceil(data.length / 255))
}

/** A place for options: `[off, end)` of `u8` is free. */
class Area {
  off: number
  end: number
  isUsed = false
  private readonly u8: Uint8Array

  constructor(u8: Uint8Array, off: number, end: number) {
    this.u8 = u8
    this.off = off
    this.end = end
  }

  /** Writes an option, in parts when it is long; false when there is no room for it. */
  put(code: number, data: ArrayLike<number>): boolean {
    if (lenOnWire(data) > this.end - this.off) return false
    let from = 0
    do {
      const len = Math.min(255, data.length - from)
      this.u8[this.off] = code
      this.u8[this.off + 1] = len
      for (let i = 0; i < len; i++) this.u8[this.off + 2 + i] = data[from + i] as number
      this.off += 2 + len
      from += len
    } while (from < data.length)
    this.isUsed = true
    return true
  }
}

/** The content of an option that is a list of words of 32 bits: addresses, times. */
export function wordsOption(words: readonly number[]): Uint8Array {
  const u8 = new Uint8Array(4 * words.length)
  const dv = new DataView(u8.buffer)
  for (const [i, word] of words.entries()) dv.setUint32(4 * i, word)
  return u8
}

/** The content of an option that is text; the caller has checked that it is ASCII. */
export function textOption(content: string): Uint8Array {
  return Uint8Array.from(content, (character) => character.charCodeAt(0))
}

/** The content of the search list (RFC 3397), without its compression. */
export function searchListOption(names: readonly string[]): Uint8Array {
  const u8 = new Uint8Array(names.reduce((sum, name) => sum + name.length + 2, 0))
  let off = 0
  for (const name of names) off = writeDomain(u8, off, name, false)
  return u8
}

/** The answer to a client's name (RFC 4702 §4): in the encoding that it speaks. */
export function fqdnOption(flags: number, name: string): Uint8Array {
  const u8 = new Uint8Array(3 + name.length + 2)
  u8[0] = flags
  // RFC 4702 §2.2: codes of the past, which servers set to 255.
  u8[1] = 255
  u8[2] = 255
  if ((flags & FQDN_ENCODED) !== 0) return u8.subarray(0, name === '' ? 3 : writeDomain(u8, 3, name, false))
  u8.set(textOption(name), 3)
  return u8.subarray(0, 3 + name.length)
}
