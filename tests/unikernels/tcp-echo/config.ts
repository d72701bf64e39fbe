import { main, register } from '@mirage-ts/config'
import { genericStack } from '@mirage-ts/config/devices'

const echo = main('./unikernel.ts', 'start', { takes: { stack: 'stack' } })

export default register('tcp-echo', [echo({ stack: genericStack() })])
