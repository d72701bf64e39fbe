/** Takes no device by name: it looks itself at what the machine has. */
import { main, register } from '@mirage-ts/config'
import { defaultLog, defaultTime } from '@mirage-ts/config/devices'

const discovery = main('./unikernel.ts', 'start', { takes: { log: 'log', time: 'time' } })

export default register('discovery', [discovery({ log: defaultLog, time: defaultTime })])
