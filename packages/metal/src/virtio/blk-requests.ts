/** The requests of one virtio block device (Virtual I/O Device 1.2 §5.2.6): those that it has, and those that wait. */
import type { Polled } from '../run-loop.ts'
import type { ChainQueue } from './chain-queue.ts'
import type { DmaMemory, VirtioTransport } from './transport.ts'

export const TYPE_READ = 0
export const TYPE_GET_ID = 8
export const STATUS_OK = 0
/** No status of a device: the disk was closed, or the device has said that it needs a reset (§2.1.1). */
export const STATUS_CLOSED: number = -1
export const STATUS_BROKEN: number = -2
/** What the octet of the status holds before the device has written it. */
const STATUS_NONE = 0xff

const HEADER_LEN = 16
/** A slot's header and, behind it, the octet of its status. */
const CONTROL_LEN = 32
const LITTLE = true

/** How requests are made. */
export interface RequestShape {
  /** At once. */
  readonly slotCount: number
  /** Data goes in segments of this length, of which there are so many. */
  readonly segmentLen: number
  readonly segmentCount: number
  readonly segmentsPerRequest: number
}

/** A request that the device has, or that waits for a slot and segments. */
interface Request {
  readonly type: number
  /** In units of 512 octets. */
  readonly unit: number
  /** Read from or written into; borrowed until the request is done. */
  readonly octets: Uint8Array
  readonly done: (status: number) => void
  /** Those that hold its data. */
  readonly segments: number[]
}

export class BlockRequests implements Polled {
  /** Octets that one request takes. */
  readonly dataLen: number
  private readonly transport: VirtioTransport
  private readonly queue: ChainQueue
  private readonly segmentLen: number
  private readonly data: Uint8Array
  private readonly dataAddress: number
  private readonly control: DataView
  private readonly controlAddress: number
  private readonly pending: (Request | undefined)[]
  private readonly idleSlots: number[]
  private readonly idleSegments: number[]
  private readonly waiting: Request[] = []
  /** What all requests end with once it was stopped. */
  private stopped: number | undefined

  constructor(transport: VirtioTransport, memory: DmaMemory, queue: ChainQueue, shape: RequestShape) {
    const { segmentLen, segmentCount, segmentsPerRequest } = shape
    this.transport = transport
    this.queue = queue
    this.segmentLen = segmentLen
    this.dataLen = segmentLen * segmentsPerRequest
    const data = memory.alloc(segmentCount * segmentLen, 4096)
    this.data = new Uint8Array(data.buffer)
    this.dataAddress = data.address
    const control = memory.alloc(queue.slotCount * CONTROL_LEN, 16)
    this.control = new DataView(control.buffer)
    this.controlAddress = control.address
    this.pending = new Array<Request | undefined>(queue.slotCount).fill(undefined)
    this.idleSlots = Array.from({ length: queue.slotCount }, (_, slot) => queue.slotCount - 1 - slot)
    this.idleSegments = Array.from({ length: segmentCount }, (_, segment) => segmentCount - 1 - segment)
  }

  /** Makes a request and resolves with the status that the device gives it, or with one of ours when it was stopped. */
  make(type: number, unit: number, octets: Uint8Array): Promise<number> {
    if (this.stopped !== undefined) return Promise.resolve(this.stopped)
    return new Promise((done) => {
      this.waiting.push({ type, unit, octets, done, segments: [] })
      this.startWaiting()
    })
  }

  /** Ends every request, and those to come, with `status`; the device is reset. */
  stop(status: number): void {
    if (this.stopped !== undefined) return
    this.stopped = status
    this.transport.setStatus(0)
    for (const request of [...this.pending, ...this.waiting.splice(0)]) request?.done(status)
    this.pending.fill(undefined)
  }

  poll(): boolean {
    if (this.stopped !== undefined) return false
    let hasTaken = false
    for (let slot = this.queue.takeUsed(); slot >= 0; slot = this.queue.takeUsed()) {
      hasTaken = true
      this.finish(slot)
    }
    if (hasTaken) this.startWaiting()
    if (this.transport.acknowledgeInterrupt(hasTaken)) {
      // What it was given may never come back.
      this.stop(STATUS_BROKEN)
      return false
    }
    return this.queue.wantInterrupt()
  }

  flush(): void {
    if (this.stopped === undefined && this.queue.needsNotification()) this.transport.notify(0)
  }

  /** In their order: a large one that needs more than is free is not overtaken for ever. */
  private startWaiting(): void {
    while (this.waiting.length > 0) {
      const request = this.waiting[0] as Request
      const segmentCount = Math.ceil(request.octets.length / this.segmentLen)
      if (this.idleSlots.length === 0 || this.idleSegments.length < segmentCount) return
      this.waiting.shift()
      this.start(this.idleSlots.pop() as number, request, segmentCount)
    }
  }

  private start(slot: number, request: Request, segmentCount: number): void {
    const { type, unit, octets, segments } = request
    const at = slot * CONTROL_LEN
    this.control.setUint32(at, type, LITTLE)
    this.control.setUint32(at + 4, 0, LITTLE)
    this.control.setUint32(at + 8, unit >>> 0, LITTLE)
    this.control.setUint32(at + 12, Math.floor(unit / 2 ** 32), LITTLE)
    this.control.setUint8(at + HEADER_LEN, STATUS_NONE)
    this.queue.set(slot, 0, this.controlAddress + at, HEADER_LEN, false)
    const deviceWrites = isRead(type)
    for (let i = 0; i < segmentCount; i++) {
      const segment = this.idleSegments.pop() as number
      segments.push(segment)
      const off = segment * this.segmentLen
      const part = octets.subarray(i * this.segmentLen, (i + 1) * this.segmentLen)
      if (!deviceWrites) this.data.set(part, off)
      this.queue.set(slot, 1 + i, this.dataAddress + off, part.length, deviceWrites)
    }
    this.queue.set(slot, 1 + segmentCount, this.controlAddress + at + HEADER_LEN, 1, true)
    this.pending[slot] = request
    this.queue.offer(slot, 2 + segmentCount)
  }

  private finish(slot: number): void {
    const request = this.pending[slot]
    this.pending[slot] = undefined
    this.idleSlots.push(slot)
    if (request === undefined) return
    const { type, octets, segments, done } = request
    const status = this.control.getUint8(slot * CONTROL_LEN + HEADER_LEN)
    if (isRead(type) && status === STATUS_OK) {
      for (const [i, segment] of segments.entries()) {
        const lenBytes = Math.min(this.segmentLen, octets.length - i * this.segmentLen)
        const off = segment * this.segmentLen
        octets.set(this.data.subarray(off, off + lenBytes), i * this.segmentLen)
      }
    }
    this.idleSegments.push(...segments)
    done(status)
  }
}

function isRead(type: number): boolean {
  return type === TYPE_READ || type === TYPE_GET_ID
}
