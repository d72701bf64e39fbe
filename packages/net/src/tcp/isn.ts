/**
 * Initial sequence numbers (RFC 6528): ISN = M + F(local, remote, ports, secret), with M a clock of 4 µs ticks.
 *
 * F is Chaskey-12 (Mouha et al., SAC 2014), a message authentication code made for 32-bit machines: 128-bit key, 12
 * rounds of additions, rotations and exclusive ors. The message has a fixed length for each address family, a whole
 * number of blocks, so Chaskey's padding never applies. We wrote it out here because `net` may not depend on `crypto`
 * and a keyed hash of 16 octets needs no more.
 */
import type { IpAddress, Port } from '@mirage-ts/signatures/addresses'
import type { Random } from '@mirage-ts/signatures/random'
import type { Instant } from '@mirage-ts/signatures/time'
import { type Seq, seq } from '../seq.ts'

const ROUNDS = 12
/** RFC 9293 §3.4.1: the clock's "low-order bit is incremented roughly every 4 microseconds". */
const TICK_US = 4

/** The generator; one secret for its life. */
export class IsnGenerator {
  private readonly key = new Int32Array(4)
  /** The key times two in GF(2^128): Chaskey's key of the last block. */
  private readonly lastKey = new Int32Array(4)
  private readonly state = new Int32Array(4)

  constructor(random: Random) {
    const { key, lastKey } = this
    for (let i = 0; i < 4; i++) key[i] = random.u32()
    for (let i = 0; i < 4; i++) lastKey[i] = ((key[i] as number) << 1) | ((key[(i + 3) & 3] as number) >>> 31)
    // The bit that left at the top comes back as the field's polynomial, not as itself.
    if (((key[3] as number) & 0x80000000) !== 0) lastKey[0] = (lastKey[0] as number) ^ 0x86
  }

  /** The initial sequence number of a connection opened now. */
  next(local: IpAddress, localPort: Port, remote: IpAddress, remotePort: Port, now: Instant): Seq {
    return seq(this.hash(local, localPort, remote, remotePort, 0) + Math.floor(now / TICK_US))
  }

  /** F alone, over a conversation and one word more: 32 bits, with a sign. */
  hash(local: IpAddress, localPort: Port, remote: IpAddress, remotePort: Port, word: number): number {
    this.state.set(this.key)
    const ports = (localPort << 16) | remotePort
    if (typeof local === 'number' && typeof remote === 'number') {
      this.absorbLast(local, remote, ports, 4 ^ word)
    } else {
      this.absorbAddress(BigInt(local))
      this.absorbAddress(BigInt(remote))
      this.absorbLast(ports, word, 0, 6)
    }
    return this.state[0] as number
  }

  private absorbAddress(address: bigint): void {
    const { state } = this
    for (let i = 0; i < 4; i++) state[i] = (state[i] as number) ^ Number(BigInt.asIntN(32, address >> BigInt(32 * i)))
    permute(state)
  }

  private absorbLast(m0: number, m1: number, m2: number, m3: number): void {
    const { state, lastKey } = this
    state[0] = (state[0] as number) ^ m0 ^ (lastKey[0] as number)
    state[1] = (state[1] as number) ^ m1 ^ (lastKey[1] as number)
    state[2] = (state[2] as number) ^ m2 ^ (lastKey[2] as number)
    state[3] = (state[3] as number) ^ m3 ^ (lastKey[3] as number)
    permute(state)
    for (let i = 0; i < 4; i++) state[i] = (state[i] as number) ^ (lastKey[i] as number)
  }
}

function permute(state: Int32Array): void {
  let v0 = state[0] as number
  let v1 = state[1] as number
  let v2 = state[2] as number
  let v3 = state[3] as number
  for (let round = 0; round < ROUNDS; round++) {
    v0 = (v0 + v1) | 0
    v1 = rotate(v1, 5) ^ v0
    v0 = rotate(v0, 16)
    v2 = (v2 + v3) | 0
    v3 = rotate(v3, 8) ^ v2
    v0 = (v0 + v3) | 0
    v3 = rotate(v3, 13) ^ v0
    v2 = (v2 + v1) | 0
    v1 = rotate(v1, 7) ^ v2
    v2 = rotate(v2, 16)
  }
  state[0] = v0
  state[1] = v1
  state[2] = v2
  state[3] = v3
}

function rotate(word: number, bitCount: number): number {
  return (word << bitCount) | (word >>> (32 - bitCount))
}
