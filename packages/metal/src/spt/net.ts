/**
 * Driver of a network interface that the host handed over as a descriptor. Frames are received into one buffer, one behind the
 * other, and sent from another, as many in one call of the host as there are; they are parsed and built in place.
 *
 * Where the host does so, checksums and the cutting of large TCP frames are left to it and taken from it. A small frame takes no
 * more of the receive buffer than it is long; large frames are sent from a few large buffers, which come back as soon as the
 * host has taken them, and it takes them at once as a rule.
 */
import { frameOf } from '@mirage-ts/core/bytes'
import { createCounters } from '@mirage-ts/core/metrics'
import { NO_OFFLOAD } from '@mirage-ts/core/offload'
import { VNET_HEADER_LEN } from '@mirage-ts/core/vnet-header'
import type { Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Logger } from '@mirage-ts/signatures/log'
import type { Network } from '@mirage-ts/signatures/network'
import type { Polled } from '../run-loop.ts'
import { ETHERNET_HEADER_LEN, EVERY_OFFLOAD, LONGEST_LEN, SlotNetwork } from '../slot-network.ts'

/** What the host offers: `native/include/plat.h`, `plat_net_*`. */
export interface FrameDevice {
  /** Octets that {@link send} needs in front of each frame. */
  readonly headroomBytes: number
  /** In front of each frame, both ways, is a header: see `vnet-header.ts`. */
  readonly hasOffload: boolean
  /**
   * Frame `i` is `bytes[spans[2 * i], spans[2 * i + 1])`; returns their number, -1 when it is gone. It may stop when fewer than
   * `longest` octets are left, and cuts longer frames.
   */
  receive(bytes: Uint8Array, spans: Uint32Array, longest: number): number
  /** Frame `i` is `bytes[spans[2 * i], spans[2 * i + 1])`; returns how many were taken, -1 when it is gone. */
  send(bytes: Uint8Array, spans: Uint32Array, count: number): number
}

const MTU_BYTES = 1500

/** An ordinary frame with its headroom. */
const SLOT_LEN = 1536
const LARGE_SLOT_LEN: number = LONGEST_LEN + 64

/** Frames taken in one round before promises and timers get their turn. */
const ROUND_BUDGET = 64

/** Of ordinary frames, this one is received whole and told by its length: it is too long. */
const TOO_LONG: number = ETHERNET_HEADER_LEN + MTU_BYTES + 1
const RECEIVE_LEN = 96 * 1024
const TRANSMIT_SLOTS = 256

/** With large frames: two and as many small ones as there may be in a round. */
const LARGE_RECEIVE_LEN = 160 * 1024
/** Half of the others, and their memory for two large ones: one is filled while none waits, two when the host is slow. */
const TRANSMIT_SLOTS_BESIDE_LARGE = 128
const LARGE_SLOTS = 2

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

class HostNetwork extends SlotNetwork {
  readonly counters = createCounters(['shortFrame', 'badOffload'])
  private readonly device: FrameDevice
  private readonly log: Logger
  private readonly name: string
  private readonly rx: Frame
  private readonly rxSpans = new Uint32Array(2 * ROUND_BUDGET)
  /** Length of the longest frame that may arrive. */
  private readonly longest: number
  /** Memory of all transmit buffers. */
  private readonly tx: Uint8Array
  /** Where in it the buffer of each slot begins. */
  private readonly offsets: Uint32Array
  /** Frames to be sent, in order: off and end of each in `tx`, and its slot. */
  private readonly txSpans: Uint32Array
  private readonly queued: Uint16Array
  private queuedCount = 0

  constructor(device: FrameDevice, log: Logger, { mac, name }: HostNetworkOptions) {
    const { hasOffload } = device
    const slotCount = hasOffload ? TRANSMIT_SLOTS_BESIDE_LARGE : TRANSMIT_SLOTS
    const maxLarge = hasOffload ? LARGE_SLOTS : 0
    const buffer = new ArrayBuffer(slotCount * SLOT_LEN + maxLarge * LARGE_SLOT_LEN)
    super({
      mac,
      mtuBytes: MTU_BYTES,
      headroomBytes: device.headroomBytes + (hasOffload ? VNET_HEADER_LEN : 0),
      offload: hasOffload ? EVERY_OFFLOAD : NO_OFFLOAD,
      hasHeader: hasOffload,
      hasReceiveOffload: hasOffload,
      buffers: buffer,
      bufferLen: SLOT_LEN,
      bufferCount: slotCount,
      maxLarge,
    })
    this.device = device
    this.log = log
    this.name = name
    this.rx = frameOf(new Uint8Array(hasOffload ? LARGE_RECEIVE_LEN : RECEIVE_LEN))
    this.longest = hasOffload ? LONGEST_LEN : TOO_LONG
    this.tx = new Uint8Array(buffer)
    this.offsets = Uint32Array.from({ length: slotCount + maxLarge }, (_, slot) =>
      slot < slotCount ? slot * SLOT_LEN : slotCount * SLOT_LEN + (slot - slotCount) * LARGE_SLOT_LEN,
    )
    this.txSpans = new Uint32Array(2 * (slotCount + maxLarge))
    this.queued = new Uint16Array(slotCount + maxLarge)
  }

  close(): void {
    if (this.isClosed) return
    this.flush()
    this.isClosed = true
  }

  poll(): boolean {
    if (this.isClosed) return false
    const { rx, rxSpans } = this
    const count = this.device.receive(rx.u8, rxSpans, this.longest)
    if (count < 0) {
      this.goDown()
      return false
    }
    let end = 0
    for (let i = 0; i < count; i++) {
      end = rxSpans[2 * i + 1] as number
      this.input(rx, rxSpans[2 * i] as number, end)
    }
    // It may have stopped for want of room.
    return count === ROUND_BUDGET || rx.u8.length - end < this.longest
  }

  flush(): void {
    if (this.queuedCount === 0 || this.isClosed) return
    const { txSpans, queued } = this
    const sent = this.device.send(this.tx, txSpans, this.queuedCount)
    if (sent < 0) {
      this.goDown()
      return
    }
    for (let i = 0; i < sent; i++) this.putIdle(queued[i] as number)
    // What the device had no room for stays first: it ends the machine's sleep when it has.
    if (sent < this.queuedCount) {
      txSpans.copyWithin(0, 2 * sent, 2 * this.queuedCount)
      queued.copyWithin(0, sent, this.queuedCount)
    }
    this.queuedCount -= sent
  }

  protected transmit(slot: number, start: number, end: number): void {
    const { txSpans, queuedCount } = this
    const at = this.offsets[slot] as number
    txSpans[2 * queuedCount] = at + start
    txSpans[2 * queuedCount + 1] = at + end
    this.queued[queuedCount] = slot
    this.queuedCount++
  }

  protected reclaim(): void {
    this.flush()
  }

  protected largeBuffer(slot: number): Uint8Array {
    const at = this.offsets[slot] as number
    return this.tx.subarray(at, at + LARGE_SLOT_LEN)
  }

  /** The device is gone, and not because we closed it. */
  private goDown(): void {
    this.isClosed = true
    this.log.error(() => `${this.name} is down: the host closed it, or it does not speak length-prefixed Ethernet`)
  }
}
