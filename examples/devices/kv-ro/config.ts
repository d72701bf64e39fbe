import { main, register } from '@mirage-ts/config'
import { defaultLog, genericKvRo } from '@mirage-ts/config/devices'

const reader = main('./unikernel.ts', 'start', { takes: { files: 'kv-ro', log: 'log' } })

export default register('kv-ro', [reader({ files: genericKvRo('./files'), log: defaultLog })])
