/** Reads DHCPv6 messages (codec.ts). */
import { readIpv6 } from '@mirage-ts/core/addresses'
import type { Ipv6 } from '@mirage-ts/signatures/addresses'
import {
  type Dhcp6Address,
  type Dhcp6AddressAssociation,
  type Dhcp6Message,
  type Dhcp6Options,
  type Dhcp6Prefix,
  type Dhcp6PrefixAssociation,
  type Dhcp6Reason,
  type Dhcp6Relay,
  type Dhcp6Status,
  INFORMATION_REQUEST,
  OPTION,
  RELAY_FORWARD,
  RELAY_REPLY,
  SOLICIT,
} from './codec.ts'
import { readDomains } from './domain.ts'

/** Options of one message, those inside of others counted: more is an attack. */
const MAX_OPTIONS = 256
/** RFC 8415 §11.1: two octets of type, then one to 128. */
const LEAST_DUID_LEN = 3
const MAX_DUID_LEN = 130

/**
 * Reads the message that `u8` is, all of it. Returns why it cannot be used: it is cut short, an option has a length or content
 * that its RFC forbids, or it is a relay's. Of an option that is to be there once, the first counts (RFC 8415 §21.1); octets in
 * the result are copies.
 */
export function parseDhcp6(u8: Uint8Array): Dhcp6Message | Dhcp6Reason {
  if (u8.length < 4) return 'truncated'
  const type = u8[0] as number
  if (type < SOLICIT || type > INFORMATION_REQUEST) return 'bad-type'
  const reader = new Reader(u8)
  const options = reader.options(4, u8.length)
  if (options === undefined) return reader.reason
  return { type, xid: reader.dv.getUint32(0) & 0xffffff, ...options }
}

/** Reads a relay agent's message; the one inside is not looked at, and its octets are a copy. */
export function parseDhcp6Relay(u8: Uint8Array): Dhcp6Relay | Dhcp6Reason {
  if (u8.length < 34) return 'truncated'
  const type = u8[0] as number
  if (type !== RELAY_FORWARD && type !== RELAY_REPLY) return 'bad-type'
  const reader = new Reader(u8)
  let message: Uint8Array | undefined
  let interfaceId: Uint8Array | undefined
  const isWhole = reader.walk(34, u8.length, (code, off, end) => {
    if (code === OPTION.RELAYED) message ??= u8.slice(off, end)
    if (code === OPTION.INTERFACE_ID) interfaceId ??= u8.slice(off, end)
    return true
  })
  if (!isWhole) return reader.reason
  if (message === undefined) return 'no-message'
  return {
    type,
    hops: u8[1] as number,
    link: readIpv6(reader.dv, 2),
    peer: readIpv6(reader.dv, 18),
    interfaceId,
    message,
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Reads options; `reason` says why it stopped. */
class Reader {
  readonly dv: DataView
  reason: Dhcp6Reason = 'bad-option'
  private readonly u8: Uint8Array
  private left = MAX_OPTIONS

  constructor(u8: Uint8Array) {
    this.u8 = u8
    this.dv = new DataView(u8.buffer, u8.byteOffset, u8.length)
  }

  /** Hands every option in `[off, end)` to `take`; false when one runs over the end or is refused. */
  walk(off: number, end: number, take: (code: number, off: number, end: number) => boolean): boolean {
    while (off < end) {
      if (end - off < 4) return this.stop('truncated')
      if (--this.left < 0) return this.stop('too-many-options')
      const code = this.dv.getUint16(off)
      const dataEnd = off + 4 + this.dv.getUint16(off + 2)
      if (dataEnd > end) return this.stop('truncated')
      if (!take(code, off + 4, dataEnd)) return false
      off = dataEnd
    }
    return true
  }

  options(off: number, end: number): Dhcp6Options | undefined {
    const found: Mutable<Dhcp6Options> = {}
    return this.walk(off, end, (code, start, stop) => this.option(found, code, start, stop)) ? found : undefined
  }

  private stop(reason: Dhcp6Reason): false {
    this.reason = reason
    return false
  }

  private option(found: Mutable<Dhcp6Options>, code: number, off: number, end: number): boolean {
    const len = end - off
    switch (code) {
      case OPTION.CLIENT_ID:
      case OPTION.SERVER_ID:
        if (len < LEAST_DUID_LEN || len > MAX_DUID_LEN) return false
        if (code === OPTION.CLIENT_ID) found.clientId ??= this.u8.slice(off, end)
        else found.serverId ??= this.u8.slice(off, end)
        return true
      case OPTION.IA_NA: {
        const association = len < 12 ? undefined : this.association(off, end)
        if (association !== undefined) found.associations = [...(found.associations ?? []), association]
        return association !== undefined
      }
      case OPTION.IA_PD: {
        const association = len < 12 ? undefined : this.prefixAssociation(off, end)
        if (association !== undefined) found.prefixAssociations = [...(found.prefixAssociations ?? []), association]
        return association !== undefined
      }
      case OPTION.REQUESTED:
        found.requested ??= Array.from({ length: len >> 1 }, (_, i) => this.dv.getUint16(off + 2 * i))
        return len % 2 === 0
      case OPTION.PREFERENCE:
        found.preference ??= this.u8[off]
        return len === 1
      case OPTION.ELAPSED:
        if (len === 2) found.elapsed ??= this.dv.getUint16(off)
        return len === 2
      case OPTION.STATUS:
        if (len >= 2) found.status ??= this.status(off, end)
        return len >= 2
      case OPTION.RAPID_COMMIT:
        found.isRapidCommit = true
        return len === 0
      case OPTION.RECONFIGURE:
        found.reconfigure ??= this.u8[off]
        return len === 1
      case OPTION.RECONFIGURE_ACCEPT:
        found.isReconfigureAccepted = true
        return len === 0
      case OPTION.DNS_SERVERS:
        found.dnsServers ??= this.addresses(off, end)
        return len % 16 === 0
      case OPTION.SNTP_SERVERS:
        found.sntpServers ??= this.addresses(off, end)
        return len % 16 === 0
      case OPTION.SEARCH_LIST: {
        const names = readDomains(this.u8, off, end)
        if (names !== undefined) found.searchList ??= names
        return names !== undefined
      }
      case OPTION.NTP_SERVER: {
        const servers = this.ntpServers(off, end)
        // RFC 5908 §4: the option comes once for each server.
        if (servers !== undefined) found.ntpServers = [...(found.ntpServers ?? []), ...servers]
        return servers !== undefined
      }
      case OPTION.FQDN: {
        const names = len < 1 ? undefined : readDomains(this.u8, off + 1, end, true)
        if (names === undefined || names.length > 1) return false
        found.fqdn ??= { flags: this.u8[off] as number, name: names[0] ?? '' }
        return true
      }
      case OPTION.REFRESH_TIME:
      case OPTION.SOL_MAX_RT:
      case OPTION.INF_MAX_RT:
        if (len !== 4) return false
        if (code === OPTION.REFRESH_TIME) found.refreshSeconds ??= this.dv.getUint32(off)
        else if (code === OPTION.SOL_MAX_RT) found.solMaxRtSeconds ??= this.dv.getUint32(off)
        else found.infMaxRtSeconds ??= this.dv.getUint32(off)
        return true
      default:
        found.others = [...(found.others ?? []), { code, data: this.u8.slice(off, end) }]
        return true
    }
  }

  private association(off: number, end: number): Dhcp6AddressAssociation | undefined {
    const addresses: Dhcp6Address[] = []
    let status: Dhcp6Status | undefined
    const isWhole = this.walk(off + 12, end, (code, start, stop) => {
      if (code === OPTION.STATUS) {
        if (stop - start < 2) return false
        status ??= this.status(start, stop)
      }
      if (code !== OPTION.IA_ADDRESS) return true
      if (stop - start < 24) return false
      const inner = this.innerStatus(start + 24, stop)
      if (inner === null) return false
      addresses.push({
        address: readIpv6(this.dv, start),
        preferredSeconds: this.dv.getUint32(start + 16),
        validSeconds: this.dv.getUint32(start + 20),
        status: inner,
      })
      return true
    })
    return isWhole ? { ...this.times(off), addresses, status } : undefined
  }

  private prefixAssociation(off: number, end: number): Dhcp6PrefixAssociation | undefined {
    const prefixes: Dhcp6Prefix[] = []
    let status: Dhcp6Status | undefined
    const isWhole = this.walk(off + 12, end, (code, start, stop) => {
      if (code === OPTION.STATUS) {
        if (stop - start < 2) return false
        status ??= this.status(start, stop)
      }
      if (code !== OPTION.IA_PREFIX) return true
      if (stop - start < 25) return false
      const prefixBits = this.u8[start + 8] as number
      const inner = this.innerStatus(start + 25, stop)
      if (prefixBits > 128 || inner === null) return false
      prefixes.push({
        prefix: { address: readIpv6(this.dv, start + 9), prefixBits },
        preferredSeconds: this.dv.getUint32(start),
        validSeconds: this.dv.getUint32(start + 4),
        status: inner,
      })
      return true
    })
    return isWhole ? { ...this.times(off), prefixes, status } : undefined
  }

  private times(off: number): { iaid: number; t1Seconds: number; t2Seconds: number } {
    return {
      iaid: this.dv.getUint32(off),
      t1Seconds: this.dv.getUint32(off + 4),
      t2Seconds: this.dv.getUint32(off + 8),
    }
  }

  /** The status among the options of an address or prefix; null when these cannot be read. */
  private innerStatus(off: number, end: number): Dhcp6Status | undefined | null {
    let status: Dhcp6Status | undefined
    const isWhole = this.walk(off, end, (code, start, stop) => {
      if (code !== OPTION.STATUS) return true
      if (stop - start < 2) return false
      status ??= this.status(start, stop)
      return true
    })
    return isWhole ? status : null
  }

  /** RFC 8415 §21.13: text in UTF-8; we keep what is printable ASCII, for it ends up in a log. */
  private status(off: number, end: number): Dhcp6Status {
    const octets = this.u8.subarray(off + 2, Math.min(end, off + 2 + 200))
    const message = String.fromCharCode(...octets).replaceAll(/[^\x20-\x7e]+/g, '?')
    return { code: this.dv.getUint16(off), message }
  }

  private addresses(off: number, end: number): Ipv6[] {
    return Array.from({ length: (end - off) >> 4 }, (_, i) => readIpv6(this.dv, off + 16 * i))
  }

  /** RFC 5908 §4: sub-options 1 and 2 are an address, 3 a name. */
  private ntpServers(off: number, end: number): (Ipv6 | string)[] | undefined {
    const servers: (Ipv6 | string)[] = []
    const isWhole = this.walk(off, end, (code, start, stop) => {
      if (code === 1 || code === 2) {
        if (stop - start !== 16) return false
        servers.push(readIpv6(this.dv, start))
      }
      if (code !== 3) return true
      const names = readDomains(this.u8, start, stop)
      if (names?.length !== 1) return false
      servers.push(names[0] as string)
      return true
    })
    return isWhole ? servers : undefined
  }
}
