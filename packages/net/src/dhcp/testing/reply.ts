/** For tests: what a server says, written octet by octet without our codec, and what a client said, read the same way. */
import { ipv4 } from '@mirage-ts/core/addresses'
import { fromHex, toHex } from '@mirage-ts/core/bytes'
import type { Ipv4, Mac } from '@mirage-ts/signatures/addresses'
import { testMac } from '@mirage-ts/testing/link'

export const MAC: Mac = testMac(2)
export const SERVER: Ipv4 = ipv4(10, 0, 0, 1)
export const OURS: Ipv4 = ipv4(10, 0, 0, 50)

/** Mask, router, resolver, lease of an hour, server. */
export const OPTIONS = '0104ffffff00 03040a000001 06040a000001 330400000e10 36040a000001 0f076578616d706c65'

/** A server's message. */
export function reply(type: number, xid: number, options = OPTIONS, yiaddr: Ipv4 = OURS): Uint8Array {
  const u8 = new Uint8Array(240 + fromHex(options).length + 4)
  const dv = new DataView(u8.buffer)
  u8.set(fromHex('02010600'))
  dv.setUint32(4, xid)
  dv.setUint32(16, yiaddr)
  u8.set(fromHex('020000000002'), 28)
  dv.setUint32(236, 0x63825363)
  u8.set(Uint8Array.of(53, 1, type, ...fromHex(options), 255), 240)
  return u8
}

/** The options of a message in hexadecimal digits, by code. */
export function optionsOf(message: Uint8Array): Map<number, string> {
  const options = new Map<number, string>()
  for (let off = 240; message[off] !== 255; off += 2 + (message[off + 1] as number)) {
    options.set(message[off] as number, toHex(message, off + 2, off + 2 + (message[off + 1] as number)))
  }
  return options
}
