/** The classic libpcap file format with microseconds, for tcpdump, tshark and Wireshark: Ethernet frames with their time. */

/** Of the header of a capture file. */
const PCAP_HEADER_LEN = 24
/** Of the header of each frame. */
const RECORD_HEADER_LEN = 16

/** What a capture file begins with; everything in it is big endian, as its magic says. */
export function pcapHeader(): Uint8Array {
  const header = new Uint8Array(PCAP_HEADER_LEN)
  const dv = new DataView(header.buffer)
  dv.setUint32(0, 0xa1b2c3d4) // magic, microsecond resolution
  dv.setUint16(4, 2) // format version 2.4
  dv.setUint16(6, 4)
  dv.setUint32(16, 0x40000) // longest record
  dv.setUint32(20, 1) // LINKTYPE_ETHERNET
  return header
}

/** The frame `u8[off, end)`, copied, as a record; `nowUs` is in µs since 1970, or since the start on a clock that knows no date. */
export function pcapRecord(nowUs: number, u8: Uint8Array, off: number, end: number): Uint8Array {
  const record = new Uint8Array(RECORD_HEADER_LEN + end - off)
  const dv = new DataView(record.buffer)
  dv.setUint32(0, Math.floor(nowUs / 1_000_000))
  dv.setUint32(4, nowUs % 1_000_000)
  dv.setUint32(8, end - off)
  dv.setUint32(12, end - off)
  record.set(u8.subarray(off, end), RECORD_HEADER_LEN)
  return record
}

/** A whole file of these records. */
export function pcapFile(records: Iterable<Uint8Array>): Uint8Array {
  const parts = [pcapHeader(), ...records]
  const file = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let off = 0
  for (const part of parts) {
    file.set(part, off)
    off += part.length
  }
  return file
}
