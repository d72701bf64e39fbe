import { main, register } from '@mirage-ts/config'
import { defaultLog, genericKvRw } from '@mirage-ts/config/devices'

const counter = main('./unikernel.ts', 'start', { takes: { store: 'kv-rw', log: 'log' } })

export default register('kv-rw-counter', [counter({ store: genericKvRw(), log: defaultLog })])
