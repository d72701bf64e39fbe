/** Writes DHCPv6 messages (codec.ts). */
import { writeIpv6 } from '@mirage-ts/core/addresses'
import type { Ipv6 } from '@mirage-ts/signatures/addresses'
import {
  type Dhcp6AddressAssociation,
  type Dhcp6Message,
  type Dhcp6PrefixAssociation,
  type Dhcp6Relay,
  type Dhcp6Status,
  OPTION,
} from './codec.ts'
import { writeDomain } from './domain.ts'

/** Builds a message; what the caller hands over must fit the fields: names checked (`domainProblem`), lists below 64 KiB. */
export function emitDhcp6(message: Dhcp6Message): Uint8Array {
  const writer = new Writer()
  writer.u32(((message.type << 24) | (message.xid & 0xffffff)) >>> 0)
  if (message.clientId !== undefined) writer.octets(OPTION.CLIENT_ID, message.clientId)
  if (message.serverId !== undefined) writer.octets(OPTION.SERVER_ID, message.serverId)
  if (message.isRapidCommit === true) writer.option(OPTION.RAPID_COMMIT, () => {})
  if (message.elapsed !== undefined) writer.option(OPTION.ELAPSED, () => writer.u16(message.elapsed as number))
  if (message.preference !== undefined) writer.octets(OPTION.PREFERENCE, [message.preference])
  if (message.status !== undefined) writer.status(message.status)
  for (const association of message.associations ?? []) writer.association(association)
  for (const association of message.prefixAssociations ?? []) writer.prefixAssociation(association)
  const { requested, fqdn } = message
  if (requested !== undefined) {
    writer.option(OPTION.REQUESTED, () => {
      for (const code of requested) writer.u16(code)
    })
  }
  if (message.reconfigure !== undefined) writer.octets(OPTION.RECONFIGURE, [message.reconfigure])
  if (message.isReconfigureAccepted === true) writer.option(OPTION.RECONFIGURE_ACCEPT, () => {})
  if (message.dnsServers !== undefined) writer.addresses(OPTION.DNS_SERVERS, message.dnsServers)
  const { searchList } = message
  if (searchList !== undefined) {
    writer.option(OPTION.SEARCH_LIST, () => {
      for (const name of searchList) writer.domain(name, false)
    })
  }
  if (message.sntpServers !== undefined) writer.addresses(OPTION.SNTP_SERVERS, message.sntpServers)
  for (const server of message.ntpServers ?? []) writer.ntpServer(server)
  if (message.refreshSeconds !== undefined) writer.seconds(OPTION.REFRESH_TIME, message.refreshSeconds)
  if (fqdn !== undefined) {
    writer.option(OPTION.FQDN, () => {
      writer.u8(fqdn.flags)
      // RFC 4704 §4.2: a name without a domain goes without the root's label.
      if (fqdn.name !== '') writer.domain(fqdn.name, !fqdn.name.includes('.'))
    })
  }
  if (message.solMaxRtSeconds !== undefined) writer.seconds(OPTION.SOL_MAX_RT, message.solMaxRtSeconds)
  if (message.infMaxRtSeconds !== undefined) writer.seconds(OPTION.INF_MAX_RT, message.infMaxRtSeconds)
  for (const { code, data } of message.others ?? []) writer.octets(code, data)
  return writer.finish()
}

/** Builds a relay agent's message. */
export function emitDhcp6Relay(relay: Dhcp6Relay): Uint8Array {
  const writer = new Writer()
  writer.u8(relay.type)
  writer.u8(relay.hops)
  writer.ipv6(relay.link)
  writer.ipv6(relay.peer)
  if (relay.interfaceId !== undefined) writer.octets(OPTION.INTERFACE_ID, relay.interfaceId)
  writer.octets(OPTION.RELAYED, relay.message)
  return writer.finish()
}

class Writer {
  private buffer: Uint8Array = new Uint8Array(512)
  private dv: DataView = new DataView(this.buffer.buffer)
  private end = 0

  finish(): Uint8Array {
    return this.buffer.subarray(0, this.end)
  }

  u8(value: number): void {
    this.buffer[this.claim(1)] = value
  }

  u16(value: number): void {
    const off = this.claim(2)
    this.dv.setUint16(off, value)
  }

  u32(value: number): void {
    const off = this.claim(4)
    this.dv.setUint32(off, value)
  }

  ipv6(address: Ipv6): void {
    const off = this.claim(16)
    writeIpv6(this.dv, off, address)
  }

  domain(name: string, isPartial: boolean): void {
    const off = this.claim(name.length + 2)
    this.end = writeDomain(this.buffer, off, name, isPartial)
  }

  /** Writes an option whose data `fill` writes. */
  option(code: number, fill: () => void): void {
    this.u16(code)
    const at = this.claim(2)
    fill()
    this.dv.setUint16(at, this.end - at - 2)
  }

  octets(code: number, data: ArrayLike<number>): void {
    this.u16(code)
    this.u16(data.length)
    const off = this.claim(data.length)
    this.buffer.set(data, off)
  }

  addresses(code: number, addresses: readonly Ipv6[]): void {
    this.option(code, () => {
      for (const address of addresses) this.ipv6(address)
    })
  }

  seconds(code: number, value: number): void {
    this.option(code, () => this.u32(value))
  }

  status({ code, message }: Dhcp6Status): void {
    this.option(OPTION.STATUS, () => {
      this.u16(code)
      for (let i = 0; i < message.length; i++) this.u8(message.charCodeAt(i))
    })
  }

  association({ iaid, t1Seconds, t2Seconds, addresses, status }: Dhcp6AddressAssociation): void {
    this.option(OPTION.IA_NA, () => {
      this.u32(iaid)
      this.u32(t1Seconds)
      this.u32(t2Seconds)
      for (const one of addresses) {
        this.option(OPTION.IA_ADDRESS, () => {
          this.ipv6(one.address)
          this.u32(one.preferredSeconds)
          this.u32(one.validSeconds)
          if (one.status !== undefined) this.status(one.status)
        })
      }
      if (status !== undefined) this.status(status)
    })
  }

  prefixAssociation({ iaid, t1Seconds, t2Seconds, prefixes, status }: Dhcp6PrefixAssociation): void {
    this.option(OPTION.IA_PD, () => {
      this.u32(iaid)
      this.u32(t1Seconds)
      this.u32(t2Seconds)
      for (const one of prefixes) {
        this.option(OPTION.IA_PREFIX, () => {
          this.u32(one.preferredSeconds)
          this.u32(one.validSeconds)
          this.u8(one.prefix.prefixBits)
          this.ipv6(one.prefix.address)
          if (one.status !== undefined) this.status(one.status)
        })
      }
      if (status !== undefined) this.status(status)
    })
  }

  ntpServer(server: Ipv6 | string): void {
    this.option(OPTION.NTP_SERVER, () => {
      if (typeof server === 'string') this.option(3, () => this.domain(server, false))
      else this.addresses(server >> 120n === 0xffn ? 2 : 1, [server])
    })
  }

  /** Makes room for `len` octets; returns where they begin. */
  private claim(len: number): number {
    const off = this.end
    this.end += len
    if (this.end > this.buffer.length) {
      const wider = new Uint8Array(2 * this.end)
      wider.set(this.buffer)
      this.buffer = wider
      this.dv = new DataView(wider.buffer)
    }
    return off
  }
}
