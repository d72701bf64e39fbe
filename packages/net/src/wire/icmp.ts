/** ICMP messages (RFC 792): echo, and the errors a host sends and acts on. */
import { checksum } from '@mirage-ts/core/checksum'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { IpErrorKind } from '@mirage-ts/signatures/ip'

const TYPE = 0
const CODE = 1
const CHECKSUM = 2
const REST = 4
/** Type, code, checksum and four octets whose meaning depends on the type. */
export const ICMP_HEADER_LEN = 8

export const ICMP_ECHO_REPLY = 0
export const ICMP_UNREACHABLE = 3
export const ICMP_REDIRECT = 5
export const ICMP_ECHO_REQUEST = 8
export const ICMP_TIME_EXCEEDED = 11
export const ICMP_PARAMETER_PROBLEM = 12

/** RFC 1122 §3.2.2.1: what each code of "destination unreachable" means to a transport. */
const UNREACHABLE_KINDS: readonly IpErrorKind[] = [
  'network-unreachable',
  'host-unreachable',
  'protocol-unreachable',
  'port-unreachable',
  'fragmentation-needed',
]

export type IcmpReason = 'truncated' | 'bad-checksum'

/** Checks length and checksum of the message at `[off, end)`. Returns why it cannot be used. */
export function checkIcmp(frame: Frame, off: number, end: number): IcmpReason | undefined {
  if (end - off < ICMP_HEADER_LEN) return 'truncated'
  return checksum(frame.u8, off, end, 0) === 0xffff ? undefined : 'bad-checksum'
}

/** The type of a checked message. */
export function icmpType(frame: Frame, off: number): number {
  return frame.dv.getUint8(off + TYPE)
}

/** What a checked message says went wrong, or `undefined` when it is not an error. */
export function icmpErrorKind(frame: Frame, off: number): IpErrorKind | undefined {
  switch (frame.dv.getUint8(off + TYPE)) {
    case ICMP_UNREACHABLE:
      return UNREACHABLE_KINDS[frame.dv.getUint8(off + CODE)] ?? 'other'
    case ICMP_TIME_EXCEEDED:
      return 'time-exceeded'
    case ICMP_PARAMETER_PROBLEM:
      return 'other'
    default:
      return undefined
  }
}

/** Writes the header at `off` for a message whose body already stands at `[off + 8, end)`; `rest` are octets 4 to 7. */
export function emitIcmp(frame: Frame, off: number, end: number, type: number, code: number, rest: number): void {
  const dv = frame.dv
  dv.setUint8(off + TYPE, type)
  dv.setUint8(off + CODE, code)
  dv.setUint16(off + CHECKSUM, 0)
  dv.setUint32(off + REST, rest)
  dv.setUint16(off + CHECKSUM, ~checksum(frame.u8, off, end, 0) & 0xffff)
}

/** Octets 4 to 7 of a checked message: identifier and sequence number of an echo. */
export function icmpRest(frame: Frame, off: number): number {
  return frame.dv.getUint32(off + REST)
}

/** The MTU that a checked "fragmentation needed" names (RFC 1191 §4); 0 when the router is older than that. */
export function icmpMtu(frame: Frame, off: number): number {
  return frame.dv.getUint16(off + REST + 2)
}
