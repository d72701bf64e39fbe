/** The DHCP client for a stack: the machine (machine.ts) with a socket, a clock and one alarm; it configures IPv4. */
import { IPV4_BROADCAST, ipv4CidrToString, ipv4ToString, port } from '@mirage-ts/core/addresses'
import type { Counters } from '@mirage-ts/core/metrics'
import type { Ipv4 } from '@mirage-ts/signatures/addresses'
import type { Arp } from '@mirage-ts/signatures/arp'
import type { Dhcp, DhcpLease } from '@mirage-ts/signatures/dhcp'
import type { Ethernet } from '@mirage-ts/signatures/ethernet'
import type { Ipv4Host } from '@mirage-ts/signatures/ip'
import type { Log, Logger } from '@mirage-ts/signatures/log'
import type { Random } from '@mirage-ts/signatures/random'
import type { Alarm, MonotonicClock, Time } from '@mirage-ts/signatures/time'
import type { Udp } from '@mirage-ts/signatures/udp'
import { ClientSocket, checkedHostname } from './client-socket.ts'
import { type DHCP_COUNTERS, DhcpMachine, type DhcpState } from './machine.ts'
import { DHCP_CLIENT_PORT, DHCP_SERVER_PORT } from './wire.ts'

export interface DhcpDeps {
  readonly ethernet: Ethernet
  readonly arp: Arp
  /** Its first interface is configured; it should have no address yet. */
  readonly ipv4: Ipv4Host
  /** Over `ipv4`. */
  readonly udp: Udp
  readonly clock: MonotonicClock
  readonly time: Time
  readonly random: Random
  readonly log: Log
}

export interface DhcpOptions {
  /** The name to ask for, in DNS too when it has a dot (RFC 4702). Default none. */
  readonly hostname?: string | undefined
}

/** The client with its state and counters. */
export interface CountedDhcp extends Dhcp {
  readonly state: DhcpState
  readonly counters: Readonly<Counters<(typeof DHCP_COUNTERS)[number]>>
}

/** Asks for an address and resolves when IPv4 has it; as long as nobody lends one, it goes on asking. */
export async function createDhcp(deps: DhcpDeps, options: DhcpOptions = {}): Promise<CountedDhcp> {
  const hostname = checkedHostname(options.hostname)
  let bound: () => void = () => {}
  const isBound = new Promise<void>((resolve) => {
    bound = resolve
  })
  const client = new DhcpClient(deps, hostname)
  client.listen((lease) => {
    if (lease !== undefined) bound()
  })
  await client.start()
  await isBound
  return client
}

class DhcpClient implements CountedDhcp {
  lease: DhcpLease | undefined = undefined
  private readonly machine: DhcpMachine
  private readonly ipv4: Ipv4Host
  private readonly arp: Arp
  private readonly clock: MonotonicClock
  private readonly log: Logger
  private readonly alarm: Alarm
  private readonly listeners: ((lease: DhcpLease | undefined) => void)[] = []
  private readonly socket: ClientSocket

  constructor(deps: DhcpDeps, hostname: string | undefined) {
    this.ipv4 = deps.ipv4
    this.arp = deps.arp
    this.clock = deps.clock
    this.log = deps.log.logger('dhcp')
    this.socket = new ClientSocket(deps.udp, this.log)
    this.machine = new DhcpMachine(
      deps.random,
      { mac: deps.ethernet.mac, hostname },
      {
        send: (message, server) => this.send(message, server),
        probe: (address) => this.probe(address),
        lease: (lease) => this.changed(lease),
        trace: (text) => {
          if (this.log.debugOn) this.log.debug(text())
        },
      },
    )
    this.alarm = deps.time.alarm(() => {
      this.machine.poll(this.clock.now())
      this.arm()
    })
    this.arp.listenConflicts((address) => {
      if (address !== this.lease?.cidr.address) return
      this.log.warn(() => `somebody else uses ${ipv4ToString(address)}: giving it up`)
      this.machine.conflict(this.clock.now())
      this.arm()
    })
  }

  get state(): DhcpState {
    return this.machine.state
  }

  get counters(): CountedDhcp['counters'] {
    return this.machine.counters
  }

  async start(): Promise<void> {
    await this.socket.open(port(DHCP_CLIENT_PORT), (payload, from) => {
      if (from.port !== DHCP_SERVER_PORT) return
      this.machine.input(payload, this.clock.now())
      this.arm()
    })
    this.machine.start(this.clock.now())
    this.arm()
  }

  listen(listener: (lease: DhcpLease | undefined) => void): void {
    this.listeners.push(listener)
  }

  async release(): Promise<void> {
    this.machine.release(this.clock.now())
    this.arm()
    await this.socket.close()
  }

  private send(message: Uint8Array, server: Ipv4 | undefined): void {
    this.socket.send(message, { address: server ?? IPV4_BROADCAST, port: port(DHCP_SERVER_PORT) })
  }

  private probe(address: Ipv4): void {
    void this.arp.probe(address).then((isFree) => {
      if (!isFree) this.log.warn(() => `somebody else uses ${ipv4ToString(address)}: declining it`)
      this.machine.probed(isFree, this.clock.now())
      this.arm()
    })
  }

  private changed(lease: DhcpLease | undefined): void {
    const before = this.lease
    this.lease = lease
    if (lease === undefined) {
      this.ipv4.configure(undefined)
      this.log.warn(() => `no address any more`)
    } else {
      const { cidr, gateway, routes } = lease
      // A renewal that changes nothing must not announce the address again.
      if (before === undefined || !isSameConfig(before, lease)) {
        this.ipv4.configure({ cidr, gateway })
        for (const route of routes) this.ipv4.addRoute(route.network, route.gateway)
        const router = gateway === undefined ? 'no router' : `router ${ipv4ToString(gateway)}`
        this.log.info(() => `address ${ipv4CidrToString(cidr)}, ${router}, from ${ipv4ToString(lease.server)}`)
      }
    }
    for (const listener of this.listeners) listener(lease)
  }

  private arm(): void {
    this.alarm.set(this.machine.nextDeadline())
  }
}

function isSameConfig(a: DhcpLease, b: DhcpLease): boolean {
  const text = ({ cidr, gateway, routes }: DhcpLease): string => JSON.stringify([cidr, gateway, routes])
  return text(a) === text(b)
}
