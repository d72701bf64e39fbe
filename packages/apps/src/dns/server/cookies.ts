/** DNS cookies of a server (RFC 7873), made so that servers with one secret understand each other's (RFC 9018). */
import { sipHash24 } from '@mirage-ts/core/siphash'
import type { IpAddress } from '@mirage-ts/signatures/addresses'

export const COOKIE_LEN = 24
const CLIENT_LEN = 8
const HASH_OFF = 16
const VERSION = 1
/** RFC 9018 §4.3, in seconds. */
const MAX_AGE = 3600
const MAX_AHEAD = 300

export class Cookies {
  private readonly secret: Uint8Array
  /** Client cookie, version, reserved, time, and then the address of the client. */
  private readonly input = new Uint8Array(32)
  private readonly inputView: DataView = new DataView(this.input.buffer)
  private readonly hash = new Uint8Array(8)

  /** `secret` has 16 octets. */
  constructor(secret: Uint8Array) {
    if (secret.length !== 16) throw new RangeError(`Cannot use a cookie secret of ${secret.length} octets: expected 16`)
    this.secret = secret
  }

  /** True when the cookie at `off` is one that we gave `client` less than an hour ago. */
  isRight(u8: Uint8Array, off: number, lenBytes: number, client: IpAddress, nowSeconds: number): boolean {
    if (lenBytes !== COOKIE_LEN || u8[off + CLIENT_LEN] !== VERSION) return false
    this.input.set(u8.subarray(off, off + HASH_OFF))
    const age = (nowSeconds - this.inputView.getUint32(12)) | 0
    if (age > MAX_AGE || age < -MAX_AHEAD) return false
    this.compute(client)
    let difference = 0
    for (let i = 0; i < 8; i++) difference |= (this.hash[i] as number) ^ (u8[off + HASH_OFF + i] as number)
    return difference === 0
  }

  /** Writes the whole cookie for the client whose part stands at `off` to `into[at, at + 24)`. */
  write(u8: Uint8Array, off: number, into: Uint8Array, at: number, client: IpAddress, nowSeconds: number): void {
    this.input.set(u8.subarray(off, off + CLIENT_LEN))
    this.inputView.setUint32(8, VERSION << 24)
    this.inputView.setUint32(12, nowSeconds)
    this.compute(client)
    into.set(this.input.subarray(0, HASH_OFF), at)
    into.set(this.hash, at + HASH_OFF)
  }

  private compute(client: IpAddress): void {
    let end = HASH_OFF + 4
    if (typeof client === 'number') this.inputView.setUint32(HASH_OFF, client)
    else {
      this.inputView.setBigUint64(HASH_OFF, client >> 64n)
      this.inputView.setBigUint64(HASH_OFF + 8, client & 0xffff_ffff_ffff_ffffn)
      end = HASH_OFF + 16
    }
    sipHash24(this.secret, this.input, end, this.hash)
  }
}
