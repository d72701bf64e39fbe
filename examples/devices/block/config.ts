import { main, register } from '@mirage-ts/config'
import { block, defaultClock, defaultLog } from '@mirage-ts/config/devices'

const test = main('./unikernel.ts', 'start', { takes: { disk: 'block', clock: 'clock', log: 'log' } })

export default register('block', [test({ disk: block('disk'), clock: defaultClock, log: defaultLog })])
