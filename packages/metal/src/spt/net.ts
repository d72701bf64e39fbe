/**
 * Driver of a network interface that the host handed over as a descriptor. Frames are received into one buffer and sent
 * from another, as many in one call of the host as there are; they are parsed and built in place.
 */
import { SlotFrame } from '@mirage-ts/core/bytes'
import { clearOffload, NO_OFFLOAD } from '@mirage-ts/core/offload'
import type { Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Logger } from '@mirage-ts/signatures/log'
import type { FrameHandler, Network, NetworkStats } from '@mirage-ts/signatures/network'
import type { Polled } from '../run-loop.ts'

/** What the host offers: `native/include/plat.h`, `plat_net_*`. */
export interface FrameDevice {
  /** Octets that {@link send} needs in front of each frame. */
  readonly headroomBytes: number
  /** Frame `i` goes to part `i` of `lens.length` equal parts of `bytes`; returns their number, -1 when it is gone. */
  receive(bytes: Uint8Array, lens: Uint32Array): number
  /** Frame `i` is `bytes[spans[2 * i], spans[2 * i + 1])`; returns how many were taken, -1 when it is gone. */
  send(bytes: Uint8Array, spans: Uint32Array, count: number): number
}

const ETHERNET_HEADER_LEN = 14
const MTU_BYTES = 1500
const MAX_LEN = ETHERNET_HEADER_LEN + MTU_BYTES

/** A frame with its headroom, and one octet by which a frame that is too long can be told. */
const SLOT_LEN = 1536

/** Frames taken in one round before promises and timers get their turn. */
const ROUND_BUDGET = 64
const TRANSMIT_SLOTS = 256

export interface HostNetworkOptions {
  readonly mac: Mac
  /** For messages. */
  readonly name: string
}

/** Drives the device. */
export function createHostNetwork(
  { device, log }: { readonly device: FrameDevice; readonly log: Logger },
  options: HostNetworkOptions,
): Network & Polled {
  return new HostNetwork(device, log, options)
}

class HostNetwork implements Network, Polled {
  readonly mac: Mac
  readonly mtuBytes = MTU_BYTES
  readonly headroomBytes: number
  readonly offload = NO_OFFLOAD
  readonly stats = {
    rxFrames: 0,
    rxBytes: 0,
    rxDropped: 0,
    txFrames: 0,
    txBytes: 0,
    txDropped: 0,
  } satisfies NetworkStats
  private readonly device: FrameDevice
  private readonly log: Logger
  private readonly name: string
  private readonly rx: Uint8Array
  private readonly rxFrames: readonly SlotFrame[]
  private readonly lens: Uint32Array
  private readonly tx: Uint8Array
  private readonly txFrames: readonly SlotFrame[]
  /** Transmit slots that nobody has: a stack. */
  private readonly idle: Uint16Array
  private idleCount: number
  /** 1 while a slot is lent out by `alloc`: a frame given back twice must not be lent twice. */
  private readonly lent: Uint8Array
  /** Frames to be sent, in order: off and end of each in `tx`. */
  private readonly spans: Uint32Array
  private queuedCount = 0
  private handler: FrameHandler | undefined
  private isClosed = false

  constructor(device: FrameDevice, log: Logger, { mac, name }: HostNetworkOptions) {
    this.mac = mac
    this.name = name
    this.device = device
    this.log = log
    this.headroomBytes = device.headroomBytes
    this.rx = new Uint8Array(ROUND_BUDGET * SLOT_LEN)
    this.rxFrames = slotFrames(this.rx, ROUND_BUDGET)
    this.lens = new Uint32Array(ROUND_BUDGET)
    this.tx = new Uint8Array(TRANSMIT_SLOTS * SLOT_LEN)
    this.txFrames = slotFrames(this.tx, TRANSMIT_SLOTS)
    this.idle = Uint16Array.from(this.txFrames, (frame) => frame.slot)
    this.idleCount = TRANSMIT_SLOTS
    this.lent = new Uint8Array(TRANSMIT_SLOTS)
    this.spans = new Uint32Array(2 * TRANSMIT_SLOTS)
  }

  listen(handler: FrameHandler): void {
    this.handler = handler
  }

  alloc(): Frame | undefined {
    if (this.idleCount === 0) this.flush()
    if (this.idleCount === 0 || this.isClosed) return undefined
    const slot = this.idle[--this.idleCount] as number
    this.lent[slot] = 1
    const frame = this.txFrames[slot] as SlotFrame
    clearOffload(frame)
    return frame
  }

  allocLarge(): Frame | undefined {
    return undefined
  }

  free(frame: Frame): void {
    const slot = this.takeBack(frame)
    this.idle[this.idleCount++] = slot
  }

  send(frame: Frame, off: number, end: number): void {
    const slot = this.takeBack(frame)
    const stats = this.stats
    if (this.isClosed || off < this.headroomBytes || end > SLOT_LEN || end - off > MAX_LEN) {
      stats.txDropped++
      this.idle[this.idleCount++] = slot
      return
    }
    const start = slot * SLOT_LEN
    const spans = this.spans
    const at = 2 * this.queuedCount++
    spans[at] = start + off
    spans[at + 1] = start + end
    stats.txFrames++
    stats.txBytes += end - off
  }

  close(): void {
    if (this.isClosed) return
    this.flush()
    this.isClosed = true
  }

  poll(): boolean {
    if (this.isClosed) return false
    const count = this.device.receive(this.rx, this.lens)
    if (count < 0) {
      this.goDown()
      return false
    }
    for (let i = 0; i < count; i++) this.input(i, this.lens[i] as number)
    return count === ROUND_BUDGET
  }

  flush(): void {
    if (this.queuedCount === 0 || this.isClosed) return
    const sent = this.device.send(this.tx, this.spans, this.queuedCount)
    if (sent < 0) {
      this.goDown()
      return
    }
    const spans = this.spans
    for (let i = 0; i < sent; i++) this.idle[this.idleCount++] = (spans[2 * i] as number) / SLOT_LEN // the slot
    // What the device had no room for stays first: it ends the machine's sleep when it has.
    if (sent < this.queuedCount) spans.copyWithin(0, 2 * sent, 2 * this.queuedCount)
    this.queuedCount -= sent
  }

  private input(i: number, lenBytes: number): void {
    const handler = this.handler
    const stats = this.stats
    if (handler === undefined || lenBytes < ETHERNET_HEADER_LEN || lenBytes > MAX_LEN) {
      stats.rxDropped++
      return
    }
    stats.rxFrames++
    stats.rxBytes += lenBytes
    handler(this.rxFrames[i] as SlotFrame, 0, lenBytes)
  }

  private takeBack(frame: Frame): number {
    const slot = (frame as SlotFrame).slot
    if (this.txFrames[slot] !== frame || this.lent[slot] === 0) {
      throw new TypeError('Cannot take a frame: it was not lent by this network, or has been given back already')
    }
    this.lent[slot] = 0
    return slot
  }

  /** The device is gone, and not because we closed it. */
  private goDown(): void {
    this.isClosed = true
    this.log.error(() => `${this.name} is down: the host closed it, or it does not speak length-prefixed Ethernet`)
  }
}

function slotFrames(bytes: Uint8Array, count: number): readonly SlotFrame[] {
  return Array.from(
    { length: count },
    (_, slot) => new SlotFrame(bytes.subarray(slot * SLOT_LEN, (slot + 1) * SLOT_LEN), slot),
  )
}
