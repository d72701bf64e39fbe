/** Hosts are known by their MAC to whoever configures a server; what a DHCPv6 client says of itself often holds it. */
import { toHex } from '@mirage-ts/core/bytes'
import type { Ipv6, Mac } from '@mirage-ts/signatures/addresses'

/** The MAC of a client with the identifier `duid` that asks from `address`, if one of them tells. */
export function macOf(duid: Uint8Array | undefined, address: Ipv6): Mac | undefined {
  return (duid === undefined ? undefined : macOfDuid(duid)) ?? macOfAddress(address)
}

/** The MAC in an identifier made of one (RFC 8415 §11.2, §11.4). */
function macOfDuid(duid: Uint8Array): Mac | undefined {
  const hex = toHex(duid)
  const [, mac] = /^(?:00010001[0-9a-f]{8}|00030001)([0-9a-f]{12})$/.exec(hex) ?? []
  return mac === undefined ? undefined : (Number.parseInt(mac, 16) as Mac)
}

/** The MAC in an interface identifier made of one (RFC 4291 appendix A). */
function macOfAddress(address: Ipv6): Mac | undefined {
  const id = address & 0xffffffffffffffffn
  if (((id >> 24n) & 0xffffn) !== 0xfffen) return undefined
  return Number((((id >> 40n) << 24n) | (id & 0xffffffn)) ^ (1n << 41n)) as Mac
}
