/** A DHCPv6 server over a stack: the core (server6-core.ts) with a socket, a group, a clock and a store for its leases. */
import { isIpv4, parseIpv6, port } from '@mirage-ts/core/addresses'
import { messageOf } from '@mirage-ts/core/errors'
import type { Counters } from '@mirage-ts/core/metrics'
import { DHCP6_CLIENT_PORT, DHCP6_RELAYS_AND_SERVERS, DHCP6_SERVER_PORT, RELAY_REPLY } from '@mirage-ts/net/dhcp6/codec'
import type { Ipv6 } from '@mirage-ts/signatures/addresses'
import type { HostIp } from '@mirage-ts/signatures/ip'
import type { KvRw } from '@mirage-ts/signatures/kv'
import type { Log, Logger } from '@mirage-ts/signatures/log'
import type { Alarm, MonotonicClock, Time, WallClock } from '@mirage-ts/signatures/time'
import type { Udp, UdpSocket } from '@mirage-ts/signatures/udp'
import type { HostNames } from './host-names.ts'
import { LeaseStore } from './lease-store.ts'
import type { Lease } from './lease-table.ts'
import { type DHCP6_SERVER_COUNTERS, Dhcp6Core, type Dhcp6ServerOptions } from './server6-core.ts'

export interface Dhcp6Deps {
  /** Joins the group of servers. */
  readonly ipv6: HostIp
  /** Over it. */
  readonly udp: Udp
  readonly clock: MonotonicClock
  readonly wallClock: WallClock
  readonly time: Time
  readonly log: Log
  readonly names?: HostNames | undefined
  /** Where leases are written down. Default: nowhere; a restart forgets them. */
  readonly leases?: KvRw | undefined
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
  private readonly store: LeaseStore | undefined
  private readonly log: Logger
  private readonly alarm: Alarm
  private socket: UdpSocket | undefined

  constructor(deps: Dhcp6Deps, options: Dhcp6ServerOptions) {
    this.deps = deps
    this.log = deps.log.logger('dhcp6-server')
    const { leases: kv, clock, wallClock, names, time } = deps
    this.store = kv === undefined ? undefined : new LeaseStore({ kv, clock, wallClock, log: this.log }, 'dhcp6')
    this.core = new Dhcp6Core(
      options,
      {
        changed: (lease) => this.changed(lease),
        nameFor: (label, client) => names?.nameFor(label, client),
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
    const { ipv6, udp, names } = this.deps
    for (const { client, address, until, hostname } of (await this.store?.load()) ?? []) {
      if (isIpv4(address)) continue
      this.core.restore(client, address, until, hostname)
      if (hostname !== undefined) names?.set(hostname, client, address)
    }
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
    await this.store?.settled()
  }

  /** A lease is written down before its client is told; when that fails the client asks again. */
  private async send(answer: Uint8Array, to: Ipv6): Promise<void> {
    if (this.store !== undefined && !(await this.store.settled())) return
    const toPort = port(answer[0] === RELAY_REPLY ? DHCP6_SERVER_PORT : DHCP6_CLIENT_PORT)
    await this.socket?.send(answer, { address: to, port: toPort }).catch((error: unknown) => {
      this.log.debug(() => `not sent: ${messageOf(error)}`)
    })
  }

  private changed(lease: Lease<Ipv6>): void {
    const { names } = this.deps
    const { hostname, client, mac, address, state } = lease
    this.store?.put(lease)
    if (hostname === undefined) return
    if (state === 'bound') names?.set(hostname, { id: client, mac }, address)
    else names?.remove(hostname, address)
  }
}
