import { bootKey, int, main, port, register } from '@mirage-ts/config'
import {
  crunch,
  defaultClock,
  defaultLog,
  defaultRandom,
  defaultTime,
  defaultWallClock,
  genericStack,
} from '@mirage-ts/config/devices'

const DNS = 'DNS'

const server = main('./unikernel.ts', 'start', {
  takes: {
    stack: 'stack',
    zones: 'kv-ro',
    time: 'time',
    clock: 'clock',
    wallClock: 'wall-clock',
    random: 'random',
    log: 'log',
  },
  keys: {
    port: bootKey('port', { type: port, default: 53, doc: 'UDP and TCP port to serve on', section: DNS }),
    rate: bootKey('rate', {
      type: int,
      default: 200,
      doc: 'answers of one kind per second to one network, where addresses can be forged; 0 for no limit',
      section: DNS,
    }),
  },
})

export default register('dns-server', [
  server({
    stack: genericStack(),
    zones: crunch('./zones'),
    time: defaultTime,
    clock: defaultClock,
    wallClock: defaultWallClock,
    random: defaultRandom,
    log: defaultLog,
  }),
])
