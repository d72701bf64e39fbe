/**
 * Addresses as branded primitives: cheap, comparable with `===`, usable as keys, and impossible to mix up.
 * `@mirage-ts/core/addresses` builds, parses and prints them.
 */

declare const brand: unique symbol

/** A primitive that only a checked function may build. */
export interface Brand<Name extends string> {
  readonly [brand]: Name
}

/** IEEE 802 MAC address: 48 bits in a number, first octet most significant. */
export type Mac = number & Brand<'Mac'>

/** IPv4 address (RFC 791): an unsigned 32-bit number in host order, `10.0.0.1` is `0x0a000001`. */
export type Ipv4 = number & Brand<'Ipv4'>

/** IPv6 address (RFC 4291): an unsigned 128-bit bigint. `typeof` tells it from an {@link Ipv4}. */
export type Ipv6 = bigint & Brand<'Ipv6'>

/** An address of either family. */
export type IpAddress = Ipv4 | Ipv6

/** An IPv4 network: the interface's own address and the length of the prefix in bits. */
export interface Ipv4Cidr {
  readonly address: Ipv4
  /** 0 to 32. */
  readonly prefixBits: number
}

/** An IPv6 network: the interface's own address and the length of the prefix in bits. */
export interface Ipv6Cidr {
  readonly address: Ipv6
  /** 0 to 128. */
  readonly prefixBits: number
}

/** TCP or UDP port, 0 to 65535. */
export type Port = number & Brand<'Port'>

/** One end of a conversation. */
export interface Endpoint {
  readonly address: IpAddress
  readonly port: Port
}
