/** The other side of a virtqueue, for tests: a device that behaves, and can be told to misbehave. */
import type { DmaMemory, QueueAddresses } from './transport.ts'

const LITTLE = true

/** Physical memory that a test can look into. */
export class SimulatedMemory implements DmaMemory {
  private readonly regions: { readonly address: number; readonly buffer: ArrayBuffer }[] = []
  private next = 0x10_0000

  /** Octets that are left. */
  leftBytes = Number.POSITIVE_INFINITY

  alloc(lenBytes: number, alignBytes: number): { readonly buffer: ArrayBuffer; readonly address: number } {
    if (lenBytes > this.leftBytes) throw new RangeError('out of memory')
    this.leftBytes -= lenBytes
    const address = Math.ceil(this.next / alignBytes) * alignBytes
    const region = { address, buffer: new ArrayBuffer(lenBytes) }
    this.regions.push(region)
    this.next = address + lenBytes + 4096
    return region
  }

  barrier(): void {}

  /** Writes a random octet somewhere, as a device can that it was shown to. */
  scribble(random: { u32(): number }): void {
    const { buffer } = this.regions[random.u32() % this.regions.length] as { buffer: ArrayBuffer }
    new Uint8Array(buffer)[random.u32() % buffer.byteLength] = random.u32()
  }

  /** The octets at `[address, address + lenBytes)`; throws when they are not all in one region: a wild address. */
  view(address: number, lenBytes: number): DataView {
    const region = this.regions.find(
      (r) => address >= r.address && address + lenBytes <= r.address + r.buffer.byteLength,
    )
    if (region === undefined)
      throw new Error(`Device access outside of its memory: 0x${address.toString(16)}, ${lenBytes}`)
    return new DataView(region.buffer, address - region.address, lenBytes)
  }
}

/** One queue as the device sees it. */
export class DeviceQueue {
  private readonly memory: SimulatedMemory
  private readonly size: number
  private readonly addresses: QueueAddresses
  private availableIdx = 0
  private usedIdx = 0

  constructor(memory: SimulatedMemory, size: number, addresses: QueueAddresses) {
    this.memory = memory
    this.size = size
    this.addresses = addresses
  }

  /** The next buffer offered, or `undefined`. */
  take(): { readonly id: number; readonly view: DataView; readonly isWritable: boolean } | undefined {
    const available = this.memory.view(this.addresses.available, 6 + 2 * this.size)
    if (available.getUint16(2, LITTLE) === this.availableIdx) return undefined
    const id = available.getUint16(4 + 2 * (this.availableIdx % this.size), LITTLE)
    this.availableIdx = (this.availableIdx + 1) & 0xffff
    const descriptor = this.memory.view(this.addresses.descriptors + 16 * id, 16)
    const address = descriptor.getUint32(0, LITTLE) + descriptor.getUint32(4, LITTLE) * 0x1_0000_0000
    const view = this.memory.view(address, descriptor.getUint32(8, LITTLE))
    return { id, view, isWritable: (descriptor.getUint16(12, LITTLE) & 2) !== 0 }
  }

  /** The next chain offered, or `undefined`; throws when it does not end. */
  takeChain():
    | { readonly id: number; readonly parts: { readonly view: DataView; readonly isWritable: boolean }[] }
    | undefined {
    const first = this.take()
    if (first === undefined) return undefined
    const head = this.memory.view(this.addresses.descriptors + 16 * first.id, 16)
    // §2.7.5.3: a table elsewhere, in which descriptors are counted from its start.
    const isIndirect = (head.getUint16(12, LITTLE) & 4) !== 0
    const count = isIndirect ? head.getUint32(8, LITTLE) / 16 : this.size
    // §2.7.5.3.1
    if (count > this.size) throw new Error('A chain of descriptors is longer than the queue')
    const table = isIndirect ? first.view : this.memory.view(this.addresses.descriptors, 16 * this.size)
    const parts: { readonly view: DataView; readonly isWritable: boolean }[] = []
    for (let at = isIndirect ? 0 : first.id; ; at = table.getUint16(16 * at + 14, LITTLE)) {
      if (at >= count || parts.length === count)
        throw new Error('A chain of descriptors has no end, or leaves its table')
      const address = table.getUint32(16 * at, LITTLE) + table.getUint32(16 * at + 4, LITTLE) * 0x1_0000_0000
      const flags = table.getUint16(16 * at + 12, LITTLE)
      if ((flags & 4) !== 0) throw new Error('An indirect table names another')
      parts.push({
        view: this.memory.view(address, table.getUint32(16 * at + 8, LITTLE)),
        isWritable: (flags & 2) !== 0,
      })
      if ((flags & 1) === 0) return { id: first.id, parts }
    }
  }

  /** Gives a buffer back; `id` and `lenBytes` may be lies. */
  giveBack(id: number, lenBytes: number): void {
    const used = this.memory.view(this.addresses.used, 6 + 8 * this.size)
    used.setUint32(4 + 8 * (this.usedIdx % this.size), id, LITTLE)
    used.setUint32(8 + 8 * (this.usedIdx % this.size), lenBytes, LITTLE)
    this.advance(1)
  }

  /** Moves the used index, whatever stands in the ring. */
  advance(count: number): void {
    this.usedIdx = (this.usedIdx + count) & 0xffff
    this.memory.view(this.addresses.used, 4).setUint16(2, this.usedIdx, LITTLE)
  }

  /** EVENT_IDX: notify us when the available index passes `idx`. */
  setAvailableEvent(idx: number): void {
    this.memory.view(this.addresses.used + 4 + 8 * this.size, 2).setUint16(0, idx & 0xffff, LITTLE)
  }

  /** EVENT_IDX: would the driver want an interrupt for the move of the used index from `old`? (§2.7.7.2) */
  wantsInterrupt(old: number): boolean {
    const event = this.memory.view(this.addresses.available + 4 + 2 * this.size, 2).getUint16(0, LITTLE)
    return ((this.usedIdx - event - 1) & 0xffff) < ((this.usedIdx - old) & 0xffff)
  }

  get used(): number {
    return this.usedIdx
  }
}
