import { main, register } from '@mirage-ts/config'
import { defaultClock, defaultLog } from '@mirage-ts/config/devices'
import { block } from '@mirage-ts/config/storage-devices'

const test = main('./unikernel.ts', 'start', { takes: { disk: 'block', clock: 'clock', log: 'log' } })

export default register('block', [test({ disk: block('disk'), clock: defaultClock, log: defaultLog })])
