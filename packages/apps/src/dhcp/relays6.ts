/** Messages of DHCPv6 that come through relay agents, and go back through them (RFC 8415 §19). */
import { type Dhcp6Reason, type Dhcp6Relay, MAX_HOPS, RELAY_FORWARD, RELAY_REPLY } from '@mirage-ts/net/dhcp6/codec'
import { parseDhcp6Relay } from '@mirage-ts/net/dhcp6/reader'
import { emitDhcp6Relay } from '@mirage-ts/net/dhcp6/writer'
import type { Ipv6 } from '@mirage-ts/signatures/addresses'

/** What a client has said, and the relay agents it came through, the one next to us first. */
export interface Relayed {
  readonly relays: readonly Dhcp6Relay[]
  readonly message: Uint8Array
}

/** Takes the message out of those of its relay agents; a reason when it cannot be. */
export function unwrap(octets: Uint8Array): Relayed | Dhcp6Reason | 'invalid' {
  const relays: Dhcp6Relay[] = []
  let message = octets
  while (message[0] === RELAY_FORWARD) {
    const relay = parseDhcp6Relay(message)
    if (typeof relay === 'string') return relay
    if (relays.length >= MAX_HOPS) return 'invalid'
    relays.push(relay)
    message = relay.message
  }
  return { relays, message }
}

/** Puts an answer into messages for the same relay agents. */
export function wrap(answer: Uint8Array, relays: readonly Dhcp6Relay[]): Uint8Array {
  return relays.reduceRight(
    (message, { hops, link, peer, interfaceId }) =>
      emitDhcp6Relay({ type: RELAY_REPLY, hops, link, peer, interfaceId, message }),
    answer,
  )
}

/** RFC 8415 §13.1: the relay agent next to the client that says so names its link. */
export function linkNamedBy(relays: readonly Dhcp6Relay[]): Ipv6 | undefined {
  return relays.findLast(({ link }) => link !== 0n && link >> 118n !== 0x3fan)?.link
}
