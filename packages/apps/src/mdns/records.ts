/** What multicast DNS says (RFC 6762 §10, §18) and how services are described in it (RFC 6763): as records of DNS. */
import { isIpv4, parseIpv4, parseIpv6, port, writeIpv6 } from '@mirage-ts/core/addresses'
import { textToOctets } from '@mirage-ts/core/octets'
import { utf8Encode } from '@mirage-ts/core/utf8'
import type { IpAddress, Ipv4, Ipv6, Port } from '@mirage-ts/signatures/addresses'
import { type MessageParts, type Rr, writeMessage } from '../dns/wire/message.ts'
import { dnsName, isName, type Name, nameKey, parseName } from '../dns/wire/name.ts'
import { rdataKey } from '../dns/wire/rdata.ts'
import { CLASS, TYPE } from '../dns/wire/types.ts'
import { WireWriter } from '../dns/wire/wire.ts'

export const MDNS_PORT: Port = port(5353)
export const MDNS_GROUP_4: Ipv4 = parseIpv4('224.0.0.251') as Ipv4
const MDNS_GROUP_6: Ipv6 = parseIpv6('ff02::fb') as Ipv6
/** By the versions of IP that are spoken. */
export const MDNS_GROUPS: Readonly<Record<'v4' | 'v6' | 'dual', readonly IpAddress[]>> = {
  v4: [MDNS_GROUP_4],
  v6: [MDNS_GROUP_6],
  dual: [MDNS_GROUP_4, MDNS_GROUP_6],
}
/** In the class of a record: it is all there is of its name and type (§10.2). In that of a question: answer me alone (§5.4). */
export const TOP_BIT = 0x8000
/** §10: records with a host's name or address; all others. */
const HOST_TTL = 120
const OTHER_TTL = 75 * 60
/** §17: what fits into an Ethernet frame. */
const MAX_PACKET_LEN = 1440

/** A record that is published. */
export interface OwnRecord {
  readonly rr: Rr
  /** Nobody else has records of this name; else it is one of many (§2). */
  readonly isUnique: boolean
}

/** A service to publish. */
export interface ServiceDescription {
  /** For people: `Printer on the 2nd floor`. Any text of 63 octets at most. */
  readonly instance: string
  /** `_http._tcp`. */
  readonly type: string
  readonly port: Port
  /** Names and values of the TXT record (RFC 6763 §6). */
  readonly txt?: Readonly<Record<string, string>>
}

const LOCAL = dnsName('local')

/** `host.local`; throws a `RangeError` when `hostname` is not one label. */
export function hostName(hostname: string): Name {
  return label(hostname, LOCAL)
}

/** The name of one label below `parent`. Throws a `RangeError` for text that is none. */
export function label(text: string, parent: Name): Name {
  const octets = utf8Encode(text)
  if (octets === undefined || octets.length === 0 || octets.length > 63) {
    throw new RangeError(`Cannot use ${JSON.stringify(text)} as a name: expected 1 to 63 octets of UTF-8`)
  }
  return (String.fromCharCode(octets.length, ...octets) + parent) as Name
}

/** `_http._tcp.local` of `_http._tcp`. Throws a `RangeError` for what is no type of service (RFC 6763 §7). */
export function serviceType(type: string): Name {
  const name = /^_[A-Za-z0-9-]{1,15}\._(tcp|udp)$/.test(type) ? parseName(`${type}.local.`) : 'empty-label'
  if (!isName(name))
    throw new RangeError(`Cannot use ${JSON.stringify(type)} as a service: expected text like _http._tcp`)
  return name
}

/** The addresses of a host. */
export function addressRecords(host: Name, addresses: readonly IpAddress[]): OwnRecord[] {
  return addresses.map((address) => {
    const rdata = new Uint8Array(isIpv4(address) ? 4 : 16)
    const dv = new DataView(rdata.buffer)
    if (isIpv4(address)) dv.setUint32(0, address)
    else writeIpv6(dv, 0, address)
    return own(host, isIpv4(address) ? TYPE.A : TYPE.AAAA, HOST_TTL, rdata, true)
  })
}

const META = dnsName('_services._dns-sd._udp.local')

/** The four records of a service at `host` (RFC 6763 §4, §9), the first of them its SRV record. */
export function serviceRecords(service: ServiceDescription, host: Name): OwnRecord[] {
  const type = serviceType(service.type)
  const instance = label(service.instance, type)
  const srv = new Uint8Array(6 + host.length)
  new DataView(srv.buffer).setUint16(4, service.port)
  srv.set(textToOctets(host), 6)
  return [
    own(instance, TYPE.SRV, HOST_TTL, srv, true),
    own(instance, TYPE.TXT, OTHER_TTL, txtRdata(service.txt ?? {}), true),
    own(type, TYPE.PTR, OTHER_TTL, textToOctets(instance), false),
    own(META, TYPE.PTR, OTHER_TTL, textToOctets(type), false),
  ]
}

/** RFC 6763 §6.1: one empty string when there is nothing to say. */
function txtRdata(txt: Readonly<Record<string, string>>): Uint8Array {
  const octets: number[] = []
  for (const [key, value] of Object.entries(txt)) {
    const one = utf8Encode(`${key}=${value}`)
    if (one === undefined || one.length > 255 || key === '' || key.includes('=')) {
      throw new RangeError(
        `Cannot publish ${JSON.stringify(key)}: expected a name, and at most 255 octets with its value`,
      )
    }
    octets.push(one.length, ...one)
  }
  return Uint8Array.from(octets.length === 0 ? [0] : octets)
}

function own(name: Name, type: number, ttl: number, rdata: Uint8Array, isUnique: boolean): OwnRecord {
  return { rr: { name, type, class: CLASS.IN, ttl, rdata }, isUnique }
}

/** A record as a text to compare: name, type and data, not its TTL. */
export function recordKey({ name, type, rdata }: Rr): string {
  return `${nameKey(name)} ${type} ${rdataKey(type, rdata)}`
}

/** What a question or a record is of: name and type. */
export function setKey({ name, type }: { readonly name: Name; readonly type: number }): string {
  return `${nameKey(name)} ${type}`
}

/** Writes a message; sets of records that find no room are left out. In multicast the ID is 0 (§18.1). */
export function packet(parts: Omit<MessageParts, 'id'> & { readonly id?: number }): Uint8Array {
  const writer = new WireWriter(MAX_PACKET_LEN)
  const end = writeMessage(writer, { id: 0, ...parts })
  return writer.u8.slice(0, end)
}
