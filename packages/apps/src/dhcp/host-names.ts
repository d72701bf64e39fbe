/**
 * The names of the hosts that have leases, in DNS: a zone with their addresses, and zones that lead from addresses back to
 * names. They are ordinary zones ({@link Zone}): for an authoritative server, or for a resolver that looks there first
 * (`dns/resolver/zone-resolver.ts`).
 */
import { ipToString, isInNetwork, isIpv4, writeIpv6 } from '@mirage-ts/core/addresses'
import { textToOctets } from '@mirage-ts/core/octets'
import { hostnameProblem } from '@mirage-ts/net/dhcp/wire'
import type { IpAddress, Ipv4Cidr, Ipv6Cidr, Mac } from '@mirage-ts/signatures/addresses'
import type { Rr } from '../dns/wire/message.ts'
import { dnsName, type Name, type NameKey, nameKey } from '../dns/wire/name.ts'
import { soaRdata } from '../dns/wire/rdata.ts'
import { CLASS, TYPE } from '../dns/wire/types.ts'
import { buildZone } from '../dns/zone/build-zone.ts'
import type { Zone } from '../dns/zone/zone.ts'
import { ZoneEdit } from '../dns/zone/zone-edit.ts'
import type { LeaseClient } from './lease-table.ts'

/** A host whose name does not come from a lease. */
export interface StaticName {
  /** One label. */
  readonly hostname: string
  readonly addresses: readonly IpAddress[]
  /** The station that gets its addresses by DHCP, when it is one that we know. */
  readonly mac?: Mac | undefined
}

export interface HostNamesOptions {
  /** The domain of the hosts: `lan`, `home.example`. */
  readonly domain: string
  /** Networks whose addresses are led back to names. */
  readonly networks: readonly (Ipv4Cidr | Ipv6Cidr)[]
  /** The name of the server of these zones, one label, and its addresses. Default `ns` without addresses. */
  readonly server?: StaticName
  readonly names?: readonly StaticName[]
  /** 32 secret bits: hosts choose their names, and shall not choose such as are slow to find. */
  readonly seed?: number
  /** Of the records, in seconds: how long others remember them. Default 60. */
  readonly ttlSeconds?: number
  /** A zone has changed. */
  readonly onChange?: (origin: NameKey) => void
}

/** The first label of what a client calls itself, in lower case; `undefined` when it cannot be a host's name. */
export function hostLabel(wished: string): string | undefined {
  const label = (wished.split('.')[0] as string).toLowerCase()
  return hostnameProblem(label) === undefined ? label : undefined
}

const DEFAULT_TTL_SECONDS = 60
/** Names at a time: as many as leases, and those in the configuration. */
const MAX_NAMES = 65_536
/** Addresses of one name. */
const MAX_ADDRESSES = 16

/** Who goes by a name. */
interface Holder {
  readonly isStatic: boolean
  /** The station, as far as it is known. */
  mac: Mac | undefined
  /** Text of each address, and whose lease it is. */
  readonly addresses: Map<string, string>
}

export class HostNames {
  readonly zones: ReadonlyMap<NameKey, Zone>
  private readonly domain: Name
  private readonly forward: Zone
  private readonly networks: readonly { readonly network: Ipv4Cidr | Ipv6Cidr; readonly zone: Zone }[]
  private readonly ttl: number
  private readonly onChange: (origin: NameKey) => void
  private readonly holders = new Map<string, Holder>()
  /** The name of each address that is lent. */
  private readonly labels = new Map<string, string>()

  /** Throws a `RangeError` or `TypeError` for names that are none. */
  constructor(options: HostNamesOptions) {
    this.domain = dnsName(options.domain)
    this.ttl = options.ttlSeconds ?? DEFAULT_TTL_SECONDS
    this.onChange = options.onChange ?? (() => {})
    const server = options.server ?? { hostname: 'ns', addresses: [] }
    const serverName = this.fullName(checkedLabel(server.hostname))
    this.forward = emptyZone(this.domain, serverName, this.ttl, options.seed)
    const zones = new Map<NameKey, Zone>([[this.forward.origin, this.forward]])
    this.networks = options.networks.map((network) => {
      const origin = dnsName(reverseOf(network.address, network.prefixBits))
      const zone = zones.get(nameKey(origin)) ?? emptyZone(origin, serverName, this.ttl, options.seed)
      zones.set(zone.origin, zone)
      return { network, zone }
    })
    this.zones = zones
    for (const { hostname, addresses, mac } of [server, ...(options.names ?? [])]) {
      const holder: Holder = { isStatic: true, mac, addresses: new Map() }
      this.holders.set(checkedLabel(hostname), holder)
      for (const address of addresses) this.enter(checkedLabel(hostname), holder, address, '')
    }
  }

  /** The full name, without its final dot, that `client` gets for `label`; `undefined` when another host goes by it. */
  nameFor(label: string, client: LeaseClient): string | undefined {
    const holder = this.holders.get(label)
    if (holder === undefined) return this.holders.size >= MAX_NAMES ? undefined : this.textOf(label)
    const isSame = holder.mac !== undefined && holder.mac === client.mac
    const isTheirs = [...holder.addresses.values()].includes(client.id)
    // A host with both versions of IP has two identifiers: the MAC shows that it is one. Where one of them hides it, the other
    // family may join.
    const isUnknown = !holder.isStatic && (holder.mac === undefined || client.mac === undefined)
    return isSame || isTheirs || isUnknown ? this.textOf(label) : undefined
  }

  /** `client` has `address` and goes by `label` from now on. Nothing when it may not. */
  set(label: string, client: LeaseClient, address: IpAddress): void {
    const before = this.labels.get(ipToString(address))
    if (before !== undefined && before !== label) this.remove(before, address)
    const holder: Holder = this.holders.get(label) ?? { isStatic: false, mac: undefined, addresses: new Map() }
    const text = ipToString(address)
    if (holder.addresses.get(text) === client.id || this.nameFor(label, client) === undefined) return
    if (holder.addresses.size >= MAX_ADDRESSES) return
    holder.mac ??= client.mac
    this.holders.set(label, holder)
    this.labels.set(text, label)
    this.enter(label, holder, address, client.id)
  }

  /** `address` is nobody's any more. */
  remove(label: string, address: IpAddress): void {
    const holder = this.holders.get(label)
    // What is in the configuration stays.
    const owner = holder?.addresses.get(ipToString(address))
    if (holder === undefined || owner === undefined || owner === '') return
    holder.addresses.delete(ipToString(address))
    this.labels.delete(ipToString(address))
    if (holder.addresses.size === 0 && !holder.isStatic) this.holders.delete(label)
    this.edit(label, address, (edit, rr) => edit.remove(rr))
  }

  private enter(label: string, holder: Holder, address: IpAddress, owner: string): void {
    holder.addresses.set(ipToString(address), owner)
    this.edit(label, address, (edit, rr) => edit.add(rr))
  }

  private edit(label: string, address: IpAddress, change: (edit: ZoneEdit, rr: Rr) => void): void {
    const name = this.fullName(label)
    const rdata = octetsOf(address)
    const type = isIpv4(address) ? TYPE.A : TYPE.AAAA
    this.apply(this.forward, { name, type, class: CLASS.IN, ttl: this.ttl, rdata }, change)
    const zone = this.networks.find(({ network }) => isInNetwork(address, network))?.zone
    if (zone === undefined) return
    const reverse = dnsName(reverseOf(address, isIpv4(address) ? 32 : 128))
    const pointer = { name: reverse, type: TYPE.PTR, class: CLASS.IN, ttl: this.ttl, rdata: textToOctets(name) }
    this.apply(zone, pointer, change)
  }

  private apply(zone: Zone, rr: Rr, change: (edit: ZoneEdit, rr: Rr) => void): void {
    const edit = new ZoneEdit(zone)
    change(edit, rr)
    if (edit.commit() !== undefined) this.onChange(zone.origin)
  }

  private fullName(label: string): Name {
    return (String.fromCharCode(label.length) + label + this.domain) as Name
  }

  private textOf(label: string): string {
    const labels = [label]
    for (let off = 0; off < this.domain.length - 1; off += 1 + this.domain.charCodeAt(off)) {
      labels.push(this.domain.slice(off + 1, off + 1 + this.domain.charCodeAt(off)))
    }
    return labels.join('.')
  }
}

function checkedLabel(hostname: string): string {
  const problem = hostnameProblem(hostname)
  if (problem !== undefined || hostname.includes('.')) {
    throw new RangeError(`Cannot call a host ${JSON.stringify(hostname)}: ${problem ?? 'expected one label'}`)
  }
  return hostname.toLowerCase()
}

function emptyZone(origin: Name, server: Name, ttl: number, seed: number | undefined): Zone {
  const contact = `\x0ahostmaster${origin}` as Name
  const soa = soaRdata({
    primary: server,
    mailbox: contact,
    serial: 1,
    refresh: 3600,
    retry: 600,
    expire: 86_400,
    minimum: ttl,
  })
  const common = { name: origin, class: CLASS.IN, ttl }
  const rrs = [
    { ...common, type: TYPE.SOA, rdata: soa },
    { ...common, type: TYPE.NS, rdata: textToOctets(server) },
  ]
  const zone = buildZone(origin, rrs, seed)
  if (typeof zone === 'string') throw new RangeError(`Cannot make a zone for hosts: ${zone}`)
  return zone
}

function octetsOf(address: IpAddress): Uint8Array {
  const u8 = new Uint8Array(isIpv4(address) ? 4 : 16)
  const dv = new DataView(u8.buffer)
  if (isIpv4(address)) dv.setUint32(0, address)
  else writeIpv6(dv, 0, address)
  return u8
}

/**
 * The name that an address, or the network with its first bits, leads back from (RFC 1035 §3.5, RFC 3596 §2.5). Bits that make no
 * whole label are left out: the zone is of the network around.
 */
export function reverseOf(address: IpAddress, prefixBits: number): string {
  const octets = octetsOf(address)
  if (isIpv4(address)) {
    return `${[...octets.subarray(0, prefixBits >> 3)]
      .reverse()
      .map((octet) => `${octet}.`)
      .join('')}in-addr.arpa`
  }
  const nibbles = [...octets].flatMap((octet) => [octet >> 4, octet & 15]).slice(0, prefixBits >> 2)
  return `${nibbles
    .reverse()
    .map((nibble) => `${nibble.toString(16)}.`)
    .join('')}ip6.arpa`
}
