import { bool, bootKey, byteSize, duration, int, ipAddress, main, port, register } from '@mirage-ts/config'
import { defaultClock, defaultLog, defaultRandom, defaultTime, genericStack } from '@mirage-ts/config/devices'

const section = 'iperf3'

const iperf3 = main('./unikernel.ts', 'start', {
  takes: { stack: 'stack', time: 'time', clock: 'clock', random: 'random', log: 'log' },
  keys: {
    client: bootKey('client', {
      type: ipAddress,
      doc: 'the iperf3 server to measure towards; without it this is a server',
      section,
    }),
    port: bootKey('port', { type: port, default: 5201, doc: 'TCP port of the server', section }),
    time: bootKey('time', { type: duration, default: '10s', doc: 'how long a client measures', section }),
    bytes: bootKey('bytes', {
      type: byteSize,
      default: 0,
      doc: 'how much a client carries, in place of --time; 0 for as much as goes',
      section,
    }),
    parallel: bootKey('parallel', { type: int, default: 1, doc: 'connections at once, 1 to 128', section }),
    reverse: bootKey('reverse', { type: bool, default: false, doc: 'the server sends to the client', section }),
  },
})

export default register('iperf3', [
  iperf3({
    stack: genericStack(),
    time: defaultTime,
    clock: defaultClock,
    random: defaultRandom,
    log: defaultLog,
  }),
])
