/** Captures in the classic libpcap format, for tcpdump and Wireshark: of all frames to a sink, or of the last ones in memory. */
import type { Network } from '@mirage-ts/signatures/network'
import type { Instant, MonotonicClock } from '@mirage-ts/signatures/time'
import { ObservedNetwork } from './observed.ts'

const FILE_HEADER_LEN = 24
const RECORD_HEADER_LEN = 16
const DEFAULT_RING_BYTES = 256 * 1024

/** Takes the octets of a capture, in order; they are the sink's to keep. */
export type PcapSink = (bytes: Uint8Array) => void

/** What a capture file begins with. */
export function pcapFileHeader(): Uint8Array {
  const header = new Uint8Array(FILE_HEADER_LEN)
  const dv = new DataView(header.buffer)
  dv.setUint32(0, 0xa1b2c3d4) // magic, microsecond resolution
  dv.setUint16(4, 2) // format version 2.4
  dv.setUint16(6, 4)
  dv.setUint32(16, 0x40000) // longest record
  dv.setUint32(20, 1) // LINKTYPE_ETHERNET
  return header
}

/** One frame as a record. */
export function pcapRecord(now: Instant, u8: Uint8Array, off: number, end: number): Uint8Array {
  const record = new Uint8Array(RECORD_HEADER_LEN + end - off)
  const dv = new DataView(record.buffer)
  dv.setUint32(0, Math.floor(now / 1_000_000))
  dv.setUint32(4, now % 1_000_000)
  dv.setUint32(8, end - off)
  dv.setUint32(12, end - off)
  record.set(u8.subarray(off, end), RECORD_HEADER_LEN)
  return record
}

/** A network whose frames are written to `sink`, both ways. */
export function createPcapNetwork({
  network,
  clock,
  sink,
}: {
  network: Network
  clock: MonotonicClock
  sink: PcapSink
}): Network {
  sink(pcapFileHeader())
  return new ObservedNetwork(network, (_, frame, off, end) => sink(pcapRecord(clock.now(), frame.u8, off, end)))
}

/** A network that remembers its last frames. */
export interface RingNetwork extends Network {
  /** The frames still remembered, as a complete capture file. */
  capture(): Uint8Array
}

/** Remembers the last frames, as many as fit in `maxBytes`: for machines without a disk. */
export function createPcapRing(
  { network, clock }: { network: Network; clock: MonotonicClock },
  { maxBytes = DEFAULT_RING_BYTES }: { readonly maxBytes?: number } = {},
): RingNetwork {
  const records: Uint8Array[] = []
  let heldBytes = 0
  const observed = new ObservedNetwork(network, (_, frame, off, end) => {
    const record = pcapRecord(clock.now(), frame.u8, off, end)
    records.push(record)
    heldBytes += record.length
    while (heldBytes > maxBytes) heldBytes -= records.shift()?.length ?? heldBytes
  })
  return Object.assign(observed, {
    capture: () => {
      const file = new Uint8Array(FILE_HEADER_LEN + heldBytes)
      file.set(pcapFileHeader())
      let off = FILE_HEADER_LEN
      for (const record of records) {
        file.set(record, off)
        off += record.length
      }
      return file
    },
  })
}
