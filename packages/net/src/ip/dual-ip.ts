/** Both versions of IP as one network layer: transports see addresses, the address says the version. */
import { isIpv4 } from '@mirage-ts/core/addresses'
import type { IpAddress } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Icmp, Unreachable } from '@mirage-ts/signatures/icmp'
import type { HostIp, IpErrorHandler, IpErrorKind, IpHandler, IpProblemHandler } from '@mirage-ts/signatures/ip'

/**
 * Puts `ipv4` and `ipv6` together; both must be over the same Ethernet, because a buffer lent by one may be sent by the other.
 * The room in front of a payload is what IPv4 needs, so that it keeps its longer payload; IPv6 moves the payload to make room,
 * unless the sender asks `headroomFor`, as TCP does once for each connection.
 */
export function createDualIp({ ipv4, ipv6 }: { ipv4: HostIp; ipv6: HostIp }): HostIp {
  return new DualIp(ipv4, ipv6)
}

/** ICMP for both: the version of the packet in question says which. */
export function createDualIcmp({ icmp, icmpv6 }: { icmp: Icmp; icmpv6: Icmp }): Icmp {
  return {
    unreachable(why: Unreachable, frame: Frame, packetOff: number, end: number): void {
      const one = isVersion6(frame, packetOff) ? icmpv6 : icmp
      one.unreachable(why, frame, packetOff, end)
    },
  }
}

class DualIp implements HostIp {
  readonly headroomBytes: number
  private readonly ipv4: HostIp
  private readonly ipv6: HostIp
  private ipv4Addresses: readonly IpAddress[] = []
  private ipv6Addresses: readonly IpAddress[] = []
  private all: readonly IpAddress[] = []

  constructor(ipv4: HostIp, ipv6: HostIp) {
    this.headroomBytes = ipv4.headroomBytes
    this.ipv4 = ipv4
    this.ipv6 = ipv6
  }

  /** The same array as long as nothing changes: it is looked at for every segment. */
  get addresses(): readonly IpAddress[] {
    const { ipv4, ipv6 } = this
    if (this.ipv4Addresses !== ipv4.addresses || this.ipv6Addresses !== ipv6.addresses) {
      this.ipv4Addresses = ipv4.addresses
      this.ipv6Addresses = ipv6.addresses
      this.all = [...ipv4.addresses, ...ipv6.addresses]
    }
    return this.all
  }

  get nameservers(): readonly IpAddress[] {
    return this.ipv6.nameservers ?? []
  }

  headroomFor(dst: IpAddress): number {
    return this.of(dst).headroomBytes
  }

  private of(address: IpAddress): HostIp {
    return isIpv4(address) ? this.ipv4 : this.ipv6
  }

  mtuBytes(dst: IpAddress): number {
    return this.of(dst).mtuBytes(dst)
  }

  maxPayloadBytes(dst: IpAddress): number {
    return this.of(dst).maxPayloadBytes(dst)
  }

  source(dst: IpAddress): IpAddress | undefined {
    return this.of(dst).source(dst)
  }

  datagramSource(dst: IpAddress): IpAddress | undefined {
    return this.of(dst).datagramSource(dst)
  }

  alloc(): Frame | undefined {
    return this.ipv4.alloc()
  }

  get isChecksumOffloaded(): boolean {
    return this.ipv4.isChecksumOffloaded && this.ipv6.isChecksumOffloaded
  }

  largeBytes(dst: IpAddress): number {
    return this.of(dst).largeBytes(dst)
  }

  allocLarge(): Frame | undefined {
    return this.ipv4.allocLarge()
  }

  doubt(dst: IpAddress): void {
    this.of(dst).doubt?.(dst)
  }

  free(frame: Frame): void {
    this.ipv4.free(frame)
  }

  send(
    frame: Frame,
    off: number,
    end: number,
    protocol: number,
    src: IpAddress,
    dst: IpAddress,
    trafficClass?: number,
    hopLimit?: number,
  ): void {
    this.of(dst).send(frame, off, end, protocol, src, dst, trafficClass, hopLimit)
  }

  sendCopy(
    u8: Uint8Array,
    off: number,
    end: number,
    protocol: number,
    src: IpAddress,
    dst: IpAddress,
  ): 'no-buffer' | undefined {
    return this.of(dst).sendCopy(u8, off, end, protocol, src, dst)
  }

  listen(protocol: number, handler: IpHandler): void {
    this.ipv4.listen(protocol, handler)
    this.ipv6.listen(protocol, handler)
  }

  listenErrors(protocol: number, handler: IpErrorHandler): void {
    this.ipv4.listenErrors(protocol, handler)
    this.ipv6.listenErrors(protocol, handler)
  }

  listenProblems(handler: IpProblemHandler): void {
    this.ipv4.listenProblems(handler)
    this.ipv6.listenProblems(handler)
  }

  reportError(error: IpErrorKind, frame: Frame, off: number, end: number, mtuBytes?: number): void {
    const one = isVersion6(frame, off) ? this.ipv6 : this.ipv4
    one.reportError(error, frame, off, end, mtuBytes)
  }

  join(group: IpAddress): void {
    this.of(group).join(group)
  }

  leave(group: IpAddress): void {
    this.of(group).leave(group)
  }
}

function isVersion6(frame: Frame, packetOff: number): boolean {
  return frame.dv.getUint8(packetOff) >>> 4 === 6
}
