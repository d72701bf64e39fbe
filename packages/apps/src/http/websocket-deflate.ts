/**
 * Compression of WebSocket messages (permessage-deflate, RFC 7692). Only for who asks for it: {@link createDeflate} as an option of
 * a WebSocket. Each message stands for itself (`no_context_takeover`, both ways): a connection needs no memory between messages.
 *
 * Compressing what an attacker partly chooses together with secrets lets them be guessed (BREACH): don't, in one message.
 */
import { deflateSync, Inflate } from 'fflate'
import { listMembers } from './fields.ts'

/** What an extension does to messages. */
export interface WebSocketCompression {
  /** What a client offers: the value of `Sec-WebSocket-Extensions`. */
  readonly offer: string
  /** What a server answers to the offers of a client; `undefined` when it takes none of them. */
  accept(offers: string): string | undefined
  /** True when this answer to `offer` can be agreed to. */
  isAgreeable(answer: string): boolean
  /** Messages as short as this are sent as they are. */
  readonly leastBytes: number
  /** The octets of a compressed message. */
  compress(message: Uint8Array): Uint8Array
  /** The message; `too-long` when it has more than `limitBytes`, `malformed` when it is none. */
  decompress(octets: Uint8Array, limitBytes: number): Uint8Array | 'too-long' | 'malformed'
}

export interface DeflateOptions {
  /** 1, quick, to 9, small. Default 4: beyond it time grows and little is won. */
  readonly level?: 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9
  /** Default 256. */
  readonly leastBytes?: number
}

const NAME = 'permessage-deflate'
const NO_TAKEOVER = ['server_no_context_takeover', 'client_no_context_takeover'] as const
/** Compressed octets taken at a time: each makes at most 1,032, so that a bomb is noticed within half a megabyte. */
const STEP_LEN = 512
/** §7.2.2: what the sender has left out, the end of an empty block; then a last empty one, so that it is a whole stream. */
const TAIL = Uint8Array.of(0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff)

export function createDeflate({ level = 4, leastBytes = 256 }: DeflateOptions = {}): WebSocketCompression {
  const offer = [NAME, ...NO_TAKEOVER].join('; ')
  return {
    offer,
    leastBytes,
    // §7.1.1: a server may demand both, offered or not.
    accept: (offers) => (listMembers(offers).some(isAcceptable) ? offer : undefined),
    isAgreeable: (answer) => {
      const parameters = parametersOf(answer)
      // A server that keeps its context would need us to keep a window for it.
      if (parameters === undefined || !parameters.has('server_no_context_takeover')) return false
      // §7.1.2.2: not offered, so not to be answered.
      return !parameters.has('client_max_window_bits')
    },
    compress: (message) => {
      const deflated = deflateSync(message, { level })
      // §7.2.3.4: after a last block comes the beginning of an empty one, whose end is left out.
      const octets = new Uint8Array(deflated.length + 1)
      octets.set(deflated)
      return octets
    },
    decompress,
  }
}

/** §7.1: an offer that we can answer. */
function isAcceptable(offer: string): boolean {
  const parameters = parametersOf(offer)
  if (parameters === undefined) return false
  // §7.1.2.1: our window has 15 bits; whoever wants less cannot be served.
  return (parameters.get('server_max_window_bits') ?? '15') === '15'
}

/** The parameters of one offer or answer; `undefined` when it is of another extension, or not as §7.1 has them. */
function parametersOf(text: string): ReadonlyMap<string, string> | undefined {
  const [name = '', ...rest] = text.split(';').map((part) => part.trim())
  if (name.toLowerCase() !== NAME) return undefined
  const parameters = new Map<string, string>()
  for (const part of rest) {
    const [key = '', value = ''] = part
      .toLowerCase()
      .split('=')
      .map((one) => one.trim().replace(/^"(.*)"$/, '$1'))
    const isBits = key === 'server_max_window_bits' || key === 'client_max_window_bits'
    const isFlag = NO_TAKEOVER.some((one) => one === key)
    // A client may say `client_max_window_bits` without a value: that it could be limited.
    const isRight = isFlag
      ? !part.includes('=')
      : isBits && (/^([89]|1[0-5])$/.test(value) || part === 'client_max_window_bits')
    if (!isRight || parameters.has(key)) return undefined
    parameters.set(key, value)
  }
  return parameters
}

function decompress(octets: Uint8Array, limitBytes: number): Uint8Array | 'too-long' | 'malformed' {
  const parts: Uint8Array[] = []
  let lenBytes = 0
  let isEnded = false
  const inflate = new Inflate((part, isFinal) => {
    lenBytes += part.length
    isEnded ||= isFinal
    if (lenBytes <= limitBytes) parts.push(part)
  })
  try {
    for (let off = 0; off < octets.length && lenBytes <= limitBytes; off += STEP_LEN) {
      inflate.push(octets.subarray(off, off + STEP_LEN), false)
    }
    if (lenBytes <= limitBytes) inflate.push(TAIL, true)
  } catch {
    // It tells of what is not deflate, and of what ends too early, by an error of its own.
    return lenBytes > limitBytes ? 'too-long' : 'malformed'
  }
  if (lenBytes > limitBytes) return 'too-long'
  if (!isEnded) return 'malformed'
  const message = new Uint8Array(lenBytes)
  let off = 0
  for (const part of parts) {
    message.set(part, off)
    off += part.length
  }
  return message
}
