/** Building, parsing and printing addresses. Parsers return `undefined` on bad text; they never throw. */
import type { Endpoint, IpAddress, Ipv4, Ipv4Cidr, Ipv6, Ipv6Cidr, Mac, Port } from '@mirage-ts/signatures/addresses'
import { parseDecimal, parseHexadecimal } from './digits.ts'

/** `ff:ff:ff:ff:ff:ff`. */
export const MAC_BROADCAST: Mac = 0xffffffffffff as Mac
/** `0.0.0.0`. */
export const IPV4_ANY: Ipv4 = 0 as Ipv4
/** `255.255.255.255`, the limited broadcast address. */
export const IPV4_BROADCAST: Ipv4 = 0xffffffff as Ipv4
/** `224.0.0.1`, the group of all hosts on a link (RFC 1112 §4). */
export const IPV4_ALL_HOSTS: Ipv4 = 0xe0000001 as Ipv4

/** `::`, the unspecified address. */
export const IPV6_ANY: Ipv6 = 0n as Ipv6
/** `ff02::1`, all nodes on the link. */
export const IPV6_ALL_NODES: Ipv6 = 0xff020000000000000000000000000001n as Ipv6

/** Checks that `value` is an integer from 0 to 65535 and calls it a port. */
export function port(value: number): Port {
  if (!Number.isInteger(value) || value < 0 || value > 65535) {
    throw new RangeError(`Cannot use ${value} as a port: expected 0..65535`)
  }
  return value as Port
}

/** Puts four octets together; they are taken modulo 256. */
export function ipv4(a: number, b: number, c: number, d: number): Ipv4 {
  return (((a << 24) | ((b & 255) << 16) | ((c & 255) << 8) | (d & 255)) >>> 0) as Ipv4
}

/** Reads dotted-decimal text: exactly four numbers 0 to 255 without leading zeros. */
export function parseIpv4(text: string): Ipv4 | undefined {
  const parts = text.split('.', 5)
  if (parts.length !== 4) return undefined
  let address = 0
  for (const part of parts) {
    const octet = Number(part)
    // What it would be written as: without signs, exponents, spaces and leading zeros.
    if (!(octet >= 0 && octet <= 255) || String(octet) !== part) return undefined
    address = address * 256 + octet
  }
  return address as Ipv4
}

/** Dotted decimal. */
export function ipv4ToString(address: Ipv4): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`
}

/** Reads `10.0.0.2/24`. */
export function parseIpv4Cidr(text: string): Ipv4Cidr | undefined {
  const slash = text.indexOf('/')
  if (slash < 0) return undefined
  const address = parseIpv4(text.slice(0, slash))
  const prefixBits = parseDecimal(text.slice(slash + 1), 2)
  return address === undefined || prefixBits === undefined || prefixBits > 32 ? undefined : { address, prefixBits }
}

export function ipv4CidrToString(cidr: Ipv4Cidr): string {
  return `${ipv4ToString(cidr.address)}/${cidr.prefixBits}`
}

/** The mask of a prefix, `/24` is `255.255.255.0`. */
export function ipv4Mask(prefixBits: number): Ipv4 {
  return (prefixBits === 0 ? 0 : (0xffffffff << (32 - prefixBits)) >>> 0) as Ipv4
}

/** True when `address` lies in the network of `cidr`. */
export function ipv4InCidr(address: Ipv4, cidr: Ipv4Cidr): boolean {
  return ((address ^ cidr.address) & ipv4Mask(cidr.prefixBits)) === 0
}

/** The directed broadcast address of a network (RFC 919); a /31 or /32 has none (RFC 3021). */
export function ipv4BroadcastOf(cidr: Ipv4Cidr): Ipv4 | undefined {
  if (cidr.prefixBits >= 31) return undefined
  return ((cidr.address | ~ipv4Mask(cidr.prefixBits)) >>> 0) as Ipv4
}

/** True for 224.0.0.0/4 (RFC 1112). */
export function isIpv4Multicast(address: Ipv4): boolean {
  return address >>> 28 === 0xe
}

/** The Ethernet group that carries an IPv4 group (RFC 1112 §6.4). */
export function ipv4MulticastMac(group: Ipv4): Mac {
  return (0x01005e000000 + (group & 0x7fffff)) as Mac
}

/** Reads six colon- or hyphen-separated pairs of hex digits. */
export function parseMac(text: string): Mac | undefined {
  if (text.length !== 17) return undefined
  let mac = 0
  for (let off = 0; off < 17; off += 3) {
    const octet = parseHexadecimal(text.slice(off, off + 2), 2)
    if (octet === undefined || (off > 0 && text[off - 1] !== ':' && text[off - 1] !== '-')) return undefined
    mac = mac * 256 + octet
  }
  return mac as Mac
}

/** Six colon-separated pairs of lowercase hex digits. */
export function macToString(mac: Mac): string {
  const digits = mac.toString(16).padStart(12, '0')
  let text = digits.slice(0, 2)
  for (let off = 2; off < 12; off += 2) text += `:${digits.slice(off, off + 2)}`
  return text
}

/** Reads the MAC at `off`; the caller has checked the length. */
export function readMac(dv: DataView, off: number): Mac {
  return (dv.getUint16(off) * 0x1_0000_0000 + dv.getUint32(off + 2)) as Mac
}

export function writeMac(dv: DataView, off: number, mac: Mac): void {
  dv.setUint16(off, Math.floor(mac / 0x1_0000_0000))
  dv.setUint32(off + 2, mac >>> 0)
}

/** True when the group bit is set: multicast or broadcast. */
export function isMacGroup(mac: Mac): boolean {
  return Math.floor(mac / 0x100_0000_0000) % 2 === 1
}

/**
 * Reads the text of an IPv6 address (RFC 4291 §2.2): eight groups of one to four hex digits, one run of zeros as `::`, the
 * last two groups as an IPv4 address if you like. Zones (`%eth0`) are not part of an address.
 */
export function parseIpv6(text: string): Ipv6 | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = parseGroups(halves[0] as string, halves.length === 1)
  const tail = halves.length === 1 ? [] : parseGroups(halves[1] as string, true)
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  // RFC 4291 §2.2: "::" stands for one group at least.
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined
  let address = 0n
  for (const group of [...head, ...new Array<number>(missing).fill(0), ...tail])
    address = (address << 16n) | BigInt(group)
  return address as Ipv6
}

/** The groups between two ends or `::`; those at the end of the address may close with dotted decimal. */
function parseGroups(text: string, isEnd: boolean): readonly number[] | undefined {
  if (text === '') return []
  const parts = text.split(':')
  const groups: number[] = []
  for (const [i, part] of parts.entries()) {
    const group = parseHexadecimal(part, 4)
    if (group !== undefined) {
      groups.push(group)
      continue
    }
    const dotted = isEnd && i === parts.length - 1 ? parseIpv4(part) : undefined
    if (dotted === undefined) return undefined
    groups.push(dotted >>> 16, dotted & 0xffff)
  }
  return groups
}

/** The text RFC 5952 asks for: lowercase, no leading zeros, the longest run of zero groups as `::`. */
export function ipv6ToString(address: Ipv6): string {
  // RFC 5952 §5: dotted decimal where the prefix says that an IPv4 address follows.
  if (address >> 32n === 0xffffn) return `::ffff:${ipv4ToString(Number(address & 0xffffffffn) as Ipv4)}`
  const groups = Array.from({ length: 8 }, (_, i) => Number((address >> BigInt(112 - 16 * i)) & 0xffffn))
  let best = 0
  let bestLen = 1 // RFC 5952 §4.2.2: a single group of zeros is not shortened
  for (let start = 0; start < 8; start++) {
    let end = start
    while (end < 8 && groups[end] === 0) end++
    if (end - start > bestLen) {
      best = start
      bestLen = end - start
    }
  }
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':')
  return bestLen === 1 ? hex(groups) : `${hex(groups.slice(0, best))}::${hex(groups.slice(best + bestLen))}`
}

/** Reads `2001:db8::2/64`. */
export function parseIpv6Cidr(text: string): Ipv6Cidr | undefined {
  const slash = text.indexOf('/')
  if (slash < 0) return undefined
  const address = parseIpv6(text.slice(0, slash))
  const prefixBits = parseDecimal(text.slice(slash + 1), 3)
  return address === undefined || prefixBits === undefined || prefixBits > 128 ? undefined : { address, prefixBits }
}

export function ipv6CidrToString(cidr: Ipv6Cidr): string {
  return `${ipv6ToString(cidr.address)}/${cidr.prefixBits}`
}

/** True when `address` lies in the network of `cidr`. */
export function ipv6InCidr(address: Ipv6, cidr: Ipv6Cidr): boolean {
  return (address ^ cidr.address) >> BigInt(128 - cidr.prefixBits) === 0n
}

/** True for ff00::/8. */
export function isIpv6Multicast(address: Ipv6): boolean {
  return address >> 120n === 0xffn
}

/** True for fe80::/10. */
export function isIpv6LinkLocal(address: Ipv6): boolean {
  return address >> 118n === 0x3fan
}

/** The Ethernet group that carries an IPv6 group (RFC 2464 §7). */
export function ipv6MulticastMac(group: Ipv6): Mac {
  return (0x333300000000 + Number(group & 0xffffffffn)) as Mac
}

/** The group in which the owner of `address` is asked for (RFC 4291 §2.7.1). */
export function ipv6SolicitedNode(address: Ipv6): Ipv6 {
  return (0xff0200000000000000000001ff000000n | (address & 0xffffffn)) as Ipv6
}

/** The interface identifier made of a MAC (RFC 4291 appendix A). */
export function interfaceIdOf(mac: Mac): bigint {
  const bits = BigInt(mac)
  return (((bits >> 24n) << 40n) | 0xfffe000000n | (bits & 0xffffffn)) ^ (1n << 57n)
}

/** Reads the IPv6 address at `off`; the caller has checked the length. */
export function readIpv6(dv: DataView, off: number): Ipv6 {
  return ((dv.getBigUint64(off) << 64n) | dv.getBigUint64(off + 8)) as Ipv6
}

export function writeIpv6(dv: DataView, off: number, address: Ipv6): void {
  dv.setBigUint64(off, address >> 64n)
  dv.setBigUint64(off + 8, address & 0xffffffffffffffffn)
}

/** Reads an address of either family. */
export function parseIp(text: string): IpAddress | undefined {
  return parseIpv4(text) ?? parseIpv6(text)
}

/** Tells the families apart. */
export function isIpv4(address: IpAddress): address is Ipv4 {
  return typeof address === 'number'
}

/** True when `address` lies in `network`, which may be of either family: those of the other one lie nowhere in it. */
export function isInNetwork(address: IpAddress, network: Ipv4Cidr | Ipv6Cidr): boolean {
  if (isIpv4(address)) return isIpv4(network.address) && ipv4InCidr(address, network as Ipv4Cidr)
  return !isIpv4(network.address) && ipv6InCidr(address, network as Ipv6Cidr)
}

export function ipToString(address: IpAddress): string {
  return isIpv4(address) ? ipv4ToString(address) : ipv6ToString(address)
}

/** `10.0.0.1:80` or `[2001:db8::1]:80`. */
export function endpointToString(endpoint: Endpoint): string {
  const address = ipToString(endpoint.address)
  return isIpv4(endpoint.address) ? `${address}:${endpoint.port}` : `[${address}]:${endpoint.port}`
}
