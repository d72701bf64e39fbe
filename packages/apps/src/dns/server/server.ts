/** An authoritative DNS server over a stack: its sockets, and who is told of which zones. */
import { isInNetwork } from '@mirage-ts/core/addresses'
import type { Endpoint, IpAddress, Ipv4Cidr, Ipv6Cidr, Port } from '@mirage-ts/signatures/addresses'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { Logger } from '@mirage-ts/signatures/log'
import type { UdpSocket } from '@mirage-ts/signatures/udp'
import { TcpService } from '../transport/tcp-service.ts'
import type { NameKey } from '../wire/name.ts'
import { type DnsServerDeps, type ServedZone, ServedZones } from './served-zones.ts'
import type { ServerCore } from './server-core.ts'
import type { ServerCoreOptions, ServerCounters } from './server-options.ts'
import type { SignedTransfer } from './signed-transfer.ts'

export type { DnsServerDeps, ServedZone }

/** What askers from some networks are told. Addresses can be forged over UDP: a view is no place for secrets. */
export interface DnsView {
  readonly networks: readonly (Ipv4Cidr | Ipv6Cidr)[]
  readonly zones: readonly ServedZone[]
}

export interface DnsServerOptions extends Omit<ServerCoreOptions, 'onChange' | 'onNotify'> {
  /** For UDP and TCP; 0 for any free one. */
  readonly port: Port
  readonly zones: readonly ServedZone[]
  /** What some askers are told instead: the first view whose networks the asker is in. Everybody else is told of `zones`. */
  readonly views?: readonly DnsView[]
  /** TCP connections at a time; one more is reset. Default 64. */
  readonly connectionCount?: number
}

/** A server that listens. */
export interface DnsServer {
  readonly port: Port
  readonly counters: Readonly<ServerCounters>
  /** Resolves when the server has been closed. */
  readonly closed: Promise<void>
  /** To be called when the program itself has changed a zone: answers are made anew, and other servers are told. */
  zoneChanged(origin: NameKey): void
  /** Stops listening and resets every connection; resolves when all have ended. Idempotent. */
  close(): Promise<void>
}

const DEFAULT_CONNECTION_COUNT = 64
/** Serves `zones`; resolves once it listens. */
export async function createDnsServer(deps: DnsServerDeps, options: DnsServerOptions): Promise<DnsServer> {
  const server = new ListeningServer(deps, options)
  await server.listen()
  return server
}

class ListeningServer implements DnsServer {
  port: Port
  readonly closed: Promise<void>
  private readonly deps: DnsServerDeps
  private readonly log: Logger
  private readonly tcp: TcpService
  /** For everybody who is in none of the views. */
  private readonly zones: ServedZones
  private readonly views: readonly { readonly networks: DnsView['networks']; readonly zones: ServedZones }[]
  private udp: UdpSocket | undefined
  private isClosed = false
  private resolveClosed: () => void = () => {}

  constructor(deps: DnsServerDeps, { port, zones, views = [], connectionCount, ...coreOptions }: DnsServerOptions) {
    this.deps = deps
    this.port = port
    this.log = deps.log.logger('dns')
    this.tcp = new TcpService(
      { time: deps.time, log: this.log },
      connectionCount ?? DEFAULT_CONNECTION_COUNT,
      (query, flow) => this.answerTcp(query, flow),
    )
    this.closed = new Promise((resolve) => {
      this.resolveClosed = resolve
    })
    const served = (list: readonly ServedZone[]): ServedZones => new ServedZones(deps, this.log, list, coreOptions)
    this.zones = served(zones)
    this.views = views.map((view) => ({ networks: view.networks, zones: served(view.zones) }))
  }

  /** Of all views together. */
  get counters(): ServerCounters {
    if (this.views.length === 0) return this.zones.core.counters
    const sums = { ...this.zones.core.counters }
    for (const { zones } of this.views) {
      for (const [name, count] of Object.entries(zones.core.counters)) sums[name as keyof ServerCounters] += count
    }
    return sums
  }

  async listen(): Promise<void> {
    const { stack } = this.deps
    for (const zones of this.all()) await zones.signAll()
    this.udp = await stack.udp.bind(this.port, (payload, from, to) => this.datagram(payload, from, to))
    this.port = this.udp.port
    try {
      await this.tcp.listen(stack, this.port)
    } catch (error) {
      this.udp.close()
      throw error
    }
    const count = this.all().reduce((sum, zones) => sum + zones.count, 0)
    this.log.info(() => `Listening on port ${this.port}, ${count} zones`)
    for (const zones of this.all()) zones.start()
  }

  zoneChanged(origin: NameKey): void {
    for (const zones of this.all()) zones.changed(origin)
  }

  async close(): Promise<void> {
    this.isClosed = true
    this.udp?.close()
    for (const zones of this.all()) zones.close()
    await this.tcp.close()
    this.resolveClosed()
  }

  private all(): readonly ServedZones[] {
    return [this.zones, ...this.views.map(({ zones }) => zones)]
  }

  /** Who answers an asker. */
  private coreFor(address: IpAddress): ServerCore {
    for (const { networks, zones } of this.views) {
      for (const network of networks) if (isInNetwork(address, network)) return zones.core
    }
    return this.zones.core
  }

  private datagram(payload: Uint8Array, from: Endpoint, to: IpAddress): void {
    const { udp } = this
    const core = this.coreFor(from.address)
    const end = core.handle(payload, from, false)
    // What UDP cannot send is lost, as it may be later on: the asker asks again.
    if (end > 0) udp?.trySend(core.frame.u8.subarray(0, end), from, to)
    else void core.takeLater()?.then((reply) => this.isClosed || udp?.trySend(reply, from, to))
  }

  private async answerTcp(query: Uint8Array, flow: TcpFlow): Promise<Iterable<Uint8Array> | undefined> {
    const core = this.coreFor(flow.remote.address)
    const end = core.handle(query, flow.remote, true)
    if (end > 0) return replies(core.frame.u8.slice(0, end), core.takeTransfer())
    const later = await core.takeLater()
    return later === undefined ? undefined : [later]
  }
}

/** A reply, and the messages of the transfer that it begins. */
function* replies(first: Uint8Array, transfer: SignedTransfer | undefined): Generator<Uint8Array> {
  yield first
  for (let next = transfer?.next(); next !== undefined; next = transfer?.next()) yield next
}
