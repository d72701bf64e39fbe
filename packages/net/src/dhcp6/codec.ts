/**
 * DHCPv6 messages as clients, servers and relays send them (RFC 8415 §8, §9, §21; DNS RFC 3646, names RFC 4704, time servers
 * RFC 4075 and 5908, retransmission limits RFC 7083): what is in them. reader.ts reads them, writer.ts writes them. Left out, as RFC 9915 dropped them: temporary
 * addresses and the server's unicast option; like every option without a field of its own they are octets in `others`.
 */
import type { Ipv6, Ipv6Cidr, Mac } from '@mirage-ts/signatures/addresses'

export const DHCP6_CLIENT_PORT = 546
export const DHCP6_SERVER_PORT = 547
/** `ff02::1:2`, all relay agents and servers of a link (RFC 8415 §7.1). */
export const DHCP6_RELAYS_AND_SERVERS: Ipv6 = 0xff020000000000000000000000010002n as Ipv6
/** A lifetime, and T1 or T2, that never ends (RFC 8415 §7.7). */
export const DHCP6_INFINITY = 0xffffffff

export const SOLICIT = 1
export const ADVERTISE = 2
export const REQUEST = 3
export const CONFIRM = 4
export const RENEW = 5
export const REBIND = 6
export const REPLY = 7
export const RELEASE = 8
export const DECLINE = 9
export const RECONFIGURE = 10
export const INFORMATION_REQUEST = 11
export const RELAY_FORWARD = 12
export const RELAY_REPLY = 13

/** Status codes (RFC 8415 §21.13). */
export const STATUS = {
  SUCCESS: 0,
  UNSPEC_FAIL: 1,
  NO_ADDRS_AVAIL: 2,
  NO_BINDING: 3,
  NOT_ON_LINK: 4,
  NO_PREFIX_AVAIL: 6,
} as const

/** Options (RFC 8415 §21 and those named above). */
export const OPTION = {
  CLIENT_ID: 1,
  SERVER_ID: 2,
  IA_NA: 3,
  IA_ADDRESS: 5,
  REQUESTED: 6,
  PREFERENCE: 7,
  ELAPSED: 8,
  RELAYED: 9,
  STATUS: 13,
  RAPID_COMMIT: 14,
  INTERFACE_ID: 18,
  RECONFIGURE: 19,
  RECONFIGURE_ACCEPT: 20,
  DNS_SERVERS: 23,
  SEARCH_LIST: 24,
  IA_PD: 25,
  IA_PREFIX: 26,
  SNTP_SERVERS: 31,
  REFRESH_TIME: 32,
  FQDN: 39,
  NTP_SERVER: 56,
  SOL_MAX_RT: 82,
  INF_MAX_RT: 83,
} as const

/** RFC 4704 §4.1: who enters the name in DNS. S: the server enters the AAAA record; N: nobody; O: the server overrode S. */
export const FQDN_SERVER_UPDATES = 1
export const FQDN_OVERRIDDEN = 2
export const FQDN_NO_UPDATES = 4

/** RFC 8415 §9.3, §19: a packet that went through more relays is going in a circle. */
export const MAX_HOPS = 8

export interface Dhcp6Status {
  /** One of `STATUS`; codes that we don't know are failures. */
  readonly code: number
  /** For people; not believed in any way. */
  readonly message: string
}

/** An address in an identity association. */
export interface Dhcp6Address {
  readonly address: Ipv6
  readonly preferredSeconds: number
  readonly validSeconds: number
  readonly status?: Dhcp6Status | undefined
}

/** A delegated prefix in an identity association. */
export interface Dhcp6Prefix {
  readonly prefix: Ipv6Cidr
  readonly preferredSeconds: number
  readonly validSeconds: number
  readonly status?: Dhcp6Status | undefined
}

/** An identity association for addresses (IA_NA, RFC 8415 §21.4): what one interface of a client is lent. */
export interface Dhcp6AddressAssociation {
  /** The client's number for it, 32 bits. */
  readonly iaid: number
  readonly t1Seconds: number
  readonly t2Seconds: number
  readonly addresses: readonly Dhcp6Address[]
  readonly status?: Dhcp6Status | undefined
}

/** An identity association for prefixes (IA_PD, RFC 8415 §21.21). */
export interface Dhcp6PrefixAssociation {
  readonly iaid: number
  readonly t1Seconds: number
  readonly t2Seconds: number
  readonly prefixes: readonly Dhcp6Prefix[]
  readonly status?: Dhcp6Status | undefined
}

export interface Dhcp6Fqdn {
  /** `FQDN_...`, added up. */
  readonly flags: number
  /** `host.example.com`, or `host` alone when the client leaves the domain to the server; empty when it has no name. */
  readonly name: string
}

/** What a message says. A field that is absent (or `undefined`) is an option that is not there. */
export interface Dhcp6Options {
  readonly clientId?: Uint8Array | undefined
  readonly serverId?: Uint8Array | undefined
  /** The IA_NA options, in their order. */
  readonly associations?: readonly Dhcp6AddressAssociation[] | undefined
  /** The IA_PD options, in their order. */
  readonly prefixAssociations?: readonly Dhcp6PrefixAssociation[] | undefined
  /** Codes of the options that the client would like to have. */
  readonly requested?: readonly number[] | undefined
  /** 0 to 255; a client takes a server that says 255 at once. */
  readonly preference?: number | undefined
  /** Hundredths of a second since the client began this exchange, at most 0xffff. */
  readonly elapsed?: number | undefined
  readonly status?: Dhcp6Status | undefined
  readonly isRapidCommit?: boolean | undefined
  /** The type of message with which to answer a reconfigure message. */
  readonly reconfigure?: number | undefined
  readonly isReconfigureAccepted?: boolean | undefined
  readonly dnsServers?: readonly Ipv6[] | undefined
  /** Domain names without a final dot. */
  readonly searchList?: readonly string[] | undefined
  readonly sntpServers?: readonly Ipv6[] | undefined
  /** Addresses and names of the sub-options of an NTP server option; groups (multicast) among the addresses. */
  readonly ntpServers?: readonly (Ipv6 | string)[] | undefined
  /** When to ask for information again. */
  readonly refreshSeconds?: number | undefined
  readonly fqdn?: Dhcp6Fqdn | undefined
  readonly solMaxRtSeconds?: number | undefined
  readonly infMaxRtSeconds?: number | undefined
  /** Options without a field above, in their order. */
  readonly others?: readonly { readonly code: number; readonly data: Uint8Array }[] | undefined
}

/** A message between client and server. */
export interface Dhcp6Message extends Dhcp6Options {
  /** `SOLICIT` to `INFORMATION_REQUEST`. */
  readonly type: number
  /** 24 bits. */
  readonly xid: number
}

/** A message between relay agents and servers: another message and where it came from. */
export interface Dhcp6Relay {
  /** `RELAY_FORWARD` or `RELAY_REPLY`. */
  readonly type: number
  readonly hops: number
  /** Names the client's link; unspecified when a relay before this one has named it. */
  readonly link: Ipv6
  /** Who sent the inner message to the relay. */
  readonly peer: Ipv6
  /** What the relay wants back as it is. */
  readonly interfaceId?: Uint8Array | undefined
  /** The inner message, of a client or server or of a relay again. */
  readonly message: Uint8Array
}

export type Dhcp6Reason = 'truncated' | 'bad-type' | 'bad-option' | 'too-many-options' | 'no-message'

/** The DUID of a station that has nothing but its MAC (DUID-LL, RFC 8415 §11.4): the same after every boot, without a disk. */
export function duidOfMac(mac: Mac): Uint8Array {
  const u8 = new Uint8Array(10)
  const dv = new DataView(u8.buffer)
  // Type 3, hardware type 1: Ethernet.
  dv.setUint32(0, 0x00030001)
  dv.setUint16(4, Math.floor(mac / 0x1_0000_0000))
  dv.setUint32(6, mac >>> 0)
  return u8
}
