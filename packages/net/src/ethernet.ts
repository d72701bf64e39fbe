/** Ethernet II over a network device: framing, filtering by destination, one handler per EtherType. */
import { readMac } from '@mirage-ts/core/addresses'
import { createFrame } from '@mirage-ts/core/bytes'
import { type Counters, createCounters } from '@mirage-ts/core/metrics'
import type { Mac } from '@mirage-ts/signatures/addresses'
import type { Frame } from '@mirage-ts/signatures/bytes'
import type { Ethernet, EthernetHandler } from '@mirage-ts/signatures/ethernet'
import type { Network, NetworkOffload } from '@mirage-ts/signatures/network'
import { DST, ETHERNET_HEADER_LEN, emitEthernet, SRC, TYPE } from './wire/ethernet.ts'

/** Of the first octet of an address: several stations are meant (IEEE 802 §8.2.2). Set in the broadcast address, too. */
const GROUP_BIT = 1

const COUNTERS = ['truncated', 'notForUs', 'badSource', 'unknownType'] as const

/** Ethernet with its counters of dropped frames, by reason. */
export interface CountedEthernet extends Ethernet {
  readonly counters: Readonly<Counters<(typeof COUNTERS)[number]>>
}

/** Starts listening on `network`. */
export function createEthernet({ network }: { network: Network }): CountedEthernet {
  return new EthernetLayer(network)
}

class EthernetLayer implements CountedEthernet {
  readonly mac: Mac
  readonly mtuBytes: number
  readonly headroomBytes: number
  readonly offload: NetworkOffload
  readonly counters = createCounters(COUNTERS)
  private readonly network: Network
  // A handful of types at most: two arrays searched in order are faster than a Map on every engine we run on.
  private readonly types: number[] = []
  private readonly handlers: EthernetHandler[] = []
  /** The last header written: the next is most often the same. */
  private readonly header = createFrame(ETHERNET_HEADER_LEN)
  private headerDst: Mac | undefined
  private headerType = 0

  constructor(network: Network) {
    this.mac = network.mac
    this.mtuBytes = network.mtuBytes
    this.headroomBytes = network.headroomBytes + ETHERNET_HEADER_LEN
    this.offload = network.offload
    this.network = network
    network.listen((frame, off, end) => this.input(frame, off, end))
  }

  alloc(): Frame | undefined {
    return this.network.alloc()
  }

  allocLarge(): Frame | undefined {
    return this.network.allocLarge()
  }

  free(frame: Frame): void {
    this.network.free(frame)
  }

  send(frame: Frame, off: number, end: number, etherType: number, dst: Mac): void {
    if (dst !== this.headerDst || etherType !== this.headerType) {
      emitEthernet(this.header, 0, dst, this.mac, etherType)
      this.headerDst = dst
      this.headerType = etherType
    }
    frame.u8.set(this.header.u8, off - ETHERNET_HEADER_LEN)
    this.network.send(frame, off - ETHERNET_HEADER_LEN, end)
  }

  listen(etherType: number, handler: EthernetHandler): void {
    const at = this.types.indexOf(etherType)
    if (at >= 0) {
      this.handlers[at] = handler
    } else {
      this.types.push(etherType)
      this.handlers.push(handler)
    }
  }

  private input(frame: Frame, off: number, end: number): void {
    if (end - off < ETHERNET_HEADER_LEN) {
      this.counters.truncated++
      return
    }
    const { u8, dv } = frame
    const dst = readMac(dv, off + DST)
    if (dst !== this.mac && ((u8[off + DST] as number) & GROUP_BIT) === 0) {
      this.counters.notForUs++
      return
    }
    const src = readMac(dv, off + SRC)
    // IEEE 802.3 §3.2.3: a source is an individual address; ours coming back is a loop in the network.
    if (src === this.mac || ((u8[off + SRC] as number) & GROUP_BIT) !== 0) {
      this.counters.badSource++
      return
    }
    const at = this.types.indexOf(dv.getUint16(off + TYPE))
    if (at < 0) {
      this.counters.unknownType++
      return
    }
    ;(this.handlers[at] as EthernetHandler)(frame, off + ETHERNET_HEADER_LEN, end, src, dst)
  }
}
