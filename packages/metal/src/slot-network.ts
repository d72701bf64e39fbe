/**
 * What the drivers of network interfaces have in common: transmit buffers known by their number, lent and taken back; what is
 * left to the device (`vnet-header.ts`) said in front of a frame; the checks that each frame passes, and the counters.
 *
 * A driver derives from it, hands frames received to `input`, and sends what `transmit` gives it.
 */
import { SlotFrame } from '@mirage-ts/core/bytes'
import { type Counters, createNetworkStats } from '@mirage-ts/core/metrics'
import { clearOffload } from '@mirage-ts/core/offload'
import { emitVnetHeader, parseVnetHeader, VNET_HEADER_LEN } from '@mirage-ts/core/vnet-header'
import type { Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { FrameHandler, Network, NetworkOffload } from '@mirage-ts/signatures/network'
import type { Polled } from './run-loop.ts'

export const ETHERNET_HEADER_LEN = 14

/** Longest packet of a large frame: what the length field of IPv4 can say. */
const LARGE_BYTES = 65535
const LARGE_FRAME_LEN: number = ETHERNET_HEADER_LEN + LARGE_BYTES
/** Length of the longest frame with its header, sent or received. */
export const LONGEST_LEN: number = VNET_HEADER_LEN + LARGE_FRAME_LEN

/** What a network offers whose device cuts both kinds of large frames. */
export const EVERY_OFFLOAD: NetworkOffload = { checksum: true, tcp4Bytes: LARGE_BYTES, tcp6Bytes: LARGE_BYTES }

/** Why a frame was dropped that the device delivered; beside these, because it was too long or nobody listened. */
export type InputFault = 'shortFrame' | 'badOffload'

export interface SlotNetworkConfig {
  readonly mac: Mac
  readonly mtuBytes: number
  readonly headroomBytes: number
  readonly offload: NetworkOffload
  /** A header is in front of each frame, both ways. */
  readonly hasHeader: boolean
  /** The device has agreed to say in the headers of frames received what is left to do. */
  readonly hasReceiveOffload: boolean
  /** Buffers of ordinary frames, one behind the other; the number of each is its place there. */
  readonly buffers: ArrayBuffer
  readonly bufferLen: number
  readonly bufferCount: number
  /** Large frames that there may be beside; their numbers follow. */
  readonly maxLarge: number
}

export abstract class SlotNetwork implements Network, Polled {
  readonly mac: Mac
  readonly mtuBytes: number
  readonly headroomBytes: number
  readonly offload: NetworkOffload
  readonly stats = createNetworkStats()
  abstract readonly counters: Counters<InputFault>
  protected isClosed = false
  private handler: FrameHandler | undefined
  private readonly headerLen: number
  private readonly hasReceiveOffload: boolean
  /** Length of the longest ordinary frame. */
  private readonly maxLen: number
  /** Ordinary frames, each made when it is first lent, then large ones; the index is the slot. */
  private readonly frames: (SlotFrame | undefined)[]
  private readonly buffers: ArrayBuffer
  private readonly bufferLen: number
  private readonly firstLarge: number
  private readonly maxLarge: number
  /** Slots of ordinary frames that nobody has: a stack; and of large ones. */
  private readonly idle: Uint16Array
  private idleCount: number
  private readonly idleLarge: number[] = []
  /** 1 while a slot is lent out: a frame given back twice must not be lent twice. */
  private readonly lent: Uint8Array

  constructor(config: SlotNetworkConfig) {
    this.mac = config.mac
    this.mtuBytes = config.mtuBytes
    this.headroomBytes = config.headroomBytes
    this.offload = config.offload
    this.headerLen = config.hasHeader ? VNET_HEADER_LEN : 0
    this.hasReceiveOffload = config.hasReceiveOffload
    this.maxLen = ETHERNET_HEADER_LEN + config.mtuBytes
    this.frames = noFrames(config.bufferCount)
    this.buffers = config.buffers
    this.bufferLen = config.bufferLen
    this.firstLarge = config.bufferCount
    this.maxLarge = config.maxLarge
    this.idle = new Uint16Array(config.bufferCount)
    this.idleCount = config.bufferCount
    for (let slot = 0; slot < config.bufferCount; slot++) this.idle[slot] = slot
    this.lent = new Uint8Array(this.firstLarge + config.maxLarge)
  }

  abstract poll(): boolean
  abstract flush(): void
  abstract close(): void

  /** Takes the frame in `slot`, its header and octets up to `end`, from `start` on. */
  protected abstract transmit(slot: number, start: number, end: number): void
  /** Puts the slots idle that the device has done with. */
  protected abstract reclaim(): void
  /** Memory for one more large frame, `LONGEST_LEN` octets behind the headroom's beginning; `undefined` when there is none. */
  protected abstract largeBuffer(slot: number): Uint8Array | undefined

  listen(handler: FrameHandler): void {
    this.handler = handler
  }

  alloc(): Frame | undefined {
    if (this.idleCount === 0) this.reclaim()
    if (this.idleCount === 0 || this.isClosed) return undefined
    return this.lend(this.idle[--this.idleCount] as number)
  }

  allocLarge(): Frame | undefined {
    if (this.maxLarge === 0 || this.isClosed) return undefined
    if (this.idleLarge.length === 0) this.reclaim()
    const slot = this.idleLarge.pop() ?? this.addLarge()
    return slot === undefined ? undefined : this.lend(slot)
  }

  free(frame: Frame): void {
    this.putIdle(this.takeBack(frame))
  }

  send(frame: Frame, off: number, end: number): void {
    const slot = this.takeBack(frame)
    const { stats } = this
    const maxLen = frame.segmentBytes > 0 ? LARGE_FRAME_LEN : this.maxLen
    if (this.isClosed || off < this.headroomBytes || end > frame.u8.length || end - off > maxLen) {
      stats.txDropped++
      this.putIdle(slot)
      return
    }
    if (this.headerLen > 0) emitVnetHeader(frame, off)
    this.transmit(slot, off - this.headerLen, end)
    stats.txFrames++
    stats.txBytes += end - off
  }

  /** The device has delivered `frame[start, end)`, with its header if there are headers. The device is not trusted. */
  protected input(frame: Frame, start: number, end: number): void {
    const { handler, stats } = this
    const off = start + this.headerLen
    const lenBytes = end - off
    if (lenBytes < ETHERNET_HEADER_LEN) {
      this.drop('shortFrame')
      return
    }
    if (!this.hasReceiveOffload) {
      clearOffload(frame)
    } else if (!parseVnetHeader(frame, start, off, end)) {
      this.drop('badOffload')
      return
    }
    if (handler === undefined || (lenBytes > this.maxLen && frame.segmentBytes === 0)) {
      stats.rxDropped++
      return
    }
    stats.rxFrames++
    stats.rxBytes += lenBytes
    handler(frame, off, end)
  }

  protected putIdle(slot: number): void {
    if (slot < this.firstLarge) this.idle[this.idleCount++] = slot
    else this.idleLarge.push(slot)
  }

  private drop(why: InputFault): void {
    this.counters[why]++
    this.stats.rxDropped++
  }

  private lend(slot: number): Frame {
    const frame = this.frames[slot] ?? this.makeFrame(slot)
    this.lent[slot] = 1
    clearOffload(frame)
    return frame
  }

  private makeFrame(slot: number): SlotFrame {
    const frame = slotFrame(this.buffers, this.bufferLen, slot)
    this.frames[slot] = frame
    return frame
  }

  /** Large buffers are made when they are needed: a machine that sends no large frame has none. */
  private addLarge(): number | undefined {
    const slot = this.frames.length
    if (slot === this.firstLarge + this.maxLarge) return undefined
    const buffer = this.largeBuffer(slot)
    if (buffer === undefined) return undefined
    this.frames.push(new SlotFrame(buffer, slot))
    return slot
  }

  private takeBack(frame: Frame): number {
    const slot = (frame as SlotFrame).slot
    if (this.frames[slot] !== frame || this.lent[slot] === 0) {
      throw new TypeError('Cannot take a frame: it was not lent by this network, or has been given back already')
    }
    this.lent[slot] = 0
    return slot
  }
}

/**
 * Room for the frames of so many buffers, each to be made when it is first used: that is 10,000 instructions of the engine, and
 * a machine that does little uses few.
 */
export function noFrames(count: number): (SlotFrame | undefined)[] {
  return new Array<SlotFrame | undefined>(count).fill(undefined)
}

/** The frame of one of the buffers of `lenBytes` octets each, one behind the other. */
export function slotFrame(buffers: ArrayBuffer, lenBytes: number, slot: number): SlotFrame {
  return new SlotFrame(new Uint8Array(buffers, slot * lenBytes, lenBytes), slot)
}
