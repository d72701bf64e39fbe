/** Writing packet captures in the classic libpcap file format, for tcpdump, tshark and Wireshark. */
import type { Instant } from '@mirage-ts/signatures/time'

/** Collects frames in memory; `bytes` is a complete file at any time. */
export class PcapWriter {
  private readonly parts: Uint8Array[] = [fileHeader()]

  /** Records `u8[off, end)`, an Ethernet frame, as seen at `now`. The octets are copied. */
  add(now: Instant, u8: Uint8Array, off: number, end: number): void {
    const record = new Uint8Array(16 + end - off)
    const dv = new DataView(record.buffer)
    dv.setUint32(0, Math.floor(now / 1_000_000))
    dv.setUint32(4, now % 1_000_000)
    dv.setUint32(8, end - off)
    dv.setUint32(12, end - off)
    record.set(u8.subarray(off, end), 16)
    this.parts.push(record)
  }

  bytes(): Uint8Array {
    const file = new Uint8Array(this.parts.reduce((sum, part) => sum + part.length, 0))
    let off = 0
    for (const part of this.parts) {
      file.set(part, off)
      off += part.length
    }
    return file
  }
}

function fileHeader(): Uint8Array {
  const header = new Uint8Array(24)
  const dv = new DataView(header.buffer)
  dv.setUint32(0, 0xa1b2c3d4) // magic, microsecond resolution
  dv.setUint16(4, 2) // format version 2.4
  dv.setUint16(6, 4)
  dv.setUint32(16, 0x40000) // longest record
  dv.setUint32(20, 1) // LINKTYPE_ETHERNET
  return header
}
