/** A DHCPv6 server over a stack: the core (server6-core.ts) with a socket, a group, a clock and a store for its leases. */
import { isIpv4, parseIpv6, port } from '@mirage-ts/core/addresses'
import { messageOf } from '@mirage-ts/core/errors'
import type { Counters } from '@mirage-ts/core/metrics'
import { DHCP6_CLIENT_PORT, DHCP6_RELAYS_AND_SERVERS, DHCP6_SERVER_PORT, RELAY_REPLY } from '@mirage-ts/net/dhcp6/codec'
import type { IpAddress, Ipv6 } from '@mirage-ts/signatures/addresses'
import type { HostIp } from '@mirage-ts/signatures/ip'
import type { Logger } from '@mirage-ts/signatures/log'
import type { Alarm } from '@mirage-ts/signatures/time'
import type { Udp, UdpSocket } from '@mirage-ts/signatures/udp'
import { LeaseBook, type LeaseDeps } from './lease-book.ts'
import type { Lease } from './lease-table.ts'
import { type DHCP6_SERVER_COUNTERS, Dhcp6Core, type Dhcp6ServerOptions } from './server6-core.ts'

export interface Dhcp6Deps extends LeaseDeps {
  /** Joins the group of servers. */
  readonly ipv6: HostIp
  /** Over it. */
  readonly udp: Udp
}

/** A server that listens. */
export interface Dhcp6Server {
  readonly counters: Readonly<Counters<(typeof DHCP6_SERVER_COUNTERS)[number]>>
  /** The leases that are bound. */
  readonly leases: readonly Lease<Ipv6>[]
  close(): Promise<void>
}

/** `ff05::1:3`, all servers of a site: relay agents speak to them (RFC 8415 §7.1). */
const SITE_SERVERS = parseIpv6('ff05::1:3') as Ipv6

/** Serves a link; resolves once it listens and has its old leases. Rejects when these cannot be read. */
export async function createDhcp6Server(deps: Dhcp6Deps, options: Dhcp6ServerOptions): Promise<Dhcp6Server> {
  const server = new ListeningServer(deps, options)
  await server.start()
  return server
}

class ListeningServer implements Dhcp6Server {
  private readonly deps: Dhcp6Deps
  private readonly core: Dhcp6Core
  private readonly book: LeaseBook<Ipv6>
  private readonly log: Logger
  private readonly alarm: Alarm
  private socket: UdpSocket | undefined

  constructor(deps: Dhcp6Deps, options: Dhcp6ServerOptions) {
    this.deps = deps
    this.log = deps.log.logger('dhcp6-server')
    const { clock, time } = deps
    this.book = new LeaseBook(deps, 'dhcp6', this.log)
    this.core = new Dhcp6Core(
      options,
      {
        changed: (lease) => this.book.changed(lease),
        nameFor: (label, client) => this.book.nameFor(label, client),
      },
      clock.now(),
    )
    this.alarm = time.alarm(() => {
      this.core.poll(clock.now())
      this.alarm.set(this.core.nextDeadline())
    })
  }

  get counters(): Dhcp6Server['counters'] {
    return this.core.counters
  }

  get leases(): readonly Lease<Ipv6>[] {
    return [...this.core.leases()].filter(({ state }) => state === 'bound')
  }

  async start(): Promise<void> {
    const { ipv6, udp } = this.deps
    const isOurs = (address: IpAddress): address is Ipv6 => !isIpv4(address)
    await this.book.load(isOurs, (...lease) => this.core.restore(...lease))
    this.socket = await udp.bind(port(DHCP6_SERVER_PORT), (payload, from, to) => {
      if (isIpv4(from.address) || isIpv4(to)) return
      const answer = this.core.input(payload, from.address, to, this.deps.clock.now())
      this.alarm.set(this.core.nextDeadline())
      if (answer !== undefined) void this.send(answer, from.address)
    })
    for (const group of [DHCP6_RELAYS_AND_SERVERS, SITE_SERVERS]) ipv6.join(group)
    this.alarm.set(this.core.nextDeadline())
    const count = this.leases.length
    this.log.info(() => `serving DHCPv6, ${count} leases from before`)
  }

  async close(): Promise<void> {
    this.socket?.close()
    for (const group of [DHCP6_RELAYS_AND_SERVERS, SITE_SERVERS]) this.deps.ipv6.leave(group)
    this.alarm.clear()
    await this.book.settled()
  }

  /** A lease is written down before its client is told; when that fails the client asks again. */
  private async send(answer: Uint8Array, to: Ipv6): Promise<void> {
    if (this.book.isKept && !(await this.book.settled())) return
    const toPort = port(answer[0] === RELAY_REPLY ? DHCP6_SERVER_PORT : DHCP6_CLIENT_PORT)
    await this.socket?.send(answer, { address: to, port: toPort }).catch((error: unknown) => {
      this.log.debug(() => `not sent: ${messageOf(error)}`)
    })
  }
}
