/**
 * Ethernet for a Unix process: frames over a Unix stream socket, which needs no privilege, or over a tap interface.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { readMac } from '@mirage-ts/core/addresses'
import { createFrame, frameOf } from '@mirage-ts/core/bytes'
import { messageOf } from '@mirage-ts/core/errors'
import { NO_LOG } from '@mirage-ts/core/log'
import { createNetworkStats } from '@mirage-ts/core/metrics'
import { clearOffload, NO_OFFLOAD } from '@mirage-ts/core/offload'
import { emitVnetHeader, parseVnetHeader, VNET_HEADER_LEN } from '@mirage-ts/core/vnet-header'
import type { Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Log, Logger } from '@mirage-ts/signatures/log'
import type { FrameHandler, Network, NetworkOffload, NetworkStats } from '@mirage-ts/signatures/network'
import type { Random } from '@mirage-ts/signatures/random'
import { FrameSplitter, PREFIX_LEN } from './frame-splitter.ts'
import { openTapRelay } from './tap-relay.ts'

const ETHERNET_HEADER_LEN = 14
const DEFAULT_MTU_BYTES = 1500
/** RFC 791 §3.1: what every host takes; and what "jumbo" links carry. */
const LEAST_MTU_BYTES = 576
const MOST_MTU_BYTES = 9000

/** Longest packet of a large frame: what the length field of IPv4 can say. */
const LARGE_BYTES = 65535
const LARGE_LEN = VNET_HEADER_LEN + ETHERNET_HEADER_LEN + LARGE_BYTES

/** Room for one read of the socket: as much as it holds on Linux, so that few frames come in two pieces. */
const READ_LEN = 256 * 1024

/** Frames waiting for the socket; when it is full they are dropped. A write is on its way from a second such buffer. */
const WRITE_LEN = 256 * 1024
/** With large frames, as much as a connection may have in flight. */
const WRITE_LARGE_LEN = 1024 * 1024

/** Transmit buffers kept for reuse. */
const SPARE_COUNT = 64
const SPARE_LARGE_COUNT = 4

export interface NetworkOptions {
  /** `stream:PATH`, a Unix stream socket that somebody listens on, `tap:NAME`, or `plain-tap:NAME`, a tap without offload. */
  readonly attachment: string
  /** Default: a random locally administered address. */
  readonly mac?: Mac
  /** Leaves checksums and the cutting of large TCP frames to the tap, and takes such frames from it. Default true. */
  readonly offload?: boolean
  /** Greatest Ethernet payload, 576 to 9000: what the other end is set to. Default 1500. */
  readonly mtuBytes?: number
}

/** Opens the network; rejects with a sentence when the attachment is malformed or absent. */
export async function createNetwork(
  { random, log = NO_LOG }: { readonly random: Random; readonly log?: Log },
  { attachment, mac = randomMac(random), offload = true, mtuBytes = DEFAULT_MTU_BYTES }: NetworkOptions,
): Promise<Network> {
  const [kind, name] = splitOnce(attachment, ':')
  if ((kind !== 'stream' && kind !== 'tap' && kind !== 'plain-tap') || name === '') {
    throw new TypeError(`Cannot open network ${JSON.stringify(attachment)}: expected stream:PATH or tap:NAME`)
  }
  if (!Number.isInteger(mtuBytes) || mtuBytes < LEAST_MTU_BYTES || mtuBytes > MOST_MTU_BYTES) {
    throw new RangeError(`Cannot open network ${attachment} with an MTU of ${mtuBytes}: expected 576..9000`)
  }
  const logger = log.logger('network')
  const options = { mac, mtuBytes, name: attachment, log: logger }
  if (kind === 'stream') return StreamNetwork.open(name, { ...options, hasOffload: false })
  const relay = await openTapRelay(name, offload && kind === 'tap')
  const { socketPath, hasOffload } = relay
  try {
    return await StreamNetwork.open(socketPath, { ...options, hasOffload, onClose: relay.close })
  } catch (error) {
    relay.close()
    throw error
  }
}

interface StreamOptions {
  readonly mac: Mac
  readonly mtuBytes: number
  /** For messages. */
  readonly name: string
  readonly log: Logger
  /** In front of each frame is a header (`vnet-header.ts`). */
  readonly hasOffload: boolean
  readonly onClose?: () => void
}

class StreamNetwork implements Network {
  readonly mac: Mac
  readonly mtuBytes: number
  /** Of an ordinary frame. */
  readonly #maxLen: number
  readonly headroomBytes: number
  readonly offload: NetworkOffload
  readonly #stats = createNetworkStats()
  readonly #name: string
  readonly #log: Logger
  readonly #socket: Socket
  #handler: FrameHandler | undefined
  readonly #spares: Frame[] = []
  readonly #largeSpares: Frame[] = []
  /** Frames to be written, each after its length, in `[0, waitingLen)`. */
  #waiting: Frame
  #waitingLen = 0
  /** The buffer that is not `waiting`: the socket's while `isWriting`. */
  #written: Frame
  #isWriting = false
  #isFlushScheduled = false
  #isClosed = false

  /** Connects to the socket at `path`. */
  static async open(path: string, options: StreamOptions): Promise<Network> {
    const network = new StreamNetwork(path, options)
    try {
      await once(network.#socket, 'connect')
    } catch (error) {
      throw new Error(`Cannot open network ${options.name}: ${messageOf(error)}`, { cause: error })
    }
    network.#socket.on('error', (error) => network.#shut(error.message))
    network.#socket.on('close', () => {
      network.#shut('the peer closed the connection')
      options.onClose?.()
    })
    return network
  }

  private constructor(path: string, { mac, mtuBytes, name, log, hasOffload }: StreamOptions) {
    this.mac = mac
    this.mtuBytes = mtuBytes
    this.#maxLen = ETHERNET_HEADER_LEN + mtuBytes
    this.headroomBytes = hasOffload ? VNET_HEADER_LEN : 0
    this.offload = hasOffload ? { checksum: true, tcp4Bytes: LARGE_BYTES, tcp6Bytes: LARGE_BYTES } : NO_OFFLOAD
    this.#waiting = createFrame(hasOffload ? WRITE_LARGE_LEN : WRITE_LEN)
    this.#written = createFrame(this.#waiting.u8.length)
    this.#name = name
    this.#log = log
    // One buffer for all reads: frames are borrowed until the handler returns, so the next read may overwrite them.
    const chunk = createFrame(READ_LEN)
    const splitter = new FrameSplitter((frame, off, end) => this.#receive(frame, off, end))
    const onChunk = (lenBytes: number): boolean => {
      if (splitter.push(chunk, lenBytes) === 'oversize') this.#shut('the peer does not speak length-prefixed Ethernet')
      return !this.#isClosed
    }
    this.#socket = connect({ path, onread: { buffer: chunk.u8, callback: onChunk } })
  }

  get stats(): NetworkStats {
    return this.#stats
  }

  alloc(): Frame | undefined {
    if (!this.#hasRoom(this.#maxLen)) return undefined
    return this.#spares.pop() ?? createFrame(this.headroomBytes + this.#maxLen)
  }

  allocLarge(): Frame | undefined {
    if (!this.offload.checksum || !this.#hasRoom(ETHERNET_HEADER_LEN + LARGE_BYTES)) return undefined
    return this.#largeSpares.pop() ?? createFrame(LARGE_LEN)
  }

  free(frame: Frame): void {
    clearOffload(frame)
    if (frame.u8.length >= LARGE_LEN) {
      if (this.#largeSpares.length < SPARE_LARGE_COUNT) this.#largeSpares.push(frame)
    } else if (this.#spares.length < SPARE_COUNT) {
      this.#spares.push(frame)
    }
  }

  send(frame: Frame, off: number, end: number): void {
    const lenBytes = end - off
    const maxLen = frame.segmentBytes > 0 ? ETHERNET_HEADER_LEN + LARGE_BYTES : this.#maxLen
    const start = off - this.headroomBytes
    if (lenBytes > maxLen || start < 0 || !this.#hasRoom(lenBytes)) {
      this.#stats.txDropped++
    } else {
      if (this.headroomBytes > 0) emitVnetHeader(frame, off)
      this.#waiting.dv.setUint32(this.#waitingLen, end - start)
      this.#waiting.u8.set(frame.u8.subarray(start, end), this.#waitingLen + PREFIX_LEN)
      this.#waitingLen += PREFIX_LEN + end - start
      this.#stats.txFrames++
      this.#stats.txBytes += lenBytes
      this.#scheduleFlush()
    }
    this.free(frame)
  }

  listen(handler: FrameHandler): void {
    this.#handler = handler
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#waitingLen > 0) this.#socket.write(this.#waiting.u8.subarray(0, this.#waitingLen))
    this.#socket.destroySoon()
  }

  #hasRoom(lenBytes: number): boolean {
    return !this.#isClosed && this.#waitingLen + PREFIX_LEN + this.headroomBytes + lenBytes <= this.#waiting.u8.length
  }

  /** What the peer sent as one is `[start, end)`. */
  #receive(frame: Frame, start: number, end: number): void {
    const off = start + this.headroomBytes
    const lenBytes = end - off
    const isShort = lenBytes < ETHERNET_HEADER_LEN
    const isGood = !isShort && (this.headroomBytes === 0 || parseVnetHeader(frame, start, off, end))
    if (
      this.#isClosed ||
      this.#handler === undefined ||
      !isGood ||
      (lenBytes > this.#maxLen && frame.segmentBytes === 0)
    ) {
      this.#stats.rxDropped++
      return
    }
    this.#stats.rxFrames++
    this.#stats.rxBytes += lenBytes
    this.#handler(frame, off, end)
  }

  /** All frames of one turn of the run loop leave in one write; so do those sent while a write is on its way. */
  #scheduleFlush(): void {
    if (this.#isFlushScheduled || this.#isWriting) return
    this.#isFlushScheduled = true
    setImmediate(this.#flush)
  }

  readonly #flush = (): void => {
    this.#isFlushScheduled = false
    if (this.#waitingLen === 0 || this.#isClosed) return
    const full = this.#waiting
    const lenBytes = this.#waitingLen
    this.#waiting = this.#written
    this.#waitingLen = 0
    this.#written = full
    this.#isWriting = true
    this.#socket.write(full.u8.subarray(0, lenBytes), () => {
      this.#isWriting = false
      this.#flush()
    })
  }

  /** The connection is of no more use, and not because we closed it. */
  #shut(why: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#log.error(() => `${this.#name} is down: ${why}`)
    this.#socket.destroy()
  }
}

/** A random address with the local bit set and the group bit clear (IEEE 802 §8.4). */
function randomMac(random: Random): Mac {
  const { u8, dv } = frameOf(new Uint8Array(6))
  random.fill(u8, 0, 6)
  dv.setUint8(0, (dv.getUint8(0) & 0xfc) | 0x02)
  return readMac(dv, 0)
}

function splitOnce(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)]
}
