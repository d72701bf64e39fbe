/** MLD for hosts (RFC 3810, and RFC 2710 with older queriers): the octets; who is reported when is in membership.ts. */
import { IPV6_ALL_NODES, IPV6_ANY, isIpv6LinkLocal, readIpv6, writeIpv6 } from '@mirage-ts/core/addresses'
import { ms } from '@mirage-ts/core/time'
import type { Ipv6 } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Random } from '@mirage-ts/signatures/random'
import type { Duration, Instant } from '@mirage-ts/signatures/time'
import { Membership, type ReportKind } from '../ip/membership.ts'
import { ICMPV6_HEADER_LEN, MLD_DONE, MLD_REPORT_V1, MLD_REPORT_V2 } from '../wire/icmpv6.ts'

const QUERY_V1_LEN = 24
const QUERY_V2_LEN = 28
const RECORD_LEN = 20
const ALL_ROUTERS: Ipv6 = 0xff020000000000000000000000000002n as Ipv6
const ALL_V2_ROUTERS: Ipv6 = 0xff020000000000000000000000000016n as Ipv6

/** RFC 3810 §5.2.12: what a record says. */
const RECORD_TYPES: Readonly<Record<ReportKind, number>> = { current: 2, left: 3, joined: 4 }

/** Sends an ICMPv6 message of `len` octets with router alert and hop limit 1. */
export type SendMld = (
  type: number,
  rest: number,
  len: number,
  dst: Ipv6,
  fill: (frame: Frame, off: number) => void,
) => void

export class Mld {
  private readonly membership: Membership<Ipv6>
  private readonly send: SendMld
  private readonly maxRecords: number

  constructor(random: Random, maxRecords: number, send: SendMld) {
    this.send = send
    this.maxRecords = maxRecords
    this.membership = new Membership<Ipv6>(random, 2, (kind, groups, version) => {
      if (version === 2) this.reportV2(kind, groups)
      else for (const group of groups) this.reportV1(kind, group)
    })
  }

  set(group: Ipv6, isMember: boolean, now: Instant): void {
    // RFC 3810 §6: the group of all nodes and groups that do not leave the host are never reported.
    const scope = (group >> 112n) & 15n
    if (group !== IPV6_ALL_NODES && scope > 1n) this.membership.set(group, isMember, now)
  }

  /** A query has come, its checksum is right. Returns false when it breaks the rules (RFC 3810 §6.2). */
  query(frame: Frame, off: number, end: number, src: Ipv6, hopLimit: number, now: Instant): boolean {
    if (end - off < QUERY_V1_LEN || !isIpv6LinkLocal(src) || hopLimit !== 1) return false
    const version = end - off >= QUERY_V2_LEN ? 2 : 1
    const code = frame.dv.getUint16(off + 4)
    // RFC 3810 §5.1.3: milliseconds, large ones as mantissa and exponent.
    const delayMs = version === 1 || code < 32768 ? code : ((code & 0xfff) | 0x1000) << (((code >>> 12) & 7) + 3)
    const group = readIpv6(frame.dv, off + ICMPV6_HEADER_LEN)
    this.membership.query(group === IPV6_ANY ? undefined : group, ms(delayMs) as Duration, version, now)
    return true
  }

  nextDeadline(): Instant {
    return this.membership.nextDeadline()
  }

  poll(now: Instant): void {
    this.membership.poll(now)
  }

  private reportV2(kind: ReportKind, groups: readonly Ipv6[]): void {
    for (let from = 0; from < groups.length; from += this.maxRecords) {
      const part = groups.slice(from, from + this.maxRecords)
      const len = ICMPV6_HEADER_LEN + RECORD_LEN * part.length
      this.send(MLD_REPORT_V2, part.length, len, ALL_V2_ROUTERS, (frame, off) => {
        for (const [i, group] of part.entries()) {
          const at = off + ICMPV6_HEADER_LEN + RECORD_LEN * i
          frame.dv.setUint32(at, RECORD_TYPES[kind] << 24)
          writeIpv6(frame.dv, at + 4, group)
        }
      })
    }
  }

  private reportV1(kind: ReportKind, group: Ipv6): void {
    const isDone = kind === 'left'
    this.send(isDone ? MLD_DONE : MLD_REPORT_V1, 0, QUERY_V1_LEN, isDone ? ALL_ROUTERS : group, (frame, off) => {
      writeIpv6(frame.dv, off + ICMPV6_HEADER_LEN, group)
    })
  }
}
