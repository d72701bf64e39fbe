/** The DHCPv6 client for a stack: the machine (machine.ts) with a socket, a clock and one alarm; it configures IPv6. */
import { ipv6ToString, port } from '@mirage-ts/core/addresses'
import type { Counters } from '@mirage-ts/core/metrics'
import { NEVER } from '@mirage-ts/core/time'
import type { Dhcp6, Dhcp6Config } from '@mirage-ts/signatures/dhcp'
import type { Ethernet } from '@mirage-ts/signatures/ethernet'
import type { Log, Logger } from '@mirage-ts/signatures/log'
import type { Random } from '@mirage-ts/signatures/random'
import type { Alarm, MonotonicClock, Time } from '@mirage-ts/signatures/time'
import type { Udp } from '@mirage-ts/signatures/udp'
import { ClientSocket, checkedHostname } from '../dhcp/client-socket.ts'
import type { CountedIpv6 } from '../ipv6/contract.ts'
import { DHCP6_CLIENT_PORT, DHCP6_RELAYS_AND_SERVERS, DHCP6_SERVER_PORT } from './codec.ts'
import { type DHCP6_CLIENT_COUNTERS, Dhcp6Machine, type Dhcp6State } from './machine.ts'

export interface Dhcp6Deps {
  readonly ethernet: Ethernet
  /** Its interface is given the addresses. */
  readonly ipv6: CountedIpv6
  /** Over `ipv6`, or over both versions. */
  readonly udp: Udp
  readonly clock: MonotonicClock
  readonly time: Time
  readonly random: Random
  readonly log: Log
}

export interface Dhcp6Options {
  /** The name to ask for, in DNS too (RFC 4704). Default none. */
  readonly hostname?: string | undefined
}

/** The client with its state and counters. */
export interface CountedDhcp6 extends Dhcp6 {
  readonly state: Dhcp6State
  readonly counters: Readonly<Counters<(typeof DHCP6_CLIENT_COUNTERS)[number]>>
}

/**
 * Asks when routers say that there is something to ask for (RFC 4861 §4.2): for addresses and all else with the flag M, for all
 * else with O. Resolves at once.
 */
export async function createDhcp6(deps: Dhcp6Deps, { hostname }: Dhcp6Options = {}): Promise<CountedDhcp6> {
  const client = new Dhcp6Client(deps, checkedHostname(hostname))
  await client.start()
  return client
}

class Dhcp6Client implements CountedDhcp6 {
  config: Dhcp6Config | undefined = undefined
  private readonly machine: Dhcp6Machine
  private readonly ipv6: CountedIpv6
  private readonly clock: MonotonicClock
  private readonly log: Logger
  private readonly alarm: Alarm
  private readonly listeners: ((config: Dhcp6Config) => void)[] = []
  private readonly socket: ClientSocket
  private stopped: (() => void)[] = []

  constructor(deps: Dhcp6Deps, hostname: string | undefined) {
    this.ipv6 = deps.ipv6
    this.clock = deps.clock
    this.log = deps.log.logger('dhcp6')
    this.socket = new ClientSocket(deps.udp, this.log)
    this.machine = new Dhcp6Machine(
      deps.random,
      { mac: deps.ethernet.mac, hostname },
      {
        send: (message) => this.send(message),
        lend: (address, preferredUntil, validUntil) => {
          this.log.info(() => `lent ${ipv6ToString(address)}`)
          this.ipv6.addLent(address, preferredUntil, validUntil)
        },
        withdraw: (address) => this.ipv6.removeLent(address),
        configured: (config) => this.configured(config),
        trace: (text) => {
          if (this.log.debugOn) this.log.debug(text())
        },
      },
    )
    this.alarm = deps.time.alarm(() => {
      this.machine.poll(this.clock.now())
      this.settle()
    })
  }

  get state(): Dhcp6State {
    return this.machine.state
  }

  get counters(): CountedDhcp6['counters'] {
    return this.machine.counters
  }

  async start(): Promise<void> {
    await this.socket.open(port(DHCP6_CLIENT_PORT), (payload) => {
      this.machine.input(payload, this.clock.now())
      this.settle()
    })
    this.ipv6.listenRouters(() => this.heed())
    this.ipv6.listenAddresses(({ address, state }) => {
      if (state !== 'duplicate') return
      this.machine.duplicate(address, this.clock.now())
      this.settle()
    })
    this.heed()
  }

  listen(listener: (config: Dhcp6Config) => void): void {
    this.listeners.push(listener)
  }

  async release(): Promise<void> {
    this.machine.release(this.clock.now())
    const isStopped = new Promise<void>((resolve) => {
      this.stopped.push(resolve)
    })
    this.settle()
    await isStopped
  }

  /** What routers say may have changed. */
  private heed(): void {
    const { isManaged, hasOther } = this.ipv6.advertised
    this.machine.want(isManaged ? 'addresses' : hasOther ? 'information' : 'nothing', this.clock.now())
    this.settle()
  }

  private send(message: Uint8Array): void {
    this.socket.send(message, { address: DHCP6_RELAYS_AND_SERVERS, port: port(DHCP6_SERVER_PORT) })
  }

  private configured(config: Dhcp6Config): void {
    this.config = config
    for (const listener of this.listeners) listener(config)
  }

  private settle(): void {
    const next = this.machine.nextDeadline()
    if (next === NEVER) this.alarm.clear()
    else this.alarm.set(next)
    if (this.machine.state !== 'stopped') return
    const { stopped } = this
    this.stopped = []
    void this.socket.close().then(() => {
      for (const resolve of stopped) resolve()
    })
  }
}
