/** The zones that a server has for some askers, and what it does for them on its own: NOTIFY, secondaries, signing. */
import { endpointToString } from '@mirage-ts/core/addresses'
import { messageOf, NetError } from '@mirage-ts/core/errors'
import { after, seconds } from '@mirage-ts/core/time'
import type { Endpoint } from '@mirage-ts/signatures/addresses'
import type { Log, Logger } from '@mirage-ts/signatures/log'
import type { Random } from '@mirage-ts/signatures/random'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { Alarm, Duration, MonotonicClock, Time, WallClock } from '@mirage-ts/signatures/time'
import type { ZoneSigner } from '../dnssec/zone-signer.ts'
import { exchangeMessage } from '../transport/exchange.ts'
import { FLAG, writeMessage } from '../wire/message.ts'
import { type NameKey, nameToString } from '../wire/name.ts'
import type { TsigKey } from '../wire/tsig.ts'
import { CLASS, OPCODE, TYPE } from '../wire/types.ts'
import { WireWriter } from '../wire/wire.ts'
import { rrsOf, type Zone } from '../zone/zone.ts'
import type { ZonePolicy } from './policy.ts'
import { Secondary } from './secondary.ts'
import { ServerCore } from './server-core.ts'
import type { ServerCoreOptions } from './server-options.ts'

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

/** RFC 1996 §3.6: tried again, the pause doubling, until the other server says that it has heard. */
const NOTIFY_TRIES = 5
const FIRST_NOTIFY_PAUSE = 2

export class ServedZones {
  readonly core: ServerCore
  private readonly deps: DnsServerDeps
  private readonly log: Logger
  private readonly zones: ReadonlyMap<NameKey, ServedZone>
  private readonly renewals: Alarm[] = []
  private readonly secondaries = new Map<NameKey, Secondary>()
  /** By zone and server: at most one announcement of each is under way. */
  private readonly announcing = new Set<string>()
  private isClosed = false

  constructor(deps: DnsServerDeps, log: Logger, zones: readonly ServedZone[], options: ServerCoreOptions) {
    this.deps = deps
    this.log = log
    this.zones = new Map(zones.map((zone) => [zone.origin, zone]))
    this.core = new ServerCore(deps, {
      ...options,
      onChange: (origin) => this.announce(origin),
      onNotify: (origin) => this.secondaries.get(origin)?.notified(),
    })
    for (const { origin, zone, policy } of zones) this.core.setZone(origin, zone, policy)
  }

  get count(): number {
    return this.zones.size
  }

  /** Signs the zones that are to be signed here: before anybody can ask. Rejects with what a signer throws. */
  async signAll(): Promise<void> {
    for (const { origin, signer } of this.zones.values()) {
      if (signer !== undefined) await this.sign(origin, signer)
    }
  }

  /** Tells others of the zones, and gets those that others have. */
  start(): void {
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

  /** The program itself has changed a zone, if it is one of these. */
  changed(origin: NameKey): void {
    if (!this.zones.has(origin)) return
    this.core.setZone(origin, this.core.zone(origin))
    this.announce(origin)
  }

  close(): void {
    this.isClosed = true
    for (const secondary of this.secondaries.values()) secondary.close()
    for (const alarm of this.renewals) alarm.clear()
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
