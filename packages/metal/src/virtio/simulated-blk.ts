/** A disk for tests of the driver: it does what it is asked when it is told to look, or later, or badly. */
import type { DeviceQueue, SimulatedMemory } from './simulated-device.ts'
import { SimulatedTransport } from './simulated-transport.ts'

const LITTLE = true
const UNIT = 512

/** Where fields of one octet, of two, and of none are (§5.2.4); the others have four, or two halves of that. */
const OCTETS: ReadonlySet<number> = new Set([18, 19, 24, 25, 32, 33, 56, 57, 58, 59])
const PAIRS: ReadonlySet<number> = new Set([16, 26, 34])

export class SimulatedDisk extends SimulatedTransport {
  readonly deviceId = 2
  readonly image: Uint8Array
  /** EVENT_IDX, FLUSH and DISCARD. */
  features: [number, number] = [(1 << 29) | (1 << 9) | (1 << 13), 1]
  sectorBytes = UNIT
  sizeMax = 0
  queueSize = 16
  id = 'data'
  /** The status given to requests of sectors in here. */
  badUnits = new Set<number>()
  flushCount = 0
  discarded: (readonly [unit: number, units: number])[] = []
  zeroesMayUnmap = true
  /** Greatest number of requests that waited at once. */
  maxWaiting = 0
  /** Greatest number of buffers that held the data of a request. */
  maxSegments = 0
  /** F_SEG_MAX's. */
  segmentsMax = 0
  constructor(memory: SimulatedMemory, units: number) {
    super(memory)
    this.image = new Uint8Array(units * UNIT)
  }

  get queue(): DeviceQueue | undefined {
    return this.queues[0]
  }

  override notify(index: number): void {
    super.notify(index)
    this.interrupt = true
  }

  protected maxSize(): number {
    return this.queueSize
  }

  protected fieldLen(off: number): number {
    return OCTETS.has(off) ? 1 : PAIRS.has(off) ? 2 : off % 4 === 0 ? 4 : 0
  }

  protected config(): DataView {
    const config = new DataView(new ArrayBuffer(64))
    config.setUint32(0, this.image.length / UNIT, LITTLE)
    config.setUint32(8, this.sizeMax, LITTLE)
    config.setUint32(12, this.segmentsMax, LITTLE)
    config.setUint32(20, this.sectorBytes, LITTLE)
    config.setUint32(36, 100, LITTLE)
    config.setUint32(48, 70, LITTLE)
    config.setUint8(56, this.zeroesMayUnmap ? 1 : 0)
    return config
  }

  /** Does everything asked so far, last request first: a device may finish in any order. */
  work(): void {
    const chains: NonNullable<ReturnType<DeviceQueue['takeChain']>>[] = []
    for (let chain = this.queue?.takeChain(); chain !== undefined; chain = this.queue?.takeChain()) chains.push(chain)
    this.maxWaiting = Math.max(this.maxWaiting, chains.length)
    for (const { id, parts } of chains.reverse()) {
      const header = (parts[0] as { view: DataView }).view
      const status = parts.at(-1) as { view: DataView; isWritable: boolean }
      if (parts[0]?.isWritable === true || !status.isWritable) throw new Error('The wrong buffers are writable')
      this.maxSegments = Math.max(this.maxSegments, parts.length - 2)
      status.view.setUint8(0, this.answer(header, parts.slice(1, -1)))
      this.queue?.giveBack(id, 1)
    }
    this.interrupt = chains.length > 0
  }

  private answer(header: DataView, data: readonly { view: DataView; isWritable: boolean }[]): number {
    const type = header.getUint32(0, LITTLE)
    if (type === 4) this.flushCount++
    let unit = header.getUint32(8, LITTLE)
    let status = type === 4 && data.length === 0 ? 0 : 2
    for (const { view, isWritable } of data) {
      if (isWritable !== (type === 0 || type === 8)) throw new Error('The data has the wrong direction')
      status = this.transfer(type, unit, view)
      if (status !== 0) return status
      unit += view.byteLength / UNIT
    }
    return status
  }

  private transfer(type: number, unit: number, view: DataView): number {
    const octets = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
    if (type === 8) {
      octets.fill(0)
      octets.set(Array.from(this.id, (char) => char.charCodeAt(0)))
      return 0
    }
    if (type === 13) {
      if (view.getUint32(12, LITTLE) !== 1) throw new Error('Zeroes are written that must not be unmapped')
      const from = view.getUint32(0, LITTLE) * UNIT
      this.image.fill(0, from, from + view.getUint32(8, LITTLE) * UNIT)
      return 0
    }
    if (type === 11) {
      this.discarded.push([view.getUint32(0, LITTLE), view.getUint32(8, LITTLE)])
      return 0
    }
    if (this.sizeMax > 0 && octets.length > this.sizeMax) throw new Error('A transfer is longer than size_max')
    for (let i = 0; i < octets.length / UNIT; i++) if (this.badUnits.has(unit + i)) return 1
    if (type === 0) octets.set(this.image.subarray(unit * UNIT, unit * UNIT + octets.length))
    else if (type === 1) this.image.set(octets, unit * UNIT)
    else return 2
    return 0
  }
}
