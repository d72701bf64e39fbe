/** DHCP messages (RFC 2131 §2, RFC 2132; long options RFC 3396, routes RFC 3442, names RFC 4702). */
import { ipv4Mask, readMac, writeMac } from '@mirage-ts/core/addresses'
import type { Ipv4, Ipv4Cidr, Mac } from '@mirage-ts/signatures/addresses'

export const OP = 0
export const XID = 4
export const SECS = 8
export const FLAGS = 10
export const CIADDR = 12
export const YIADDR = 16
export const CHADDR = 28
export const SNAME = 44
export const FILE = 108
export const MAGIC = 236
export const OPTIONS = 240
/** RFC 2131 §2: a client must take 312 octets of options; shorter messages than this some servers ignore (RFC 1542 §2.1). */
export const LEAST_LEN = 300

export const BOOTREQUEST = 1
export const BOOTREPLY = 2
export const MAGIC_COOKIE = 0x63825363
export const FLAG_BROADCAST = 0x8000

export const DHCP_SERVER_PORT = 67
export const DHCP_CLIENT_PORT = 68

export const DISCOVER = 1
export const OFFER = 2
export const REQUEST = 3
export const DECLINE = 4
export const ACK = 5
export const NAK = 6
export const RELEASE = 7
export const INFORM = 8

export const OPTION_PAD = 0
export const OPTION_MASK = 1
export const OPTION_ROUTER = 3
export const OPTION_NAMESERVERS = 6
export const OPTION_HOSTNAME = 12
export const OPTION_DOMAIN = 15
export const OPTION_NTP = 42
export const OPTION_REQUESTED = 50
export const OPTION_LEASE_TIME = 51
export const OPTION_OVERLOAD = 52
export const OPTION_TYPE = 53
export const OPTION_SERVER = 54
export const OPTION_PARAMETERS = 55
export const OPTION_MESSAGE = 56
export const OPTION_MAX_LEN = 57
export const OPTION_T1 = 58
export const OPTION_T2 = 59
export const OPTION_CLIENT_ID = 61
export const OPTION_FQDN = 81
export const OPTION_ROUTES = 121
export const OPTION_END = 255

/** RFC 3442 §2: routes before routers, or a server that answers in our order would leave them out for lack of room. */
const PARAMETERS = [
  OPTION_MASK,
  OPTION_ROUTES,
  OPTION_ROUTER,
  OPTION_NAMESERVERS,
  OPTION_HOSTNAME,
  OPTION_DOMAIN,
  OPTION_NTP,
  OPTION_T1,
  OPTION_T2,
  OPTION_FQDN,
]

/** What a server sent. */
export interface DhcpReply {
  readonly xid: number
  readonly mac: Mac
  /** `OFFER`, `ACK` or `NAK`. */
  readonly type: number
  readonly yiaddr: Ipv4
  readonly server: Ipv4 | undefined
  readonly mask: Ipv4 | undefined
  readonly routers: readonly Ipv4[]
  readonly routes: readonly { readonly network: Ipv4Cidr; readonly gateway: Ipv4 }[]
  readonly nameservers: readonly Ipv4[]
  readonly ntpServers: readonly Ipv4[]
  readonly domain: string | undefined
  readonly hostname: string | undefined
  readonly message: string | undefined
  /** Seconds; 0xffffffff is for ever. */
  readonly leaseSeconds: number | undefined
  readonly t1Seconds: number | undefined
  readonly t2Seconds: number | undefined
}

export type DhcpReason = 'truncated' | 'not-a-reply' | 'bad-magic' | 'bad-option' | 'no-type'

/** Reads the message that `u8` is, all of it. Returns why it cannot be used. */
export function parseDhcp(u8: Uint8Array): DhcpReply | DhcpReason {
  const options = readMessage(u8, BOOTREPLY)
  if (options === 'other-op') return 'not-a-reply'
  if (typeof options === 'string') return options
  const dv = new DataView(u8.buffer, u8.byteOffset, u8.length)
  const routes = parseRoutes(options.get(OPTION_ROUTES) ?? new Uint8Array(0))
  if (routes === undefined) return 'bad-option'
  return {
    xid: dv.getUint32(XID),
    mac: readMac(dv, CHADDR),
    type: typeOf(options),
    yiaddr: dv.getUint32(YIADDR) as Ipv4,
    server: addresses(options.get(OPTION_SERVER))[0],
    mask: addresses(options.get(OPTION_MASK))[0],
    routers: addresses(options.get(OPTION_ROUTER)),
    routes,
    nameservers: addresses(options.get(OPTION_NAMESERVERS)),
    ntpServers: addresses(options.get(OPTION_NTP)),
    domain: text(options.get(OPTION_DOMAIN)),
    hostname: text(options.get(OPTION_HOSTNAME)),
    message: text(options.get(OPTION_MESSAGE)),
    leaseSeconds: addresses(options.get(OPTION_LEASE_TIME))[0],
    t1Seconds: addresses(options.get(OPTION_T1))[0],
    t2Seconds: addresses(options.get(OPTION_T2))[0],
  }
}

/** The options of the message that `u8` is, when its first octet is `op` and it is for Ethernet; else why it cannot be used. */
export function readMessage(
  u8: Uint8Array,
  op: number,
): ReadonlyMap<number, Uint8Array> | 'truncated' | 'other-op' | 'bad-magic' | 'bad-option' | 'no-type' {
  if (u8.length < OPTIONS) return 'truncated'
  const dv = new DataView(u8.buffer, u8.byteOffset, u8.length)
  // Hardware type 1, addresses of 6 octets: Ethernet.
  if (dv.getUint8(OP) !== op || dv.getUint16(OP + 1) !== 0x0106) return 'other-op'
  if (dv.getUint32(MAGIC) !== MAGIC_COOKIE) return 'bad-magic'
  const options = new Map<number, Uint8Array>()
  if (!readOptions(u8, OPTIONS, u8.length, options)) return 'bad-option'
  // RFC 2131 §4.1: the options may go on in the fields for file and server name.
  const overload = options.get(OPTION_OVERLOAD)?.[0] ?? 0
  if ((overload & 1) !== 0 && !readOptions(u8, FILE, MAGIC, options)) return 'bad-option'
  if ((overload & 2) !== 0 && !readOptions(u8, SNAME, FILE, options)) return 'bad-option'
  return options.get(OPTION_TYPE)?.length === 1 ? options : 'no-type'
}

/** The type of a message that has been read. */
export function typeOf(options: ReadonlyMap<number, Uint8Array>): number {
  return options.get(OPTION_TYPE)?.[0] ?? 0
}

/** Collects the options in `[off, end)`; false when one runs over the end. Parts of a long one add up (RFC 3396). */
export function readOptions(u8: Uint8Array, off: number, end: number, options: Map<number, Uint8Array>): boolean {
  while (off < end) {
    const code = u8[off++] as number
    if (code === OPTION_PAD) continue
    if (code === OPTION_END) return true
    const len = u8[off++]
    if (len === undefined || off + len > end) return false
    const before = options.get(code) ?? new Uint8Array(0)
    const whole = new Uint8Array(before.length + len)
    whole.set(before)
    whole.set(u8.subarray(off, off + len), before.length)
    options.set(code, whole)
    off += len
  }
  return true
}

/** The 32-bit words of an option; what is left over at its end does not count. */
export function addresses(option: Uint8Array | undefined): Ipv4[] {
  if (option === undefined) return []
  const dv = new DataView(option.buffer)
  return Array.from({ length: option.length >> 2 }, (_, i) => dv.getUint32(4 * i) as Ipv4)
}

/** Text without the zeros that some servers end it with; what is not printable is not believed. */
export function text(option: Uint8Array | undefined): string | undefined {
  if (option === undefined) return undefined
  const decoded = String.fromCharCode(...option.subarray(0, 255)).replace(/\0+$/, '')
  return /^[\x20-\x7e]+$/.test(decoded) ? decoded : undefined
}

/** RFC 3442: prefix length, as many octets of the network as it covers, router. */
function parseRoutes(option: Uint8Array): DhcpReply['routes'] | undefined {
  const dv = new DataView(option.buffer)
  const routes: { network: Ipv4Cidr; gateway: Ipv4 }[] = []
  for (let off = 0; off < option.length; ) {
    const prefixBits = option[off++] as number
    const octetCount = (prefixBits + 7) >> 3
    if (prefixBits > 32 || off + octetCount + 4 > option.length) return undefined
    let address = 0
    for (let i = 0; i < 4; i++) address = address * 256 + (i < octetCount ? (option[off + i] as number) : 0)
    const gateway = dv.getUint32(off + octetCount) as Ipv4
    routes.push({ network: { address: ((address & ipv4Mask(prefixBits)) >>> 0) as Ipv4, prefixBits }, gateway })
    off += octetCount + 4
  }
  return routes
}

/** What a client says. */
export interface DhcpMessage {
  readonly type: number
  readonly xid: number
  readonly mac: Mac
  /** Seconds since we began to ask. */
  readonly secs: number
  /** The address we already use, so that the answer can come to it; 0 when there is none. */
  readonly ciaddr: Ipv4
  readonly requested: Ipv4 | undefined
  readonly server: Ipv4 | undefined
  /** Our name; one with a dot is a fully qualified one. */
  readonly hostname: string | undefined
}

/** Builds the message. */
export function emitDhcp(message: DhcpMessage): Uint8Array {
  const u8 = new Uint8Array(576 - 28)
  const dv = new DataView(u8.buffer)
  dv.setUint8(OP, BOOTREQUEST)
  dv.setUint16(OP + 1, 0x0106)
  dv.setUint32(XID, message.xid)
  dv.setUint16(SECS, Math.min(0xffff, message.secs))
  // Without an address we can hear broadcasts only.
  dv.setUint16(FLAGS, message.ciaddr === 0 ? FLAG_BROADCAST : 0)
  dv.setUint32(CIADDR, message.ciaddr)
  writeMac(dv, CHADDR, message.mac)
  dv.setUint32(MAGIC, MAGIC_COOKIE)
  let off = OPTIONS
  const option = (code: number, octets: ArrayLike<number>): void => {
    u8[off] = code
    u8[off + 1] = octets.length
    u8.set(octets, off + 2)
    off += 2 + octets.length
  }
  const word = (value: number): number[] => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]
  option(OPTION_TYPE, [message.type])
  option(OPTION_CLIENT_ID, [1, ...u8.slice(CHADDR, CHADDR + 6)])
  if (message.requested !== undefined) option(OPTION_REQUESTED, word(message.requested))
  if (message.server !== undefined) option(OPTION_SERVER, word(message.server))
  // RFC 2131 table 5: a client that gives an address up says no more than that.
  if (message.type === DISCOVER || message.type === REQUEST) {
    option(OPTION_MAX_LEN, [0x05, 0xdc])
    option(OPTION_PARAMETERS, PARAMETERS)
    if (message.hostname !== undefined) {
      // RFC 4702 §3.1: never both. Flags E (name in DNS encoding) and S (the server should enter the address in DNS).
      if (message.hostname.includes('.')) option(OPTION_FQDN, [0x05, 0, 0, ...encodeName(message.hostname)])
      else option(OPTION_HOSTNAME, ascii(message.hostname))
    }
  }
  u8[off++] = OPTION_END
  return u8.subarray(0, Math.max(LEAST_LEN, off))
}

/** A name in the encoding of DNS (RFC 1035 §3.1); the caller has checked it. */
function encodeName(name: string): number[] {
  const labels = name.replace(/\.$/, '').split('.')
  return [...labels.flatMap((label) => [label.length, ...ascii(label)]), 0]
}

function ascii(text: string): number[] {
  return Array.from(text, (character) => character.charCodeAt(0))
}

/** Says what is wrong with a host's name (RFC 1123 §2.1), or nothing. */
export function hostnameProblem(name: string): string | undefined {
  const label = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/
  return name.length <= 200 &&
    name
      .replace(/\.$/, '')
      .split('.')
      .every((one) => label.test(one))
    ? undefined
    : 'expected letters, digits and hyphens, with dots between labels of at most 63'
}
