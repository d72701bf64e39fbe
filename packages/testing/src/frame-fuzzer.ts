/**
 * Frames that a hostile neighbour might send to `10.0.0.2` and `2001:db8::2` at `02:00:00:00:00:02`: noise, and packets of every protocol we
 * speak with fields changed, truncated or extended. Half of them get their checksums put right again, so that what was changed
 * reaches the code behind the check.
 */

import { readIpv6 } from '@mirage-ts/core/addresses'
import { fromHex } from '@mirage-ts/core/bytes'
import { checksum } from '@mirage-ts/core/checksum'
import { pseudoHeaderSum } from '@mirage-ts/net/wire/ipv4'
import type { Ipv4 } from '@mirage-ts/signatures/addresses'
import { SeededRandom } from './seeded-random.ts'

const TO_US = '020000000002 020000000001'

const V6 = `${TO_US} 86dd 60000000`
const V6_PAIR = 'fe8000000000000000000000ff000001 20010db8000000000000000000000002'

/** One well-formed packet of each kind, as Linux sends them. */
const SEEDS: readonly Uint8Array[] = [
  `${TO_US} 0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002`,
  `${TO_US} 0806 0001 0800 06 04 0002 020000000001 0a000001 020000000002 0a000002`,
  `${TO_US} 0800 45000034 7742 4000 4001 af84 0a000001 0a000002 0800b4bd200e0001dcda006b00000000ef9c0a00000000001011121314151617`,
  `${TO_US} 0800 45000021 102f 4000 4011 169b 0a000001 0a000002 aab1 0fa0 000d edad 68656c6c6f`,
  // An error about a TCP segment of ours, and one about a datagram.
  `${TO_US} 0800 45c00038 ba68 0000 4001 0000 0a000001 0a000002 0303 0000 00000000 45000028 0001 0000 4006 0000 0a000002 0a000001 0050 aab1 00000000`,
  `${TO_US} 0800 45c00038 ba68 0000 4001 0000 0a000001 0a000002 0304 0000 000005dc 45000028 0001 0000 4011 0000 0a000002 0a000001 0050 aab1 00000000`,
  // SYN with the options Linux sends, one without timestamps (which the rest would need, too), bare ACK, data, FIN, RST; to
  // a port that listens.
  `${TO_US} 0800 4500003c 0001 4000 4006 0000 0a000001 0a000002 aab1 0050 00000001 00000000 a002 faf0 0000 0000 020405b4 0402080a 00000001 00000000 01030307`,
  `${TO_US} 0800 45000034 0001 4000 4006 0000 0a000001 0a000002 aab1 0050 00000001 00000000 8002 faf0 0000 0000 020405b4 01010402 01030307`,
  `${TO_US} 0800 45000028 0001 4000 4006 0000 0a000001 0a000002 aab1 0050 00000002 00000001 5010 faf0 0000 0000`,
  `${TO_US} 0800 4500002d 0001 4000 4006 0000 0a000001 0a000002 aab1 0050 00000002 00000001 5018 faf0 0000 0000 68656c6c6f`,
  `${TO_US} 0800 45000028 0001 4000 4006 0000 0a000001 0a000002 aab1 0050 00000007 00000001 5011 faf0 0000 0000`,
  `${TO_US} 0800 45000028 0001 4000 4006 0000 0a000001 0a000002 aab1 0050 00000002 00000000 5004 faf0 0000 0000`,
  // Two pieces of one datagram, and the end of a time to live.
  `${TO_US} 0800 45000024 5150 2000 4011 0000 0a000001 0a000002 aab1 0fa0 0018 0000 6161616161616161`,
  `${TO_US} 0800 4500001c 5150 0002 4011 0000 0a000001 0a000002 6262626262626262`,
  `${TO_US} 0800 45c00038 ba68 0000 4001 0000 0a000001 0a000002 0b00 0000 00000000 45000028 0001 0000 0111 0000 0a000002 0a000001 0050 aab1 00000000`,
  // IPv6: echo, datagram, SYN, two pieces, options; solicitation, advertisement, router advertisement with every option,
  // redirect, query for groups, packet too big.
  `${V6} 000b 3a 40 ${V6_PAIR} 8000 0000 00010002 616263`,
  `${V6} 000d 11 40 ${V6_PAIR} aab1 0fa0 000d 0000 68656c6c6f`,
  `${V6} 0014 06 40 ${V6_PAIR} aab1 0050 00000001 00000000 5002 faf0 0000 0000`,
  `${V6} 0018 2c 40 ${V6_PAIR} 1100 0001 00000007 aab1 0fa0 0018 0000 6161616161616161`,
  `${V6} 0010 2c 40 ${V6_PAIR} 1100 0010 00000007 6262626262626262`,
  `${V6} 0015 00 40 ${V6_PAIR} 1100 050200000100 aab1 0fa0 000d 0000 68656c6c6f`,
  `${V6} 0010 3c 40 ${V6_PAIR} 1100 9e0400000000 aab1 0fa0 0008 0000`,
  `${V6} 0020 3a ff ${V6_PAIR} 8700 0000 00000000 20010db8000000000000000000000002 0101020000000001`,
  `${V6} 0020 3a ff ${V6_PAIR} 8800 0000 60000000 fe8000000000000000000000ff000001 0201020000000001`,
  `${V6} 0068 3a ff ${V6_PAIR} 8600 0000 40c80708 00000000 00000000 0101020000000001 0501000000000514 030440c0 00000e10 00000708 00000000 20010db8000100000000000000000000 19030000 00000e10 20010db8000100000000000000000053 18022008 00000e10 20010db900000000`,
  `${V6} 0030 3a ff ${V6_PAIR} 8900 0000 00000000 fe8000000000000000000000ff000001 20010db8000000000000000000000077 0201020000000001`,
  `${V6} 0024 00 01 ${V6_PAIR} 3a00 050200000100 8200 0000 03e80000 00000000000000000000000000000000 00000000`,
  `${V6} 0038 3a 40 ${V6_PAIR} 0200 0000 00000514 60000000 0010 11 40 20010db8000000000000000000000002 fe8000000000000000000000ff000001 0fa0 aab1 0010 0000`,
].map(fromHex)

const ETHERNET_LEN = 14
const MAX_LEN = ETHERNET_LEN + 1500
const IP = ETHERNET_LEN
const TCP = IP + 20

const TCP_SEEDS = SEEDS.filter(isTcp)

/** An endless supply of frames; the same seed gives the same ones. */
export class FrameFuzzer {
  private readonly random: SeededRandom
  /** What a peer would send next on the connection last heard from: its port, sequence and acknowledgement number. */
  private port = 40000
  private seq = 1
  private ack = 1
  private pieceCount = 0

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
  }

  /** The next frame, 0 to 1514 octets. */
  next(): Uint8Array {
    if (this.random.chance(0.05)) return this.random.bytes(this.random.below(1515))
    // A connection takes several segments that fit: the others would crowd them out.
    const seeds = this.random.chance(0.4) ? TCP_SEEDS : SEEDS
    let frame: Uint8Array = Uint8Array.from(seeds[this.random.below(seeds.length)] as Uint8Array)
    if (isTcp(frame)) this.placeSegment(frame)
    if (isPiece(frame)) this.placePiece(frame)
    const changeCount = this.random.below(4)
    for (let i = 0; i < changeCount; i++) this.change(frame)
    if (this.random.chance(0.2)) frame = this.resize(frame)
    if (changeCount === 0 || this.random.chance(0.5)) repairChecksums(frame)
    return frame
  }

  /** Learns from an answer of the victim where its connection stands: random numbers would nearly always miss the window. */
  hear(frame: Uint8Array): void {
    if (!isTcp(frame)) return
    const dv = new DataView(frame.buffer, frame.byteOffset, frame.length)
    this.port = dv.getUint16(TCP + 2)
    this.seq = dv.getUint32(TCP + 8)
    this.ack = (dv.getUint32(TCP + 4) + 1) >>> 0
  }

  /** Gives a segment one of a few source ports, and numbers that continue the connection last heard from. */
  private placeSegment(frame: Uint8Array): void {
    const dv = new DataView(frame.buffer)
    dv.setUint16(TCP, this.random.chance(0.5) ? this.port : 40000 + this.random.below(64))
    const isSyn = (dv.getUint8(TCP + 13) & 2) !== 0
    if (isSyn || this.random.chance(0.2)) return
    dv.setUint32(TCP + 4, this.seq)
    dv.setUint32(TCP + 8, this.ack)
  }

  /** Two pieces after each other belong to one datagram: with one number for all, the first that overlaps would end them all. */
  private placePiece(frame: Uint8Array): void {
    const at = frame[12] === 8 ? IP + 4 : IP + 40 + 6
    new DataView(frame.buffer).setUint16(at, this.pieceCount++ >> 1)
  }

  private change(frame: Uint8Array): void {
    const at = this.random.chance(0.1) ? this.random.below(frame.length) : IP + this.random.below(frame.length - IP)
    frame[at] = this.random.chance(0.5) ? this.random.u32() & 255 : (frame[at] as number) ^ (1 << this.random.below(8))
  }

  private resize(frame: Uint8Array): Uint8Array {
    const longer = Math.min(MAX_LEN, frame.length + this.random.below(1400))
    const length = this.random.chance(0.5) ? this.random.below(frame.length) : longer
    const resized = new Uint8Array(length)
    resized.set(frame.subarray(0, length))
    return resized
  }
}

function isTcp(frame: Uint8Array): boolean {
  return frame.length >= TCP + 20 && frame[12] === 8 && frame[13] === 0 && frame[IP] === 0x45 && frame[IP + 9] === 6
}

/** True for the pieces of datagrams among the seeds. */
function isPiece(frame: Uint8Array): boolean {
  return frame[12] === 8 && frame[13] === 0 ? frame[IP + 5] === 0x50 && frame[IP + 4] === 0x51 : frame[IP + 6] === 44
}

/** Makes the lengths and checksums of an IP frame right, as far as it is one. */
function repairChecksums(frame: Uint8Array): void {
  if (frame.length >= IP + 40 && frame[12] === 0x86 && frame[13] === 0xdd) repairIpv6(frame)
  if (frame.length < IP + 20 || frame[12] !== 8 || frame[13] !== 0) return
  const dv = new DataView(frame.buffer, frame.byteOffset, frame.length)
  const headerLen = ((frame[IP] as number) & 15) * 4
  const payload = IP + headerLen
  if (headerLen < 20 || payload > frame.length) return
  dv.setUint16(IP + 2, frame.length - IP)
  repair(dv, IP, payload, IP + 10, 0)
  const protocol = frame[IP + 9] as number
  const src = dv.getUint32(IP + 12) as Ipv4
  const dst = dv.getUint32(IP + 16) as Ipv4
  const pseudo = pseudoHeaderSum(src, dst, protocol, frame.length - payload)
  if (protocol === 1 && frame.length >= payload + 4) repair(dv, payload, frame.length, payload + 2, 0)
  if (protocol === 6 && frame.length >= payload + 18) repair(dv, payload, frame.length, payload + 16, pseudo)
  if (protocol === 17 && frame.length >= payload + 8) repair(dv, payload, frame.length, payload + 6, pseudo)
}

/** The same for IPv6; extension headers are passed over when they have the length our seeds give them. */
function repairIpv6(frame: Uint8Array): void {
  const dv = new DataView(frame.buffer, frame.byteOffset, frame.length)
  dv.setUint16(IP + 4, frame.length - IP - 40)
  let protocol = frame[IP + 6] as number
  let payload = IP + 40
  if ((protocol === 0 || protocol === 60) && frame.length >= payload + 8) {
    protocol = frame[payload] as number
    payload += 8
  }
  const pseudo = pseudoHeaderSum(readIpv6(dv, IP + 8), readIpv6(dv, IP + 24), protocol, frame.length - payload)
  const at = protocol === 58 ? 2 : protocol === 6 ? 16 : protocol === 17 ? 6 : -1
  if (at > 0 && frame.length >= payload + at + 2) repair(dv, payload, frame.length, payload + at, pseudo)
}

function repair(dv: DataView, off: number, end: number, at: number, initial: number): void {
  dv.setUint16(at, 0)
  dv.setUint16(at, ~checksum(new Uint8Array(dv.buffer, dv.byteOffset), off, end, initial) & 0xffff)
}
