/** The control connection of iperf3: states of one octet, and JSON after its length in four, big endian. */
import { NetError } from '@mirage-ts/core/errors'
import type { FlowReader } from '@mirage-ts/core/flow-reader'
import { utf8Decode, utf8Encode } from '@mirage-ts/core/utf8'
import type { Cancellable } from '@mirage-ts/signatures/cancel'
import type { Flow } from '@mirage-ts/signatures/flow'

/** The states, as octets; the last two are -1 and -2. */
export const STATE = {
  TEST_START: 1,
  TEST_RUNNING: 2,
  TEST_END: 4,
  PARAM_EXCHANGE: 9,
  CREATE_STREAMS: 10,
  EXCHANGE_RESULTS: 13,
  DISPLAY_RESULTS: 14,
  IPERF_DONE: 16,
  ACCESS_DENIED: 0xff,
  SERVER_ERROR: 0xfe,
} as const

/** Every connection of a test begins with the same octets: 36 characters and a zero. */
export const COOKIE_BYTES = 37
export const MAX_PARAMETERS_BYTES = 8192
export const MAX_RESULTS_BYTES = 65536
export const MAX_STREAMS = 128
export const MAX_BLOCK_BYTES = 1 << 20
export const DEFAULT_BLOCK_BYTES = 1 << 17

/** What iperf3 calls its errors: numbers that a server refuses a test with. */
export const ERROR_STREAM_COUNT = 6
export const ERROR_BLOCK_BYTES = 7
export const ERROR_NOT_IMPLEMENTED = 13

/** What the client wants. */
export interface Parameters {
  readonly streamCount: number
  /** The server sends. */
  readonly isReverse: boolean
  /** Octets in one write. */
  readonly blockBytes: number
  /** Seconds at the start that do not count. */
  readonly omitSeconds: number
}

/** The parameters in `json`, or the number of the error they are refused with. */
export function checkParameters(json: unknown): Parameters | number {
  if (typeof json !== 'object' || json === null) return ERROR_NOT_IMPLEMENTED
  const fields = json as Readonly<Record<string, unknown>>
  if (fields['tcp'] !== true || fields['bidirectional'] === true) return ERROR_NOT_IMPLEMENTED
  const streamCount = numberOr(fields['parallel'], 1)
  const blockBytes = numberOr(fields['len'], DEFAULT_BLOCK_BYTES)
  const omitSeconds = numberOr(fields['omit'], 0)
  if (!(streamCount >= 1 && streamCount <= MAX_STREAMS)) return ERROR_STREAM_COUNT
  if (!(blockBytes >= 1 && blockBytes <= MAX_BLOCK_BYTES)) return ERROR_BLOCK_BYTES
  if (!(omitSeconds >= 0 && omitSeconds <= 60)) return ERROR_NOT_IMPLEMENTED
  return { streamCount, isReverse: fields['reverse'] === true, blockBytes, omitSeconds }
}

/** Octets that each stream carried, in the order of the streams. */
export function resultsOf(streamBytes: readonly number[], seconds: number): object {
  return {
    // Which part of the time the processor was busy is not known here.
    cpu_util_total: 0,
    cpu_util_user: 0,
    cpu_util_system: 0,
    sender_has_retransmits: 0,
    streams: streamBytes.map((bytes, i) => ({
      // iperf3 counts 1, 3, 4, 5 and so on.
      id: i === 0 ? 1 : i + 2,
      bytes,
      retransmits: -1,
      jitter: 0,
      errors: 0,
      packets: 0,
      start_time: 0,
      end_time: seconds,
    })),
  }
}

/** The octets of all streams in the other side's results. */
export function totalOf(results: unknown): number {
  const streams = (results as { readonly streams?: unknown } | null)?.streams
  if (!Array.isArray(streams)) throw new NetError('protocol', 'Cannot read the results: there are no streams in them')
  let total = 0
  for (const stream of streams) total += numberOr((stream as { bytes?: unknown } | null)?.bytes, 0)
  return total
}

function numberOr(value: unknown, otherwise: number): number {
  return Number.isSafeInteger(value) ? (value as number) : otherwise
}

/** Resolves to `undefined` at the end of the stream. */
export async function readState(reader: FlowReader, options: Cancellable): Promise<number | undefined> {
  return (await reader.readExactly(1, options))?.[0]
}

export async function expectState(reader: FlowReader, wanted: number, options: Cancellable): Promise<void> {
  const state = await readState(reader, options)
  if (state === wanted) return
  const what = state === undefined ? 'the control connection ended' : `state ${(state << 24) >> 24}`
  throw new NetError('protocol', `Cannot go on with the test: expected state ${wanted}, got ${what}`)
}

export async function writeState(flow: Flow, state: number, options: Cancellable): Promise<void> {
  await flow.write(new Uint8Array([state]), options)
}

export async function writeJson(flow: Flow, value: object, options: Cancellable): Promise<void> {
  const text = utf8Encode(JSON.stringify(value)) as Uint8Array
  const message = new Uint8Array(4 + text.length)
  new DataView(message.buffer).setUint32(0, text.length)
  message.set(text, 4)
  await flow.write(message, options)
}

/** Rejects with code `protocol` when there is none, with `message-too-long` when it is longer than `maxBytes`. */
export async function readJson(reader: FlowReader, maxBytes: number, options: Cancellable): Promise<unknown> {
  const length = await reader.readExactly(4, options)
  if (length === undefined) throw new NetError('protocol', 'Cannot read JSON: the control connection ended')
  const lenBytes = new DataView(length.buffer, length.byteOffset).getUint32(0)
  if (lenBytes > maxBytes) {
    throw new NetError('message-too-long', `Cannot read JSON of ${lenBytes} octets: the limit is ${maxBytes}`)
  }
  const octets = await reader.readExactly(lenBytes, options)
  const text = octets === undefined ? undefined : utf8Decode(octets)
  try {
    return JSON.parse(text ?? '')
  } catch (cause) {
    throw new NetError('protocol', `Cannot read ${lenBytes} octets as JSON`, { cause })
  }
}
