import { bootKey, int, ipAddress, ipv4Cidr, listOf, main, port, register } from '@mirage-ts/config'
import { defaultClock, defaultLog, defaultRandom, defaultTime, genericStack } from '@mirage-ts/config/devices'

const DNS = 'DNS'

const resolver = main('./unikernel.ts', 'start', {
  takes: { stack: 'stack', time: 'time', clock: 'clock', random: 'random', log: 'log' },
  keys: {
    port: bootKey('port', { type: port, default: 53, doc: 'UDP and TCP port to serve on', section: DNS }),
    networks: bootKey('networks', {
      type: listOf(ipv4Cidr),
      default: '127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16',
      doc: 'who is served; others are refused',
      section: DNS,
    }),
    forwardTo: bootKey('forward-to', {
      type: listOf(ipAddress),
      doc: 'resolvers to hand questions on to; without them the resolver asks the root and those it refers to',
      section: DNS,
    }),
    rootServers: bootKey('root-servers', {
      type: listOf(ipAddress),
      doc: "where to begin; the Internet's root servers by default",
      section: DNS,
    }),
    cacheCount: bootKey('cache', { type: int, default: 10000, doc: 'sets of records to remember', section: DNS }),
  },
})

export default register('resolver', [
  resolver({
    stack: genericStack(),
    time: defaultTime,
    clock: defaultClock,
    random: defaultRandom,
    log: defaultLog,
  }),
])
