/**
 * From the four names of a conversation (two addresses, two ports) to a small number that the owner chose.
 *
 * Open addressing with linear probing on typed arrays, because a `Map` with integer keys is slow on the unikernel's
 * engine and a key built from four parts would be allocated for each packet. Deleting moves the rest of the cluster
 * back, so there are no tombstones and a look-up never gets slower with age. The hash is keyed: who does not know the
 * seeds cannot aim for one cluster.
 */
import type { IpAddress, Port } from '@mirage-ts/signatures/addresses'

const INITIAL_SLOTS = 16
const EMPTY = -1

export class FlowTable {
  /** Conversations in the table; at most half the slots, so a probe always ends. */
  count = 0
  private readonly seed0: number
  private readonly seed1: number
  private mask: number
  private locals: IpAddress[]
  private remotes: IpAddress[]
  /** Local port in the high half, remote port in the low one. */
  private ports: Int32Array
  /** What was stored, or -1 in a free slot. */
  private values: Int32Array

  /** The seeds are 32-bit secrets; take them from a `Random`. */
  constructor(seed0: number, seed1: number) {
    this.seed0 = seed0 | 0
    this.seed1 = seed1 | 0
    this.mask = INITIAL_SLOTS - 1
    this.locals = new Array<IpAddress>(INITIAL_SLOTS).fill(0 as IpAddress)
    this.remotes = new Array<IpAddress>(INITIAL_SLOTS).fill(0 as IpAddress)
    this.ports = new Int32Array(INITIAL_SLOTS)
    this.values = new Int32Array(INITIAL_SLOTS).fill(EMPTY)
  }

  /** What is stored for the conversation, or -1. */
  get(local: IpAddress, localPort: Port, remote: IpAddress, remotePort: Port): number {
    return this.values[this.slotOf(local, remote, (localPort << 16) | remotePort)] as number
  }

  /** Stores `value`, an integer from 0 to 2^31 - 1, in place of what was stored. */
  set(local: IpAddress, localPort: Port, remote: IpAddress, remotePort: Port, value: number): void {
    if (2 * (this.count + 1) > this.mask + 1) this.grow()
    this.put(local, remote, (localPort << 16) | remotePort, value)
  }

  /** Forgets the conversation; does nothing when it is not there. */
  delete(local: IpAddress, localPort: Port, remote: IpAddress, remotePort: Port): void {
    let hole = this.slotOf(local, remote, (localPort << 16) | remotePort)
    if (this.values[hole] === EMPTY) return
    this.count--
    // Every later entry of the cluster that may not stay behind a hole moves into it and leaves a hole of its own.
    for (let slot = (hole + 1) & this.mask; this.values[slot] !== EMPTY; slot = (slot + 1) & this.mask) {
      const home = this.homeOf(
        this.locals[slot] as IpAddress,
        this.remotes[slot] as IpAddress,
        this.ports[slot] as number,
      )
      if (((slot - home) & this.mask) < ((slot - hole) & this.mask)) continue
      this.locals[hole] = this.locals[slot] as IpAddress
      this.remotes[hole] = this.remotes[slot] as IpAddress
      this.ports[hole] = this.ports[slot] as number
      this.values[hole] = this.values[slot] as number
      hole = slot
    }
    this.values[hole] = EMPTY
  }

  private put(local: IpAddress, remote: IpAddress, ports: number, value: number): void {
    const slot = this.slotOf(local, remote, ports)
    if (this.values[slot] === EMPTY) this.count++
    this.locals[slot] = local
    this.remotes[slot] = remote
    this.ports[slot] = ports
    this.values[slot] = value
  }

  private grow(): void {
    const { locals, remotes, ports, values } = this
    const slotCount = 2 * values.length
    this.mask = slotCount - 1
    this.count = 0
    this.locals = new Array<IpAddress>(slotCount).fill(0 as IpAddress)
    this.remotes = new Array<IpAddress>(slotCount).fill(0 as IpAddress)
    this.ports = new Int32Array(slotCount)
    this.values = new Int32Array(slotCount).fill(EMPTY)
    for (let i = 0; i < values.length; i++) {
      const value = values[i] as number
      if (value !== EMPTY) this.put(locals[i] as IpAddress, remotes[i] as IpAddress, ports[i] as number, value)
    }
  }

  /** The slot that holds the conversation, or the free one where it would go. */
  private slotOf(local: IpAddress, remote: IpAddress, ports: number): number {
    let slot = this.homeOf(local, remote, ports)
    while (
      this.values[slot] !== EMPTY &&
      (this.ports[slot] !== ports || this.remotes[slot] !== remote || this.locals[slot] !== local)
    ) {
      slot = (slot + 1) & this.mask
    }
    return slot
  }

  /** The mixing constants are those of MurmurHash3's finaliser. */
  private homeOf(local: IpAddress, remote: IpAddress, ports: number): number {
    let h = this.seed0 ^ (typeof remote === 'number' ? remote : fold(remote))
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b) ^ ports
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35) ^ this.seed1 ^ (typeof local === 'number' ? local : fold(local))
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
    return (h ^ (h >>> 13)) & this.mask
  }
}

/** The four words of an IPv6 address in one; different rotations keep equal words from cancelling out. */
function fold(address: bigint): number {
  const a = Number(address & 0xffffffffn) | 0
  const b = Number((address >> 32n) & 0xffffffffn) | 0
  const c = Number((address >> 64n) & 0xffffffffn) | 0
  const d = Number(address >> 96n) | 0
  return a ^ ((b << 7) | (b >>> 25)) ^ ((c << 13) | (c >>> 19)) ^ ((d << 22) | (d >>> 10))
}
