/**
 * A place where a packet capture is kept, in the classic libpcap format with microseconds that tcpdump and Wireshark read.
 * It may be bounded and forget the oldest frames.
 */
export interface Capture {
  /** Adds one record: its header of 16 octets and the frame. `record` is the capture's to keep. Never throws, never blocks. */
  add(record: Uint8Array): void
  /** What is kept so far, as a complete file; a copy. */
  file(): Uint8Array
}
