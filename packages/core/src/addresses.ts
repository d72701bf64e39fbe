/** Building, parsing and printing addresses. Parsers return `undefined` on bad text; they never throw. */
import type { Endpoint, IpAddress, Ipv4, Ipv4Cidr, Mac, Port } from '@mirage-ts/signatures/addresses'

/** `ff:ff:ff:ff:ff:ff`. */
export const MAC_BROADCAST: Mac = 0xffffffffffff as Mac
/** `0.0.0.0`. */
export const IPV4_ANY: Ipv4 = 0 as Ipv4
/** `255.255.255.255`, the limited broadcast address. */
export const IPV4_BROADCAST: Ipv4 = 0xffffffff as Ipv4
/** `224.0.0.1`, the group of all hosts on a link (RFC 1112 §4). */
export const IPV4_ALL_HOSTS: Ipv4 = 0xe0000001 as Ipv4

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
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  if (match === null) return undefined
  let address = 0
  for (const part of match.slice(1)) {
    const octet = Number(part)
    if (octet > 255 || (part.length > 1 && part.startsWith('0'))) return undefined
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
  const match = /^([\d.]+)\/(\d{1,2})$/.exec(text)
  const address = match === null ? undefined : parseIpv4(match[1] as string)
  const prefixBits = match === null ? 33 : Number(match[2])
  return address === undefined || prefixBits > 32 ? undefined : { address, prefixBits }
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
  if (!/^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$/.test(text)) return undefined
  return Number.parseInt(text.replaceAll(/[:-]/g, ''), 16) as Mac
}

/** Six colon-separated pairs of lowercase hex digits. */
export function macToString(mac: Mac): string {
  const digits = mac.toString(16).padStart(12, '0')
  return digits.replaceAll(/(..)(?!$)/g, '$1:')
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

/** Tells the families apart. */
export function isIpv4(address: IpAddress): address is Ipv4 {
  return typeof address === 'number'
}

export function ipToString(address: IpAddress): string {
  // IPv6 text (RFC 5952) arrives with IPv6 itself; until then no value of that type can be built.
  return isIpv4(address) ? ipv4ToString(address) : `0x${address.toString(16)}`
}

export function endpointToString(endpoint: Endpoint): string {
  return `${ipToString(endpoint.address)}:${endpoint.port}`
}
