/** One question to one server and its answer: over UDP, and over TCP when that is cut short. */
import { endpointToString, port } from '@mirage-ts/core/addresses'
import { cancellable } from '@mirage-ts/core/cancel'
import { NetError } from '@mirage-ts/core/errors'
import { seconds } from '@mirage-ts/core/time'
import type { Endpoint } from '@mirage-ts/signatures/addresses'
import type { CancelSignal } from '@mirage-ts/signatures/cancel'
import type { Stack } from '@mirage-ts/signatures/stack'
import type { Duration, Time } from '@mirage-ts/signatures/time'
import type { UdpSocket } from '@mirage-ts/signatures/udp'
import { FLAG, HEADER_LEN, type Message, parseMessage } from '../wire/message.ts'
import { framed, MessageReader } from './framing.ts'
import { withTimeLimit } from './time-limit.ts'

export interface ExchangeDeps {
  readonly stack: Stack
  readonly time: Time
}

export interface ExchangeOptions {
  /** For the answer over UDP, and again over TCP. Default 2 s. */
  readonly timeout?: Duration
  /** Goes to TCP at once. */
  readonly isTcpOnly?: boolean
}

const DEFAULT_TIMEOUT = seconds(2)

/** Answers to a question that are not its own: after so many somebody is guessing, and only TCP is safe (RFC 5452 §4.5). */
const MAX_FORGERY_COUNT = 16

/**
 * Sends `query` and returns the message that answers it: same ID, and the same question octet by octet, so the case of
 * its letters counts (0x20). From a port of its own (RFC 5452 §4.5: whoever forges an answer must guess port and ID).
 * Rejects with a `NetError`: `timed-out`, or what TCP says.
 */
export async function exchangeMessage(
  { stack, time }: ExchangeDeps,
  server: Endpoint,
  query: Uint8Array,
  { timeout = DEFAULT_TIMEOUT, isTcpOnly = false }: ExchangeOptions = {},
): Promise<{ readonly message: Message; readonly octets: Uint8Array }> {
  if (!isTcpOnly) {
    const octets = await withTimeLimit(time, timeout, (signal) => overUdp(stack, server, query, signal))
    const message = octets === 'forgeries' ? undefined : parseMessage(octets)
    if (typeof message === 'object' && (message.flags & FLAG.TRUNCATED) === 0) {
      return { message, octets: octets as Uint8Array }
    }
  }
  const octets = await withTimeLimit(time, timeout, (signal) => overTcp(stack, server, query, signal))
  const message = parseMessage(octets)
  if (typeof message === 'string') {
    throw new NetError('protocol', `${endpointToString(server)} gave an answer that cannot be read: ${message}`)
  }
  return { message, octets }
}

async function overUdp(
  stack: Stack,
  server: Endpoint,
  query: Uint8Array,
  signal: CancelSignal,
): Promise<Uint8Array | 'forgeries'> {
  let socket: UdpSocket | undefined
  let answered: (octets: Uint8Array | 'forgeries') => void = () => {}
  let forgeryCount = 0
  try {
    socket = await stack.udp.bind(port(0), (payload, from) => {
      if (from.address !== server.address || from.port !== server.port) return
      if (isAnswer(query, payload)) answered(payload)
      else if (++forgeryCount >= MAX_FORGERY_COUNT) answered('forgeries')
    })
    const bound = socket
    return await cancellable<Uint8Array | 'forgeries'>(
      signal,
      (resolve, reject) => {
        answered = resolve
        bound.send(query, server).catch(reject)
      },
      () => {},
    )
  } finally {
    socket?.close()
  }
}

async function overTcp(stack: Stack, server: Endpoint, query: Uint8Array, signal: CancelSignal): Promise<Uint8Array> {
  const flow = await stack.tcp.connect(server, { signal })
  try {
    await flow.write(framed(query), { signal })
    const octets = await new MessageReader(flow).next({ signal })
    if (octets === undefined || !isAnswer(query, octets)) {
      throw new NetError('protocol', `${endpointToString(server)} gave no answer to the question`)
    }
    return octets
  } finally {
    flow.abort()
  }
}

/** True when `octets` answer `query`: a header alone does when it says that something is wrong. */
function isAnswer(query: Uint8Array, octets: Uint8Array): boolean {
  if (octets.length < HEADER_LEN || octets[0] !== query[0] || octets[1] !== query[1]) return false
  if (((octets[2] as number) & 0x80) === 0) return false
  const hasQuestion = (octets[4] as number) + (octets[5] as number) > 0
  if (!hasQuestion) return ((octets[3] as number) & 15) !== 0
  const end = questionEnd(query)
  if (octets.length < end) return false
  for (let i = HEADER_LEN; i < end; i++) if (octets[i] !== query[i]) return false
  return true
}

function questionEnd(query: Uint8Array): number {
  let off = HEADER_LEN
  while (off < query.length && query[off] !== 0) off += 1 + (query[off] as number)
  return Math.min(query.length, off + 5)
}
