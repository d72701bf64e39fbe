/** What a DHCPv6 client asks in each of its states (RFC 8415 §18.2.1 to §18.2.8): the messages, before they are octets. */
import type { Ipv6 } from '@mirage-ts/signatures/addresses'
import {
  DECLINE,
  type Dhcp6AddressAssociation,
  type Dhcp6Message,
  FQDN_SERVER_UPDATES,
  INFORMATION_REQUEST,
  OPTION,
  REBIND,
  RELEASE,
  RENEW,
  REQUEST,
  SOLICIT,
} from './codec.ts'

/** The states in which something is asked. */
export type AskingState =
  | 'soliciting'
  | 'requesting'
  | 'renewing'
  | 'rebinding'
  | 'informing'
  | 'declining'
  | 'releasing'

const REQUESTED = [OPTION.DNS_SERVERS, OPTION.SEARCH_LIST, OPTION.NTP_SERVER, OPTION.SOL_MAX_RT] as const

/** Who asks, and in which exchange. */
export interface Questioner {
  readonly clientId: Uint8Array
  /** The server we have taken; messages to any server leave it out. */
  readonly serverId: Uint8Array | undefined
  readonly iaid: number
  readonly hostname: string | undefined
  readonly xid: number
  /** Hundredths of a second since the exchange began. */
  readonly elapsed: number
}

/** The message of `state` about `addresses`: those offered, lent, or given back. */
export function questionOf(state: AskingState, from: Questioner, addresses: readonly Ipv6[]): Dhcp6Message {
  const { clientId, serverId, iaid, hostname, xid, elapsed } = from
  const common = { xid, clientId, elapsed }
  const wishes = {
    requested: REQUESTED,
    fqdn: hostname === undefined ? undefined : { flags: FQDN_SERVER_UPDATES, name: hostname },
  }
  const associations = [associationOf(iaid, addresses)]
  switch (state) {
    case 'soliciting':
      return { type: SOLICIT, ...common, ...wishes, associations, isRapidCommit: true }
    case 'requesting':
      return { type: REQUEST, ...common, serverId, ...wishes, associations }
    case 'renewing':
      return { type: RENEW, ...common, serverId, ...wishes, associations }
    case 'rebinding':
      return { type: REBIND, ...common, ...wishes, associations }
    case 'informing':
      return { type: INFORMATION_REQUEST, ...common, requested: [...REQUESTED, OPTION.REFRESH_TIME, OPTION.INF_MAX_RT] }
    case 'declining':
      return { type: DECLINE, ...common, serverId, associations }
    case 'releasing':
      return { type: RELEASE, ...common, serverId, associations }
  }
}

function associationOf(iaid: number, addresses: readonly Ipv6[]): Dhcp6AddressAssociation {
  return {
    iaid,
    t1Seconds: 0,
    t2Seconds: 0,
    addresses: addresses.map((address) => ({ address, preferredSeconds: 0, validSeconds: 0 })),
  }
}
