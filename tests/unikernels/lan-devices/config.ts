import { main, register } from '@mirage-ts/config'
import {
  arp,
  defaultLog,
  defaultNetwork,
  dhcpServer,
  dualIcmp,
  dualIp,
  ethernet,
  icmp,
  icmpv6,
  ipv6,
  mdnsResponder,
  routerAdvertiser,
  stackOver,
  staticIpv4,
} from '@mirage-ts/config/devices'

const gateway = main('./unikernel.ts', 'start', {
  takes: { dhcp: 'dhcp-server', advertiser: 'router-advertiser', mdns: 'mdns', log: 'log' },
})

const link = ethernet(defaultNetwork)
const addresses = arp(link)
const v4 = staticIpv4(link, addresses)
const v6 = ipv6(link)
const ip = dualIp(v4, v6)
const stack = stackOver(ip, dualIcmp(icmp(v4), icmpv6(v6)))

export default register('lan-devices', [
  gateway({
    dhcp: dhcpServer({ ethernet: link, arp: addresses, stack }),
    advertiser: routerAdvertiser({ ethernet: link, ipv6: v6 }),
    mdns: mdnsResponder({ ip, stack }),
    log: defaultLog,
  }),
])
