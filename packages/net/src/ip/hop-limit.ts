/** How many routers a packet may pass, for either version of IP. */

/** RFC 1122 §3.2.1.7 wants at least the diameter of the Internet; 64 is what everybody uses (IANA ip-parameters). */
const DEFAULT_HOPS = 64

/** The setting `name`, or what everybody uses; throws a `RangeError` for what does not fit the header. */
export function hopsFrom(name: string, value: number = DEFAULT_HOPS): number {
  if (Number.isInteger(value) && value >= 1 && value <= 255) return value
  throw new RangeError(`Cannot use ${value} as ${name}: expected 1..255`)
}
