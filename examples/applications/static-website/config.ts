import { bootKey, main, port, register } from '@mirage-ts/config'
import {
  crunch,
  defaultClock,
  defaultLog,
  defaultTime,
  defaultWallClock,
  genericStack,
} from '@mirage-ts/config/devices'

const website = main('./unikernel.ts', 'start', {
  takes: { stack: 'stack', site: 'kv-ro', time: 'time', clock: 'clock', wallClock: 'wall-clock', log: 'log' },
  keys: { port: bootKey('port', { type: port, default: 80, doc: 'TCP port to serve on', section: 'HTTP' }) },
})

export default register('static-website', [
  website({
    stack: genericStack(),
    site: crunch('./site', { isPrecompressed: true }),
    time: defaultTime,
    clock: defaultClock,
    wallClock: defaultWallClock,
    log: defaultLog,
  }),
])
