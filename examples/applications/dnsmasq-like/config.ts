import { bootKey, int, ipv4Address, ipv4Cidr, listOf, main, oneOf, register, string } from '@mirage-ts/config'
import {
  arp,
  defaultClock,
  defaultLog,
  defaultNetwork,
  defaultRandom,
  defaultTime,
  defaultWallClock,
  dualIcmp,
  dualIp,
  ethernet,
  genericKvRw,
  icmp,
  icmpv6,
  ipv6,
  stackOver,
  unconfiguredIpv4,
} from '@mirage-ts/config/devices'

const LAN = 'LOCAL NETWORK'

const lan = main('./unikernel.ts', 'start', {
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
  keys: {
    network: bootKey('ipv4', {
      type: ipv4Cidr,
      default: '10.0.0.1/24',
      doc: 'our address, and the length of the network’s prefix',
      section: LAN,
    }),
    first: bootKey('first', { type: ipv4Address, default: '10.0.0.50', doc: 'first address to lend', section: LAN }),
    last: bootKey('last', { type: ipv4Address, default: '10.0.0.199', doc: 'last address to lend', section: LAN }),
    router: bootKey('router', {
      type: ipv4Address,
      doc: 'the router to everywhere else; none by default',
      section: LAN,
    }),
    mode6: bootKey('ipv6-hosts', {
      type: oneOf('stateful', 'stateless'),
      default: 'stateful',
      doc: 'whether hosts are lent IPv6 addresses, or make them up; needs --ipv6, our own, with a prefix of 64 bits',
      section: LAN,
    }),
    domain: bootKey('domain', { type: string, default: 'lan', doc: 'the domain of the hosts', section: LAN }),
    hostname: bootKey('hostname', { type: string, default: 'gateway', doc: 'our own name in it', section: LAN }),
    hosts: bootKey('hosts', {
      type: listOf(string),
      doc: 'hosts that always get the same address and name: MAC=ADDRESS=NAME',
      section: LAN,
    }),
    leaseSeconds: bootKey('lease', {
      type: int,
      default: 3600,
      doc: 'seconds that an address is lent for',
      section: LAN,
    }),
    forwardTo: bootKey('forward-to', {
      type: listOf(ipv4Address),
      doc: 'resolvers for all other names; none by default',
      section: LAN,
    }),
  },
})

const link = ethernet(defaultNetwork)
const addresses = arp(link)
const v4 = unconfiguredIpv4(link, addresses)
const v6 = ipv6(link)

export default register('dnsmasq-like', [
  lan({
    ethernet: link,
    arp: addresses,
    ipv4: v4,
    ipv6: v6,
    stack: stackOver(dualIp(v4, v6), dualIcmp(icmp(v4), icmpv6(v6))),
    leases: genericKvRw(),
    time: defaultTime,
    clock: defaultClock,
    wallClock: defaultWallClock,
    random: defaultRandom,
    log: defaultLog,
  }),
])
