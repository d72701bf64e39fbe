import { device, main, register } from '@mirage-ts/config'
import {
  arp,
  crunch,
  defaultClock,
  defaultLog,
  defaultRandom,
  defaultTime,
  defaultWallClock,
  directStack,
  ethernet,
  faultyNetwork,
  genericCapture,
  happyEyeballs,
  httpServer,
  icmp,
  igmp,
  pcap,
  resolver,
  stackOver,
  staticIpv4,
  tracer,
  vlan,
  vlanTrunk,
} from '@mirage-ts/config/devices'
import type { Wire } from './wire.ts'

declare module '@mirage-ts/config' {
  interface Kinds {
    wire: Wire
  }
}

// The network: a wire in memory, watched and damaged at one end.
const wire = device('./wire.ts', 'createWire', { takes: { time: 'time' }, makes: 'wire' })({ time: defaultTime })
const end = (index: 0 | 1) =>
  device('./wire.ts', 'createEnd', { takes: { wire: 'wire' }, makes: 'network', options: { index } })({ wire })
const capture = genericCapture()
const watched = pcap(tracer(faultyNetwork(end(0))), capture)

// The server: VLAN 7 at one end.
const serverStack = directStack(vlan(vlanTrunk(watched), 7), { group: 'server', ipv4: '10.0.0.1/24' })
const serve = main('./server.ts', 'serve', {
  takes: {
    stack: 'stack',
    http: 'http-server',
    zones: 'kv-ro',
    time: 'time',
    clock: 'clock',
    wallClock: 'wall-clock',
    random: 'random',
    log: 'log',
  },
})

// The client: VLAN 7 at the other, with its network layer at hand, to join a group.
const link = ethernet(vlan(vlanTrunk(end(1)), 7))
const ip = staticIpv4(link, arp(link), { group: 'client', ipv4: '10.0.0.2/24' })
const stack = stackOver(ip, icmp(ip), { group: 'client' })
const ask = main('./client.ts', 'ask', {
  takes: { stack: 'stack', ip: 'ipv4', igmp: 'igmp', web: 'happy-eyeballs', capture: 'capture', log: 'log' },
})

export default register('network-lab', [
  serve({
    stack: serverStack,
    http: httpServer(serverStack),
    zones: crunch('./zones'),
    time: defaultTime,
    clock: defaultClock,
    wallClock: defaultWallClock,
    random: defaultRandom,
    log: defaultLog,
  }),
  ask({
    stack,
    ip,
    igmp: igmp(ip),
    web: happyEyeballs(stack, resolver(stack, { nameservers: ['10.0.0.1'] })),
    capture,
    log: defaultLog,
  }),
])
