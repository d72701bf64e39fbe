/** Ethernet II frames (IEEE 802.3 clause 3, RFC 894). Not here: 802.1Q tags, 802.3 length framing, the FCS. */
import { writeMac } from '@mirage-ts/core/addresses'
import type { Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'

export const DST = 0
export const SRC = 6
export const TYPE = 12
export const ETHERNET_HEADER_LEN = 14

export const ETHERTYPE_IPV4 = 0x0800
export const ETHERTYPE_ARP = 0x0806
export const ETHERTYPE_IPV6 = 0x86dd

/** Writes the 14 octets of header at `off`. */
export function emitEthernet(frame: Frame, off: number, dst: Mac, src: Mac, etherType: number): void {
  writeMac(frame.dv, off + DST, dst)
  writeMac(frame.dv, off + SRC, src)
  frame.dv.setUint16(off + TYPE, etherType)
}
