/** A resolver for others, over a stack: takes questions over UDP and TCP from the networks that it serves. */
import { isInNetwork } from '@mirage-ts/core/addresses'
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import { textToOctets } from '@mirage-ts/core/octets'
import type { Endpoint, IpAddress, Ipv4Cidr, Ipv6Cidr, Port } from '@mirage-ts/signatures/addresses'
import type { Log } from '@mirage-ts/signatures/log'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { Time } from '@mirage-ts/signatures/time'
import type { UdpSocket } from '@mirage-ts/signatures/udp'
import { TcpService } from '../transport/tcp-service.ts'
import {
  type EdnsOption,
  FLAG,
  HEADER_LEN,
  MAX_MESSAGE_LEN,
  MAX_UDP_LEN,
  type Message,
  type MessageParts,
  parseMessage,
  SAFE_UDP_LEN,
  writeMessage,
} from '../wire/message.ts'
import { CLASS, isMetaType, OPCODE, OPTION, RCODE } from '../wire/types.ts'
import { WireWriter } from '../wire/wire.ts'
import { rrsOf } from '../zone/zone.ts'
import type { Resolver, ResolverAnswer } from './resolver.ts'

export interface ResolverServerOptions {
  /** For UDP and TCP; 0 for any free one. */
  readonly port: Port
  /** Who is served; others get REFUSED. A resolver for everybody helps attackers. */
  readonly networks: readonly (Ipv4Cidr | Ipv6Cidr)[]
  /** Questions over UDP under way at a time; more are dropped. Default 1024. */
  readonly pendingCount?: number
}

const COUNTERS = ['queries', 'refused', 'overload', 'failed', 'not-a-query', 'malformed'] as const

/** A server that listens. */
export interface ResolverServer {
  readonly port: Port
  readonly counters: Readonly<Counters<(typeof COUNTERS)[number]>>
  readonly closed: Promise<void>
  close(): Promise<void>
}

const DEFAULT_PENDING_COUNT = 1024
const CONNECTION_COUNT = 64
/** RFC 8914 §4.23: no server answered. */
const EDE_NO_REACHABLE_AUTHORITY = 22

/** Serves `resolver`; resolves once it listens. */
export async function createResolverServer(
  deps: { readonly stack: Stack; readonly time: Time; readonly log: Log; readonly resolver: Resolver },
  options: ResolverServerOptions,
): Promise<ResolverServer> {
  const server = new ListeningResolver(deps.resolver, deps, options)
  await server.listen(deps.stack)
  return server
}

class ListeningResolver implements ResolverServer {
  port: Port
  readonly counters = createCounters(COUNTERS)
  readonly closed: Promise<void>
  private readonly resolver: Resolver
  private readonly options: ResolverServerOptions
  private readonly tcp: TcpService
  private readonly log
  private readonly writer = new WireWriter(MAX_MESSAGE_LEN)
  private pendingCount = 0
  private udp: UdpSocket | undefined
  private resolveClosed: () => void = () => {}

  constructor(
    resolver: Resolver,
    { time, log }: { readonly time: Time; readonly log: Log },
    options: ResolverServerOptions,
  ) {
    this.resolver = resolver
    this.options = options
    this.port = options.port
    this.log = log.logger('dns')
    this.tcp = new TcpService({ time, log: this.log }, CONNECTION_COUNT, async (query, flow) => {
      const reply = await this.answer(query, flow.remote, true)
      return reply === undefined ? undefined : [reply]
    })
    this.closed = new Promise((resolve) => {
      this.resolveClosed = resolve
    })
  }

  async listen(stack: Stack): Promise<void> {
    this.udp = await stack.udp.bind(this.port, (payload, from, to) => this.datagram(payload, from, to))
    this.port = this.udp.port
    try {
      await this.tcp.listen(stack, this.port)
    } catch (error) {
      this.udp.close()
      throw error
    }
    this.log.info(() => `Listening on port ${this.port}`)
  }

  async close(): Promise<void> {
    this.udp?.close()
    await this.tcp.close()
    this.resolveClosed()
  }

  private datagram(payload: Uint8Array, from: Endpoint, to: IpAddress): void {
    if (this.pendingCount >= (this.options.pendingCount ?? DEFAULT_PENDING_COUNT)) {
      this.counters.overload++
      return
    }
    this.pendingCount++
    void this.answer(payload, from, false).then((reply) => {
      this.pendingCount--
      // What UDP cannot send is lost, as it may be later on: the asker asks again.
      if (reply !== undefined) this.udp?.trySend(reply, from, to)
    })
  }

  /** The reply to a message; `undefined` for what gets none. Never rejects. */
  private async answer(query: Uint8Array, from: Endpoint, isTcp: boolean): Promise<Uint8Array | undefined> {
    const { counters } = this
    if (query.length < HEADER_LEN || ((query[2] as number) & 0x80) !== 0) {
      counters['not-a-query']++
      return undefined
    }
    counters.queries++
    const message = parseMessage(query)
    if (typeof message === 'string') {
      counters.malformed++
      const id = ((query[0] as number) << 8) | (query[1] as number)
      return this.write({ id, flags: FLAG.RESPONSE, rcode: RCODE.FORMERR }, MAX_UDP_LEN)
    }
    const rcode = this.refusal(message, from)
    const [question] = message.questions
    if (rcode !== undefined || question === undefined) {
      counters.refused++
      return this.reply(message, { rcode: rcode ?? RCODE.FORMERR, answers: [], soa: undefined }, isTcp)
    }
    const answer = await this.resolver.resolve(question.name, question.type)
    if (answer.failure !== undefined) counters.failed++
    return this.reply(message, answer, isTcp)
  }

  /** The code for a message that is not resolved. */
  private refusal(message: Message, { address }: Endpoint): number | undefined {
    const [question] = message.questions
    const isServed = this.options.networks.some((network) => isInNetwork(address, network))
    if (!isServed) return RCODE.REFUSED
    if (message.opcode !== OPCODE.QUERY) return RCODE.NOTIMP
    if (message.edns !== undefined && message.edns.version !== 0) return RCODE.BADVERS
    if (question === undefined || message.questions.length > 1) return RCODE.FORMERR
    // RFC 8482 §4.3 lets ANY be refused; the cache is nobody's business (a question without RD looks into it).
    if (isMetaType(question.type)) return RCODE.NOTIMP
    const isRefused = question.class !== CLASS.IN || (message.flags & FLAG.RECURSION_DESIRED) === 0
    return isRefused ? RCODE.REFUSED : undefined
  }

  private reply(message: Message, answer: ResolverAnswer, isTcp: boolean): Uint8Array {
    const { edns } = message
    const options: EdnsOption[] = []
    if (answer.failure !== undefined) {
      const text = textToOctets(`\0${String.fromCharCode(EDE_NO_REACHABLE_AUTHORITY)}${answer.failure.slice(0, 200)}`)
      options.push({ code: OPTION.EDE, data: text })
    }
    const parts: MessageParts = {
      id: message.id,
      opcode: message.opcode,
      flags:
        FLAG.RESPONSE | FLAG.RECURSION_AVAILABLE | (message.flags & (FLAG.RECURSION_DESIRED | FLAG.CHECKING_DISABLED)),
      rcode: answer.rcode,
      questions: message.questions.slice(0, 1),
      answers: answer.answers.flatMap(rrsOf),
      authorities: answer.soa === undefined ? [] : rrsOf(answer.soa),
      edns: edns && { udpBytes: SAFE_UDP_LEN, version: 0, isDnssecOk: edns.isDnssecOk, options },
    }
    const udpBytes = edns === undefined ? MAX_UDP_LEN : Math.min(edns.udpBytes, SAFE_UDP_LEN)
    return this.write(parts, isTcp ? MAX_MESSAGE_LEN : udpBytes)
  }

  private write(parts: MessageParts, limitBytes: number): Uint8Array {
    return this.writer.u8.slice(0, writeMessage(this.writer, parts, limitBytes))
  }
}
