import { main, register } from '@mirage-ts/config'
import { defaultLog } from '@mirage-ts/config/devices'
import { genericKvRw } from '@mirage-ts/config/storage-devices'

const counter = main('./unikernel.ts', 'start', { takes: { store: 'kv-rw', log: 'log' } })

export default register('kv-rw-counter', [counter({ store: genericKvRw(), log: defaultLog })])
