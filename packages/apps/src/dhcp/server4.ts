/**
 * A DHCP server over a network: the core (server4-core.ts) with a socket, ARP, a clock and a store for its leases. It needs the
 * layers below IP, for clients have no address yet: a stack of the host's sockets will not do.
 */
import { IPV4_BROADCAST, ipv4ToString, isIpv4, port } from '@mirage-ts/core/addresses'
import { messageOf } from '@mirage-ts/core/errors'
import type { Counters } from '@mirage-ts/core/metrics'
import { DHCP_CLIENT_PORT, DHCP_SERVER_PORT } from '@mirage-ts/net/dhcp/wire'
import { ETHERTYPE_IPV4 } from '@mirage-ts/net/wire/ethernet'
import { emitIpv4, IPV4_HEADER_LEN, PROTOCOL_UDP } from '@mirage-ts/net/wire/ipv4'
import { emitUdp, UDP_HEADER_LEN } from '@mirage-ts/net/wire/udp'
import type { Ipv4, Mac } from '@mirage-ts/signatures/addresses'
import type { Arp } from '@mirage-ts/signatures/arp'
import type { Ethernet } from '@mirage-ts/signatures/ethernet'
import type { Logger } from '@mirage-ts/signatures/log'
import type { Alarm } from '@mirage-ts/signatures/time'
import type { Udp, UdpSocket } from '@mirage-ts/signatures/udp'
import { LeaseBook, type LeaseDeps } from './lease-book.ts'
import type { Lease, LeaseClient } from './lease-table.ts'
import { type DHCP4_SERVER_COUNTERS, Dhcp4Core, type Dhcp4Destination, type Dhcp4Options } from './server4-core.ts'

export interface Dhcp4Deps extends LeaseDeps {
  readonly ethernet: Ethernet
  readonly arp: Arp
  /** Over the IPv4 of that Ethernet, which has the address of the options. */
  readonly udp: Udp
}

/** A server that listens. */
export interface Dhcp4Server {
  readonly counters: Readonly<Counters<(typeof DHCP4_SERVER_COUNTERS)[number]>>
  /** The leases that are bound. */
  readonly leases: readonly Lease<Ipv4>[]
  /** Stops answering; the leases stay. Resolves when they are written down. */
  close(): Promise<void>
}

/** Lends addresses; resolves once it listens and has its old leases. Rejects when these cannot be read. */
export async function createDhcp4Server(deps: Dhcp4Deps, options: Dhcp4Options): Promise<Dhcp4Server> {
  const server = new ListeningServer(deps, options)
  await server.start()
  return server
}

class ListeningServer implements Dhcp4Server {
  private readonly deps: Dhcp4Deps
  private readonly address: Ipv4
  private readonly core: Dhcp4Core
  private readonly book: LeaseBook<Ipv4>
  private readonly log: Logger
  private readonly alarm: Alarm
  private socket: UdpSocket | undefined
  private packetId = 0

  constructor(deps: Dhcp4Deps, options: Dhcp4Options) {
    this.deps = deps
    this.address = options.address
    this.log = deps.log.logger('dhcp-server')
    const { clock, time } = deps
    this.book = new LeaseBook(deps, 'dhcp4', this.log)
    const effects = {
      send: (answer: Uint8Array, to: Dhcp4Destination) => this.send(answer, to),
      probe: (address: Ipv4, isOnLink: boolean) => this.probe(address, isOnLink),
      changed: (lease: Lease<Ipv4>) => this.changed(lease),
      nameFor: (label: string, client: LeaseClient) => this.book.nameFor(label, client),
    }
    this.core = new Dhcp4Core(options, effects, clock.now())
    this.alarm = time.alarm(() => {
      this.core.poll(clock.now())
      this.arm()
    })
  }

  get counters(): Dhcp4Server['counters'] {
    return this.core.counters
  }

  get leases(): readonly Lease<Ipv4>[] {
    return [...this.core.leases()].filter(({ state }) => state === 'bound')
  }

  async start(): Promise<void> {
    await this.book.load(isIpv4, (...lease) => this.core.restore(...lease))
    this.socket = await this.deps.udp.bind(port(DHCP_SERVER_PORT), (payload) => {
      this.core.input(payload, this.deps.clock.now())
      this.arm()
    })
    this.arm()
    const count = this.leases.length
    this.log.info(() => `lending addresses on ${ipv4ToString(this.address)}, ${count} leases from before`)
  }

  async close(): Promise<void> {
    this.socket?.close()
    this.alarm.clear()
    await this.book.settled()
  }

  private send(answer: Uint8Array, to: Dhcp4Destination): void {
    if (!this.book.isKept) {
      this.transmit(answer, to)
      return
    }
    // RFC 2131 §4.3.1: a lease is written down before its client is told. When that fails the client asks again.
    void this.book.settled().then((isDurable) => {
      if (isDurable) this.transmit(answer, to)
    })
  }

  private transmit(answer: Uint8Array, to: Dhcp4Destination): void {
    if (to.tag === 'station') {
      this.sendToStation(answer, to.address, to.mac)
      return
    }
    const address = to.tag === 'broadcast' ? IPV4_BROADCAST : to.address
    const toPort = port(to.tag === 'relay' ? DHCP_SERVER_PORT : DHCP_CLIENT_PORT)
    this.socket?.send(answer, { address, port: toPort }).catch((error: unknown) => {
      this.log.debug(() => `not sent: ${messageOf(error)}`)
    })
  }

  /** Nobody answers ARP for the address yet. */
  private sendToStation(answer: Uint8Array, address: Ipv4, mac: Mac): void {
    const { ethernet } = this.deps
    const frame = ethernet.alloc()
    if (frame === undefined) return
    const off = ethernet.headroomBytes
    const udpOff = off + IPV4_HEADER_LEN
    const end = udpOff + UDP_HEADER_LEN + answer.length
    frame.u8.set(answer, udpOff + UDP_HEADER_LEN)
    emitUdp(frame, udpOff, end, this.address, address, port(DHCP_SERVER_PORT), port(DHCP_CLIENT_PORT), false)
    this.packetId = (this.packetId + 1) & 0xffff
    emitIpv4(frame, off, end - off, this.packetId, 0, 64, PROTOCOL_UDP, this.address, address, 0)
    ethernet.send(frame, off, end, ETHERTYPE_IPV4, mac)
  }

  private probe(address: Ipv4, isOnLink: boolean): void {
    // Deviation: behind a relay agent, where ARP does not reach, RFC 2131 §2.2 has the server ping. Clients check for themselves.
    const checked = isOnLink ? this.deps.arp.probe(address) : Promise.resolve(true)
    void checked.then((isFree) => {
      if (!isFree)
        this.log.warn(() => `somebody uses ${ipv4ToString(address)} without a lease: it is not lent for a while`)
      this.core.probed(address, isFree, this.deps.clock.now())
      this.arm()
    })
  }

  private changed(lease: Lease<Ipv4>): void {
    const { hostname, client, address, state } = lease
    this.log.debug(() => `${ipv4ToString(address)} ${state} ${hostname ?? ''} ${client}`)
    this.book.changed(lease)
  }

  private arm(): void {
    this.alarm.set(this.core.nextDeadline())
  }
}
