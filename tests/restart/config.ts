import { main, register } from '@mirage-ts/config'
import { block, defaultLog, defaultTime } from '@mirage-ts/config/devices'

const restart = main('./unikernel.ts', 'start', { takes: { disk: 'block', log: 'log' } })
const server = main('./server.ts', 'serve', { takes: { time: 'time' } })

export default register('restart', [restart({ disk: block('state'), log: defaultLog }), server({ time: defaultTime })])
