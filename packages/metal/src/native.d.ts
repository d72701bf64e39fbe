/**
 * What the C layer offers to JavaScript: the whole of it. The contract of each call is in `native/include/plat.h`; the
 * notes here say what the JavaScript side adds. Wrong arguments throw a `TypeError` or `RangeError` and do nothing.
 * Only files of this package may import it.
 */
declare module 'mirage:native' {
  /** Version of this surface. */
  export const abiVersion: number
  /** The target the runtime was built for. */
  export const target: string
  /** As the hypervisor gave it, with what it added itself. */
  export const commandLine: string
  /** Writes `bytes[off, end)`; returns when the device has taken them. */
  export function consoleWrite(bytes: Uint8Array, off: number, end: number): void
  /** Integer µs since boot; never goes back. */
  export function monotonicUs(): number
  /** Integer µs since 1970-01-01T00:00:00Z. */
  export function wallUs(): number
  /** Fills `bytes[off, end)` from the CPU's generator; throws when it has none. */
  export function entropyFill(bytes: Uint8Array, off: number, end: number): void
  export function entropyAvailable(): boolean
  /** Zeroed, physically contiguous memory that is never moved or freed. */
  export function dmaAlloc(lenBytes: number, alignBytes: number): ArrayBuffer
  /** The physical address of what {@link dmaAlloc} returned. */
  export function dmaAddress(buffer: ArrayBuffer): number
  /** Full memory barrier: no load or store moves across it. */
  export function barrier(): void
  /** Reads a device register of exactly this width; an address in RAM is a `RangeError`. */
  export function mmioRead8(address: number): number
  export function mmioRead16(address: number): number
  export function mmioRead32(address: number): number
  export function mmioWrite8(address: number, value: number): void
  export function mmioWrite16(address: number, value: number): void
  export function mmioWrite32(address: number, value: number): void
  /** From now on the interrupt line ends a wait. */
  export function irqEnable(line: number): void
  /** Sets what the run loop calls when no promise job is left: it returns until when (µs) the machine may sleep. */
  export function setPoll(poll: () => number): void
  /** Powers off; the status is 0 to 127. */
  export function exit(status: number): never
  /** See `@mirage-ts/core/checksum`, which this must equal. */
  export function checksum(bytes: Uint8Array, off: number, end: number, initial: number): number
  /** Number of assets in the image. */
  export const assetCount: number
  /** The octets of an asset in place, as an immutable buffer. */
  export function asset(index: number): ArrayBuffer
  /** Memory of the machine, of the JavaScript heap, and in use. */
  export function memory(): { readonly totalBytes: number; readonly heapBytes: number; readonly usedBytes: number }
}
