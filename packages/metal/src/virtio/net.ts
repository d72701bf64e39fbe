/**
 * Driver of the virtio network interface (Virtual I/O Device 1.2 §5.1): one queue each way, one buffer per frame sent.
 *
 * Frames are parsed where the device wrote them and built where it will read them. Checksums and the cutting of large TCP
 * frames are left to a device that offers to do it (§5.1.3: CSUM, HOST_TSO4, HOST_TSO6), and taken from it likewise
 * (GUEST_CSUM, GUEST_TSO4, GUEST_TSO6); a large frame arrives in several buffers (MRG_RXBUF) and is put together. The device is
 * not trusted: see {@link parseVnetHeader}, and `input`. Not here: several queues, the control queue, UDP segmentation.
 */
import { SlotFrame } from '@mirage-ts/core/bytes'
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import { clearOffload } from '@mirage-ts/core/offload'
import { emitVnetHeader, parseVnetHeader, VNET_HEADER_LEN, vnetBufferCount } from '@mirage-ts/core/vnet-header'
import type { Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { FrameHandler, Network, NetworkOffload, NetworkStats } from '@mirage-ts/signatures/network'
import type { Polled } from '../run-loop.ts'
import { LargeReceive } from './net-large.ts'
import { type DmaMemory, F_RING_EVENT_IDX, negotiate, startDevice, type VirtioTransport } from './transport.ts'
import { Virtqueue } from './virtqueue.ts'

export const DEVICE_ID_NET = 1

// §5.1.3, bits of word 0
export const F_CSUM: number = 1 << 0
export const F_GUEST_CSUM: number = 1 << 1
const F_MTU = 1 << 3
const F_MAC = 1 << 5
export const F_GUEST_TSO4: number = 1 << 7
export const F_GUEST_TSO6: number = 1 << 8
export const F_HOST_TSO4: number = 1 << 11
export const F_HOST_TSO6: number = 1 << 12
export const F_MRG_RXBUF: number = 1 << 15
const F_OFFLOADS = F_CSUM | F_GUEST_CSUM | F_GUEST_TSO4 | F_GUEST_TSO6 | F_HOST_TSO4 | F_HOST_TSO6 | F_MRG_RXBUF

const QUEUE_RECEIVE = 0
const QUEUE_TRANSMIT = 1
const MAX_QUEUE_SIZE = 256

const NET_HEADER_LEN = VNET_HEADER_LEN
const ETHERNET_HEADER_LEN = 14
const CONFIG_MTU = 10

/** Longest packet that a device cuts: what the length field of IPv4 can say. */
const LARGE_BYTES = 65535
/** Buffers for large frames at most: the device takes them as fast as we fill them, and each is 64 KiB. */
const LARGE_SLOTS = 16
/** Length of a receive buffer when large frames may come: 17 of them take the longest. */
const MERGED_LEN = 4096

/** Frames taken in one round before promises and timers get their turn. */
const ROUND_BUDGET = 128

const COUNTERS = ['shortBuffer', 'badUsed', 'badOffload', 'badMerge'] as const

/** The interface with its counters of what the device did wrong. */
export interface VirtioNetwork extends Network, Polled {
  readonly counters: Readonly<Counters<(typeof COUNTERS)[number]>>
}

export interface VirtioNetworkOptions {
  /** Uses what the device offers to do with checksums and large frames. Default true. */
  readonly offload?: boolean
}

/** Starts the device. Throws when it is not one we can drive. */
export function createVirtioNetwork(
  transport: VirtioTransport,
  memory: DmaMemory,
  { offload = true }: VirtioNetworkOptions = {},
): VirtioNetwork {
  const wanted = F_RING_EVENT_IDX | F_MAC | F_MTU | (offload ? F_OFFLOADS : 0)
  const agreed = negotiate(transport, wanted, consistent)
  if ((agreed & F_MAC) === 0) throw new Error(`Cannot use network device at ${transport.name}: it has no MAC address`)
  const network = new VirtioNet(transport, memory, agreed)
  startDevice(transport)
  network.fillReceiveQueue()
  return network
}

/** §5.1.3.1: what requires what. Large frames are received in merged buffers only: whole ones would each take 64 KiB. */
function consistent(bits: number): number {
  let agreed = bits
  if ((agreed & F_CSUM) === 0) agreed &= ~(F_HOST_TSO4 | F_HOST_TSO6)
  if ((agreed & F_GUEST_CSUM) === 0 || (agreed & F_MRG_RXBUF) === 0) agreed &= ~(F_GUEST_TSO4 | F_GUEST_TSO6)
  // Alone they cost more than they bring: frames of ours fit one buffer.
  if ((agreed & (F_GUEST_TSO4 | F_GUEST_TSO6)) === 0) agreed &= ~F_MRG_RXBUF
  return agreed
}

class VirtioNet implements VirtioNetwork {
  readonly mac: Mac
  readonly mtuBytes: number
  readonly headroomBytes = NET_HEADER_LEN
  readonly offload: NetworkOffload
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
  private readonly memory: DmaMemory
  /** The device says what is left to do to a frame received. */
  private readonly hasGuestChecksum: boolean
  /** Length of a transmit buffer, and of a receive buffer. */
  private readonly bufferLen: number
  private readonly rxLen: number
  private readonly receive: Virtqueue
  private readonly transmit: Virtqueue
  private readonly rxFrames: readonly SlotFrame[]
  private readonly rxAddress: number
  /** Puts large frames together; `undefined` when none can come. */
  private readonly large: LargeReceive | undefined
  /** Of ordinary frames, then of large ones as they are needed; `slot` is the place. */
  private readonly txFrames: SlotFrame[]
  /** By slot. */
  private readonly txAddresses: number[]
  /** Slots of ordinary frames that nobody has: a stack; and of large ones. */
  private readonly idle: Uint16Array
  private idleCount: number
  private readonly idleLarge: number[] = []
  private readonly firstLarge: number
  private readonly largeLen: number
  private isMemoryShort = false
  /** 1 while a slot is lent out by `alloc`: a frame given back twice must not be lent twice. */
  private readonly lent: Uint8Array
  private handler: FrameHandler | undefined
  private isClosed = false

  constructor(transport: VirtioTransport, memory: DmaMemory, agreed: number) {
    this.transport = transport
    this.memory = memory
    this.mac = readConfigMac(transport)
    this.mtuBytes = (agreed & F_MTU) === 0 ? 1500 : Math.min(readConfig16(transport, CONFIG_MTU), 1500)
    this.offload = {
      checksum: (agreed & F_CSUM) !== 0,
      tcp4Bytes: (agreed & F_HOST_TSO4) === 0 ? 0 : LARGE_BYTES,
      tcp6Bytes: (agreed & F_HOST_TSO6) === 0 ? 0 : LARGE_BYTES,
    }
    this.hasGuestChecksum = (agreed & F_GUEST_CSUM) !== 0
    const hasMerged = (agreed & F_MRG_RXBUF) !== 0
    this.bufferLen = (NET_HEADER_LEN + ETHERNET_HEADER_LEN + this.mtuBytes + 63) & ~63
    this.rxLen = hasMerged ? MERGED_LEN : this.bufferLen
    const hasEventIdx = (agreed & F_RING_EVENT_IDX) !== 0
    this.receive = createQueue(transport, memory, QUEUE_RECEIVE, this.rxLen, 'device-writes', hasEventIdx)
    this.transmit = createQueue(transport, memory, QUEUE_TRANSMIT, this.bufferLen, 'device-reads', hasEventIdx)
    const hasLarge = this.offload.tcp4Bytes > 0 || this.offload.tcp6Bytes > 0
    // A slot is a descriptor: the large ones take some away from the others.
    const largeCount = hasLarge ? Math.min(LARGE_SLOTS, this.transmit.size >> 1) : 0
    this.firstLarge = this.transmit.size - largeCount
    this.largeLen = (NET_HEADER_LEN + ETHERNET_HEADER_LEN + LARGE_BYTES + 63) & ~63
    const rx = memory.alloc(this.receive.size * this.rxLen, 64)
    const tx = memory.alloc(this.firstLarge * this.bufferLen, 64)
    this.rxAddress = rx.address
    this.rxFrames = slotFrames(rx.buffer, this.receive.size, this.rxLen)
    this.txFrames = slotFrames(tx.buffer, this.firstLarge, this.bufferLen)
    this.txAddresses = this.txFrames.map(({ slot }) => tx.address + slot * this.bufferLen)
    this.large = hasMerged
      ? new LargeReceive(this.rxFrames, NET_HEADER_LEN + ETHERNET_HEADER_LEN + LARGE_BYTES)
      : undefined
    this.idle = Uint16Array.from(this.txFrames, (frame) => frame.slot)
    this.idleCount = this.idle.length
    this.lent = new Uint8Array(this.transmit.size)
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
    return this.lend(this.idle[--this.idleCount] as number)
  }

  allocLarge(): Frame | undefined {
    if (this.firstLarge === this.transmit.size || this.isClosed) return undefined
    if (this.idleLarge.length === 0) this.reclaim()
    const slot = this.idleLarge.pop() ?? this.addLarge()
    return slot === undefined ? undefined : this.lend(slot)
  }

  free(frame: Frame): void {
    this.putIdle(this.takeBack(frame))
  }

  send(frame: Frame, off: number, end: number): void {
    const slot = this.takeBack(frame)
    const maxLen = ETHERNET_HEADER_LEN + (frame.segmentBytes > 0 ? LARGE_BYTES : this.mtuBytes)
    if (this.isClosed || off < NET_HEADER_LEN || end > frame.u8.length || end - off > maxLen) {
      this.stats.txDropped++
      this.putIdle(slot)
      return
    }
    emitVnetHeader(frame, off)
    const start = off - NET_HEADER_LEN
    this.transmit.offer(slot, (this.txAddresses[slot] as number) + start, end - start)
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

  /** A buffer has come back with `usedLen` octets: a frame, or with merged buffers a part of one. */
  private input(slot: number, usedLen: number): void {
    const first = this.rxFrames[slot] as SlotFrame
    const { large } = this
    if (large === undefined) {
      this.inputFrame(first, usedLen)
    } else if (large.isWaiting) {
      const end = large.add(slot, usedLen)
      if (end > 0) this.inputFrame(large.frame, end)
      else if (end < 0) this.drop('badMerge')
    } else if (usedLen < NET_HEADER_LEN) {
      this.drop('shortBuffer')
    } else {
      // §5.1.6.4: num_buffers of the first says how many there are.
      const count = vnetBufferCount(first, 0)
      if (count === 1) this.inputFrame(first, usedLen)
      else if (!large.begin(slot, usedLen, count)) this.drop('badMerge')
    }
  }

  private inputFrame(frame: Frame, usedLen: number): void {
    const lenBytes = usedLen - NET_HEADER_LEN
    if (lenBytes < ETHERNET_HEADER_LEN) {
      this.drop('shortBuffer')
      return
    }
    if (!this.hasGuestChecksum) {
      clearOffload(frame)
    } else if (!parseVnetHeader(frame, 0, NET_HEADER_LEN, usedLen)) {
      this.drop('badOffload')
      return
    }
    if (this.handler === undefined || (lenBytes > ETHERNET_HEADER_LEN + this.mtuBytes && frame.segmentBytes === 0)) {
      this.stats.rxDropped++
      return
    }
    this.stats.rxFrames++
    this.stats.rxBytes += lenBytes
    this.handler(frame, NET_HEADER_LEN, usedLen)
  }

  private drop(why: 'shortBuffer' | 'badOffload' | 'badMerge'): void {
    this.counters[why]++
    this.stats.rxDropped++
  }

  private offerReceive(slot: number): void {
    this.receive.offer(slot, this.rxAddress + slot * this.rxLen, this.rxLen)
  }

  private lend(slot: number): Frame {
    const frame = this.txFrames[slot] as SlotFrame
    this.lent[slot] = 1
    clearOffload(frame)
    return frame
  }

  /** One more buffer for large frames, while there may be more: a machine that sends none has none. */
  private addLarge(): number | undefined {
    const slot = this.txFrames.length
    if (slot === this.transmit.size || this.isMemoryShort) return undefined
    let memory: ReturnType<DmaMemory['alloc']>
    try {
      memory = this.memory.alloc(this.largeLen, 64)
    } catch {
      // A small machine has no memory for more of them; ordinary frames do as well.
      this.isMemoryShort = true
      return undefined
    }
    const { buffer, address } = memory
    this.txFrames.push(new SlotFrame(new Uint8Array(buffer), slot))
    this.txAddresses.push(address)
    return slot
  }

  private putIdle(slot: number): void {
    if (slot < this.firstLarge) this.idle[this.idleCount++] = slot
    else this.idleLarge.push(slot)
  }

  /** Takes what the device has sent back from the transmit queue. */
  private reclaim(): void {
    for (let slot = this.transmit.takeUsed(); slot >= 0; slot = this.transmit.takeUsed()) this.putIdle(slot)
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

function slotFrames(buffer: ArrayBuffer, count: number, lenBytes: number): SlotFrame[] {
  return Array.from(
    { length: count },
    (_, slot) => new SlotFrame(new Uint8Array(buffer, slot * lenBytes, lenBytes), slot),
  )
}

function readConfigMac(transport: VirtioTransport): Mac {
  let mac = 0
  for (let i = 0; i < 6; i++) mac = mac * 256 + transport.readConfig8(i)
  return mac as Mac
}

function readConfig16(transport: VirtioTransport, off: number): number {
  return transport.readConfig8(off) | (transport.readConfig8(off + 1) << 8)
}
