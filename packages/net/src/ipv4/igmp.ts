/**
 * IGMP for hosts (RFC 3376, and RFC 2236 and RFC 1112 with older queriers): tells routers and switches which groups we receive.
 * Without it, groups arrive only where nobody filters them.
 */
import { IPV4_ALL_HOSTS, ipv4 } from '@mirage-ts/core/addresses'
import { checksum } from '@mirage-ts/core/checksum'
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import type { Ipv4 } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Random } from '@mirage-ts/signatures/random'
import type { Duration, MonotonicClock, Time } from '@mirage-ts/signatures/time'
import { Membership, type ReportKind } from '../ip/membership.ts'
import { emitIpv4, IPV4_HEADER_LEN, reshapeIpv4 } from '../wire/ipv4.ts'
import type { CountedIp } from './contract.ts'

const PROTOCOL_IGMP = 2

const QUERY = 0x11
const REPORT_V1 = 0x12
const REPORT_V2 = 0x16
const LEAVE = 0x17
const REPORT_V3 = 0x22

const ALL_ROUTERS: Ipv4 = ipv4(224, 0, 0, 2)
const ALL_V3_ROUTERS: Ipv4 = ipv4(224, 0, 0, 22)
const HEADER_LEN = 8
const RECORD_LEN = 8
/** RFC 2113: router alert, in an IP header of 24 octets. */
const ROUTER_ALERT = 0x94040000
const ALERTED_HEADER_LEN = IPV4_HEADER_LEN + 4

/** RFC 3376 §4.2.12: what a group record says. */
const RECORD_TYPES: Readonly<Record<ReportKind, number>> = { current: 2, left: 3, joined: 4 }

const COUNTERS = ['truncated', 'bad-checksum', 'unhandled', 'queries', 'reports', 'noBuffer'] as const

export interface CountedIgmp {
  readonly counters: Readonly<Counters<(typeof COUNTERS)[number]>>
}

/** Starts reporting the groups that `ipv4` joins from now on. */
export function createIgmp({
  ipv4: ip,
  clock,
  time,
  random,
}: {
  ipv4: CountedIp
  clock: MonotonicClock
  time: Time
  random: Random
}): CountedIgmp {
  const counters = createCounters(COUNTERS)
  const membership = new Membership<Ipv4>(random, 3, (kind, groups, version) => {
    if (version === 3) sendV3(kind, groups)
    else for (const group of groups) sendOld(kind, group, version)
  })
  const alarm = time.alarm(() => {
    membership.poll(clock.now())
    alarm.set(membership.nextDeadline())
  })

  /** Sends a message of `len` octets that `fill` writes. */
  function send(group: Ipv4, len: number, fill: (frame: Frame, off: number) => void): void {
    const frame = ip.alloc(group)
    if (frame === undefined) {
      counters.noBuffer++
      return
    }
    const off = ip.headroomBytes + 4
    const packetOff = off - ALERTED_HEADER_LEN
    fill(frame, off)
    frame.dv.setUint16(off + 2, 0)
    frame.dv.setUint16(off + 2, ~checksum(frame.u8, off, off + len, 0) & 0xffff)
    const src = ip.datagramSource(group) as Ipv4
    // RFC 3376 §4: time to live 1, precedence "internetwork control", router alert.
    emitIpv4(frame, packetOff, 0, 0, 0, 1, PROTOCOL_IGMP, src, group, 0xc0)
    frame.dv.setUint8(packetOff, 0x46)
    frame.dv.setUint32(packetOff + IPV4_HEADER_LEN, ROUTER_ALERT)
    reshapeIpv4(frame, packetOff, ALERTED_HEADER_LEN, ALERTED_HEADER_LEN + len, 0)
    counters.reports++
    ip.sendToGroup(frame, packetOff, off + len, group)
  }

  function sendV3(kind: ReportKind, groups: readonly Ipv4[]): void {
    const most = Math.floor((ip.mtuBytes(ALL_V3_ROUTERS) - 4 - HEADER_LEN) / RECORD_LEN)
    for (let from = 0; from < groups.length; from += most) {
      const part = groups.slice(from, from + most)
      send(ALL_V3_ROUTERS, HEADER_LEN + RECORD_LEN * part.length, (frame, off) => {
        frame.dv.setUint32(off, REPORT_V3 << 24)
        frame.dv.setUint32(off + 4, part.length)
        for (const [i, group] of part.entries()) {
          frame.dv.setUint32(off + HEADER_LEN + RECORD_LEN * i, RECORD_TYPES[kind] << 24)
          frame.dv.setUint32(off + HEADER_LEN + RECORD_LEN * i + 4, group)
        }
      })
    }
  }

  function sendOld(kind: ReportKind, group: Ipv4, version: number): void {
    // Version 1 has no way to say that one leaves.
    if (kind === 'left' && version === 1) return
    const type = kind === 'left' ? LEAVE : version === 1 ? REPORT_V1 : REPORT_V2
    send(kind === 'left' ? ALL_ROUTERS : group, HEADER_LEN, (frame, off) => {
      frame.dv.setUint32(off, type << 24)
      frame.dv.setUint32(off + 4, group)
    })
  }

  ip.listen(PROTOCOL_IGMP, (frame, off, end) => {
    if (end - off < HEADER_LEN) {
      counters.truncated++
    } else if (checksum(frame.u8, off, end, 0) !== 0xffff) {
      counters['bad-checksum']++
    } else if (frame.dv.getUint8(off) !== QUERY) {
      counters.unhandled++
    } else {
      counters.queries++
      const code = frame.dv.getUint8(off + 1)
      const version = end - off >= 12 ? 3 : code === 0 ? 1 : 2
      const group = frame.dv.getUint32(off + 4) as Ipv4
      membership.query(group === 0 ? undefined : group, maxDelayOf(code, version), version, clock.now())
      alarm.set(membership.nextDeadline())
    }
  })
  ip.listenMembership((group, isMember) => {
    // RFC 3376 §6: the group of all hosts is never reported.
    if (group === IPV4_ALL_HOSTS) return
    membership.set(group, isMember, clock.now())
    alarm.set(membership.nextDeadline())
  })
  return { counters }
}

/** RFC 3376 §4.1.1: tenths of a second, large ones as mantissa and exponent; version 1 waits ten seconds. */
function maxDelayOf(code: number, version: number): Duration {
  const tenths =
    version === 1 ? 100 : code < 128 || version === 2 ? code : ((code & 15) | 16) << (((code >>> 4) & 7) + 3)
  return (tenths * 100_000) as Duration
}
