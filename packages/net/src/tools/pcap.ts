/** Captures of what goes over a network, for tcpdump and Wireshark; and the one that keeps the last frames in memory. */
import { pcapFile, pcapRecord } from '@mirage-ts/core/pcap'
import type { Capture } from '@mirage-ts/signatures/capture'
import type { Network } from '@mirage-ts/signatures/network'
import type { WallClock } from '@mirage-ts/signatures/time'
import { ObservedNetwork } from './observed.ts'

const DEFAULT_RING_BYTES = 256 * 1024

/** A network whose frames, both ways, go into `capture` as well, with the civil time. */
export function createPcap({
  network,
  clock,
  capture,
}: {
  network: Network
  clock: WallClock
  capture: Capture
}): Network {
  return new ObservedNetwork(network, (_, frame, off, end) => capture.add(pcapRecord(clock.now(), frame.u8, off, end)))
}

export interface CaptureRingOptions {
  /** Of the records kept. Default 256 KiB. */
  readonly maxBytes?: number
}

/** Keeps the last frames, as many as fit: for machines without a disk. */
export function createCaptureRing(
  _deps: Record<never, never> = {},
  { maxBytes = DEFAULT_RING_BYTES }: CaptureRingOptions = {},
): Capture {
  const records: Uint8Array[] = []
  let heldBytes = 0
  return {
    add(record) {
      records.push(record)
      heldBytes += record.length
      while (heldBytes > maxBytes) heldBytes -= records.shift()?.length ?? heldBytes
    },
    file: () => pcapFile(records),
  }
}
