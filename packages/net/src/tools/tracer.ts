/** One readable line for each frame: `out 02:..:02 > 02:..:01 10.0.0.2:80 > 10.0.0.1:40000 tcp SA seq 7 ack 9 win 65535 len 0`. */
import { ipToString, ipv4ToString, macToString, readMac } from '@mirage-ts/core/addresses'
import type { IpAddress, Ipv4 } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Log } from '@mirage-ts/signatures/log'
import type { Network } from '@mirage-ts/signatures/network'
import { ETHERTYPE_VLAN, VLAN_TAG_LEN } from '../vlan.ts'
import { ARP_LEN, ArpPacket, parseArp } from '../wire/arp.ts'
import { ETHERNET_HEADER_LEN, ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, TYPE } from '../wire/ethernet.ts'
import { Ipv4Header, parseIpv4 } from '../wire/ipv4.ts'
import { HEADER_FRAGMENT, Ipv6Header, parseIpv6, walkIpv6 } from '../wire/ipv6.ts'
import { ObservedNetwork } from './observed.ts'

const TCP_FLAGS = 'FSRPAUEC'
const TCP_LEAST_LEN = 20

/** A network whose frames are written to the log source `trace`, at level debug. */
export function createTracer({ network, log }: { network: Network; log: Log }): Network {
  const logger = log.logger('trace')
  return new ObservedNetwork(network, (direction, frame, off, end) => {
    if (logger.debugOn) logger.debug(`${direction} ${describeFrame(frame, off, end)}`)
  })
}

/** Says what the Ethernet frame at `[off, end)` is; what cannot be read is named with its reason. */
export function describeFrame(frame: Frame, off: number, end: number): string {
  if (end - off < ETHERNET_HEADER_LEN) return `truncated, ${end - off} octets`
  const { dv } = frame
  const stations = `${macToString(readMac(dv, off + 6))} > ${macToString(readMac(dv, off))}`
  const type = dv.getUint16(off + TYPE)
  const payload = off + ETHERNET_HEADER_LEN
  if (type !== ETHERTYPE_VLAN || end - payload < VLAN_TAG_LEN) {
    return `${stations} ${describePayload(frame, type, payload, end)}`
  }
  const inner = describePayload(frame, dv.getUint16(payload + 2), payload + VLAN_TAG_LEN, end)
  return `${stations} vlan ${dv.getUint16(payload) & 0x0fff} ${inner}`
}

function describePayload(frame: Frame, type: number, off: number, end: number): string {
  switch (type) {
    case ETHERTYPE_ARP:
      return `arp ${describeArp(frame, off, end)}`
    case ETHERTYPE_IPV4:
      return describeIpv4(frame, off, end)
    case ETHERTYPE_IPV6:
      return describeIpv6(frame, off, end)
    default:
      return `type 0x${type.toString(16).padStart(4, '0')} len ${end - off}`
  }
}

function describeArp(frame: Frame, off: number, end: number): string {
  const packet = new ArpPacket()
  const reason = parseArp(frame, off, Math.min(end, off + ARP_LEN), packet)
  if (reason !== undefined) return reason
  return packet.operation === 1
    ? `who has ${ipv4ToString(packet.targetIp)} tell ${ipv4ToString(packet.senderIp)}`
    : `${ipv4ToString(packet.senderIp)} is at ${macToString(packet.senderMac)}`
}

function describeIpv4(frame: Frame, off: number, end: number): string {
  const h = new Ipv4Header()
  const reason = parseIpv4(frame, off, end, h)
  if (reason !== undefined) return `ipv4 ${reason}`
  if (h.hasMoreFragments || h.fragmentOffset > 0) {
    const more = h.hasMoreFragments ? '+' : ''
    return `${pair(h.src, h.dst)} piece ${h.fragmentOffset}${more} of ${h.id} len ${h.totalLen - h.headerLen}`
  }
  return describeTransport(frame, off + h.headerLen, off + h.totalLen, h.protocol, h.src, h.dst)
}

function describeIpv6(frame: Frame, off: number, end: number): string {
  const h = new Ipv6Header()
  const reason = parseIpv6(frame, off, end, h) ?? walkIpv6(frame, off, h)
  if (reason !== undefined) return `ipv6 ${reason}`
  if (h.protocol === HEADER_FRAGMENT) return `${pair(h.src, h.dst)} piece len ${h.packetEnd - h.payloadOff}`
  return describeTransport(frame, h.payloadOff, h.packetEnd, h.protocol, h.src, h.dst)
}

function pair(src: IpAddress, dst: IpAddress): string {
  return `${ipToString(src)} > ${ipToString(dst)}`
}

function describeTransport(
  { dv }: Frame,
  off: number,
  end: number,
  protocol: number,
  src: IpAddress,
  dst: IpAddress,
): string {
  const len = end - off
  if ((protocol === 6 || protocol === 17) && len >= 8) {
    const endpoint = (address: IpAddress, at: number): string =>
      typeof address === 'number'
        ? `${ipv4ToString(address as Ipv4)}:${dv.getUint16(at)}`
        : `[${ipToString(address)}]:${dv.getUint16(at)}`
    const ends = `${endpoint(src, off)} > ${endpoint(dst, off + 2)}`
    if (protocol === 17) return `${ends} udp len ${len - 8}`
    if (len < TCP_LEAST_LEN) return `${ends} tcp truncated`
    const flags = [...TCP_FLAGS].filter((_, bit) => ((dv.getUint8(off + 13) >> bit) & 1) !== 0).join('')
    const [seq, ack, window] = [dv.getUint32(off + 4), dv.getUint32(off + 8), dv.getUint16(off + 14)]
    const textLen = len - (dv.getUint8(off + 12) >>> 4) * 4
    return `${ends} tcp ${flags === '' ? '-' : flags} seq ${seq} ack ${ack} win ${window} len ${textLen}`
  }
  if ((protocol === 1 || protocol === 58) && len >= 2) {
    const name = protocol === 1 ? 'icmp' : 'icmpv6'
    return `${pair(src, dst)} ${name} ${dv.getUint8(off)}/${dv.getUint8(off + 1)} len ${len}`
  }
  return `${pair(src, dst)} protocol ${protocol} len ${len}`
}
