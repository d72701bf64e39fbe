/** The layers over a network: IPv4 and IPv6, ICMP, DHCP, UDP, TCP. What a unikernel does not use is not in its image. */
import type { Dhcp, Dhcp6 } from '@mirage-ts/signatures/dhcp'
import type { HostIp } from '@mirage-ts/signatures/ip'
import {
  type BootKey,
  bool,
  bootKey,
  configureKey,
  type Device,
  device,
  ipv4Address,
  ipv4Cidr,
  ipv6Address,
  ipv6Cidr,
  kindOf,
  string,
} from './config.ts'
import { defaultClock, defaultLog, defaultRandom, defaultTime } from './default-devices.ts'
import { type GroupOptions, NETWORK } from './network-devices.ts'

declare module './config.ts' {
  interface Kinds {
    dhcp: Dhcp
    dhcp6: Dhcp6
    ipv6: HostIp
    /** Both versions. */
    ip: HostIp
    /** Starts with the device, and needs no calls. */
    igmp: object
  }
}

/** The kinds of network layers that transports lie on. */
export type IpKind = 'ip' | 'ipv4' | 'ipv6'

/** Addresses to begin with, where the command line gives no others. */
export interface Ipv4Options extends GroupOptions {
  /** `10.0.0.2/24` unless given. */
  readonly ipv4?: string
  readonly ipv4Gateway?: string
}

/** The same for IPv6. */
export interface Ipv6Options extends GroupOptions {
  /** With its prefix length: `fd00::2/64`. */
  readonly ipv6?: string
  readonly ipv6Gateway?: string
}

/** Bounds of TCP. */
export interface TcpOptions extends GroupOptions {
  /** Connections in all states; further ones are refused. 4096 unless given. */
  readonly maxConnections?: number
}

const IPV4_TAKES = { ethernet: 'ethernet', arp: 'arp', random: 'random', clock: 'clock', time: 'time' } as const

function ipv4Dependencies(ethernet: Device<'ethernet'>, arp: Device<'arp'>) {
  return { ethernet, arp, random: defaultRandom, clock: defaultClock, time: defaultTime }
}

/** IPv4 with the address and gateway that `--ipv4` and `--ipv4-gateway` give. */
export function staticIpv4(
  ethernet: Device<'ethernet'>,
  arp: Device<'arp'>,
  { group, ipv4 = '10.0.0.2/24', ipv4Gateway }: Ipv4Options = {},
): Device<'ipv4'> {
  return device('@mirage-ts/net/ipv4/ipv4', 'createIpv4', {
    takes: IPV4_TAKES,
    makes: 'ipv4',
    keys: {
      cidr: bootKey('ipv4', {
        type: ipv4Cidr,
        default: ipv4,
        doc: 'the IPv4 address and its prefix length',
        section: NETWORK,
        group,
      }),
      gateway: bootKey('ipv4-gateway', {
        type: ipv4Address,
        default: ipv4Gateway,
        doc: 'the router to everywhere else',
        section: NETWORK,
        group,
      }),
    },
  })(ipv4Dependencies(ethernet, arp))
}

/** IPv4 without an address until something configures it. */
export function unconfiguredIpv4(ethernet: Device<'ethernet'>, arp: Device<'arp'>): Device<'ipv4'> {
  return device('@mirage-ts/net/ipv4/ipv4', 'createIpv4', { takes: IPV4_TAKES, makes: 'ipv4' })(
    ipv4Dependencies(ethernet, arp),
  )
}

/** ICMP over IPv4: answers echo requests. */
export function icmp(ipv4: Device<'ipv4'>): Device<'icmp'> {
  return device('@mirage-ts/net/ipv4/icmp', 'createIcmp', { takes: { ipv4: 'ipv4', clock: 'clock' }, makes: 'icmp' })({
    ipv4,
    clock: defaultClock,
  })
}

/**
 * Tells routers and switches which groups `ipv4` has joined (`ip.join(group)`), so that they let them through. Without it
 * groups arrive only where nobody filters them. IPv6 does so by itself.
 */
export function igmp(ipv4: Device<'ipv4'>): Device<'igmp'> {
  return device('@mirage-ts/net/ipv4/igmp', 'createIgmp', {
    takes: { ipv4: 'ipv4', clock: 'clock', time: 'time', random: 'random' },
    makes: 'igmp',
  })({ ipv4, clock: defaultClock, time: defaultTime, random: defaultRandom })
}

/** What a DHCP client works with. */
export interface DhcpDevices {
  readonly ethernet: Device<'ethernet'>
  readonly arp: Device<'arp'>
  readonly ipv4: Device<'ipv4'>
  readonly udp: Device<'udp'>
}

/** `--hostname`, the name that DHCP clients ask for: one key for all clients of a stack. */
export function hostnameKey({ group }: GroupOptions = {}): BootKey<string> {
  return bootKey('hostname', {
    type: string,
    doc: 'the name to ask the DHCP server for; with a dot, it is entered in DNS',
    section: NETWORK,
    group,
  })
}

/** A DHCP client that gives `ipv4` its address; `--hostname` is the name it asks for. */
export function dhcpClient(
  devices: DhcpDevices,
  options: GroupOptions = {},
  hostname: BootKey<string> = hostnameKey(options),
): Device<'dhcp'> {
  return device('@mirage-ts/net/dhcp/client', 'createDhcp', {
    takes: {
      ethernet: 'ethernet',
      arp: 'arp',
      ipv4: 'ipv4',
      udp: 'udp',
      clock: 'clock',
      time: 'time',
      random: 'random',
      log: 'log',
    },
    makes: 'dhcp',
    keys: { hostname },
  })({ ...devices, clock: defaultClock, time: defaultTime, random: defaultRandom, log: defaultLog })
}

/** What a DHCPv6 client works with. */
export interface Dhcp6Devices {
  readonly ethernet: Device<'ethernet'>
  readonly ipv6: Device<'ipv6'>
  readonly udp: Device<'udp'>
}

/**
 * A DHCPv6 client that gives `ipv6` further addresses, or the stack resolvers, when routers say that there are some; `--hostname`
 * is the name it asks for.
 */
export function dhcp6Client(
  devices: Dhcp6Devices,
  options: GroupOptions = {},
  hostname: BootKey<string> = hostnameKey(options),
): Device<'dhcp6'> {
  return device('@mirage-ts/net/dhcp6/client', 'createDhcp6', {
    takes: DHCP6_TAKES,
    makes: 'dhcp6',
    keys: { hostname },
  })(dhcp6Dependencies(devices))
}

/** One that keeps the others waiting until `ipv6` has an address, from whomever. */
export function readyDhcp6Client(
  devices: Dhcp6Devices,
  options: GroupOptions = {},
  hostname: BootKey<string> = hostnameKey(options),
): Device<'dhcp6'> {
  return device('@mirage-ts/net/dhcp6/ready', 'createReadyDhcp6', {
    takes: DHCP6_TAKES,
    makes: 'dhcp6',
    keys: { hostname },
  })(dhcp6Dependencies(devices))
}

const DHCP6_TAKES = {
  ethernet: 'ethernet',
  ipv6: 'ipv6',
  udp: 'udp',
  clock: 'clock',
  time: 'time',
  random: 'random',
  log: 'log',
} as const

function dhcp6Dependencies(devices: Dhcp6Devices) {
  return { ...devices, clock: defaultClock, time: defaultTime, random: defaultRandom, log: defaultLog }
}

/** What an IPv6 device is told on the command line. */

function ipv6Keys({ group, ipv6, ipv6Gateway }: Ipv6Options) {
  return {
    cidr: bootKey('ipv6', {
      type: ipv6Cidr,
      default: ipv6,
      doc: 'an IPv6 address and its prefix length, beside those that routers give',
      section: NETWORK,
      group,
    }),
    gateway: bootKey('ipv6-gateway', {
      type: ipv6Address,
      default: ipv6Gateway,
      doc: 'the IPv6 router to everywhere else, before any that announces itself',
      section: NETWORK,
      group,
    }),
    acceptRouterAdvertisements: bootKey('accept-router-advertisements', {
      type: bool,
      default: true,
      doc: 'take addresses and routes from IPv6 routers',
      section: NETWORK,
      group,
    }),
    interfaceSecret: bootKey('ipv6-secret', {
      type: string,
      doc: 'make IPv6 addresses of this secret, 32 hexadecimal digits, or of a random one, and not of the MAC (RFC 7217)',
      section: NETWORK,
      group,
    }),
    temporaryAddresses: bootKey('temporary-addresses', {
      type: bool,
      default: false,
      doc: 'connect from IPv6 addresses that change each day (RFC 8981)',
      section: NETWORK,
      group,
    }),
  }
}

const IPV6_TAKES = { ethernet: 'ethernet', clock: 'clock', time: 'time', random: 'random', log: 'log' } as const

function ipv6Dependencies(ethernet: Device<'ethernet'>) {
  return { ethernet, clock: defaultClock, time: defaultTime, random: defaultRandom, log: defaultLog }
}

/** IPv6; its addresses are there a second after the start. */
export function ipv6(ethernet: Device<'ethernet'>, options: Ipv6Options = {}): Device<'ipv6'> {
  return device('@mirage-ts/net/ipv6/ipv6', 'createIpv6', {
    takes: IPV6_TAKES,
    makes: 'ipv6',
    keys: ipv6Keys(options),
  })(ipv6Dependencies(ethernet))
}

/** IPv6 that keeps the others waiting until it has an address. */
export function readyIpv6(ethernet: Device<'ethernet'>, options: Ipv6Options = {}): Device<'ipv6'> {
  return device('@mirage-ts/net/ipv6/ready', 'createReadyIpv6', {
    takes: IPV6_TAKES,
    makes: 'ipv6',
    keys: ipv6Keys(options),
  })(ipv6Dependencies(ethernet))
}

/** ICMPv6: answers pings, tells of errors. */
export function icmpv6(ipv6: Device<'ipv6'>): Device<'icmp'> {
  return device('@mirage-ts/net/ipv6/icmpv6', 'createIcmpv6', {
    takes: { ipv6: 'ipv6', clock: 'clock' },
    makes: 'icmp',
  })({ ipv6, clock: defaultClock })
}

/** Both versions as one network layer. */
export function dualIp(ipv4: Device<'ipv4'>, ipv6: Device<'ipv6'>): Device<'ip'> {
  return device('@mirage-ts/net/ip/dual-ip', 'createDualIp', { takes: { ipv4: 'ipv4', ipv6: 'ipv6' }, makes: 'ip' })({
    ipv4,
    ipv6,
  })
}

/** ICMP for both versions. */
export function dualIcmp(icmp: Device<'icmp'>, icmpv6: Device<'icmp'>): Device<'icmp'> {
  return device('@mirage-ts/net/ip/dual-ip', 'createDualIcmp', {
    takes: { icmp: 'icmp', icmpv6: 'icmp' },
    makes: 'icmp',
  })({ icmp, icmpv6 })
}

/** Our UDP, over either version of IP or both. */
export function directUdp<K extends IpKind>(ip: Device<K>, icmp: Device<'icmp'>): Device<'udp'> {
  return device('@mirage-ts/net/udp', 'createUdp', {
    takes: { ip: kindOf(ip), icmp: 'icmp', random: 'random' },
    makes: 'udp',
  })({ ip, icmp, random: defaultRandom })
}

/** Our TCP, likewise. `--tcp-congestion cubic|newreno` says how it shares the network with others. */
export function directTcp<K extends IpKind>(ip: Device<K>, { group, maxConnections }: TcpOptions = {}): Device<'tcp'> {
  const congestion = configureKey('tcp-congestion', {
    words: ['cubic', 'newreno'],
    default: 'cubic',
    doc: 'how TCP shares the network with others: CUBIC (RFC 9438) or NewReno (RFC 6582)',
    group,
  })
  return device('@mirage-ts/net/tcp/tcp', 'createTcp', {
    takes: { ip: kindOf(ip), clock: 'clock', time: 'time', random: 'random', log: 'log' },
    makes: 'tcp',
    keys: { congestion },
    options: maxConnections === undefined ? {} : { maxConnections },
  })({ ip, clock: defaultClock, time: defaultTime, random: defaultRandom, log: defaultLog })
}
