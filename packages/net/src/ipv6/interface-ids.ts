/**
 * The lower half of our addresses: made of the MAC (RFC 4291 appendix A), of the prefix and a secret (RFC 7217), or at random
 * (RFC 8981 §3.3).
 */
import { interfaceIdOf, writeIpv6 } from '@mirage-ts/core/addresses'
import { frameOf, fromHex } from '@mirage-ts/core/bytes'
import { sipHash24 } from '@mirage-ts/core/siphash'
import type { Ipv6, Mac } from '@mirage-ts/signatures/addresses'
import type { Random } from '@mirage-ts/signatures/random'

/** Octets of the secret: RFC 7217 §5 wants 128 bits at least. */
const SECRET_LEN = 16
/** What is hashed: the upper half of the address, the MAC as Net_Iface, the DAD counter. There is one network, and no name of it. */
const PREFIX_LEN = 8
const MAC_LEN = 6
const INPUT_LEN = PREFIX_LEN + MAC_LEN + 1

/** Stable identifiers: the same for the same prefix, and after a reboot with the same MAC and secret. */
export class InterfaceIds {
  private readonly mac: Mac
  private readonly secret: Uint8Array | undefined

  /** Without a secret identifiers are made of the MAC. */
  constructor(mac: Mac, secret: Uint8Array | undefined) {
    this.mac = mac
    this.secret = secret
  }

  /** True when there is another identifier to try after a collision. */
  get isOpaque(): boolean {
    return this.secret !== undefined
  }

  /** The identifier for addresses of `prefix` when `collisions` earlier ones belonged to somebody else. */
  of(prefix: Ipv6, collisions: number): bigint {
    const { secret } = this
    if (secret === undefined) return interfaceIdOf(this.mac)
    const input = frameOf(new Uint8Array(16 + MAC_LEN))
    const hash = frameOf(new Uint8Array(8))
    // RFC 7217 §5 (2): after a reserved identifier the counter goes on; in steps that no count of collisions takes.
    for (let counter = collisions; ; counter += 16) {
      writeIpv6(input.dv, 0, prefix)
      input.dv.setUint16(PREFIX_LEN, Math.floor(this.mac / 2 ** 32))
      input.dv.setUint32(PREFIX_LEN + 2, this.mac >>> 0)
      input.u8[PREFIX_LEN + MAC_LEN] = counter
      sipHash24(secret, input.u8, INPUT_LEN, hash.u8)
      const id = hash.dv.getBigUint64(0)
      if (!isReserved(id)) return id
    }
  }
}

/** An identifier that says nothing. */
export function randomInterfaceId(random: Random): bigint {
  for (;;) {
    const id = (BigInt(random.u32()) << 32n) | BigInt(random.u32())
    if (!isReserved(id)) return id
  }
}

/** The secret of {@link InterfaceIds} that a user names: 32 hexadecimal digits, or `random` for another at each boot. */
export function interfaceSecret(text: string | undefined, random: Random): Uint8Array | undefined {
  if (text === undefined) return undefined
  if (text === 'random') {
    const secret = frameOf(new Uint8Array(SECRET_LEN))
    for (let off = 0; off < SECRET_LEN; off += 4) secret.dv.setUint32(off, random.u32())
    return secret.u8
  }
  if (/^[0-9a-f]{32}$/i.test(text)) return fromHex(text)
  throw new RangeError(`Cannot use ${JSON.stringify(text)} as IPv6 secret: expected 32 hexadecimal digits, or random`)
}

/** RFC 5453: of the subnet's routers, of IANA's own range, of anycast addresses. */
function isReserved(id: bigint): boolean {
  return id === 0n || id >> 24n === 0x02005efffen || id >> 7n === 0xfdffffffffffff80n >> 7n
}
