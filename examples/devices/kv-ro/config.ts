import { main, register } from '@mirage-ts/config'
import { defaultLog } from '@mirage-ts/config/devices'
import { genericKvRo } from '@mirage-ts/config/storage-devices'

const reader = main('./unikernel.ts', 'start', { takes: { files: 'kv-ro', log: 'log' } })

export default register('kv-ro', [reader({ files: genericKvRo('./files'), log: defaultLog })])
