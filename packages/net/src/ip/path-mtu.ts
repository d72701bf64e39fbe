/** What ICMP errors said about the longest packet a path takes (RFC 1191, RFC 8201). */
import { after } from '@mirage-ts/core/time'
import type { IpAddress } from '@mirage-ts/signatures/addresses'
import type { Duration, Instant } from '@mirage-ts/signatures/time'

/** RFC 1191 §6.3: after ten minutes the path may have become better. */
const LIFETIME = 600_000_000 as Duration
const MAX_PATHS = 256

/** RFC 1191 §7: what a router that does not say probably means, from the packet that was too long for it. */
const PLATEAUS: readonly number[] = [32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68]

/** The next smaller MTU in use after a packet of `lenBytes` did not pass. */
export function plateauBelow(lenBytes: number): number {
  return PLATEAUS.find((plateau) => plateau < lenBytes) ?? 68
}

interface Path {
  readonly mtuBytes: number
  readonly until: Instant
}

/** MTUs smaller than the link's, by destination; bounded, the oldest goes first. */
export class PathMtus {
  private readonly paths = new Map<IpAddress, Path>()
  private readonly leastBytes: number
  /** Nothing is known of any path: nearly always so, and looked at for every packet. */
  isEmpty = true

  /** MTUs below `leastBytes` are taken for that: anybody may have made the error up. */
  constructor(leastBytes: number) {
    this.leastBytes = leastBytes
  }

  /** The path's MTU; `linkBytes` when nothing else is known. */
  get(dst: IpAddress, linkBytes: number, now: Instant): number {
    const path = this.paths.get(dst)
    if (path === undefined) return linkBytes
    if (path.until <= now) {
      this.paths.delete(dst)
      this.isEmpty = this.paths.size === 0
      return linkBytes
    }
    return Math.min(linkBytes, path.mtuBytes)
  }

  /** Learns that packets to `dst` must not be longer; an error never makes it longer. */
  lower(dst: IpAddress, mtuBytes: number, linkBytes: number, now: Instant): void {
    const lower = Math.max(this.leastBytes, mtuBytes)
    if (lower >= this.get(dst, linkBytes, now)) return
    this.paths.delete(dst)
    this.paths.set(dst, { mtuBytes: lower, until: after(now, LIFETIME) })
    this.isEmpty = false
    const [oldest] = this.paths.keys()
    if (this.paths.size > MAX_PATHS && oldest !== undefined) this.paths.delete(oldest)
  }
}
