/** Devices of the network layer that not every unikernel has: DHCP, IPv6. What is not used is not in the image. */
import type { Dhcp } from '@mirage-ts/signatures/dhcp'
import type { HostIp } from '@mirage-ts/signatures/ip'
import {
  bool,
  bootKey,
  configureKey,
  type Device,
  device,
  ipv6Address,
  ipv6Cidr,
  match,
  string,
  target,
} from './config.ts'
import {
  arp,
  defaultClock,
  defaultLog,
  defaultNetwork,
  defaultRandom,
  defaultTime,
  ethernet,
  type GroupOptions,
  hostStack,
  icmp,
  staticIpv4,
} from './devices.ts'

declare module './config.ts' {
  interface Kinds {
    dhcp: Dhcp
    ipv6: HostIp
    /** Both versions. */
    ip: HostIp
  }
}

/** IPv4 without an address until something configures it. */
export function unconfiguredIpv4(ethernet: Device<'ethernet'>, arp: Device<'arp'>): Device<'ipv4'> {
  return device('@mirage-ts/net/ipv4', 'createIpv4', {
    takes: { ethernet: 'ethernet', arp: 'arp', random: 'random', clock: 'clock', time: 'time' },
    makes: 'ipv4',
  })({ ethernet, arp, random: defaultRandom, clock: defaultClock, time: defaultTime })
}

/** What a DHCP client works with. */
export interface DhcpDevices {
  readonly ethernet: Device<'ethernet'>
  readonly arp: Device<'arp'>
  readonly ipv4: Device<'ipv4'>
  readonly udp: Device<'udp'>
}

/** A DHCP client that gives `ipv4` its address; `--hostname` is the name it asks for. */
export function dhcpClient(devices: DhcpDevices, { group }: GroupOptions = {}): Device<'dhcp'> {
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
    keys: {
      hostname: bootKey('hostname', {
        type: string,
        doc: 'the name to ask the DHCP server for; with a dot, it is entered in DNS',
        section: 'NETWORK',
        group,
      }),
    },
  })({ ...devices, clock: defaultClock, time: defaultTime, random: defaultRandom, log: defaultLog })
}

/** What an IPv6 device is told on the command line. */
function ipv6Keys(group: string | undefined) {
  return {
    cidr: bootKey('ipv6', {
      type: ipv6Cidr,
      doc: 'an IPv6 address and its prefix length, beside those that routers give',
      section: 'NETWORK',
      group,
    }),
    gateway: bootKey('ipv6-gateway', {
      type: ipv6Address,
      doc: 'the IPv6 router to everywhere else, before any that announces itself',
      section: 'NETWORK',
      group,
    }),
    acceptRouterAdvertisements: bootKey('accept-router-advertisements', {
      type: bool,
      default: true,
      doc: 'take addresses and routes from IPv6 routers',
      section: 'NETWORK',
      group,
    }),
  }
}

const IPV6_TAKES = { ethernet: 'ethernet', clock: 'clock', time: 'time', random: 'random', log: 'log' } as const

function ipv6Dependencies(ethernet: Device<'ethernet'>) {
  return { ethernet, clock: defaultClock, time: defaultTime, random: defaultRandom, log: defaultLog }
}

/** IPv6; its addresses are there a second after the start. */
export function ipv6(ethernet: Device<'ethernet'>, { group }: GroupOptions = {}): Device<'ipv6'> {
  return device('@mirage-ts/net/ipv6/ipv6', 'createIpv6', {
    takes: IPV6_TAKES,
    makes: 'ipv6',
    keys: ipv6Keys(group),
  })(ipv6Dependencies(ethernet))
}

/** IPv6 that keeps the others waiting until it has an address. */
export function readyIpv6(ethernet: Device<'ethernet'>, { group }: GroupOptions = {}): Device<'ipv6'> {
  return device('@mirage-ts/net/ipv6/ready', 'createReadyIpv6', {
    takes: IPV6_TAKES,
    makes: 'ipv6',
    keys: ipv6Keys(group),
  })(ipv6Dependencies(ethernet))
}

/** ICMPv6: answers pings, tells of errors. */
export function icmpv6(ipv6: Device<'ipv6'>): Device<'icmp'> {
  return device('@mirage-ts/net/ipv6/icmpv6', 'createIcmpv6', {
    takes: { ipv6: 'ipv6', clock: 'clock' },
    makes: 'icmp',
  })({ ipv6, clock: defaultClock })
}

/** UDP and TCP over a network layer of `kind`, as a stack. */
function stackOver<K extends 'ip' | 'ipv4' | 'ipv6'>(
  kind: K,
  ip: Device<K>,
  icmp: Device<'icmp'>,
  dhcpOver?: (udp: Device<'udp'>) => Device<'dhcp'>,
): Device<'stack'> {
  const random = defaultRandom
  const udp = device('@mirage-ts/net/udp', 'createUdp', {
    takes: { ip: kind, icmp: 'icmp', random: 'random' },
    makes: 'udp',
  })({ ip, icmp, random })
  const tcp = device('@mirage-ts/net/tcp/tcp', 'createTcp', {
    takes: { ip: kind, clock: 'clock', time: 'time', random: 'random', log: 'log' },
    makes: 'tcp',
  })({ ip, clock: defaultClock, time: defaultTime, random, log: defaultLog })
  const parts = { ip, icmp, udp, tcp }
  const takes = { ip: kind, icmp: 'icmp', udp: 'udp', tcp: 'tcp' } as const
  const module = '@mirage-ts/net/stack'
  if (dhcpOver === undefined) return device(module, 'createDirectStack', { takes, makes: 'stack' })(parts)
  return device(module, 'createDirectStack', { takes: { ...takes, dhcp: 'dhcp' }, makes: 'stack' })({
    ...parts,
    dhcp: dhcpOver(udp),
  })
}

/** What our own stack speaks, and where it has its IPv4 address from. */
export interface IpStackOptions extends GroupOptions {
  readonly versions: 'v4' | 'v6' | 'dual'
  readonly isDhcp: boolean
}

/** Our whole TCP/IP over a network. */
export function directIpStack(network: Device<'network'>, options: IpStackOptions): Device<'stack'> {
  const link = ethernet(network)
  if (options.versions === 'v6') {
    const ip = readyIpv6(link, options)
    return stackOver('ipv6', ip, icmpv6(ip))
  }
  const resolution = arp(link)
  const ipv4 = options.isDhcp ? unconfiguredIpv4(link, resolution) : staticIpv4(link, resolution, options)
  const dhcp = (udp: Device<'udp'>) => dhcpClient({ ethernet: link, arp: resolution, ipv4, udp }, options)
  const dhcpOver = options.isDhcp ? dhcp : undefined
  if (options.versions === 'v4') return stackOver('ipv4', ipv4, icmp(ipv4), dhcpOver)
  const second = ipv6(link, options)
  const both = device('@mirage-ts/net/dual-ip', 'createDualIp', {
    takes: { ipv4: 'ipv4', ipv6: 'ipv6' },
    makes: 'ip',
  })({ ipv4, ipv6: second })
  const icmps = device('@mirage-ts/net/dual-ip', 'createDualIcmp', {
    takes: { icmp: 'icmp', icmpv6: 'icmp' },
    makes: 'icmp',
  })({ icmp: icmp(ipv4), icmpv6: icmpv6(second) })
  return stackOver('ip', both, icmps, dhcpOver)
}

/**
 * A network stack as `genericStack` makes it, with a choice of what our own speaks (`--ip v4|v6|dual`) and of where it has its
 * IPv4 address from (`--dhcp true`). In a group the keys are `--GROUP-net`, `--GROUP-ip` and `--GROUP-dhcp`.
 */
export function genericIpStack(
  network: Device<'network'> = defaultNetwork,
  options: GroupOptions = {},
): Device<'stack'> {
  const { group } = options
  const net = configureKey('net', {
    words: ['host', 'direct'],
    default: 'host',
    doc: "whose TCP/IP: the host's sockets, or our own stack on a network device",
    group,
  })
  const ip = configureKey('ip', {
    words: ['v4', 'v6', 'dual'],
    default: 'v4',
    doc: 'the versions of IP that our own stack speaks',
    group,
  })
  const dhcp = configureKey('dhcp', {
    words: ['false', 'true'],
    default: 'false',
    doc: 'true: our own stack asks a DHCP server for its IPv4 address; false: --ipv4 gives it',
    group,
  })
  const speaking = (versions: IpStackOptions['versions']): Device<'stack'> =>
    match(dhcp, {
      false: directIpStack(network, { ...options, versions, isDhcp: false }),
      true: directIpStack(network, { ...options, versions, isDhcp: true }),
    })
  const direct = match(ip, {
    v4: speaking('v4'),
    v6: directIpStack(network, { ...options, versions: 'v6', isDhcp: false }),
    dual: speaking('dual'),
  })
  return match(target, {
    unix: match(net, { host: hostStack(), direct }),
    spt: match(net, { direct }),
    virtio: match(net, { direct }),
  })
}
