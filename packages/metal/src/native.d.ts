/**
 * The module 'mirage:native': all that JavaScript sees of the machine. Only files of this package may import it. What
 * each call means to the machine is in `native/include/plat.h`.
 *
 * Sizes and offsets are bytes, times are integer microseconds. A wrong
 * argument throws a TypeError (kind) or RangeError (value) and does nothing.
 * `bytes` arguments are Uint8Array; `off` and `end` are relative to the view.
 */
declare module 'mirage:native' {
  /** Version of this module: 3. */
  export const abiVersion: number
  /** Name of the target, such as 'virtio'. */
  export const target: string
  /** Command line exactly as the hypervisor gave it. */
  export const commandLine: string

  /** Writes bytes[off, end) to the console; blocks until the device took them. */
  export function consoleWrite(bytes: Uint8Array, off: number, end: number): void
  /** Writes `text` likewise, as UTF-8; for a surrogate without its other half goes U+FFFD. */
  export function consolePrint(text: string): void

  /** Microseconds since boot; never goes back. */
  export function monotonicUs(): number
  /** Microseconds since 1970-01-01 UTC: a clock read once (1 s resolution) plus monotonic time. */
  export function wallUs(): number

  /** Fills bytes[off, end) from the processor's generator; throws an Error when there is none. */
  export function entropyFill(bytes: Uint8Array, off: number, end: number): void
  export function entropyAvailable(): boolean

  /** Zeroed, physically contiguous memory for devices; never freed or moved. */
  export function dmaAlloc(lenBytes: number, alignBytes: number): ArrayBuffer
  /** Physical address of a buffer made by dmaAlloc. */
  export function dmaAddress(buffer: ArrayBuffer): number
  /** Orders earlier memory accesses before later ones, as devices see them. */
  export function barrier(): void

  /** Ports of the bus; where there is none, reads give all ones and writes do nothing. */
  export function portRead8(port: number): number
  export function portRead16(port: number): number
  export function portRead32(port: number): number
  export function portWrite8(port: number, value: number): void
  export function portWrite16(port: number, value: number): void
  export function portWrite32(port: number, value: number): void

  /** Access of exactly this width; RangeError in RAM, unaligned, or above 4 GiB where {@link mmioMap} was not asked. */
  export function mmioRead8(address: number): number
  export function mmioRead16(address: number): number
  export function mmioRead32(address: number): number
  export function mmioWrite8(address: number, value: number): void
  export function mmioWrite16(address: number, value: number): void
  export function mmioWrite32(address: number, value: number): void

  /** What a device on PCI must write, and where, to wake the machine (MSI-X); RangeError on a machine without that. */
  export function irqMessage(): { readonly address: number; readonly data: number }

  /**
   * Makes device memory reachable that may be above 4 GiB, in a few places at most. False when some of it is RAM, beyond
   * the processor's addresses, or too far from the others.
   */
  export function mmioMap(address: number, lenBytes: number): boolean

  /** A copy of the firmware's RSDP (ACPI 6.5 §5.2.5.3), where the loader tells of one; the older one ends after 20 octets. */
  export function acpiRoot(): ArrayBuffer | undefined
  /** Copies what the firmware left at `address` to bytes[off, end). False, with nothing copied, when that is RAM or not mapped. */
  export function firmwareRead(address: number, bytes: Uint8Array, off: number, end: number): boolean
  /**
   * Adds a write, to a port or to device memory, to those that stop the machine: {@link exit} does them in their order,
   * after what can tell the host a status. False when there is no such register, or room for no more.
   */
  export function stopBy8(isPort: boolean, address: number, value: number): boolean
  export function stopBy16(isPort: boolean, address: number, value: number): boolean
  export function stopBy32(isPort: boolean, address: number, value: number): boolean
  /** The write of 8 bits that {@link restart} does first, and {@link exit} where the machine cannot be turned off. False likewise. */
  export function resetBy(isPort: boolean, address: number, value: number): boolean

  /**
   * Tells of an I/O APIC whose lines begin with `firstLine`. False when there is none at this address, or room for no more.
   * Where none was told of when a line is first enabled, there is the one that every PC has.
   */
  export function irqController(address: number, firstLine: number): boolean
  /** After this, interrupt line `line` (a GSI) wakes the machine; the others say how the device raises it. */
  export function irqEnable(line: number, isLevel: boolean, isLow: boolean): void

  /** Network devices that the host hands over open: on spt. Elsewhere 0, and drivers find devices on a bus. */
  export const netCount: number
  /** Octets in front of each frame that {@link netSend} overwrites. */
  export const netHeadroom: number
  /** Octets that {@link netReceive} needs at least. */
  export const netReceiveMin: number
  /** Lets arriving frames wake the machine; needed before the next two. */
  export function netOpen(index: number): void
  /** A header of virtio is part of each frame, in front: see `@mirage-ts/core/vnet-header`. */
  export function netHasOffload(index: number): boolean
  /**
   * Takes frames without waiting, `spans.length / 2` at most: frame `i` is `bytes[spans[2 * i], spans[2 * i + 1])`, and may be
   * changed. The rest of `bytes` is the device's: pass the same each time. A device stops when fewer than `longest` octets are
   * left, and of a longer frame the end may be lost. Returns how many, or -1 when the device has gone. A RangeError when `bytes`
   * has fewer octets than `longest` or {@link netReceiveMin}.
   */
  export function netReceive(index: number, bytes: Uint8Array, spans: Uint32Array, longest: number): number
  /**
   * Sends `count` frames without waiting: frame `i` is `bytes[spans[2 * i], spans[2 * i + 1])`, with room in front of it.
   * Returns how many were taken, or -1 when the device has gone. The others must be offered again, first and unchanged;
   * the machine wakes when there is room.
   */
  export function netSend(index: number, bytes: Uint8Array, spans: Uint32Array, count: number): number

  /** Block devices that the host hands over open, likewise. */
  export const blockCount: number
  /** Its length in octets. */
  export function blockLen(index: number): number
  export function blockIsWritable(index: number): boolean
  /**
   * Transfer `bytes[off, end)` from or to octet `offset` on; return when done. A RangeError outside of the device or when
   * it cannot be written; false when the host failed, and then a part may have been done.
   */
  export function blockRead(index: number, offset: number, bytes: Uint8Array, off: number, end: number): boolean
  export function blockWrite(index: number, offset: number, bytes: Uint8Array, off: number, end: number): boolean
  /** Makes everything written durable; false when the host failed. */
  export function blockFlush(index: number): boolean

  /**
   * Sets the function called whenever all jobs have run. It returns the
   * monotonic time until which the machine may sleep (Infinity: until an
   * interrupt); a time that has passed means "call again". Look at the rings
   * in `poll`: an interrupt raised since then ends the sleep at once. When it
   * returns Infinity and no line is enabled, the machine exits with status 0.
   */
  export function setPoll(poll: () => number): void

  /** Stops the machine. 0 to 123 are the program's; 124 to 126 are reserved. */
  export function exit(status: number): never
  /** Starts the machine again; a process ends with `status`, so that whoever started it does that. */
  export function restart(status: number): never

  /**
   * RFC 1071 one's-complement sum of bytes[off, end) in network order plus
   * `initial` (0 to 2^53 - 1); the last byte of an odd length is a high half.
   * Returns the folded 16-bit sum, not complemented.
   */
  export function checksum(bytes: Uint8Array, off: number, end: number, initial: number): number

  /** What these do is in `@mirage-ts/core/octets`. */
  export function octetsToText(bytes: Uint8Array, off?: number, end?: number): string
  export function writeText(bytes: Uint8Array, off: number, text: string): number
  export function foldedHash(bytes: Uint8Array, off: number, end: number, seed: number): number
  export function octetsCopy(from: Uint8Array, off: number, end: number, to: Uint8Array, toOff: number): void
  export function octetsEqual(a: Uint8Array, aOff: number, b: Uint8Array, bOff: number, lenBytes: number): boolean
  export function foldedEqual(a: Uint8Array, aOff: number, b: Uint8Array, bOff: number, lenBytes: number): boolean

  /** CRC-32 (IEEE 802.3) and CRC-32C of bytes[off, end) after octets whose CRC is `initial`, 0 for none. */
  export function crc32(bytes: Uint8Array, off: number, end: number, initial?: number): number
  export function crc32c(bytes: Uint8Array, off: number, end: number, initial?: number): number

  /** SipHash-2-4 of input[0, end) under the first 16 octets of `key`, to the first 8 of `out`. */
  export function sipHash24(key: Uint8Array, input: Uint8Array, end: number, out: Uint8Array): void

  /** The asset's bytes in place, as an immutable ArrayBuffer. */
  export function asset(index: number): ArrayBuffer
  export const assetCount: number

  /** Memory of the machine, of the heap, and in use. */
  export function memory(): { totalBytes: number; heapBytes: number; usedBytes: number }
}
