/** An authoritative DNS server over a stack: the core, its sockets, and what it does on its own (NOTIFY, secondaries). */
import { endpointToString } from '@mirage-ts/core/addresses'
import { messageOf, NetError } from '@mirage-ts/core/errors'
import { after, seconds } from '@mirage-ts/core/time'
import type { Endpoint, IpAddress, Port } from '@mirage-ts/signatures/addresses'
import type { TcpFlow } from '@mirage-ts/signatures/flow'
import type { Log, Logger } from '@mirage-ts/signatures/log'
import type { Random } from '@mirage-ts/signatures/random'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { Alarm, Duration, MonotonicClock, Time, WallClock } from '@mirage-ts/signatures/time'
import type { UdpSocket } from '@mirage-ts/signatures/udp'
import { exchangeMessage } from './exchange.ts'
import { FLAG, writeMessage } from './message.ts'
import { type NameKey, nameToString } from './name.ts'
import type { ZonePolicy } from './policy.ts'
import { Secondary } from './secondary.ts'
import { ServerCore } from './server-core.ts'
import type { ServerCoreOptions, ServerCounters } from './server-options.ts'
import type { SignedTransfer } from './signed-transfer.ts'
import { TcpService } from './tcp-service.ts'
import type { TsigKey } from './tsig.ts'
import { CLASS, OPCODE, TYPE } from './types.ts'
import { WireWriter } from './wire.ts'
import { rrsOf, type Zone } from './zone.ts'
import type { ZoneSigner } from './zone-signer.ts'

export interface DnsServerDeps {
  readonly stack: Stack
  readonly time: Time
  readonly clock: MonotonicClock
  readonly wallClock: WallClock
  readonly random: Random
  readonly log: Log
}

/** A zone to serve. */
export interface ServedZone {
  readonly origin: NameKey
  /** What is in it; left out when it is had from other servers. */
  readonly zone?: Zone | undefined
  /** The servers that it is had from, and the key that signs the transfers. */
  readonly primaries?: readonly Endpoint[]
  readonly primaryKey?: TsigKey | undefined
  /** Servers that are told when the zone changes. */
  readonly notify?: readonly Endpoint[]
  readonly policy: ZonePolicy
  /** Signs the zone, what updates change in it, and all of it again before the signatures end. Not for one had from others. */
  readonly signer?: ZoneSigner | undefined
}

export interface DnsServerOptions extends Omit<ServerCoreOptions, 'onChange' | 'onNotify'> {
  /** For UDP and TCP; 0 for any free one. */
  readonly port: Port
  readonly zones: readonly ServedZone[]
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
/** RFC 1996 §3.6: tried again, the pause doubling, until the other server says that it has heard. */
const NOTIFY_TRIES = 5
const FIRST_NOTIFY_PAUSE = 2

/** Serves `zones`; resolves once it listens. */
export async function createDnsServer(deps: DnsServerDeps, options: DnsServerOptions): Promise<DnsServer> {
  const server = new ListeningServer(deps, options)
  await server.listen()
  return server
}

class ListeningServer implements DnsServer {
  port: Port
  readonly counters: ServerCounters
  readonly closed: Promise<void>
  private readonly deps: DnsServerDeps
  private readonly core: ServerCore
  private readonly log: Logger
  private readonly tcp: TcpService
  private readonly zones: ReadonlyMap<NameKey, ServedZone>
  private readonly renewals: Alarm[] = []
  private readonly secondaries = new Map<NameKey, Secondary>()
  /** By zone and server: at most one announcement of each is under way. */
  private readonly announcing = new Set<string>()
  private udp: UdpSocket | undefined
  private isClosed = false
  private resolveClosed: () => void = () => {}

  constructor(deps: DnsServerDeps, { port, zones, connectionCount, ...coreOptions }: DnsServerOptions) {
    this.deps = deps
    this.port = port
    this.log = deps.log.logger('dns')
    this.tcp = new TcpService(
      { time: deps.time, log: this.log },
      connectionCount ?? DEFAULT_CONNECTION_COUNT,
      (query, flow) => this.answerTcp(query, flow),
    )
    this.zones = new Map(zones.map((zone) => [zone.origin, zone]))
    this.closed = new Promise((resolve) => {
      this.resolveClosed = resolve
    })
    this.core = new ServerCore(deps, {
      ...coreOptions,
      onChange: (origin) => this.announce(origin),
      onNotify: (origin) => this.secondaries.get(origin)?.notified(),
    })
    this.counters = this.core.counters
    for (const { origin, zone, policy } of zones) this.core.setZone(origin, zone, policy)
  }

  async listen(): Promise<void> {
    const { stack } = this.deps
    for (const { origin, signer } of this.zones.values()) {
      if (signer !== undefined) await this.sign(origin, signer)
    }
    this.udp = await stack.udp.bind(this.port, (payload, from, to) => this.datagram(payload, from, to))
    this.port = this.udp.port
    try {
      await this.tcp.listen(stack, this.port)
    } catch (error) {
      this.udp.close()
      throw error
    }
    this.log.info(() => `Listening on port ${this.port}, ${this.zones.size} zones`)
    for (const { origin, primaries = [], primaryKey } of this.zones.values()) {
      this.announce(origin)
      if (primaries.length === 0) continue
      const onZone = (zone: Zone | undefined) => {
        this.core.setZone(origin, zone)
        if (zone !== undefined) this.announce(origin)
      }
      this.secondaries.set(
        origin,
        new Secondary({ ...this.deps, log: this.log }, { origin, primaries, key: primaryKey, onZone }),
      )
    }
  }

  zoneChanged(origin: NameKey): void {
    this.core.setZone(origin, this.core.zone(origin))
    this.announce(origin)
  }

  async close(): Promise<void> {
    this.isClosed = true
    this.udp?.close()
    for (const secondary of this.secondaries.values()) secondary.close()
    for (const alarm of this.renewals) alarm.clear()
    await this.tcp.close()
    this.resolveClosed()
  }

  private datagram(payload: Uint8Array, from: Endpoint, to: IpAddress): void {
    const { core, udp } = this
    const end = core.handle(payload, from, false)
    // What UDP cannot send is lost, as it may be later on: the asker asks again.
    if (end > 0) udp?.trySend(core.frame.u8.subarray(0, end), from, to)
    else void core.takeLater()?.then((reply) => this.isClosed || udp?.trySend(reply, from, to))
  }

  private async sign(origin: NameKey, signer: ZoneSigner): Promise<void> {
    const { time, clock } = this.deps
    await this.core.sign(origin, signer)
    const alarm = time.alarm(() => void this.renew(origin, signer, alarm))
    alarm.set(after(clock.now(), signer.renewAfter))
    this.renewals.push(alarm)
  }

  /** Signs a zone again; when that fails, it is tried again while the signatures still hold. Never rejects. */
  private async renew(origin: NameKey, signer: ZoneSigner, alarm: Alarm): Promise<void> {
    let pause = signer.renewAfter
    try {
      await this.core.renewSignatures(origin)
    } catch (error) {
      this.log.error(() => `Cannot sign ${nameToString(origin)} again: ${messageOf(error)}`)
      pause = (pause / 8) as Duration
    }
    if (!this.isClosed) alarm.set(after(this.deps.clock.now(), pause))
  }

  private async answerTcp(query: Uint8Array, flow: TcpFlow): Promise<Iterable<Uint8Array> | undefined> {
    const end = this.core.handle(query, flow.remote, true)
    if (end > 0) return replies(this.core.frame.u8.slice(0, end), this.core.takeTransfer())
    const later = await this.core.takeLater()
    return later === undefined ? undefined : [later]
  }

  /** Tells the servers that the zone names (RFC 1996). */
  private announce(origin: NameKey): void {
    for (const server of this.zones.get(origin)?.notify ?? []) {
      const id = `${origin}${endpointToString(server)}`
      if (this.announcing.has(id)) continue
      this.announcing.add(id)
      void this.tell(origin, server).then((serial) => {
        this.announcing.delete(id)
        // The zone may have changed again since the message that was heard.
        if (serial !== this.core.zone(origin)?.soa.serial) this.announce(origin)
      })
    }
  }

  /** Returns the serial told last. Never rejects. */
  private async tell(origin: NameKey, server: Endpoint): Promise<number | undefined> {
    const { time, random } = this.deps
    let serial: number | undefined
    for (let i = 0; i < NOTIFY_TRIES && !this.isClosed; i++) {
      const zone = this.core.zone(origin)
      if (zone === undefined) return undefined
      serial = zone.soa.serial
      const writer = new WireWriter(1024)
      const end = writeMessage(writer, {
        id: random.u32() & 0xffff,
        opcode: OPCODE.NOTIFY,
        flags: FLAG.AUTHORITATIVE,
        questions: [{ name: origin, type: TYPE.SOA, class: CLASS.IN }],
        answers: rrsOf(zone.soaSet),
      })
      const pause = seconds(FIRST_NOTIFY_PAUSE * 2 ** i)
      try {
        await exchangeMessage(this.deps, server, writer.u8.slice(0, end), { timeout: pause })
        return serial
      } catch (error) {
        this.log.debug(
          () => `${endpointToString(server)} has not heard of ${nameToString(origin)}: ${messageOf(error)}`,
        )
        if (!(error instanceof NetError && error.code === 'timed-out')) await time.sleep(pause)
      }
    }
    return serial
  }
}

/** A reply, and the messages of the transfer that it begins. */
function* replies(first: Uint8Array, transfer: SignedTransfer | undefined): Generator<Uint8Array> {
  yield first
  for (let next = transfer?.next(); next !== undefined; next = transfer?.next()) yield next
}
