import { bootKey, main, port, register } from '@mirage-ts/config'
import {
  defaultClock,
  defaultLog,
  defaultRandom,
  defaultTime,
  defaultWallClock,
  genericStack,
} from '@mirage-ts/config/devices'

const api = main('./unikernel.ts', 'start', {
  takes: {
    stack: 'stack',
    time: 'time',
    clock: 'clock',
    wallClock: 'wall-clock',
    random: 'random',
    log: 'log',
  },
  keys: { port: bootKey('port', { type: port, default: 80, doc: 'TCP port to serve on', section: 'HTTP' }) },
})

export default register('hono-api', [
  api({
    stack: genericStack(),
    time: defaultTime,
    clock: defaultClock,
    wallClock: defaultWallClock,
    random: defaultRandom,
    log: defaultLog,
  }),
])
