/**
 * Driver of the virtio block device (Virtual I/O Device 1.2 §5.2): one queue, several requests in flight.
 *
 * Data goes through buffers of the driver that the device can reach: one copy each way. Where the device knows indirect
 * descriptors a request has as many of them as it needs, so that small requests go in greater number, and large ones whole. Without `F_FLUSH` the device
 * writes through (§5.2.6.2), so flushing has nothing to do. A device that cannot discard but write zeroes is told that it
 * may unmap what they fill. Not here: several queues, secure erase.
 */
import { BlockError } from '@mirage-ts/core/errors'
import type { Block } from '@mirage-ts/signatures/block'
import type { Polled } from '../run-loop.ts'
import {
  BlockRequests,
  type RequestShape,
  STATUS_BROKEN,
  STATUS_CLOSED,
  STATUS_OK,
  TYPE_GET_ID,
  TYPE_READ,
} from './blk-requests.ts'
import { ChainQueue } from './chain-queue.ts'
import {
  type DmaMemory,
  F_RING_EVENT_IDX,
  F_RING_INDIRECT_DESC,
  negotiate,
  readWhole,
  startDevice,
  unusable,
  type VirtioTransport,
} from './transport.ts'

export const DEVICE_ID_BLOCK = 2

// §5.2.3, bits of word 0
const F_SIZE_MAX = 1 << 1
const F_SEGMENTS_MAX = 1 << 2
const F_READ_ONLY = 1 << 5
const F_BLOCK_SIZE = 1 << 6
const F_FLUSH = 1 << 9
const F_DISCARD = 1 << 13
const F_WRITE_ZEROES = 1 << 14

// §5.2.4
const CONFIG_CAPACITY = 0
const CONFIG_SIZE_MAX = 8
const CONFIG_SEGMENTS_MAX = 12
const CONFIG_BLOCK_SIZE = 20
const CONFIG_MAX_DISCARD = 36
const CONFIG_MAX_ZEROES = 48
const CONFIG_ZEROES_MAY_UNMAP = 56

// §5.2.6
const TYPE_WRITE = 1
const TYPE_FLUSH = 4
const TYPE_DISCARD = 11
const TYPE_WRITE_ZEROES = 13
/** §5.2.6: struct virtio_blk_discard_write_zeroes, flags. */
const MAY_UNMAP = 1
const STATUS_UNSUPPORTED = 2

const ID_LEN = 20
const DISCARD_LEN = 16
/** The unit of `capacity` and of the sector in a request, whatever the device's own is. */
const UNIT_BYTES = 512
const LITTLE = true

/** Half a megabyte for data, in either shape. */
const DIRECT: RequestShape = { slotCount: 8, segmentLen: 65_536, segmentCount: 8, segmentsPerRequest: 1 }
const INDIRECT: RequestShape = { slotCount: 32, segmentLen: 16_384, segmentCount: 32, segmentsPerRequest: 16 }
const MAX_QUEUE_SIZE = 64
/** Buffers of a request beside those of its data. */
const OTHER_BUFFERS = 2
/** Of powers of two, the least with room for a request. */
const MIN_QUEUE_SIZE = 4

/** A block device and what the run loop needs of it. */
export interface VirtioBlock {
  readonly block: Block
  readonly polled: Polled
  /** The name that the hypervisor gave the disk (QEMU: `serial`), empty when it gave none. */
  readId(): Promise<string>
}

/** Starts the device. Throws when it is not one we can drive. */
export function createVirtioBlock(transport: VirtioTransport, memory: DmaMemory): VirtioBlock {
  const ofRing = F_RING_EVENT_IDX | F_RING_INDIRECT_DESC
  const ofDisk = F_SIZE_MAX | F_SEGMENTS_MAX | F_READ_ONLY | F_BLOCK_SIZE | F_FLUSH | F_DISCARD | F_WRITE_ZEROES
  const features = negotiate(transport, ofRing | ofDisk)
  const maxSize = Math.min(transport.queueMaxSize(0), MAX_QUEUE_SIZE)
  const isIndirect = (features & F_RING_INDIRECT_DESC) !== 0
  if (maxSize < MIN_QUEUE_SIZE) throw unusable(transport, 'block', `its queue has ${maxSize} places`)
  const size = 2 ** Math.floor(Math.log2(maxSize))
  const config = readWhole(transport, () => readConfig(transport, features))
  const { sectorBytes, capacity, sizeMax, segmentsMax } = config
  const sectorCount = Math.floor((capacity * UNIT_BYTES) / sectorBytes)
  if (sectorBytes < UNIT_BYTES || sectorBytes > 4096 || (sectorBytes & (sectorBytes - 1)) !== 0) {
    throw unusable(transport, 'block', `it has sectors of ${sectorBytes} octets`)
  }
  const given = isIndirect ? INDIRECT : DIRECT
  const shape = {
    ...given,
    segmentLen: Math.min(given.segmentLen, sizeMax - (sizeMax % sectorBytes)),
    // §2.7.5.3.1: no request has more descriptors than the queue, in a table of its own either. A device that says none means one.
    segmentsPerRequest: Math.min(given.segmentsPerRequest, segmentsMax || 1, size - OTHER_BUFFERS),
  }
  if (shape.segmentLen === 0) throw unusable(transport, 'block', `a transfer takes ${sizeMax} octets`)
  const queue = new ChainQueue(memory, size, {
    bufferCount: OTHER_BUFFERS + shape.segmentsPerRequest,
    isIndirect,
    slotCount: shape.slotCount,
    hasEventIdx: (features & F_RING_EVENT_IDX) !== 0,
  })
  transport.enableQueue(0, size, queue.addresses)
  const requests = new BlockRequests(transport, memory, queue, shape)
  startDevice(transport)
  transport.enableInterrupt()
  queue.wantInterrupt()
  const block = new Disk(requests, {
    sectorBytes,
    sectorCount,
    isReadOnly: (features & F_READ_ONLY) !== 0,
    hasFlush: (features & F_FLUSH) !== 0,
    discardType: (features & F_DISCARD) !== 0 ? TYPE_DISCARD : TYPE_WRITE_ZEROES,
    // Of whole sectors.
    maxDiscard: config.maxDiscard - (config.maxDiscard % (sectorBytes / UNIT_BYTES)),
  })
  return { block, polled: requests, readId: () => readId(requests) }
}

/** What the device's configuration says (§5.2.4), of each field whose feature was agreed. */
interface BlockConfig {
  /** In units of 512 octets. */
  readonly capacity: number
  readonly sectorBytes: number
  readonly sizeMax: number
  readonly segmentsMax: number
  /** Units that one request discards; 0 when none can. */
  readonly maxDiscard: number
}

function readConfig(transport: VirtioTransport, features: number): BlockConfig {
  const field = (feature: number, off: number, otherwise: number): number =>
    (features & feature) === 0 ? otherwise : transport.readConfig32(off)
  const canUnmap = (features & F_WRITE_ZEROES) !== 0 && transport.readConfig8(CONFIG_ZEROES_MAY_UNMAP) === 1
  const maxZeroes = canUnmap ? transport.readConfig32(CONFIG_MAX_ZEROES) : 0
  return {
    capacity: transport.readConfig32(CONFIG_CAPACITY) + transport.readConfig32(CONFIG_CAPACITY + 4) * 2 ** 32,
    sectorBytes: field(F_BLOCK_SIZE, CONFIG_BLOCK_SIZE, UNIT_BYTES),
    sizeMax: field(F_SIZE_MAX, CONFIG_SIZE_MAX, 2 ** 32),
    segmentsMax: field(F_SEGMENTS_MAX, CONFIG_SEGMENTS_MAX, 2 ** 32),
    maxDiscard: field(F_DISCARD, CONFIG_MAX_DISCARD, maxZeroes),
  }
}

async function readId(requests: BlockRequests): Promise<string> {
  const octets = new Uint8Array(ID_LEN)
  if ((await requests.make(TYPE_GET_ID, 0, octets)) !== STATUS_OK) return ''
  const end = octets.indexOf(0)
  return String.fromCharCode(...octets.subarray(0, end < 0 ? ID_LEN : end))
}

interface DiskShape {
  readonly sectorBytes: number
  readonly sectorCount: number
  readonly isReadOnly: boolean
  readonly hasFlush: boolean
  /** The request that discards. */
  readonly discardType: number
  /** Units of 512 octets in one of them; 0 when the device has none. */
  readonly maxDiscard: number
}

const NOTHING = new Uint8Array(0)

class Disk implements Block {
  readonly sectorBytes: number
  readonly sectorCount: number
  readonly isReadOnly: boolean
  private readonly requests: BlockRequests
  private readonly hasFlush: boolean
  private readonly discardType: number
  private readonly maxDiscard: number
  private isClosed = false

  constructor(requests: BlockRequests, shape: DiskShape) {
    this.requests = requests
    this.sectorBytes = shape.sectorBytes
    this.sectorCount = shape.sectorCount
    this.isReadOnly = shape.isReadOnly
    this.hasFlush = shape.hasFlush
    this.discardType = shape.discardType
    this.maxDiscard = shape.maxDiscard
  }

  async read(sector: number, into: Uint8Array): Promise<void> {
    this.check(sector, into.length / this.sectorBytes, false)
    await this.transfer(TYPE_READ, sector, into)
  }

  async write(sector: number, from: Uint8Array): Promise<void> {
    this.check(sector, from.length / this.sectorBytes, true)
    await this.transfer(TYPE_WRITE, sector, from)
  }

  async flush(): Promise<void> {
    this.check(0, 0, false)
    if (this.isReadOnly || !this.hasFlush) return
    const status = await this.requests.make(TYPE_FLUSH, 0, NOTHING)
    if (status !== STATUS_OK) throw failure('flush', 0, status)
  }

  async discard(sector: number, sectorCount: number): Promise<void> {
    this.check(sector, sectorCount, true)
    const unitsPerSector = this.sectorBytes / UNIT_BYTES
    const end = (sector + sectorCount) * unitsPerSector
    if (this.maxDiscard === 0) return
    for (let unit = sector * unitsPerSector; unit < end; unit += this.maxDiscard) {
      // §5.2.6: struct virtio_blk_discard_write_zeroes
      const range = new Uint8Array(DISCARD_LEN)
      const view = new DataView(range.buffer)
      view.setUint32(0, unit >>> 0, LITTLE)
      view.setUint32(4, Math.floor(unit / 2 ** 32), LITTLE)
      view.setUint32(8, Math.min(this.maxDiscard, end - unit), LITTLE)
      if (this.discardType === TYPE_WRITE_ZEROES) view.setUint32(12, MAY_UNMAP, LITTLE)
      const status = await this.requests.make(this.discardType, 0, range)
      if (status !== STATUS_OK && status !== STATUS_UNSUPPORTED) throw failure('discard', sector, status)
    }
  }

  async close(): Promise<void> {
    this.isClosed = true
    this.requests.stop(STATUS_CLOSED)
  }

  private check(sector: number, sectorCount: number, isChange: boolean): void {
    if (this.isClosed) throw new BlockError('closed', 'Cannot access the disk: it is closed')
    if (isChange && this.isReadOnly) throw new BlockError('read-only', 'Cannot write: the disk is read-only')
    const isWhole = Number.isSafeInteger(sector) && Number.isSafeInteger(sectorCount)
    if (!isWhole || sector < 0 || sectorCount < 0 || sector + sectorCount > this.sectorCount) {
      throw new RangeError(
        `Cannot access ${sectorCount} sectors from ${sector} on: expected whole ones of ${this.sectorCount}`,
      )
    }
  }

  /** Cuts a transfer into requests; they run together, and all of them have ended when it settles. */
  private async transfer(type: number, sector: number, octets: Uint8Array): Promise<void> {
    const { dataLen } = this.requests
    const unit = sector * (this.sectorBytes / UNIT_BYTES)
    const parts: Promise<number>[] = []
    for (let off = 0; off < octets.length; off += dataLen) {
      parts.push(this.requests.make(type, unit + off / UNIT_BYTES, octets.subarray(off, off + dataLen)))
    }
    for (const [i, status] of (await Promise.all(parts)).entries()) {
      if (status === STATUS_OK) continue
      throw failure(type === TYPE_READ ? 'read' : 'write', sector + (i * dataLen) / this.sectorBytes, status)
    }
  }
}

function failure(verb: string, sector: number, status: number): BlockError {
  if (status === STATUS_CLOSED) return new BlockError('closed', `Cannot ${verb} sector ${sector}: the disk was closed`)
  if (status === STATUS_BROKEN)
    return new BlockError('io', `Cannot ${verb} sector ${sector}: the disk's device has broken`)
  return new BlockError('io', `Cannot ${verb} sector ${sector}: the disk says status ${status}`)
}
