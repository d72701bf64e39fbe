/** Packet captures of tests, for tcpdump, tshark and Wireshark. */
import { pcapFile, pcapRecord } from '@mirage-ts/core/pcap'
import type { Instant } from '@mirage-ts/signatures/time'

/** Collects frames in memory; `bytes` is a complete file at any time. */
export class PcapWriter {
  private readonly records: Uint8Array[] = []

  /** Records `u8[off, end)`, an Ethernet frame, as seen at `now`. The octets are copied. */
  add(now: Instant, u8: Uint8Array, off: number, end: number): void {
    this.records.push(pcapRecord(now, u8, off, end))
  }

  bytes(): Uint8Array {
    return pcapFile(this.records)
  }
}
