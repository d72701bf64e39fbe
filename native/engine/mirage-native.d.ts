/**
 * The module 'mirage:native': all that JavaScript sees of the machine.
 *
 * Sizes and offsets are bytes, times are integer microseconds. A wrong
 * argument throws a TypeError (kind) or RangeError (value) and does nothing.
 * `bytes` arguments are Uint8Array; `off` and `end` are relative to the view.
 */
declare module 'mirage:native' {
  /** Version of this module: 1. */
  export const abiVersion: number
  /** Name of the target, such as 'virtio'. */
  export const target: string
  /** Command line exactly as the hypervisor gave it. */
  export const commandLine: string

  /** Writes bytes[off, end) to the console; blocks until the device took them. */
  export function consoleWrite(bytes: Uint8Array, off: number, end: number): void

  /** Microseconds since boot; never goes back. */
  export function monotonicUs(): number
  /** Microseconds since 1970-01-01 UTC: a clock read at boot (1 s resolution) plus monotonic time. */
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

  export function portRead8(port: number): number
  export function portRead16(port: number): number
  export function portRead32(port: number): number
  export function portWrite8(port: number, value: number): void
  export function portWrite16(port: number, value: number): void
  export function portWrite32(port: number, value: number): void

  /** Access of exactly this width; RangeError in RAM, above 4 GiB, or unaligned. */
  export function mmioRead8(address: number): number
  export function mmioRead16(address: number): number
  export function mmioRead32(address: number): number
  export function mmioWrite8(address: number, value: number): void
  export function mmioWrite16(address: number, value: number): void
  export function mmioWrite32(address: number, value: number): void

  /** After this, interrupt line `line` (a GSI) wakes the machine. */
  export function irqEnable(line: number): void

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

  /**
   * RFC 1071 one's-complement sum of bytes[off, end) in network order plus
   * `initial` (0 to 2^32 - 1); the last byte of an odd length is a high half.
   * Returns the folded 16-bit sum, not complemented.
   */
  export function checksum(bytes: Uint8Array, off: number, end: number, initial: number): number

  /** The asset's bytes in place, as an immutable ArrayBuffer. */
  export function asset(index: number): ArrayBuffer
  export const assetCount: number

  /** Memory of the machine, of the heap, and in use. */
  export function memory(): { totalBytes: number; heapBytes: number; usedBytes: number }
}
