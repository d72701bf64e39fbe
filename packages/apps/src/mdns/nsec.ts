/** NSEC in multicast DNS: the types that a name has (RFC 6762 §6.1, RFC 4034 §4.1.2). */
import { textToOctets } from '@mirage-ts/core/octets'
import type { Name } from '../dns/name.ts'

/** RDATA for a name that has records of `types`, all below 256. */
export function nsecRdata(name: Name, types: readonly number[]): Uint8Array {
  const len = (Math.max(...types) >> 3) + 1
  const rdata = new Uint8Array(name.length + 2 + len)
  rdata.set(textToOctets(name))
  rdata[name.length + 1] = len
  const bitsOff = name.length + 2
  for (const type of types) {
    const at = bitsOff + (type >> 3)
    rdata[at] = (rdata[at] as number) | (0x80 >> (type & 7))
  }
  return rdata
}
