/** Address resolution packets for IPv4 over Ethernet (RFC 826). */
import { isMacGroup, readMac, writeMac } from '@mirage-ts/core/addresses'
import type { Ipv4, Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'

const HARDWARE_TYPE = 0
const PROTOCOL_TYPE = 2
const HARDWARE_LEN = 4
const PROTOCOL_LEN = 5
const OPERATION = 6
const SENDER_MAC = 8
const SENDER_IP = 14
const TARGET_MAC = 18
const TARGET_IP = 24
export const ARP_LEN = 28

export const ARP_REQUEST = 1
export const ARP_REPLY = 2

const HARDWARE_ETHERNET = 1
const PROTOCOL_IPV4 = 0x0800

/** The fields of a packet; one value is filled again and again. */
export class ArpPacket {
  operation = 0
  senderMac: Mac = 0 as Mac
  senderIp: Ipv4 = 0 as Ipv4
  targetMac: Mac = 0 as Mac
  targetIp: Ipv4 = 0 as Ipv4
}

export type ArpReason = 'truncated' | 'unsupported' | 'bad-sender'

/** Reads the packet at `[off, end)` into `packet`; octets after it are padding. Returns why it cannot be used. */
export function parseArp(frame: Frame, off: number, end: number, packet: ArpPacket): ArpReason | undefined {
  if (end - off < ARP_LEN) return 'truncated'
  const dv = frame.dv
  if (dv.getUint16(off + HARDWARE_TYPE) !== HARDWARE_ETHERNET || dv.getUint16(off + PROTOCOL_TYPE) !== PROTOCOL_IPV4) {
    return 'unsupported'
  }
  if (dv.getUint8(off + HARDWARE_LEN) !== 6 || dv.getUint8(off + PROTOCOL_LEN) !== 4) return 'unsupported'
  packet.operation = dv.getUint16(off + OPERATION)
  if (packet.operation !== ARP_REQUEST && packet.operation !== ARP_REPLY) return 'unsupported'
  packet.senderMac = readMac(dv, off + SENDER_MAC)
  packet.senderIp = dv.getUint32(off + SENDER_IP) as Ipv4
  packet.targetMac = readMac(dv, off + TARGET_MAC)
  packet.targetIp = dv.getUint32(off + TARGET_IP) as Ipv4
  // A group address is never a station's own: caching it would turn unicast traffic into a flood.
  if (packet.senderMac === 0 || isMacGroup(packet.senderMac)) return 'bad-sender'
  return undefined
}

/** Writes the 28 octets of `packet` at `off`. */
export function emitArp(frame: Frame, off: number, packet: Readonly<ArpPacket>): void {
  const dv = frame.dv
  dv.setUint16(off + HARDWARE_TYPE, HARDWARE_ETHERNET)
  dv.setUint16(off + PROTOCOL_TYPE, PROTOCOL_IPV4)
  dv.setUint8(off + HARDWARE_LEN, 6)
  dv.setUint8(off + PROTOCOL_LEN, 4)
  dv.setUint16(off + OPERATION, packet.operation)
  writeMac(dv, off + SENDER_MAC, packet.senderMac)
  dv.setUint32(off + SENDER_IP, packet.senderIp)
  writeMac(dv, off + TARGET_MAC, packet.targetMac)
  dv.setUint32(off + TARGET_IP, packet.targetIp)
}
