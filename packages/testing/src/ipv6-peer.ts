/** For tests: a stack of both families, and a peer on its link that says over IPv6 whatever a test wants. */
import assert from 'node:assert/strict'
import { parseIpv6 as parseAddress, port } from '@mirage-ts/core/addresses'
import { createFrame, fromHex } from '@mirage-ts/core/bytes'
import { ms, seconds } from '@mirage-ts/core/time'
import { emitIcmpv6 } from '@mirage-ts/net/wire/icmpv6'
import { emitIpv6 } from '@mirage-ts/net/wire/ipv6'
import { emitUdp } from '@mirage-ts/net/wire/udp'
import type { Ipv6 } from '@mirage-ts/signatures/addresses'
import { createDualTestStack } from './dual-stack.ts'
import { createLink } from './link.ts'

export const address = (text: string): Ipv6 => parseAddress(text) ?? assert.fail(text)
export const US = address('2001:db8::2')
export const PEER = address('fe80::ff:fe00:1')
export const OUR_LOCAL = address('fe80::ff:fe00:2')

export interface PacketFields {
  readonly src?: Ipv6
  readonly dst?: Ipv6
  readonly next?: number
  readonly hopLimit?: number
  readonly mac?: string
}

/** A packet of the peer behind its Ethernet header. */
export function packet(payload: Uint8Array, fields: PacketFields = {}): Uint8Array {
  const frame = createFrame(54 + payload.length)
  frame.u8.set(fromHex(`${fields.mac ?? '020000000002'} 020000000001 86dd`))
  frame.u8.set(payload, 54)
  const { src = PEER, dst = US, next = 17, hopLimit = 64 } = fields
  emitIpv6(frame, 14, payload.length, next, hopLimit, src, dst, 0)
  return frame.u8
}

export function datagram(data: Uint8Array, src = PEER, dst = US, dstPort = 4000): Uint8Array {
  const frame = createFrame(8 + data.length)
  frame.u8.set(data, 8)
  emitUdp(frame, 0, frame.u8.length, src, dst, port(5000), port(dstPort), false)
  return frame.u8
}

/** An ICMPv6 message; `body` is what follows the first four octets. */
export function icmp(type: number, code: number, body: string, src = PEER, dst = US): Uint8Array {
  const octets = fromHex(body)
  const frame = createFrame(4 + octets.length)
  frame.u8.set(octets, 4)
  emitIcmpv6(frame, 0, frame.u8.length, type, code, frame.dv.getUint32(4), src, dst)
  return frame.u8
}

export const hex = (one: Ipv6): string => one.toString(16).padStart(32, '0')

/** A stack whose addresses are usable, and a peer it knows. */
export async function setUp(options: { readonly isQuick?: boolean } = {}) {
  const link = createLink()
  const stack = createDualTestStack(link.network, link.time, '10.0.0.2/24', { ipv6: '2001:db8::2/64' })
  const heard = async () => {
    await link.time.advance(ms(1))
    return link.peer.take().filter((frame) => frame[12] === 0x86)
  }
  const send = async (frame: Uint8Array) => {
    link.peer.send(frame)
    return heard()
  }
  if (options.isQuick !== true) {
    await link.time.advance(seconds(20))
    // An advertisement nobody asked for makes no entry, a solicitation does.
    const solicit = icmp(135, 0, `00000000 ${hex(US)} 0101020000000001`)
    await send(packet(solicit, { next: 58, hopLimit: 255 }))
    await heard()
  }
  return { ...link, stack, heard, send }
}

/** Type, code and the rest of the ICMPv6 messages among frames, without extension headers. */
export const icmpOf = (frames: readonly Uint8Array[]): string[] =>
  frames.filter((frame) => frame[20] === 58).map((frame) => `${frame[54]}/${frame[55]}`)
