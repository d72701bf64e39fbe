/** What serves a local network: addresses, routers, names. Each can be had alone, or all of it as one. */
import {
  bootKey,
  type Device,
  device,
  int,
  ipv4Address,
  ipv4Cidr,
  ipv6Address,
  ipv6Cidr,
  kindOf,
  listOf,
  oneOf,
  string,
} from './config.ts'
import { defaultClock, defaultLog, defaultRandom, defaultTime, defaultWallClock } from './default-devices.ts'
import { dualIcmp, dualIp, type IpKind, icmp, icmpv6, ipv6, unconfiguredIpv4 } from './ip-devices.ts'
import { arp, defaultNetwork, ethernet, type GroupOptions } from './network-devices.ts'
import { stackOver } from './stack-devices.ts'
import { genericKvRw } from './storage-devices.ts'

declare module './config.ts' {
  interface Kinds {
    /** `Lan` of `@mirage-ts/apps/dhcp/lan`: this package does not know applications. */
    lan: object
    /** `Dhcp4Server` of `@mirage-ts/apps/dhcp/server4`. */
    'dhcp-server': object
    /** `RouterAdvertiser` of `@mirage-ts/net/ipv6/router-advertiser`. */
    'router-advertiser': object
    /** `Mdns` of `@mirage-ts/apps/mdns/mdns`. */
    mdns: object
  }
}

const LAN = 'LOCAL NETWORK'

export interface LendingOptions extends GroupOptions {
  /** Where leases are written down. Default: `genericKvRw()`. */
  readonly leases?: Device<'kv-rw'>
}

function lendingKeys({ group }: GroupOptions) {
  return {
    network: bootKey('ipv4', {
      type: ipv4Cidr,
      default: '10.0.0.1/24',
      doc: 'our address, and the length of the network’s prefix',
      section: LAN,
      group,
    }),
    first: bootKey('first', {
      type: ipv4Address,
      default: '10.0.0.50',
      doc: 'first address to lend',
      section: LAN,
      group,
    }),
    last: bootKey('last', {
      type: ipv4Address,
      default: '10.0.0.199',
      doc: 'last address to lend',
      section: LAN,
      group,
    }),
    router: bootKey('router', {
      type: ipv4Address,
      doc: 'the router to everywhere else; none by default',
      section: LAN,
      group,
    }),
    hosts: bootKey('hosts', {
      type: listOf(string),
      doc: 'hosts that always get the same address and name: MAC=ADDRESS=NAME',
      section: LAN,
      group,
    }),
    leaseSeconds: bootKey('lease', {
      type: int,
      default: 3600,
      doc: 'seconds that an address is lent for',
      section: LAN,
      group,
    }),
  }
}

/**
 * All that a small network needs, over one Ethernet: addresses by DHCP for both versions of IP, router advertisements, and DNS that
 * knows the hosts by name and asks `--forward-to` for the rest. It has a stack of its own.
 */
export function localNetwork(
  network: Device<'network'> = defaultNetwork,
  { leases = genericKvRw(), ...options }: LendingOptions = {},
): Device<'lan'> {
  const { group } = options
  const link = ethernet(network)
  const addresses = arp(link)
  const v4 = unconfiguredIpv4(link, addresses)
  const v6 = ipv6(link, options)
  const stack = stackOver(dualIp(v4, v6), dualIcmp(icmp(v4), icmpv6(v6)), options)
  return device('@mirage-ts/apps/dhcp/devices', 'createLan', {
    takes: {
      ethernet: 'ethernet',
      arp: 'arp',
      ipv4: 'ipv4',
      ipv6: 'ipv6',
      stack: 'stack',
      leases: 'kv-rw',
      time: 'time',
      clock: 'clock',
      wallClock: 'wall-clock',
      random: 'random',
      log: 'log',
    },
    makes: 'lan',
    keys: {
      ...lendingKeys(options),
      mode6: bootKey('ipv6-hosts', {
        type: oneOf('stateful', 'stateless'),
        default: 'stateful',
        doc: 'whether hosts are lent IPv6 addresses, or make them up; needs --ipv6, our own, with a prefix of 64 bits',
        section: LAN,
        group,
      }),
      domain: bootKey('domain', { type: string, default: 'lan', doc: 'the domain of the hosts', section: LAN, group }),
      hostname: bootKey('hostname', {
        type: string,
        default: 'gateway',
        doc: 'our own name in it',
        section: LAN,
        group,
      }),
      forwardTo: bootKey('forward-to', {
        type: listOf(ipv4Address),
        doc: 'resolvers for all other names; none by default',
        section: LAN,
        group,
      }),
    },
  })({
    ethernet: link,
    arp: addresses,
    ipv4: v4,
    ipv6: v6,
    stack,
    leases,
    time: defaultTime,
    clock: defaultClock,
    wallClock: defaultWallClock,
    random: defaultRandom,
    log: defaultLog,
  })
}

/** What a DHCP server works with. `stack` is over the IPv4 of that Ethernet, which has the address of `--lend-ipv4`. */
export interface DhcpServerDevices {
  readonly ethernet: Device<'ethernet'>
  readonly arp: Device<'arp'>
  readonly stack: Device<'stack'>
}

/**
 * Lends IPv4 addresses: `--lend-ipv4` is our own, `--lend-first` to `--lend-last` are others'. The keys have the group `lend` unless
 * another is given, for a stack has an `--ipv4` of its own.
 */
export function dhcpServer(
  devices: DhcpServerDevices,
  { leases = genericKvRw(), group = 'lend' }: LendingOptions = {},
): Device<'dhcp-server'> {
  return device('@mirage-ts/apps/dhcp/devices', 'createDhcpServer', {
    takes: {
      ethernet: 'ethernet',
      arp: 'arp',
      stack: 'stack',
      leases: 'kv-rw',
      time: 'time',
      clock: 'clock',
      wallClock: 'wall-clock',
      log: 'log',
    },
    makes: 'dhcp-server',
    keys: {
      ...lendingKeys({ group }),
      nameservers: bootKey('nameservers', {
        type: listOf(ipv4Address),
        doc: 'resolvers to tell hosts of; none by default',
        section: LAN,
        group,
      }),
      domain: bootKey('domain', { type: string, doc: 'the domain of the hosts; none by default', section: LAN, group }),
    },
  })({ ...devices, leases, time: defaultTime, clock: defaultClock, wallClock: defaultWallClock, log: defaultLog })
}

/** Tells the hosts of a link of the prefixes `--advertise-prefixes`, and with `--advertise-lifetime` that we are a router. */
export function routerAdvertiser(
  devices: { readonly ethernet: Device<'ethernet'>; readonly ipv6: Device<'ipv6'> },
  { group = 'advertise' }: GroupOptions = {},
): Device<'router-advertiser'> {
  return device('@mirage-ts/apps/dhcp/devices', 'createAdvertiser', {
    takes: { ethernet: 'ethernet', ipv6: 'ipv6', time: 'time', clock: 'clock', random: 'random' },
    makes: 'router-advertiser',
    keys: {
      prefixes: bootKey('prefixes', {
        type: listOf(ipv6Cidr),
        default: 'fd00::/64',
        doc: 'prefixes that hosts make addresses of',
        section: LAN,
        group,
      }),
      nameservers: bootKey('nameservers', {
        type: listOf(ipv6Address),
        doc: 'resolvers to tell hosts of; none by default',
        section: LAN,
        group,
      }),
      routerSeconds: bootKey('lifetime', {
        type: int,
        default: 0,
        doc: 'seconds that we are a router for; 0 when we are none',
        section: LAN,
        group,
      }),
    },
  })({ ...devices, time: defaultTime, clock: defaultClock, random: defaultRandom })
}

/**
 * A name of our own on the link without any server, `--mdns-hostname` and `.local`, and services that others find there (RFC 6762,
 * RFC 6763). `stack` is over `ip`; where switches filter groups, take `igmp(ipv4)` too.
 */
export function mdnsResponder<K extends IpKind>(
  { ip, stack }: { readonly ip: Device<K>; readonly stack: Device<'stack'> },
  { group = 'mdns' }: GroupOptions = {},
): Device<'mdns'> {
  const kind = kindOf(ip)
  const versions = kind === 'ip' ? 'dual' : kind === 'ipv4' ? 'v4' : 'v6'
  return device('@mirage-ts/apps/mdns/device', 'createMdnsDevice', {
    takes: { ip: kind, stack: 'stack', time: 'time', clock: 'clock', random: 'random', log: 'log' },
    makes: 'mdns',
    options: { versions },
    keys: {
      hostname: bootKey('hostname', {
        type: string,
        default: 'unikernel',
        doc: 'the name to be known by on the link, before .local',
        section: LAN,
        group,
      }),
    },
  })({ ip, stack, time: defaultTime, clock: defaultClock, random: defaultRandom, log: defaultLog })
}
