/** Two network interfaces and two disks, used as their drivers give them. */
import { main, register } from '@mirage-ts/config'
import { block, defaultLog, defaultTime, network } from '@mirage-ts/config/devices'

const devices = main('./unikernel.ts', 'start', {
  takes: { first: 'network', second: 'network', data: 'block', spare: 'block', log: 'log', time: 'time' },
})

export default register('devices', [
  devices({
    first: network('first'),
    second: network('second'),
    data: block('data'),
    spare: block('spare'),
    log: defaultLog,
    time: defaultTime,
  }),
])
