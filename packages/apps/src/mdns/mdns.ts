/**
 * Multicast DNS for a host (RFC 6762, RFC 6763): its name and services known on the link, and those of others found, over whichever
 * versions of IP it has.
 */
import { readIpv6 } from '@mirage-ts/core/addresses'
import { messageOf, NetError } from '@mirage-ts/core/errors'
import { textToOctets } from '@mirage-ts/core/octets'
import { after, earlier, ms, seconds } from '@mirage-ts/core/time'
import { utf8Decode } from '@mirage-ts/core/utf8'
import type { Endpoint, IpAddress, Ipv4, Port } from '@mirage-ts/signatures/addresses'
import type { HostIp } from '@mirage-ts/signatures/ip'
import type { Log, Logger } from '@mirage-ts/signatures/log'
import type { Random } from '@mirage-ts/signatures/random'
import type { Alarm, MonotonicClock, Time } from '@mirage-ts/signatures/time'
import type { Udp, UdpSocket } from '@mirage-ts/signatures/udp'
import { parseMessage, type Rr } from '../dns/wire/message.ts'
import { dnsName, labelsOf, type Name, nameKey } from '../dns/wire/name.ts'
import { nameIn } from '../dns/wire/rdata.ts'
import { TYPE } from '../dns/wire/types.ts'
import { Querier, type RecordListener } from './querier.ts'
import {
  addressRecords,
  hostName,
  label,
  MDNS_GROUPS,
  MDNS_PORT,
  type OwnRecord,
  type ServiceDescription,
  serviceRecords,
  serviceType,
} from './records.ts'
import { type Publication, Responder } from './responder.ts'

export interface MdnsDeps {
  /** Joins the groups. */
  readonly ip: HostIp
  /** Over it. */
  readonly udp: Udp
  readonly clock: MonotonicClock
  readonly time: Time
  readonly random: Random
  readonly log: Log
}

export interface MdnsOptions {
  /** The versions of IP that `ip` speaks. Default `v4`. */
  readonly versions?: 'v4' | 'v6' | 'dual'
  /** The name to be known by, `HOSTNAME.local`, at these addresses; when somebody has it, `HOSTNAME-2` and so on. */
  readonly hostname: string
  readonly addresses: readonly IpAddress[]
}

/** A service that others publish. */
export interface FoundService {
  readonly instance: string
  readonly host: string
  readonly port: Port
  readonly txt: Readonly<Record<string, string>>
  readonly addresses: readonly IpAddress[]
}

/** A service of ours. */
export interface PublishedService {
  /** What it is called now: another name than it was given when somebody has that. */
  readonly instance: string
  /** Says goodbye. Idempotent. */
  withdraw(): void
}

export interface Mdns {
  /** `name.local`, ours. */
  readonly host: string
  /** Resolves when the name is known to be free and the service has been announced. Throws a `RangeError` for what is none. */
  publish(service: ServiceDescription): Promise<PublishedService>
  /** Tells of each service of a type, `_http._tcp`, that comes or goes, until the returned function is called. */
  browse(type: string, listener: (change: 'added' | 'removed', instance: string) => void): () => void
  /** Finds where a service is. Rejects with `NetError` code `timed-out` after three seconds. */
  find(instance: string, type: string): Promise<FoundService>
  /** The addresses of `name.local`, none when nobody has it; for one question, of either version of IP. */
  addresses(host: string): Promise<readonly IpAddress[]>
  /** Says goodbye to all and stops. Idempotent. */
  close(): void
}

/** RFC 6762 §11: old peers take nothing else for being of this link. */
const HOP_LIMIT = 255

const FIND_TIMEOUT = seconds(3)
const GATHER_TIME = ms(20)

/** Resolves when the name of this host has been announced. Throws a `RangeError` for a name that is none. */
export async function createMdns(deps: MdnsDeps, options: MdnsOptions): Promise<Mdns> {
  const mdns = new MdnsHost(deps, options)
  await mdns.start(options)
  return mdns
}

class MdnsHost implements Mdns {
  host = ''
  private readonly deps: MdnsDeps
  private readonly groups: readonly IpAddress[]
  private readonly log: Logger
  private readonly responder: Responder
  private readonly querier: Querier
  private readonly alarm: Alarm
  private hostRecords: readonly OwnRecord[] = []
  /** Services point to the host: when its name becomes another, they are published anew. */
  private readonly services = new Map<Publication, () => void>()
  private socket: UdpSocket | undefined = undefined
  /** The name of this host. */
  private own: Publication | undefined = undefined
  private isClosed = false

  constructor(deps: MdnsDeps, { versions = 'v4' }: MdnsOptions) {
    this.deps = deps
    this.log = deps.log.logger('mdns')
    this.groups = MDNS_GROUPS[versions]
    this.responder = new Responder(deps.random, { send: (packet, to) => this.send(packet, to) })
    this.querier = new Querier(deps.random, (packet) => this.send(packet, 'group'))
    this.alarm = deps.time.alarm(() => {
      this.responder.poll(deps.clock.now())
      this.querier.poll(deps.clock.now())
      this.arm()
    })
  }

  async start({ hostname, addresses }: MdnsOptions): Promise<void> {
    const make = (attempt: number): readonly OwnRecord[] =>
      addressRecords(hostName(attempt === 1 ? hostname : `${hostname}-${attempt}`), addresses)
    make(1)
    this.socket = await this.deps.udp.bind(MDNS_PORT, (payload, from, to) => this.input(payload, from, to), {
      hopLimit: HOP_LIMIT,
    })
    for (const group of this.groups) this.deps.ip.join(group)
    await new Promise<void>((resolve) => {
      this.own = {
        make,
        onPublished: (records) => {
          this.hostRecords = records
          const name = textOf((records[0] as OwnRecord).rr.name)
          const isAnother = this.host !== '' && this.host !== name
          this.host = name
          this.log.info(() => `known as ${name}`)
          if (isAnother) for (const republish of [...this.services.values()]) republish()
          resolve()
        },
      }
      this.add(this.own)
    })
  }

  async publish(service: ServiceDescription): Promise<PublishedService> {
    const named = (attempt: number): string => (attempt === 1 ? service.instance : `${service.instance} (${attempt})`)
    const published = { instance: service.instance, withdraw: () => {} }
    await new Promise<void>((resolve, reject) => {
      let attempts = 1
      const publication: Publication = {
        make: (attempt) => {
          attempts = attempt
          const host = this.hostRecords[0]?.rr.name ?? hostName('localhost')
          return serviceRecords({ ...service, instance: named(attempt) }, host)
        },
        onPublished: () => {
          published.instance = named(attempts)
          this.log.info(() => `published ${published.instance} as ${service.type}`)
          resolve()
        },
      }
      try {
        this.add(publication)
      } catch (error) {
        reject(error)
        return
      }
      this.services.set(publication, () => {
        this.responder.withdraw(publication)
        this.add(publication)
      })
      published.withdraw = () => {
        if (!this.services.delete(publication)) return
        this.responder.withdraw(publication)
        this.arm()
      }
    })
    return published
  }

  browse(type: string, listener: (change: 'added' | 'removed', instance: string) => void): () => void {
    const name = serviceType(type)
    return this.ask(name, TYPE.PTR, (change, rr) => {
      const instance = nameIn(TYPE.PTR, rr.rdata)
      // RFC 6763 §4.1: one label, then the type; what is not is none of it.
      if (nameKey(instance).endsWith(nameKey(name)) && instance.length > name.length)
        listener(change, firstLabel(instance))
    })
  }

  async find(instance: string, type: string): Promise<FoundService> {
    const name = label(instance, serviceType(type))
    const what = `${instance}.${type}.local`
    const [srv, txt] = await Promise.all([this.first(name, TYPE.SRV), this.first(name, TYPE.TXT)])
    if (srv === undefined) throw new NetError('timed-out', `Cannot find ${what}: nobody has answered`)
    const host = nameIn(TYPE.SRV, srv.rdata)
    const port = new DataView(srv.rdata.buffer, srv.rdata.byteOffset).getUint16(4) as Port
    return { instance, host: textOf(host), port, txt: txtOf(txt), addresses: await this.addressesOf(host) }
  }

  async addresses(host: string): Promise<readonly IpAddress[]> {
    return await this.addressesOf(dnsName(host))
  }

  close(): void {
    if (this.isClosed) return
    for (const publication of this.services.keys()) this.responder.withdraw(publication)
    if (this.own !== undefined) this.responder.withdraw(this.own)
    this.isClosed = true
    this.alarm.clear()
    for (const group of this.groups) this.deps.ip.leave(group)
    this.socket?.close()
  }

  private add(publication: Publication): void {
    this.responder.publish(publication, this.deps.clock.now())
    this.arm()
  }

  private ask(name: Name, type: number, listener: RecordListener): () => void {
    const stop = this.querier.ask(name, type, listener, this.deps.clock.now())
    this.arm()
    return stop
  }

  /** The first record that comes, or is known; `undefined` when none does in time. */
  private async first(name: Name, type: number): Promise<Rr | undefined> {
    await this.anyOf(name, [type])
    return this.querier.known(name, type)[0]
  }

  private async addressesOf(host: Name): Promise<readonly IpAddress[]> {
    const types = [TYPE.A, TYPE.AAAA]
    await this.anyOf(host, types)
    return types.flatMap((type) => this.querier.known(host, type)).map(addressOf)
  }

  /** Resolves when a record of one of the types is known, or when none has come in time. */
  private anyOf(name: Name, types: readonly number[]): Promise<void> {
    const { clock, time } = this.deps
    if (types.some((type) => this.querier.known(name, type).length > 0)) return Promise.resolve()
    return new Promise((resolve) => {
      const stops: (() => void)[] = []
      const alarm = time.alarm(() => {
        for (const stop of stops) stop()
        resolve()
      })
      alarm.set(after(clock.now(), FIND_TIMEOUT))
      // What comes in one packet, or from another host at the same time, belongs to it.
      for (const type of types) stops.push(this.ask(name, type, () => alarm.set(after(clock.now(), GATHER_TIME))))
    })
  }

  private input(payload: Uint8Array, from: Endpoint, to: IpAddress): void {
    // RFC 6762 §11: what did not come to the group may be from anywhere.
    if (!this.groups.includes(to)) return
    const message = parseMessage(payload)
    if (typeof message === 'string') return
    const now = this.deps.clock.now()
    this.responder.input(message, from, now)
    this.querier.input(message, now)
    this.arm()
  }

  private send(packet: Uint8Array, to: Endpoint | 'group'): void {
    const targets = to === 'group' ? this.groups.map((address) => ({ address, port: MDNS_PORT })) : [to]
    for (const target of targets) {
      this.socket?.send(packet, target).catch((error: unknown) => this.log.debug(() => `not sent: ${messageOf(error)}`))
    }
  }

  private arm(): void {
    if (this.isClosed) return
    this.alarm.set(earlier(this.responder.nextDeadline(), this.querier.nextDeadline()))
  }
}

/** The text of a name without its final dot; for people: nothing is escaped. */
function textOf(name: Name): string {
  return labelsOf(name).map(labelText).join('.')
}

function firstLabel(name: Name): string {
  return labelText(labelsOf(name)[0] ?? '')
}

/** UTF-8 (RFC 6763 §4.1.1), or the octets when it is none. */
function labelText(label: string): string {
  return utf8Decode(textToOctets(label)) ?? label
}

/** RFC 6763 §6.4: names without a value are there, and their value is empty. */
function txtOf(rr: Rr | undefined): Readonly<Record<string, string>> {
  const txt: Record<string, string> = Object.create(null)
  const rdata = rr?.rdata ?? new Uint8Array(0)
  for (let off = 0; off < rdata.length; off += 1 + (rdata[off] as number)) {
    const end = off + 1 + (rdata[off] as number)
    const text = utf8Decode(rdata, off + 1, end)
    const [, key, value = ''] = /^([^=]+)(?:=(.*))?$/s.exec(text ?? '') ?? []
    // §6.4: of a name that comes twice the first counts.
    if (key !== undefined && txt[key] === undefined) txt[key] = value
  }
  return txt
}

function addressOf({ rdata }: Rr): IpAddress {
  const dv = new DataView(rdata.buffer, rdata.byteOffset)
  return rdata.length === 4 ? (dv.getUint32(0) as Ipv4) : readIpv6(dv, 0)
}
