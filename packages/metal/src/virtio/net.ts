/**
 * Driver of the virtio network interface (Virtual I/O Device 1.2 §5.1): one queue each way, one buffer per frame.
 *
 * Frames are parsed where the device wrote them and built where it will read them. Not here yet: several queues, checksum
 * and segmentation offload, mergeable receive buffers, the control queue.
 */
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import type { Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { FrameHandler, Network, NetworkStats } from '@mirage-ts/signatures/network'
import type { Polled } from '../run-loop.ts'
import { type DmaMemory, F_RING_EVENT_IDX, negotiate, startDevice, type VirtioTransport } from './transport.ts'
import { Virtqueue } from './virtqueue.ts'

export const DEVICE_ID_NET = 1

// §5.1.3, bits of word 0
const F_MTU = 1 << 3
const F_MAC = 1 << 5

const QUEUE_RECEIVE = 0
const QUEUE_TRANSMIT = 1
const MAX_QUEUE_SIZE = 256

/** §5.1.6: struct virtio_net_hdr with num_buffers, as VERSION_1 always has it. */
const NET_HEADER_LEN = 12
const ETHERNET_HEADER_LEN = 14
const CONFIG_MTU = 10

/** Frames taken in one round before promises and timers get their turn. */
const ROUND_BUDGET = 128

const COUNTERS = ['shortBuffer', 'badUsed'] as const

/** A buffer of the transmit queue; `slot` is its number there. */
interface SlotFrame extends Frame {
  readonly slot: number
}

/** The interface with its counters of what the device did wrong. */
export interface VirtioNetwork extends Network, Polled {
  readonly counters: Readonly<Counters<(typeof COUNTERS)[number]>>
}

/** Starts the device. Throws when it is not one we can drive. */
export function createVirtioNetwork(transport: VirtioTransport, memory: DmaMemory): VirtioNetwork {
  const agreed = negotiate(transport, F_RING_EVENT_IDX | F_MAC | F_MTU)
  if ((agreed & F_MAC) === 0) throw new Error(`Cannot use network device at ${transport.name}: it has no MAC address`)
  const network = new VirtioNet(transport, memory, agreed)
  startDevice(transport)
  network.fillReceiveQueue()
  return network
}

class VirtioNet implements VirtioNetwork {
  readonly mac: Mac
  readonly mtuBytes: number
  readonly headroomBytes = NET_HEADER_LEN
  readonly stats = {
    rxFrames: 0,
    rxBytes: 0,
    rxDropped: 0,
    txFrames: 0,
    txBytes: 0,
    txDropped: 0,
  } satisfies NetworkStats
  readonly counters = createCounters(COUNTERS)
  private readonly transport: VirtioTransport
  private readonly bufferLen: number
  private readonly receive: Virtqueue
  private readonly transmit: Virtqueue
  private readonly rxFrames: readonly SlotFrame[]
  private readonly rxAddress: number
  private readonly txFrames: readonly SlotFrame[]
  private readonly txAddress: number
  /** Transmit slots that nobody has: a stack of slot numbers. */
  private readonly idle: Uint16Array
  private idleCount: number
  /** 1 while a slot is lent out by `alloc`: a frame given back twice must not be lent twice. */
  private readonly lent: Uint8Array
  private handler: FrameHandler | undefined
  private isClosed = false

  constructor(transport: VirtioTransport, memory: DmaMemory, agreed: number) {
    this.transport = transport
    this.mac = readConfigMac(transport)
    this.mtuBytes = (agreed & F_MTU) === 0 ? 1500 : Math.min(readConfig16(transport, CONFIG_MTU), 1500)
    this.bufferLen = (NET_HEADER_LEN + ETHERNET_HEADER_LEN + this.mtuBytes + 63) & ~63
    const hasEventIdx = (agreed & F_RING_EVENT_IDX) !== 0
    this.receive = createQueue(transport, memory, QUEUE_RECEIVE, this.bufferLen, 'device-writes', hasEventIdx)
    this.transmit = createQueue(transport, memory, QUEUE_TRANSMIT, this.bufferLen, 'device-reads', hasEventIdx)
    const rx = memory.alloc(this.receive.size * this.bufferLen, 64)
    const tx = memory.alloc(this.transmit.size * this.bufferLen, 64)
    this.rxAddress = rx.address
    this.txAddress = tx.address
    this.rxFrames = slotFrames(rx.buffer, this.receive.size, this.bufferLen)
    this.txFrames = slotFrames(tx.buffer, this.transmit.size, this.bufferLen)
    this.idle = Uint16Array.from(this.txFrames, (frame) => frame.slot)
    this.idleCount = this.idle.length
    this.lent = new Uint8Array(this.idle.length)
  }

  /** Offers every receive buffer and lets the device interrupt. */
  fillReceiveQueue(): void {
    for (let slot = 0; slot < this.receive.size; slot++) this.offerReceive(slot)
    this.transport.enableInterrupt()
    this.receive.wantInterrupt()
    this.flush()
  }

  listen(handler: FrameHandler): void {
    this.handler = handler
  }

  alloc(): Frame | undefined {
    if (this.idleCount === 0) this.reclaim()
    if (this.idleCount === 0 || this.isClosed) return undefined
    const slot = this.idle[--this.idleCount] as number
    this.lent[slot] = 1
    return this.txFrames[slot]
  }

  free(frame: Frame): void {
    const slot = this.takeBack(frame)
    this.idle[this.idleCount++] = slot
  }

  send(frame: Frame, off: number, end: number): void {
    const slot = this.takeBack(frame)
    if (
      this.isClosed ||
      off < NET_HEADER_LEN ||
      end > this.bufferLen ||
      end - off > ETHERNET_HEADER_LEN + this.mtuBytes
    ) {
      this.stats.txDropped++
      this.idle[this.idleCount++] = slot
      return
    }
    // The header is all zeros: no checksum to finish, no segmentation, one buffer.
    const start = off - NET_HEADER_LEN
    frame.dv.setUint32(start, 0)
    frame.dv.setUint32(start + 4, 0)
    frame.dv.setUint32(start + 8, 0)
    this.transmit.offer(slot, this.txAddress + slot * this.bufferLen + start, end - start)
    this.stats.txFrames++
    this.stats.txBytes += end - off
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.transport.setStatus(0)
  }

  poll(): boolean {
    if (this.isClosed) return false
    let budget = ROUND_BUDGET
    while (budget > 0) {
      const slot = this.receive.takeUsed()
      if (slot < 0) break
      this.input(slot, this.receive.usedLen)
      this.offerReceive(slot)
      budget--
    }
    this.counters.badUsed = this.receive.badUsedCount + this.transmit.badUsedCount
    if (budget === 0) return true
    // Lower the line, then look once more: a frame that came in between would raise no new interrupt.
    if (budget < ROUND_BUDGET || this.transport.hasInterrupt()) this.transport.acknowledgeInterrupt()
    return this.receive.wantInterrupt()
  }

  flush(): void {
    if (this.isClosed) return
    if (this.receive.needsNotification()) this.transport.notify(QUEUE_RECEIVE)
    if (this.transmit.needsNotification()) this.transport.notify(QUEUE_TRANSMIT)
  }

  private input(slot: number, usedLen: number): void {
    const lenBytes = usedLen - NET_HEADER_LEN
    if (lenBytes < ETHERNET_HEADER_LEN) {
      this.counters.shortBuffer++
      this.stats.rxDropped++
      return
    }
    if (this.handler === undefined || lenBytes > ETHERNET_HEADER_LEN + this.mtuBytes) {
      this.stats.rxDropped++
      return
    }
    this.stats.rxFrames++
    this.stats.rxBytes += lenBytes
    this.handler(this.rxFrames[slot] as SlotFrame, NET_HEADER_LEN, usedLen)
  }

  private offerReceive(slot: number): void {
    this.receive.offer(slot, this.rxAddress + slot * this.bufferLen, this.bufferLen)
  }

  /** Takes what the device has sent back from the transmit queue. */
  private reclaim(): void {
    for (let slot = this.transmit.takeUsed(); slot >= 0; slot = this.transmit.takeUsed()) {
      this.idle[this.idleCount++] = slot
    }
  }

  private takeBack(frame: Frame): number {
    const slot = (frame as SlotFrame).slot
    if (this.txFrames[slot] !== frame || this.lent[slot] === 0) {
      throw new TypeError('Cannot take a frame: it was not lent by this network, or has been given back already')
    }
    this.lent[slot] = 0
    return slot
  }
}

function createQueue(
  transport: VirtioTransport,
  memory: DmaMemory,
  index: number,
  slotLen: number,
  direction: 'device-reads' | 'device-writes',
  hasEventIdx: boolean,
): Virtqueue {
  const maxSize = Math.min(transport.queueMaxSize(index), MAX_QUEUE_SIZE)
  if (maxSize === 0) throw new Error(`Cannot use network device at ${transport.name}: it has no queue ${index}`)
  const size = 2 ** Math.floor(Math.log2(maxSize))
  const queue = new Virtqueue(memory, size, slotLen, direction, hasEventIdx)
  transport.enableQueue(index, size, queue.addresses)
  return queue
}

function slotFrames(buffer: ArrayBuffer, count: number, lenBytes: number): readonly SlotFrame[] {
  return Array.from({ length: count }, (_, slot) => ({
    u8: new Uint8Array(buffer, slot * lenBytes, lenBytes),
    dv: new DataView(buffer, slot * lenBytes, lenBytes),
    slot,
  }))
}

function readConfigMac(transport: VirtioTransport): Mac {
  let mac = 0
  for (let i = 0; i < 6; i++) mac = mac * 256 + transport.readConfig8(i)
  return mac as Mac
}

function readConfig16(transport: VirtioTransport, off: number): number {
  return transport.readConfig8(off) | (transport.readConfig8(off + 1) << 8)
}
