/**
 * A resolver that asks the servers of the root, and those they refer to (RFC 1034 §5.3.3), telling each no more of the
 * name than it needs (QNAME minimisation, RFC 9156).
 *
 * What one question may cost is bounded: so many messages, so many levels of servers whose own addresses must be found,
 * so many of those for one zone. Servers that refer to each other in a circle (ocaml-dns #368), delegations to many
 * servers without addresses (NXNSAttack) and lame ones end there.
 */
import { endpointToString, isIpv4, isIpv6LinkLocal, port, readIpv6 } from '@mirage-ts/core/addresses'
import { messageOf } from '@mirage-ts/core/errors'
import { ms } from '@mirage-ts/core/time'
import type { Endpoint, IpAddress, Ipv4 } from '@mirage-ts/signatures/addresses'
import type { Logger } from '@mirage-ts/signatures/log'
import type { MonotonicClock } from '@mirage-ts/signatures/time'
import type { Message } from '../wire/message.ts'
import { isWithin, labelCount, type Name, type NameKey, nameKey, nameToString, parentOf, ROOT } from '../wire/name.ts'
import { TYPE } from '../wire/types.ts'
import { type AskDeps, askServer, type Reading, readAnswer, serverNames, setsOf } from './ask.ts'
import { type DnsCache, RANK } from './cache.ts'
import { CachingResolver, makeCache, type Resolver, type ResolverOptions, type Step } from './resolver.ts'
import { ServerMemory } from './server-memory.ts'

/** Messages for one question, those for the addresses of servers included. */
const MAX_MESSAGE_COUNT = 60
/** Addresses of servers that are needed to find addresses of servers. */
const MAX_DEPTH = 5
/** Servers of one zone whose addresses are looked for because none came along. */
const MAX_LOOKUP_COUNT = 3
/** Servers of one zone asked before it counts as out of reach. */
const MAX_SERVER_COUNT = 6
/** RFC 9156 §2.3: labels added one at a time, then the whole name. */
const MAX_MINIMISE_COUNT = 10
/** In seconds: a referral is needed at least for the question that it answers. */
const MIN_REFERRAL_TTL = 5
const TIMEOUT = ms(1000)
const DNS_PORT = port(53)

export interface IteratorOptions extends ResolverOptions {
  /** Addresses of servers of the root. Those of a family that the stack has no address of are not asked. */
  readonly rootServers: readonly IpAddress[]
}

/** Makes a resolver; it does nothing until it is asked. */
export function createIterator(
  deps: AskDeps & { readonly clock: MonotonicClock; readonly log: Logger },
  options: IteratorOptions,
): Resolver {
  const cache = makeCache(deps.clock, options)
  const memory = new ServerMemory()
  const ask = (name: Name, type: number) => new Search(deps, cache, memory, options.rootServers).find(name, type, 0)
  return new CachingResolver(cache, ask, options)
}

type SearchDeps = AskDeps & { readonly clock: MonotonicClock; readonly log: Logger }

/** The work for one question. */
class Search {
  private readonly deps: SearchDeps
  private readonly cache: DnsCache
  private readonly memory: ServerMemory
  private readonly rootServers: readonly IpAddress[]
  /** Types of addresses that we can send to. */
  private readonly addressTypes: readonly number[]
  private messageCount = 0
  /** Names whose addresses are being looked for: to find them is needed to find them when one comes again. */
  private readonly lookingFor = new Set<NameKey>()

  constructor(deps: SearchDeps, cache: DnsCache, memory: ServerMemory, rootServers: readonly IpAddress[]) {
    this.deps = deps
    this.cache = cache
    this.memory = memory
    this.addressTypes = addressTypesOf(deps.stack.addresses)
    this.rootServers = rootServers
  }

  /** One step of the question. Never rejects. */
  async find(name: Name, type: number, depth: number): Promise<Step> {
    const key = nameKey(name)
    let zone = this.nearestZone(key, type)
    /** The labels of the name that servers have been told. */
    let toldCount = labelCount(zone)
    let minimiseCount = 0
    for (;;) {
      toldCount = Math.max(toldCount, labelCount(zone)) + 1
      const isWhole = ++minimiseCount > MAX_MINIMISE_COUNT || toldCount >= labelCount(key)
      const asked = isWhole ? name : suffixOf(name, toldCount)
      // RFC 9156 §2.1: a type that every server knows, while the name is not whole.
      const askedType = isWhole ? type : TYPE.A
      const reading = await this.askZone(zone, asked, askedType, depth)
      switch (reading.tag) {
        case 'useless':
          return { tag: 'failed', reason: reading.reason }
        case 'referral':
          zone = reading.zone
          toldCount = labelCount(zone)
          continue
        case 'no-name':
          // RFC 8020: then there is nothing below it either.
          if (reading.soa !== undefined) this.cache.putNone(nameKey(asked), undefined, reading.soa)
          return reading
        case 'no-data':
          if (!isWhole) continue
          if (reading.soa !== undefined) this.cache.putNone(key, type, reading.soa)
          return reading
        case 'data':
        case 'alias':
          if (!isWhole) continue
          this.cache.putSet(key, reading.set, RANK.ANSWER)
          return reading
      }
    }
  }

  /** The zone nearest to the name whose servers are known. For DS, above the name itself (RFC 4035 §3.1.4.1). */
  private nearestZone(key: NameKey, type: number): NameKey {
    let at = type === TYPE.DS && key !== ROOT ? parentOf(key) : key
    while (at !== ROOT && this.cache.get(at, TYPE.NS, RANK.GLUE)?.tag !== 'data') at = parentOf(at)
    return at
  }

  /** Asks servers of `zone` until one says something; what they refer to is put into the cache. */
  private async askZone(zone: NameKey, name: Name, type: number, depth: number): Promise<Reading> {
    let reason = `no server of ${nameToString(zone)} has an address`
    let count = 0
    // Twice: the second time over TCP, for servers that do not repeat the case of letters or answer too long.
    for (const isTcpOnly of [false, true]) {
      for await (const server of this.serversOf(zone, depth)) {
        if (++count > MAX_SERVER_COUNT) break
        if (++this.messageCount > MAX_MESSAGE_COUNT)
          return { tag: 'useless', reason: 'the question takes too many messages' }
        const reading = await this.askOne(server, zone, name, type, isTcpOnly)
        if (reading.tag !== 'useless') return reading
        reason = reading.reason
      }
    }
    return { tag: 'useless', reason }
  }

  private async askOne(
    server: Endpoint,
    zone: NameKey,
    name: Name,
    type: number,
    isTcpOnly: boolean,
  ): Promise<Reading> {
    const { log, clock } = this.deps
    try {
      const options = { timeout: TIMEOUT, isRecursionDesired: false, isTcpOnly }
      const message = await askServer(this.deps, server, name, type, options)
      const reading = readAnswer(message, name, type, zone)
      log.debug(() => `${endpointToString(server)} on ${nameToString(name)}: ${reading.tag}`)
      if (reading.tag === 'useless') this.memory.failed(server.address, zone, clock.now())
      else this.memory.answered(server.address, zone)
      if (reading.tag === 'referral') this.remember(message, reading, zone)
      return reading
    } catch (error) {
      this.memory.failed(server.address, ROOT, clock.now())
      return { tag: 'useless', reason: `${endpointToString(server)}: ${messageOf(error)}` }
    }
  }

  /** Keeps a referral, and the addresses that came with it: of its servers, and of names that `zone` has a say in. */
  private remember(message: Message, referral: Extract<Reading, { readonly tag: 'referral' }>, zone: NameKey): void {
    const { servers } = referral
    this.cache.putSet(referral.zone, { ...servers, ttl: Math.max(servers.ttl, MIN_REFERRAL_TTL) }, RANK.GLUE)
    const names = new Set(serverNames(servers).map(nameKey))
    for (const set of setsOf(message.additionals, zone)) {
      const isAddress = set.type === TYPE.A || set.type === TYPE.AAAA
      if (!isAddress || !names.has(nameKey(set.name))) continue
      this.cache.putSet(nameKey(set.name), { ...set, ttl: Math.max(set.ttl, MIN_REFERRAL_TTL) }, RANK.GLUE)
    }
  }

  /**
   * Servers of a zone in random order: those whose addresses are known, a few of those that must be looked for, and at last those
   * that have failed lately.
   */
  private async *serversOf(zone: NameKey, depth: number): AsyncGenerator<Endpoint> {
    const known = this.cache.get(zone, TYPE.NS, RANK.GLUE)
    const addresses: IpAddress[] = []
    const without: Name[] = []
    if (known?.tag === 'data') {
      for (const name of serverNames(known.set)) {
        const found = this.knownAddresses(name)
        if (found === undefined) without.push(name)
        else addresses.push(...found)
      }
    } else if (zone === ROOT) {
      addresses.push(...this.rootServers.filter((address) => this.isReachable(address)))
    }
    const avoided: IpAddress[] = []
    for (const address of this.shuffled(addresses)) {
      if (this.memory.isAvoided(address, zone, this.deps.clock.now())) avoided.push(address)
      else yield endpointOf(address)
    }
    for (const name of this.shuffled(without).slice(0, MAX_LOOKUP_COUNT)) yield* await this.lookUp(name, zone, depth)
    yield* avoided.map(endpointOf)
  }

  private isReachable(address: IpAddress): boolean {
    return this.addressTypes.includes(isIpv4(address) ? TYPE.A : TYPE.AAAA)
  }

  /** The addresses that the cache has; none when it knows that there are none, `undefined` when they must be looked for. */
  private knownAddresses(name: Name): readonly IpAddress[] | undefined {
    const addresses: IpAddress[] = []
    let isKnown = true
    for (const type of this.addressTypes) {
      const set = this.cache.get(nameKey(name), type, RANK.GLUE)
      if (set === undefined) isKnown = false
      else if (set.tag === 'data') addresses.push(...set.set.rdatas.map(addressOf))
    }
    return addresses.length > 0 || isKnown ? addresses : undefined
  }

  private async lookUp(name: Name, zone: NameKey, depth: number): Promise<readonly Endpoint[]> {
    const key = nameKey(name)
    // A server below the zone that it serves, without an address with the referral, can never be found.
    if (depth >= MAX_DEPTH || this.lookingFor.has(key) || isWithin(key, zone)) return []
    this.lookingFor.add(key)
    const endpoints: Endpoint[] = []
    for (const type of this.addressTypes) {
      const step = await this.find(name, type, depth + 1)
      // RFC 2181 §10.3: the name of a server is no alias.
      if (step.tag === 'data') endpoints.push(...step.set.rdatas.map(addressOf).map(endpointOf))
      // One family will do.
      if (endpoints.length > 0 || step.tag === 'no-name') break
    }
    this.lookingFor.delete(key)
    return endpoints
  }

  private shuffled<T>(items: readonly T[]): T[] {
    const list = [...items]
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.deps.random.u32() % (i + 1)
      ;[list[i], list[j]] = [list[j] as T, list[i] as T]
    }
    return list
  }
}

/** The last `count` labels of a name. */
function suffixOf(name: Name, count: number): Name {
  let suffix = name
  for (let left = labelCount(name) - count; left > 0; left--) suffix = parentOf(suffix)
  return suffix
}

function endpointOf(address: IpAddress): Endpoint {
  return { address, port: DNS_PORT }
}

/** RDATA of A or AAAA. */
function addressOf(rdata: Uint8Array): IpAddress {
  const dv = new DataView(rdata.buffer, rdata.byteOffset)
  return rdata.length === 4 ? (dv.getUint32(0) as Ipv4) : readIpv6(dv, 0)
}

/** IPv4 first: more servers have it. A stack that keeps its addresses to itself may have both. */
function addressTypesOf(own: readonly IpAddress[]): readonly number[] {
  const types = [TYPE.A, TYPE.AAAA] as const
  if (own.length === 0) return types
  return types.filter((type) => own.some((address) => isIpv4(address) === (type === TYPE.A) && !isLinkLocal(address)))
}

function isLinkLocal(address: IpAddress): boolean {
  return !isIpv4(address) && isIpv6LinkLocal(address)
}
