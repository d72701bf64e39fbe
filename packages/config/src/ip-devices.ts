/** Devices of the network layer that not every unikernel has: DHCP. What is not used is not in the image. */
import type { Dhcp } from '@mirage-ts/signatures/dhcp'
import { bootKey, configureKey, type Device, device, match, string, target } from './config.ts'
import {
  arp,
  defaultClock,
  defaultLog,
  defaultNetwork,
  defaultRandom,
  defaultTime,
  directStack,
  directTcp,
  directUdp,
  ethernet,
  type GroupOptions,
  hostStack,
  icmp,
} from './devices.ts'

declare module './config.ts' {
  interface Kinds {
    dhcp: Dhcp
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

/** Our whole TCP/IP over a network, with the address that a DHCP server lends. */
export function dhcpStack(network: Device<'network'> = defaultNetwork, options: GroupOptions = {}): Device<'stack'> {
  const link = ethernet(network)
  const resolution = arp(link)
  const ipv4 = unconfiguredIpv4(link, resolution)
  const icmpv4 = icmp(ipv4)
  const udp = directUdp(ipv4, icmpv4)
  const dhcp = dhcpClient({ ethernet: link, arp: resolution, ipv4, udp }, options)
  return device('@mirage-ts/net/stack', 'createDirectStack', {
    takes: { ip: 'ipv4', icmp: 'icmp', udp: 'udp', tcp: 'tcp', dhcp: 'dhcp' },
    makes: 'stack',
  })({ ip: ipv4, icmp: icmpv4, udp, tcp: directTcp(ipv4), dhcp })
}

/**
 * A network stack as `genericStack` makes it, which asks a DHCP server for its address with `--dhcp true`. In a group the keys
 * are `--GROUP-net` and `--GROUP-dhcp`.
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
  const dhcp = configureKey('dhcp', {
    words: ['false', 'true'],
    default: 'false',
    doc: 'true: our own stack asks a DHCP server for its address; false: --ipv4 gives it',
    group,
  })
  const direct = match(dhcp, { false: directStack(network, options), true: dhcpStack(network, options) })
  return match(target, {
    unix: match(net, { host: hostStack(), direct }),
    spt: match(net, { direct }),
    virtio: match(net, { direct }),
  })
}
