/** Whole network stacks: our own in its variants, the host's, and the choice between them. */
import { configureFlag, configureKey, type Device, device, kindOf, match, target, when } from './config.ts'
import {
  dhcp6Client,
  dhcpClient,
  directTcp,
  directUdp,
  dualIcmp,
  dualIp,
  hostnameKey,
  type IpKind,
  type Ipv4Options,
  type Ipv6Options,
  icmp,
  icmpv6,
  ipv6,
  readyDhcp6Client,
  readyIpv6,
  staticIpv4,
  type TcpOptions,
  unconfiguredIpv4,
} from './ip-devices.ts'
import { arp, defaultNetwork, ethernet } from './network-devices.ts'

/** What our own stack speaks, and where it has its IPv4 address from. */
export interface DirectStackOptions extends Ipv4Options, Ipv6Options, TcpOptions {
  /** IPv4 unless given. */
  readonly versions?: 'v4' | 'v6' | 'dual'
  /** True: from a DHCP server, and IPv6 addresses from DHCPv6 too; false, as when left out: from `--ipv4`. */
  readonly isDhcp?: boolean
}

/** Our whole TCP/IP over a network. */
export function directStack(
  network: Device<'network'> = defaultNetwork,
  options: DirectStackOptions = {},
): Device<'stack'> {
  return stackOn(linkOf(network), options)
}

/** What all variants of a stack stand on: one of each, whichever is chosen. */
interface Link {
  readonly ethernet: Device<'ethernet'>
  readonly arp: Device<'arp'>
}

function linkOf(network: Device<'network'>): Link {
  const link = ethernet(network)
  return { ethernet: link, arp: arp(link) }
}

function stackOn(
  { ethernet, arp }: Link,
  { versions = 'v4', isDhcp = false, ...options }: DirectStackOptions,
): Device<'stack'> {
  if (versions === 'v6') {
    if (!isDhcp) {
      const ip = readyIpv6(ethernet, options)
      return stackOver(ip, icmpv6(ip), options)
    }
    // It is the client that waits for an address: the network layer cannot, as the client works over it.
    const ip = ipv6(ethernet, options)
    return stackOver(ip, icmpv6(ip), options, undefined, (udp) =>
      readyDhcp6Client({ ethernet, ipv6: ip, udp }, options),
    )
  }
  const ipv4 = isDhcp ? unconfiguredIpv4(ethernet, arp) : staticIpv4(ethernet, arp, options)
  const hostname = hostnameKey(options)
  const dhcp = (udp: Device<'udp'>) => dhcpClient({ ethernet, arp, ipv4, udp }, options, hostname)
  const dhcpOver = isDhcp ? dhcp : undefined
  if (versions === 'v4') return stackOver(ipv4, icmp(ipv4), options, dhcpOver)
  const second = ipv6(ethernet, options)
  const dhcp6 = (udp: Device<'udp'>) => dhcp6Client({ ethernet, ipv6: second, udp }, options, hostname)
  const dhcp6Over = isDhcp ? dhcp6 : undefined
  return stackOver(dualIp(ipv4, second), dualIcmp(icmp(ipv4), icmpv6(second)), options, dhcpOver, dhcp6Over)
}

/**
 * UDP and TCP over a network layer, as a stack: for an application that needs the layer, too. One that joins groups:
 * `const ip = staticIpv4(link, arp(link)); app({ stack: stackOver(ip, icmp(ip)), ip, igmp: igmp(ip) })`
 */
export function stackOver<K extends IpKind>(
  ip: Device<K>,
  icmp: Device<'icmp'>,
  options: TcpOptions = {},
  dhcpOver?: (udp: Device<'udp'>) => Device<'dhcp'>,
  dhcp6Over?: (udp: Device<'udp'>) => Device<'dhcp6'>,
): Device<'stack'> {
  const udp = directUdp(ip, icmp)
  const parts = { ip, icmp, udp, tcp: directTcp(ip, options) }
  const takes = { ip: kindOf(ip), icmp: 'icmp', udp: 'udp', tcp: 'tcp' } as const
  const module = '@mirage-ts/net/stack'
  const takesDhcp = { ...takes, dhcp: 'dhcp' } as const
  if (dhcp6Over === undefined) {
    if (dhcpOver === undefined) return device(module, 'createDirectStack', { takes, makes: 'stack' })(parts)
    return device(module, 'createDirectStack', { takes: takesDhcp, makes: 'stack' })({ ...parts, dhcp: dhcpOver(udp) })
  }
  const parts6 = { ...parts, dhcp6: dhcp6Over(udp) }
  if (dhcpOver === undefined)
    return device(module, 'createDirectStack', { takes: { ...takes, dhcp6: 'dhcp6' }, makes: 'stack' })(parts6)
  return device(module, 'createDirectStack', { takes: { ...takesDhcp, dhcp6: 'dhcp6' }, makes: 'stack' })({
    ...parts6,
    dhcp: dhcpOver(udp),
  })
}

/** The host operating system's TCP/IP; only where there is one, so use it inside `match(target, ...)`. */
export function hostStack(): Device<'stack'> {
  return device('@mirage-ts/node/host-stack', 'createHostStack', { makes: 'stack' })()
}

/**
 * A network stack, as it is chosen when the unikernel is configured:
 *
 * - `--net host|direct`, where the target has an operating system: whose TCP/IP. Elsewhere it is our own.
 * - `--ip v4|v6|dual`, also `--ipv4-only` and `--ipv6-only`: the versions of IP that our own speaks.
 * - `--dhcp`: our own asks a DHCP server for its IPv4 address; without it `--ipv4` gives it at boot. With `--ip dual` and
 *   `--ip v6` it asks DHCPv6 servers, when routers say so.
 *
 * What is not chosen is not in the image. In a group the keys are `--GROUP-net`, `--GROUP-ip` and so on.
 */
export function genericStack(
  network: Device<'network'> = defaultNetwork,
  options: Ipv4Options & Ipv6Options & TcpOptions = {},
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
    shorthands: { 'ipv4-only': 'v4', 'ipv6-only': 'v6' },
    group,
  })
  const dhcp = configureFlag('dhcp', {
    doc: 'our own stack asks a DHCP server for its IPv4 address, in place of --ipv4 at boot, and DHCPv6 servers for IPv6',
    group,
  })
  const link = linkOf(network)
  const speaking = (versions: 'v4' | 'v6' | 'dual') =>
    when(dhcp, stackOn(link, { ...options, versions, isDhcp: true }), stackOn(link, { ...options, versions }))
  const direct = match(ip, { v4: speaking('v4'), v6: speaking('v6'), dual: speaking('dual') })
  return match(target, {
    unix: match(net, { host: hostStack(), direct }),
    spt: match(net, { direct }),
    virtio: match(net, { direct }),
  })
}
