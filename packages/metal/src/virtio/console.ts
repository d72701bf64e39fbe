/**
 * Driver of the virtio console (Virtual I/O Device 1.2 §5.3): what is written to its first port.
 *
 * A log must be out when the machine stops, and its lines must not wait for the run loop: so the driver hands text over at
 * once, asks for no interrupt, and waits only when all its buffers are with the device. A device that takes none for a
 * second is given characters by its emergency register, where it has one, or nothing more until it takes buffers again.
 *
 * Not here: more ports (F_MULTIPORT), the size of the terminal, and input, which no signature of ours asks for.
 */
import { utf8Encode } from '@mirage-ts/core/utf8'
import {
  type DmaMemory,
  F_RING_EVENT_IDX,
  negotiate,
  startDevice,
  unusable,
  type VirtioTransport,
} from './transport.ts'
import { Virtqueue } from './virtqueue.ts'

export const DEVICE_ID_CONSOLE = 3

// §5.3.3, §5.3.4
const F_EMERGENCY_WRITE = 1 << 2
const CONFIG_EMERGENCY_WRITE = 8

/** §5.3.2: queues of port 0. */
const QUEUE_TRANSMIT = 1

const MAX_SLOTS = 16
const SLOT_LEN = 512
const PATIENCE_US = 1_000_000

/** The first port of a console. */
export class VirtioConsole {
  /** Octets that the device did not take. */
  lostLen = 0
  private readonly transport: VirtioTransport
  private readonly clock: () => number
  private readonly queue: Virtqueue
  private readonly buffer: Uint8Array
  private readonly address: number
  private readonly slotCount: number
  private readonly hasEmergencyWrite: boolean
  /** Slots that are not with the device. */
  private readonly idle: number[] = []
  /** It has not taken a buffer for a second: it is not waited for until it takes one. */
  private isStuck = false

  /** Starts the device; `clock` reads monotonic µs. Throws when it is not one we can drive. */
  constructor(transport: VirtioTransport, memory: DmaMemory, clock: () => number) {
    const features = negotiate(transport, F_RING_EVENT_IDX | F_EMERGENCY_WRITE)
    const maxSize = Math.min(transport.queueMaxSize(QUEUE_TRANSMIT), MAX_SLOTS)
    if (maxSize < 1) throw unusable(transport, 'console', 'it has no queue to write to')
    this.transport = transport
    this.clock = clock
    this.hasEmergencyWrite = (features & F_EMERGENCY_WRITE) !== 0
    this.slotCount = 2 ** Math.floor(Math.log2(maxSize))
    const { buffer, address } = memory.alloc(this.slotCount * SLOT_LEN, 16)
    this.buffer = new Uint8Array(buffer)
    this.address = address
    const hasEventIdx = (features & F_RING_EVENT_IDX) !== 0
    this.queue = new Virtqueue(memory, this.slotCount, SLOT_LEN, 'device-reads', hasEventIdx)
    for (let slot = this.slotCount - 1; slot >= 0; slot--) this.idle.push(slot)
    transport.enableQueue(QUEUE_TRANSMIT, this.slotCount, this.queue.addresses)
    startDevice(transport)
  }

  /** Writes text as UTF-8; for a surrogate without its other half goes U+FFFD. */
  write(text: string): void {
    const octets = utf8Encode(text.toWellFormed()) as Uint8Array
    for (let off = 0; off < octets.length; off += SLOT_LEN) {
      const part = octets.subarray(off, off + SLOT_LEN)
      if (this.idle.length === 0) this.waitFor(1)
      const slot = this.idle.pop()
      if (slot === undefined) this.writeInEmergency(part)
      else {
        this.buffer.set(part, slot * SLOT_LEN)
        this.queue.offer(slot, this.address + slot * SLOT_LEN, part.length)
      }
    }
    if (this.queue.needsNotification()) this.transport.notify(QUEUE_TRANSMIT)
  }

  /** Waits until the device has taken everything, a second at most. */
  drain(): void {
    this.waitFor(this.slotCount)
  }

  private waitFor(idleCount: number): void {
    if (this.queue.needsNotification()) this.transport.notify(QUEUE_TRANSMIT)
    let limit = this.isStuck ? 0 : this.clock() + PATIENCE_US
    do {
      for (let slot = this.queue.takeUsed(); slot >= 0; slot = this.queue.takeUsed()) {
        this.idle.push(slot)
        this.isStuck = false
        limit = this.clock() + PATIENCE_US
      }
      if (this.idle.length >= idleCount) return
    } while (this.clock() < limit)
    this.isStuck = true
  }

  private writeInEmergency(octets: Uint8Array): void {
    if (!this.hasEmergencyWrite) this.lostLen += octets.length
    else for (const octet of octets) this.transport.writeConfig32(CONFIG_EMERGENCY_WRITE, octet)
  }
}
