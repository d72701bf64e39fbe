/** The groups that are received (RFC 1112 §7.1), each as long as somebody wants it; IGMP hears of the first and the last. */
import { ipv4ToString, isIpv4, isIpv4Multicast } from '@mirage-ts/core/addresses'
import type { IpAddress, Ipv4 } from '@mirage-ts/signatures/addresses'

export type MembershipHandler = (group: Ipv4, isMember: boolean) => void

export class Ipv4Groups {
  /** How many want each. */
  private readonly counts = new Map<Ipv4, number>()
  private handler: MembershipHandler | undefined

  listen(handler: MembershipHandler): void {
    this.handler = handler
  }

  has(group: Ipv4): boolean {
    return this.counts.has(group)
  }

  /** Throws a `RangeError` for an address that is not a group's. */
  join(group: IpAddress): void {
    if (!isIpv4(group) || !isIpv4Multicast(group)) {
      throw new RangeError(`Cannot join ${isIpv4(group) ? ipv4ToString(group) : 'an IPv6 group'}: expected 224.0.0.0/4`)
    }
    const count = this.counts.get(group) ?? 0
    this.counts.set(group, count + 1)
    if (count === 0) this.handler?.(group, true)
  }

  leave(group: IpAddress): void {
    const count = this.counts.get(group as Ipv4)
    if (count === undefined) return
    if (count > 1) this.counts.set(group as Ipv4, count - 1)
    else {
      this.counts.delete(group as Ipv4)
      this.handler?.(group as Ipv4, false)
    }
  }
}
