/**
 * 802.1Q tags: one network carries several, each of which is a `Network` of its own (IEEE 802.1Q-2018 §9.6).
 *
 * A tag takes 4 octets of the payload of the network below, because that takes no longer frames. Priority is sent as 0 and not
 * looked at; frames without a tag, or with one of nobody's, are counted and dropped.
 */
import { type Counters, createCounters, createNetworkStats } from '@mirage-ts/core/metrics'
import { NO_OFFLOAD } from '@mirage-ts/core/offload'
import type { Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { FrameHandler, Network, NetworkOffload } from '@mirage-ts/signatures/network'
import { ETHERNET_HEADER_LEN, TYPE } from './wire/ethernet.ts'

export const ETHERTYPE_VLAN = 0x8100
export const VLAN_TAG_LEN = 4
const ID_MASK = 0x0fff

const COUNTERS = ['untagged', 'unknownVlan', 'truncated'] as const

/** A network of which others are parts. */
export interface VlanTrunk {
  readonly counters: Readonly<Counters<(typeof COUNTERS)[number]>>
  /** The part with the number `id`, 1 to 4094; the same one each time. */
  vlan(id: number): Network
}

/** Takes `network` over. */
export function createVlanTrunk({ network }: { network: Network }): VlanTrunk {
  const counters = createCounters(COUNTERS)
  const vlans = new Map<number, VlanNetwork>()
  network.listen((frame, off, end) => {
    if (end - off < ETHERNET_HEADER_LEN + VLAN_TAG_LEN) {
      counters[end - off < ETHERNET_HEADER_LEN ? 'truncated' : 'untagged']++
    } else if (frame.dv.getUint16(off + TYPE) !== ETHERTYPE_VLAN) {
      counters.untagged++
    } else {
      const one = vlans.get(frame.dv.getUint16(off + ETHERNET_HEADER_LEN) & ID_MASK)
      if (one === undefined) counters.unknownVlan++
      else one.receive(frame, off, end)
    }
  })
  return {
    counters,
    vlan(id) {
      if (!Number.isInteger(id) || id < 1 || id > 4094) {
        throw new RangeError(`Cannot use ${id} as a VLAN: expected 1..4094`)
      }
      const one = vlans.get(id) ?? new VlanNetwork(network, id)
      vlans.set(id, one)
      return one
    },
  }
}

/** The part of `trunk` with the number `id`. */
export function createVlan({ trunk }: { trunk: VlanTrunk }, { id }: { readonly id: number }): Network {
  return trunk.vlan(id)
}

class VlanNetwork implements Network {
  readonly mac: Mac
  readonly mtuBytes: number
  readonly headroomBytes: number
  readonly offload: NetworkOffload
  readonly stats = createNetworkStats()
  private readonly below: Network
  private readonly id: number
  private handler: FrameHandler | undefined
  private isClosed = false

  constructor(below: Network, id: number) {
    this.mac = below.mac
    this.mtuBytes = below.mtuBytes - VLAN_TAG_LEN
    this.headroomBytes = below.headroomBytes + VLAN_TAG_LEN
    this.offload = { ...NO_OFFLOAD, checksum: below.offload.checksum }
    this.below = below
    this.id = id
  }

  alloc(): Frame | undefined {
    return this.below.alloc()
  }

  /** None: devices do not agree on how to cut a frame with a tag. */
  allocLarge(): Frame | undefined {
    return undefined
  }

  free(frame: Frame): void {
    this.below.free(frame)
  }

  /** Moves both addresses to the front and writes the tag behind them. */
  send(frame: Frame, off: number, end: number): void {
    if (this.isClosed || end - off > ETHERNET_HEADER_LEN + this.mtuBytes) {
      this.stats.txDropped++
      this.below.free(frame)
      return
    }
    this.stats.txFrames++
    this.stats.txBytes += end - off
    const taggedOff = off - VLAN_TAG_LEN
    frame.u8.copyWithin(taggedOff, off, off + TYPE)
    frame.dv.setUint16(taggedOff + TYPE, ETHERTYPE_VLAN)
    frame.dv.setUint16(taggedOff + ETHERNET_HEADER_LEN, this.id)
    this.below.send(frame, taggedOff, end)
  }

  listen(handler: FrameHandler): void {
    this.handler = handler
  }

  /** Stops this part; the network below lives on for the others. */
  close(): void {
    this.isClosed = true
  }

  /** Moves both addresses over the tag: the frame is ours until the call returns. */
  receive(frame: Frame, off: number, end: number): void {
    if (this.isClosed || this.handler === undefined) {
      this.stats.rxDropped++
      return
    }
    this.stats.rxFrames++
    this.stats.rxBytes += end - off - VLAN_TAG_LEN
    frame.u8.copyWithin(off + VLAN_TAG_LEN, off, off + TYPE)
    this.handler(frame, off + VLAN_TAG_LEN, end)
  }
}
