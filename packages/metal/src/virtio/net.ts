/**
 * Driver of the virtio network interface (Virtual I/O Device 1.2 §5.1): one queue each way, one buffer per frame sent.
 *
 * Frames are parsed where the device wrote them and built where it will read them. Checksums and the cutting of large TCP
 * frames are left to a device that offers to do it (§5.1.3: CSUM, HOST_TSO4, HOST_TSO6), and taken from it likewise
 * (GUEST_CSUM, GUEST_TSO4, GUEST_TSO6); a large frame arrives in several buffers (MRG_RXBUF) and is put together. The device is
 * not trusted: see `slot-network.ts`, and `take`.
 *
 * Queues come in pairs (§5.1.2): pair `n` is queue `2 n` to receive and `2 n + 1` to transmit. One processor needs one pair, and
 * a device that is not told otherwise uses the first. Not here: the control queue, which would tell it (MQ), UDP segmentation;
 * indirect descriptors, for a frame and its header are one buffer, and a table for it would be one more look into memory.
 */
import type { SlotFrame } from '@mirage-ts/core/bytes'
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import { VNET_HEADER_LEN, vnetBufferCount } from '@mirage-ts/core/vnet-header'
import type { Mac } from '@mirage-ts/signatures/addresses'
import type { Network } from '@mirage-ts/signatures/network'
import type { Polled } from '../run-loop.ts'
import { ETHERNET_HEADER_LEN, EVERY_OFFLOAD, LONGEST_LEN, noFrames, SlotNetwork, slotFrame } from '../slot-network.ts'
import { LargeReceive } from './net-large.ts'
import {
  type DmaMemory,
  F_RING_EVENT_IDX,
  negotiate,
  readWhole,
  startDevice,
  unusable,
  type VirtioTransport,
} from './transport.ts'
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

const CONFIG_MTU = 10
/** The least packet of IPv4 (RFC 791 §3.2), and what our buffers hold. */
const MIN_MTU = 68
const MAX_MTU = 1500

/** Buffers for large frames at most: the device takes them as fast as we fill them, and each is 64 KiB. */
const LARGE_SLOTS = 16
/** Length of a receive buffer when large frames may come: 17 of them take the longest. */
const MERGED_LEN = 4096

/** Frames taken in one round before promises and timers get their turn. */
const ROUND_BUDGET = 128

/** `broken` is 1 once the device has said that it needs a reset (§2.1.1), and was closed. */
const COUNTERS = ['shortFrame', 'badUsed', 'badOffload', 'badMerge', 'broken'] as const

/** The interface with its counters of what the device did wrong. */
export interface VirtioNetwork extends Network, Polled {
  readonly counters: Readonly<Counters<(typeof COUNTERS)[number]>>
}

export interface VirtioNetworkOptions {
  /** Uses what the device offers to do with checksums and large frames. Default true. */
  readonly offload?: boolean
  /** Called once when the device says that it has broken, and was closed. */
  readonly onBroken?: () => void
}

/** Starts the device. Throws when it is not one we can drive. */
export function createVirtioNetwork(
  transport: VirtioTransport,
  memory: DmaMemory,
  { offload = true, onBroken = () => {} }: VirtioNetworkOptions = {},
): VirtioNetwork {
  const wanted = F_RING_EVENT_IDX | F_MAC | F_MTU | (offload ? F_OFFLOADS : 0)
  const agreed = negotiate(transport, wanted, (bits) => consistent(bits & F_MTU ? withMtu(bits, transport) : bits))
  if ((agreed & F_MAC) === 0) throw unusable(transport, 'network', 'it has no MAC address')
  const network = new VirtioNet(transport, memory, agreed, onBroken)
  startDevice(transport)
  network.fillReceiveQueue()
  return network
}

/** §5.1.4.2: who takes the device's MTU has room for such frames. Of one that can be larger we know nothing, and send as on any Ethernet. */
function withMtu(bits: number, transport: VirtioTransport): number {
  const mtuBytes = transport.readConfig16(CONFIG_MTU)
  return mtuBytes === readMtu(transport) ? bits : bits & ~F_MTU
}

function readMtu(transport: VirtioTransport): number {
  return Math.max(MIN_MTU, Math.min(transport.readConfig16(CONFIG_MTU), MAX_MTU))
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

class VirtioNet extends SlotNetwork implements VirtioNetwork {
  readonly counters = createCounters(COUNTERS)
  private readonly transport: VirtioTransport
  private readonly memory: DmaMemory
  private readonly receive: Virtqueue
  private readonly transmits: Virtqueue
  /** By slot, as far as they have been made. */
  private readonly rxFrames: (SlotFrame | undefined)[]
  private readonly rxBuffers: ArrayBuffer
  private readonly rxAddress: number
  private readonly rxLen: number
  /** Puts large frames together; `undefined` when none can come. */
  private readonly large: LargeReceive | undefined
  /** By slot. */
  private readonly txAddresses: number[] = []
  private isMemoryShort = false
  private readonly onBroken: () => void

  constructor(transport: VirtioTransport, memory: DmaMemory, agreed: number, onBroken: () => void) {
    const mtuBytes = (agreed & F_MTU) === 0 ? MAX_MTU : readMtu(transport)
    const bufferLen = (VNET_HEADER_LEN + ETHERNET_HEADER_LEN + mtuBytes + 63) & ~63
    const hasMerged = (agreed & F_MRG_RXBUF) !== 0
    const rxLen = hasMerged ? MERGED_LEN : bufferLen
    const hasEventIdx = (agreed & F_RING_EVENT_IDX) !== 0
    const receive = createQueue(transport, memory, QUEUE_RECEIVE, rxLen, 'device-writes', hasEventIdx)
    const transmits = createQueue(transport, memory, QUEUE_TRANSMIT, bufferLen, 'device-reads', hasEventIdx)
    // A slot is a descriptor: the large ones take some away from the others.
    const hasLarge = (agreed & (F_HOST_TSO4 | F_HOST_TSO6)) !== 0
    const maxLarge = hasLarge ? Math.min(LARGE_SLOTS, transmits.size >> 1) : 0
    const slotCount = transmits.size - maxLarge
    const rx = memory.alloc(receive.size * rxLen, 64)
    const tx = memory.alloc(slotCount * bufferLen, 64)
    super({
      mac: readConfigMac(transport),
      mtuBytes,
      headroomBytes: VNET_HEADER_LEN,
      offload: {
        checksum: (agreed & F_CSUM) !== 0,
        tcp4Bytes: (agreed & F_HOST_TSO4) === 0 ? 0 : EVERY_OFFLOAD.tcp4Bytes,
        tcp6Bytes: (agreed & F_HOST_TSO6) === 0 ? 0 : EVERY_OFFLOAD.tcp6Bytes,
      },
      hasHeader: true,
      hasReceiveOffload: (agreed & F_GUEST_CSUM) !== 0,
      buffers: tx.buffer,
      bufferLen,
      bufferCount: slotCount,
      maxLarge,
    })
    this.transport = transport
    this.onBroken = onBroken
    this.memory = memory
    this.receive = receive
    this.transmits = transmits
    this.rxAddress = rx.address
    this.rxLen = rxLen
    this.rxFrames = noFrames(receive.size)
    this.rxBuffers = rx.buffer
    for (let slot = 0; slot < slotCount; slot++) this.txAddresses[slot] = tx.address + slot * bufferLen
    this.large = hasMerged ? new LargeReceive(new Uint8Array(rx.buffer), rxLen, LONGEST_LEN) : undefined
  }

  /** Offers every receive buffer and lets the device interrupt. */
  fillReceiveQueue(): void {
    for (let slot = 0; slot < this.receive.size; slot++) {
      this.receive.offer(slot, this.rxAddress + slot * this.rxLen, this.rxLen)
    }
    this.transport.enableInterrupt()
    this.receive.wantInterrupt()
    this.flush()
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
      this.take(slot, this.receive.usedLen)
      this.receive.offerAgain(slot)
      budget--
    }
    this.counters.badUsed = this.receive.badUsedCount + this.transmits.badUsedCount
    if (budget === 0) return true
    // Lower the line, then look once more: a frame that came in between would raise no new interrupt.
    if (this.transport.acknowledgeInterrupt(budget < ROUND_BUDGET)) {
      this.counters.broken++
      this.close()
      this.onBroken()
      return false
    }
    return this.receive.wantInterrupt()
  }

  flush(): void {
    if (this.isClosed) return
    if (this.receive.needsNotification()) this.transport.notify(QUEUE_RECEIVE)
    if (this.transmits.needsNotification()) this.transport.notify(QUEUE_TRANSMIT)
  }

  protected transmit(slot: number, start: number, end: number): void {
    this.transmits.offer(slot, (this.txAddresses[slot] as number) + start, end - start)
  }

  /** Takes what the device has sent back from the transmit queue. */
  protected reclaim(): void {
    for (let slot = this.transmits.takeUsed(); slot >= 0; slot = this.transmits.takeUsed()) this.putIdle(slot)
  }

  protected largeBuffer(slot: number): Uint8Array | undefined {
    if (this.isMemoryShort) return undefined
    try {
      const { buffer, address } = this.memory.alloc((LONGEST_LEN + 63) & ~63, 64)
      this.txAddresses[slot] = address
      return new Uint8Array(buffer)
    } catch {
      // A small machine has no memory for more of them; ordinary frames do as well.
      this.isMemoryShort = true
      return undefined
    }
  }

  /** A buffer has come back with `usedLen` octets: a frame, or with merged buffers a part of one. */
  private take(slot: number, usedLen: number): void {
    const first = this.rxFrames[slot] ?? this.makeReceiveFrame(slot)
    const { large } = this
    if (large === undefined) {
      this.input(first, 0, usedLen)
    } else if (large.isWaiting) {
      const end = large.add(slot, usedLen)
      if (end > 0) this.input(large.frame, 0, end)
      else if (end < 0) this.dropMerge()
    } else {
      // §5.1.6.4: num_buffers of the first says how many there are.
      const count = usedLen < VNET_HEADER_LEN ? 1 : vnetBufferCount(first, 0)
      if (count === 1) this.input(first, 0, usedLen)
      else if (!large.begin(slot, usedLen, count)) this.dropMerge()
    }
  }

  private makeReceiveFrame(slot: number): SlotFrame {
    const frame = slotFrame(this.rxBuffers, this.rxLen, slot)
    this.rxFrames[slot] = frame
    return frame
  }

  private dropMerge(): void {
    this.counters.badMerge++
    this.stats.rxDropped++
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
  if (maxSize === 0) throw unusable(transport, 'network', `it has no queue ${index}`)
  const size = 2 ** Math.floor(Math.log2(maxSize))
  const queue = new Virtqueue(memory, size, slotLen, direction, hasEventIdx)
  transport.enableQueue(index, size, queue.addresses)
  return queue
}

function readConfigMac(transport: VirtioTransport): Mac {
  return readWhole(transport, () => {
    let mac = 0
    for (let i = 0; i < 6; i++) mac = mac * 256 + transport.readConfig8(i)
    return mac as Mac
  })
}
