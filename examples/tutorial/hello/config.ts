import { main, register } from '@mirage-ts/config'
import { defaultLog, defaultTime } from '@mirage-ts/config/devices'

const hello = main('./unikernel.ts', 'start', { takes: { time: 'time', log: 'log' } })

export default register('hello', [hello({ time: defaultTime, log: defaultLog })])
