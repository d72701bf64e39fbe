/** UDP over any network layer (RFC 768, RFC 1122 §4.1). */
import { port as checkedPort, endpointToString } from '@mirage-ts/core/addresses'
import { frameOf } from '@mirage-ts/core/bytes'
import { NetError } from '@mirage-ts/core/errors'
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import type { Endpoint, IpAddress, Port } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Icmp } from '@mirage-ts/signatures/icmp'
import type { HostIp } from '@mirage-ts/signatures/ip'
import type { Random } from '@mirage-ts/signatures/random'
import type { DatagramErrorHandler, DatagramHandler, Udp, UdpBindOptions, UdpSocket } from '@mirage-ts/signatures/udp'
import { PROTOCOL_UDP } from './wire/ipv4.ts'
import { emitUdp, parseUdp, quotedUdpDstPort, quotedUdpSrcPort, UDP_HEADER_LEN, UdpHeader } from './wire/udp.ts'

const COUNTERS = ['truncated', 'bad-length', 'bad-checksum', 'noListener', 'noBuffer', 'unsent', 'errors'] as const

/** RFC 6056 §3.2: the dynamic ports, from 1024 up to spread guesses over as many as possible. */
const FIRST_EPHEMERAL = 1024

/** UDP with its counters of dropped datagrams, by reason. */
export interface CountedUdp extends Udp {
  readonly counters: Readonly<Counters<(typeof COUNTERS)[number]>>
}

/** Starts receiving over `ip`. */
export function createUdp({ ip, icmp, random }: { ip: HostIp; icmp: Icmp; random: Random }): CountedUdp {
  return new UdpLayer(ip, icmp, random)
}

interface Binding {
  readonly handler: DatagramHandler
  readonly onError: DatagramErrorHandler | undefined
}

class UdpLayer implements CountedUdp {
  readonly counters = createCounters(COUNTERS)
  private readonly ip: HostIp
  private readonly icmp: Icmp
  private readonly random: Random
  private readonly bound = new Map<Port, Binding>()
  private readonly header = new UdpHeader()

  constructor(ip: HostIp, icmp: Icmp, random: Random) {
    this.ip = ip
    this.icmp = icmp
    this.random = random
    ip.listen(PROTOCOL_UDP, (frame, off, end, src, dst, packetOff) => this.input(frame, off, end, src, dst, packetOff))
    ip.listenErrors(PROTOCOL_UDP, (error, frame, off, _end, _src, dst) => {
      // Eight octets at least are quoted: the whole header.
      this.counters.errors++
      const binding = this.bound.get(quotedUdpSrcPort(frame, off))
      binding?.onError?.(error, { address: dst, port: quotedUdpDstPort(frame, off) })
    })
  }

  async bind(wanted: Port, handler: DatagramHandler, { onError, hopLimit }: UdpBindOptions = {}): Promise<UdpSocket> {
    if (hopLimit !== undefined && !(hopLimit >= 1 && hopLimit <= 255)) {
      throw new RangeError(`Cannot send UDP with a hop limit of ${hopLimit}: expected 1..255`)
    }
    const port = wanted === 0 ? this.freePort() : wanted
    if (this.bound.has(port)) throw new NetError('address-in-use', `Cannot bind UDP port ${port}: it is in use`)
    const binding: Binding = { handler, onError }
    this.bound.set(port, binding)
    return {
      port,
      send: async (payload, to, local) => this.send(port, payload, to, hopLimit, local),
      trySend: (payload, to, local) => {
        if (this.trySend(port, payload, to, hopLimit, local) !== undefined) this.counters.unsent++
      },
      close: () => {
        if (this.bound.get(port) === binding) this.bound.delete(port)
      },
    }
  }

  private send(
    from: Port,
    payload: Uint8Array,
    to: Endpoint,
    hopLimit: number | undefined,
    local: IpAddress | undefined,
  ): void {
    const hasRoute = this.ip.datagramSource(to.address) !== undefined
    const failure = hasRoute ? this.trySend(from, payload, to, hopLimit, local) : 'no-route'
    if (failure === undefined) return
    const what = failure === 'no-route' ? 'there is no route' : `at most ${this.maxLen(to)} octets`
    throw new NetError(failure, `Cannot send ${payload.length} octets to ${endpointToString(to)}: ${what}`)
  }

  /** Returns why it cannot be sent. Like a full queue in a router, no buffer means a lost datagram: UDP promises nothing. */
  private trySend(
    from: Port,
    payload: Uint8Array,
    to: Endpoint,
    hopLimit: number | undefined,
    local: IpAddress | undefined,
  ): 'no-route' | 'message-too-long' | undefined {
    const { ip } = this
    const dst = to.address
    const isOurs = local !== undefined && typeof local === typeof dst && ip.addresses.includes(local)
    const src = isOurs ? local : ip.datagramSource(dst)
    if (src === undefined) return 'no-route'
    if (UDP_HEADER_LEN + payload.length > ip.mtuBytes(dst)) return this.sendPieces(from, payload, src, to)
    const frame = ip.alloc(dst)
    if (frame === undefined) {
      this.counters.noBuffer++
      return undefined
    }
    const off = ip.headroomBytes
    const end = off + UDP_HEADER_LEN + payload.length
    frame.u8.set(payload, off + UDP_HEADER_LEN)
    emitUdp(frame, off, end, src, dst, from, to.port, ip.isChecksumOffloaded)
    ip.send(frame, off, end, PROTOCOL_UDP, src, dst, 0, hopLimit)
    return undefined
  }

  /** A datagram that is too long for the link is sent in fragments, with the hop limit of the layer below, one that is too long for them not at all. */
  private sendPieces(from: Port, payload: Uint8Array, src: IpAddress, to: Endpoint): 'message-too-long' | undefined {
    if (payload.length > this.maxLen(to)) return 'message-too-long'
    const whole = frameOf(new Uint8Array(UDP_HEADER_LEN + payload.length))
    const end = whole.u8.length
    whole.u8.set(payload, UDP_HEADER_LEN)
    emitUdp(whole, 0, end, src, to.address, from, to.port, false)
    if (this.ip.sendCopy(whole.u8, 0, end, PROTOCOL_UDP, src, to.address) !== undefined) this.counters.noBuffer++
    return undefined
  }

  private maxLen(to: Endpoint): number {
    return this.ip.maxPayloadBytes(to.address) - UDP_HEADER_LEN
  }

  private input(frame: Frame, off: number, end: number, src: IpAddress, dst: IpAddress, packetOff: number): void {
    const header = this.header
    const reason = parseUdp(frame, off, end, src, dst, header)
    if (reason !== undefined) {
      this.counters[reason]++
      return
    }
    const binding = this.bound.get(header.dstPort)
    if (binding === undefined) {
      this.counters.noListener++
      // RFC 1122 §4.1.3.1: a datagram to a port nobody listens on gets a port-unreachable error.
      this.icmp.unreachable('port', frame, packetOff, end)
      return
    }
    const payload = frame.u8.slice(off + UDP_HEADER_LEN, off + header.lenBytes)
    binding.handler(payload, { address: src, port: header.srcPort }, dst)
  }

  /** RFC 6056 §3.3.1: a random start, then the next one that is free. */
  private freePort(): Port {
    const count = 65536 - FIRST_EPHEMERAL
    const start = this.random.u32() % count
    for (let i = 0; i < count; i++) {
      const candidate = checkedPort(FIRST_EPHEMERAL + ((start + i) % count))
      if (!this.bound.has(candidate)) return candidate
    }
    throw new NetError('no-ports', 'Cannot bind a UDP port: all are in use')
  }
}
